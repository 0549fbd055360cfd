"""What quoted.json holds: the numbers, formulas and directions of all prose, in their order.

Whoever changes one of them in a text looks at the difference and runs `python tests/quoted.py`.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_suffix(".json")
# README and docs, what notebooks say, and the texts that the package shows
GLOBS = """*.md docs/*.md notebooks/*.ipynb kmnist_mlp/beyond/model_card.md kmnist_mlp/report/texts/*
kmnist_mlp/report/pages/*.toml kmnist_mlp/report/pages/templates/articles.j2
kmnist_mlp/experiments/rules.toml""".split()
GENERATED = re.compile(r"(?s)<!-- (findings|results):.*?<!-- end of \1 -->")
WORDS = """zero two three four five six seven eight nine ten eleven twelve eighteen twenty hundred
thousand half halved third quarter fifth eighth tenth twice doubled not never none neither without
more less most least few fewer above below higher highest lower lowest larger largest smaller
smallest longer shorter better best worse worst faster slower"""
QUOTED = re.compile(
    rf"\$[^$\n]+\$|[+−-]?\d(?:[\d.,]*\d)?|(?i:\b(?:{'|'.join(WORDS.split())})\b)",
)


def texts():
    """Return all prose by file and cell or heading, without what commands write."""
    found = {}
    for path in sorted(path for glob in GLOBS for path in ROOT.glob(glob)):
        text, name = path.read_text("utf-8"), path.relative_to(ROOT).as_posix()
        if path.suffix == ".ipynb":
            cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
            found |= {f"{name} {cell['id']}": "".join(cell["source"]) for cell in cells}
        elif name != "docs/options.md":
            for part in re.split(r"(?m)^(?=#+ |\[)", GENERATED.sub("", text)):
                found[f"{name} {part.partition(chr(10))[0]}".strip()] = part
    return found


def quoted():
    """Return the numbers, formulas and directions of each text that has any."""
    lists = {name: " ".join(QUOTED.findall(text)) for name, text in texts().items()}
    return {name: numbers for name, numbers in lists.items() if numbers}


if __name__ == "__main__":
    FILE.write_text(json.dumps(quoted(), indent=1, ensure_ascii=False) + "\n", "utf-8")
