"""What README and docs/ show of results and of code: findings, their table, the options."""

from __future__ import annotations

import io
from pathlib import Path
from textwrap import TextWrapper

import jinja2
import numpy as np
from matplotlib.image import imread, imsave

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.causes import NOT_FOUND, in_both_readings, published_readings
from kmnist_mlp.experiments.claims import judge, losses_above, rounding_limits
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.readings import SCALED, load_readings
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.comparison import difference_to_paper
from kmnist_mlp.figures.sensitivity import distance
from kmnist_mlp.figures.style import png, use_style
from kmnist_mlp.figures.tables import comparison, in_words, reproduced_by_kind
from kmnist_mlp.report.notebook import number
from kmnist_mlp.support.files import whole_file
from kmnist_mlp.support.statistics import MISSING, interval, plus_minus, prediction_interval

TEXTS = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("texts")),
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
)
LINES = TextWrapper(120, "- ", "  ", break_on_hyphens=False, break_long_words=False)


def options_page() -> str:
    """Return docs/options.md: a table of the options of :class:`Config`, made of its fields."""
    return TEXTS.get_template("options.md.j2").render(options=Config.options())


def findings(results: Results) -> str:
    """Return what was found about the paper, as the list at the beginning of README.

    Parameters
    ----------
    results : Results
        Of all experiments, on KMNIST.
    """
    runs = published_readings()
    text = runs["none"]

    def difference(results: Results, name: str, minus: str) -> str:
        means = (results.values("test_accuracy", each).mean() for each in (name, minus))
        return f"{abs(np.subtract(*means)):.1f}"

    def added(deviation: str, name: str) -> str:
        change = runs[f"+{deviation}"].values("test_loss", name) - text.values("test_loss", name)
        return in_words(*interval(change), 4)

    both = in_both_readings(judge(results, {}), runs)
    missed_losses = both[(both.kind == "printed loss") & (both.verdict == "not reproduced")]
    scaled = Results.of_frame(load_readings(), **SCALED).values("test_accuracy", "baseline")
    standardised = results.values("test_accuracy", "baseline")[scaled.index]
    filled = TEXTS.get_template("findings.md.j2").render(
        runs=runs,
        ours=results,
        text=text,
        code=runs["all"],
        difference=difference,
        added=added,
        distance=distance,
        percent=number,
        losses_above=losses_above,
        missed_losses=missed_losses,
        unexplained=missed_losses[missed_losses.cause == NOT_FOUND],
        reproduced=reproduced_by_kind(both),
        reproduced_by_code=reproduced_by_kind(both, "verdict_code"),
        further=lambda runs: prediction_interval(runs.values("test_accuracy", "final"))[1:],
        final=both[both.experiment == "final"].iloc[0],
        stands_for=rounding_limits(PAPER["final"].test_accuracy),
        scaled=plus_minus(scaled, 2),
        scaling=scaled.mean() - standardised.mean(),
    )
    bullets = (" ".join(bullet.split()) for bullet in filled.split("\n\n"))
    return "\n".join(LINES.fill(bullet) for bullet in bullets)


def update_readme(readme: Path, results: Results) -> None:
    """Write findings and their table between README's marks, their picture, and the options.

    Raises
    ------
    ValueError
        If a mark is missing; README then stays as it is.
    """
    table = comparison(results)[["test accuracy, %", "paper, %", "test loss", "paper loss"]]
    table = table[table["paper, %"] != MISSING]
    lines = ["| experiment | " + " | ".join(table.columns) + " |", "|---" + "|---:" * 4 + "|"]
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, *row in table.itertuples()]
    text = readme.read_text(encoding="utf-8")
    for name, body in (("findings", findings(results)), ("results", "\n".join(lines))):
        begin, end = f"<!-- {name}", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        mark, _, rest = rest.partition("-->\n")
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{readme} must have the marks `{begin} ... -->` and `{end}`")
        text = f"{before}{begin}{mark}-->\n{body}\n{end}{after}"
    with whole_file(readme) as file:
        file.write(text.encode())
    with whole_file(readme.parent / "docs" / "options.md") as file:
        file.write(options_page().encode())
    use_style()
    panels = [imread(io.BytesIO(png(panel))) for panel in difference_to_paper(results).panels]
    with whole_file(readme.parent / "docs" / "difference_to_paper.png") as file:
        imsave(file, np.hstack(panels), format="png")
