"""Many runs, and what they say about the paper: claims, reference results, error analysis."""

from kmnist_mlp.experiments.analysis import analyse_errors
from kmnist_mlp.experiments.claims import CLAIMS, RULE, Claim, claims_of, judge
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.paper_gradients import gradient_checks
from kmnist_mlp.experiments.reference import check
from kmnist_mlp.experiments.runs import Results, cost, default_seeds, run
from kmnist_mlp.experiments.store import ResultCache, train_cached

__all__ = [
    "CLAIMS",
    "EXPERIMENTS",
    "PAPER",
    "RULE",
    "Claim",
    "ResultCache",
    "Results",
    "analyse_errors",
    "check",
    "claims_of",
    "cost",
    "default_seeds",
    "gradient_checks",
    "judge",
    "run",
    "train_cached",
]
