"""What README and docs/ show of results and of code: findings, their picture, the options."""

from __future__ import annotations

from pathlib import Path

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.comparison import difference_to_paper
from kmnist_mlp.figures.style import png, use_style
from kmnist_mlp.figures.tables import comparison
from kmnist_mlp.report.execution import NotebookError
from kmnist_mlp.support.files import whole_file

BEGIN, END = "<!-- findings", "<!-- end of findings"


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


def update_readme(readme: Path, results: Results) -> None:
    """Write the table of findings between README's two marks, the picture above it, the options.

    Raises
    ------
    NotebookError
        If a mark is missing; README then stays as it is.
    """
    table = comparison(results)[["test accuracy, %", "paper, %", "test loss", "paper loss"]]
    lines = ["| experiment | " + " | ".join(table.columns) + " |", "|---" + "|---:" * 4 + "|"]
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, *row in table.itertuples()]
    text = readme.read_text(encoding="utf-8")
    if not 0 <= text.find(BEGIN) < text.find(END):
        raise NotebookError(f"{readme} must have the marks `{BEGIN} ... -->` and `{END} -->`")
    before, rest = text.split(BEGIN, 1)
    mark, rest = rest.split("-->\n", 1)
    _, after = rest.split(END, 1)
    body = "\n".join(lines)
    with whole_file(readme) as file:
        file.write(f"{before}{BEGIN}{mark}-->\n{body}\n{END}{after}".encode())
    with whole_file(readme.parent / "docs" / "options.md") as file:
        file.write(options_page().encode())
    use_style()
    with whole_file(readme.parent / "docs" / "difference_to_paper.png") as file:
        file.write(png(difference_to_paper(results)))
