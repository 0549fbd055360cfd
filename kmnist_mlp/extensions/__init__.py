"""Beyond the paper, off by default: augmentation, batch normalisation, dropout, smoothing."""
