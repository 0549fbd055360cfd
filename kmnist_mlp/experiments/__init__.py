"""Many runs, and what they say of the paper: claims, references, errors."""

from kmnist_mlp.experiments.analysis import analyse_errors
from kmnist_mlp.experiments.claims import CLAIMS, RULE, Claim, claims_of, judge
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.paper_gradients import gradient_checks
from kmnist_mlp.experiments.reference import check
from kmnist_mlp.experiments.runs import Results, layers_on, run
from kmnist_mlp.experiments.store import ResultCache
