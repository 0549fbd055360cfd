"""What README and docs/ show of results and of code: findings, their table, the options."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from textwrap import fill

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.causes import in_both_readings, published_readings
from kmnist_mlp.experiments.claims import rounding_limits
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.readings import SCALED, load_readings, results_of
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.experiments.verdicts import judge, losses_above
from kmnist_mlp.figures.ablation import distance, in_words
from kmnist_mlp.figures.comparison import difference_to_paper
from kmnist_mlp.figures.style import png, use_style
from kmnist_mlp.figures.tables import comparison, reproduced_by_kind
from kmnist_mlp.report.execution import NotebookError
from kmnist_mlp.report.notebook import percent
from kmnist_mlp.support.files import whole_file
from kmnist_mlp.support.statistics import interval, plus_minus, prediction_interval

MARKS = ("findings", "results")  # each `<!-- NAME: ... -->` to `<!-- end of NAME -->`


def options_page() -> str:
    """Return docs/options.md: a table of the options of :class:`Config`, made of its fields."""
    rows = [
        f"| `{o['name']}` | {o['default']} | {o['allowed']} | {escaped} |"
        for o in Config.options()
        if (escaped := o["meaning"].replace("|", r"\|"))  # else it would end the cell
    ]
    return "\n".join(
        [
            "# Options of a training run",
            "",
            "The fields of `Config`; the first twelve have the paper's names. Written by "
            "`make notebooks`.",
            "",
            "| option | default | allowed | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def findings(results: Results) -> str:
    """Return what was found about the paper, as the list at the beginning of README.

    Parameters
    ----------
    results : Results
        Of all experiments, on KMNIST.
    """
    runs = published_readings()
    text, code = runs["none"], runs["all"]

    def difference(own: Results, name: str, minus: str) -> str:
        values = own.values("test_accuracy", name) - own.values("test_accuracy", minus)
        return f"{abs(values.mean()):.1f}"

    def added(deviation: str, name: str, quantity: str = "test_loss") -> str:
        change = runs[f"+{deviation}"].values(quantity, name) - text.values(quantity, name)
        return in_words(*interval(change), 4 if quantity == "test_loss" else 1)

    apart = {
        name: f"{distance(own, 'test_accuracy'):.2f} points and {distance(own, 'test_loss'):.4f}"
        for name, own in (("text", text), ("code", code))
    }
    both = in_both_readings(judge(results, {}), runs)
    above, printed, _ = losses_above(results)
    _, low, high = prediction_interval(results.values("test_accuracy", "final"))
    least, most = rounding_limits(PAPER["final"].test_accuracy)
    scaled = results_of(SCALED, load_readings()).values("test_accuracy", "baseline")
    ours = results.values("test_accuracy", "baseline")
    relu, l2, tanh = (PAPER[name].test_accuracy for name in ("relu", "l2_0.2", "baseline"))
    bullets = [
        f"""**The paper's numbers come from its code, not from what its text describes.** Trained as
        the text describes, we miss seven printed results by {apart["text"]} (root mean square of
        accuracies and of losses); trained as the [published
        code](https://github.com/Ruizhang666/Mnist-MLP_from_scratch) does it, by {apart["code"]}
        (notebook 9).""",
        f"""**Trained until the validation loss stops falling, sigmoid is
        {difference(results, "sigmoid", "baseline")} points better than tanh; stopped at epoch 25,
        as the code did, it is {difference(runs["+fixed epochs"], "sigmoid", "baseline")} points
        worse**, as the paper says.""",
        f"""**{above} of {printed} printed losses lie above ours.** The code standardised the test
        images by their own statistics, which changes the loss of tanh by
        {added("own statistics", "baseline")}, and kept the last weights, which changes that of ReLU
        by {added("fixed epochs", "relu")} (95 % intervals).""",
        f"""**Reproduced as the text describes it**: {reproduced_by_kind(both)}. **As the code ran
        it**: {reproduced_by_kind(both, "verdict_code")}. [On one
        page](notebooks/10_on_one_page.ipynb).""",
        f"""**The final model's 89 % is reproduced, by a hair**: {percent(results, "final")} over
        five seeds; 95 % of further runs would lie between {low:.2f} and {high:.2f} %, and 89 %
        stands for {least:g} to {most:g}. In the code, its dictionary means 30 epochs:
        {percent(code, "final")}.""",
        f"""**ReLU and an L2 penalty of 0.2 bring {difference(results, "relu", "baseline")} and
        {difference(results, "l2_0.2", "baseline")} points**; in the paper, {relu - tanh:.1f} and
        {l2 - tanh:.1f}.""",
        f"""**Standardising each pixel brings
        {difference(results, "baseline", "no_standardisation")} points over raw pixels** (five
        seeds). Dividing pixels by 255 is another
        {scaled.mean() - ours[scaled.index].mean():.1f} points better
        ({plus_minus(scaled, 2)} %, three seeds).""",
    ]
    lay_out = partial(
        fill, width=120, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
    return "\n".join(lay_out(" ".join(bullet.split())) for bullet in bullets)


def update_readme(readme: Path, results: Results) -> None:
    """Write findings and their table between README's marks, their picture, and the options.

    Raises
    ------
    NotebookError
        If a mark is missing; README then stays as it is.
    """
    table = comparison(results)[["test accuracy, %", "paper, %", "test loss", "paper loss"]]
    lines = ["| experiment | " + " | ".join(table.columns) + " |", "|---" + "|---:" * 4 + "|"]
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, *row in table.itertuples()]
    text = readme.read_text(encoding="utf-8")
    for name, body in zip(MARKS, (findings(results), "\n".join(lines)), strict=True):
        begin, end = f"<!-- {name}", f"<!-- end of {name}"
        if not 0 <= text.find(begin) < text.find(end):
            raise NotebookError(f"{readme} must have the marks `{begin} ... -->` and `{end} -->`")
        before, rest = text.split(begin, 1)
        mark, rest = rest.split("-->\n", 1)
        text = f"{before}{begin}{mark}-->\n{body}\n{end}{rest.split(end, 1)[1]}"
    with whole_file(readme) as file:
        file.write(text.encode())
    with whole_file(readme.parent / "docs" / "options.md") as file:
        file.write(options_page().encode())
    use_style()
    with whole_file(readme.parent / "docs" / "difference_to_paper.png") as file:
        file.write(png(difference_to_paper(results)))
