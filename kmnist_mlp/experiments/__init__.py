"""Many runs, and what they say about the paper: claims, reference results, error analysis."""
