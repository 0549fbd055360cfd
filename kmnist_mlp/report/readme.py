"""What README and docs/ show of results and code: findings, a table, the options."""

import re
from pathlib import Path
from textwrap import TextWrapper

import jinja2

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import Results, causes, claims, paper, readings, runs
from kmnist_mlp.figures import comparison, sensitivity, tables
from kmnist_mlp.figures.style import png, use_style
from kmnist_mlp.report import notebook
from kmnist_mlp.support import statistics
from kmnist_mlp.support.files import whole_file

# What the template of the findings computes with
MODULES = causes, claims, notebook, paper, readings, runs, sensitivity, statistics, tables
TEXTS = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("texts")),
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
)
LINES = TextWrapper(120, "- ", "  ", break_on_hyphens=False, break_long_words=False)


def findings(results: Results) -> str:
    """Return what was found about the paper, as the list at the beginning of README.

    Parameters
    ----------
    results : Results
        Of all experiments, on KMNIST.
    """
    names = {module.__name__.rpartition(".")[2]: module for module in MODULES}
    filled = TEXTS.get_template("findings.md.j2").render(names, ours=results)
    bullets = (" ".join(bullet.split()) for bullet in filled.split("\n\n"))
    return "\n".join(map(LINES.fill, bullets))


def update_readme(readme: Path, results: Results) -> None:
    """Write findings and table between README's marks, their pictures, and the options.

    Raises
    ------
    ValueError
        If a mark is missing; README then stays as it is.
    """
    table = tables.comparison(results)
    table = table[["test accuracy, %", "paper, %", "test loss", "paper loss"]]
    rows = [("experiment", *table.columns), ("---", *["---:"] * 4)]
    rows += table[table["paper, %"] != statistics.MISSING].itertuples()
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    text = readme.read_text(encoding="utf-8")
    for name, body in (("findings", findings(results)), ("results", lines)):
        begin, end = f"<!-- {name}", f"<!-- end of {name} -->"
        between = re.compile(f"({begin}.*?-->\n).*?{end}", re.DOTALL)
        text, found = between.subn(rf"\g<1>{body}\n{end}", text)
        if not found:
            raise ValueError(f"{readme} must have the marks `{begin} ... -->` and `{end}`")
    options = TEXTS.get_template("options.md.j2").render(options=Config.options())
    docs = readme.parent / "docs"
    files = {readme: text.encode(), docs / "options.md": options.encode()}
    use_style()
    panels = comparison.difference_to_paper(results).panels
    for quantity, panel in zip(("accuracy", "loss"), panels, strict=True):
        files[docs / f"{quantity}_minus_paper.png"] = png(panel)
    for path, content in files.items():
        with whole_file(path) as file:
            file.write(content)
