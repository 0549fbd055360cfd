"""What README says of results is what the committed reference results say."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from kmnist_mlp.benchmark.measure import table
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.support.statistics import plus_minus

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_table_of_findings_holds_the_reference_results_of_every_experiment():
    reference = load_reference("KMNIST").set_index(["experiment", "quantity"]).value
    for name, entry in PAPER.items():
        accuracy = plus_minus(reference.loc[name, "test_accuracy"] * 100, 2)
        loss = plus_minus(reference.loc[name, "test_loss"], 4)
        row = next(line for line in README.splitlines() if line.startswith(f"| {entry.title} |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert (cells[1], cells[3]) == (accuracy, loss), name


def test_every_picture_and_file_that_readme_links_to_exists():
    folder = Path(__file__).resolve().parent.parent
    targets = [part.split(")")[0] for part in README.split("](")[1:]]
    local = [target for target in targets if not target.startswith(("http", "#"))]
    assert local
    assert all((folder / target).is_file() for target in local), local


def test_the_tables_of_durations_are_those_of_the_committed_benchmark():
    folder = Path(__file__).resolve().parent.parent
    measured = json.loads((folder / "notebooks" / "bench.json").read_text(encoding="utf-8"))
    assert measured["data"] == "KMNIST"
    assert table(measured["one core"]) in README
    assert table(measured["all cores"]) in README


PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_the_python_in_readme_runs(block, kmnist, monkeypatch, tmp_path):
    """One epoch each, two runs of the large sweep, no window; on whatever data there is."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr("kmnist_mlp.load_kmnist", lambda: kmnist)
    monkeypatch.setattr("kmnist_mlp.experiments.runs.load_kmnist", lambda: kmnist)
    short = block.replace("Config(layer", "Config(epochs=1, layer")
    assert short != block or "Config" not in block
    short = re.sub(r"for rate in \(.*\)", "for rate in (1e-4,)", short)
    short = short.replace("range(16, 336, 16)", "(16, 32)")
    exec(compile(short, "README.md", "exec"), {"__name__": "__main__"})
    plt.close("all")
