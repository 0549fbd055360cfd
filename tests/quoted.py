"""What quoted.json holds: the numbers, formulas and directions of all prose, in their order.

Whoever changes one of them in a text looks at the difference and runs `python tests/quoted.py`.
"""

import json
import re
import tomllib
from argparse import ArgumentParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_suffix(".json")
FACTS = tomllib.loads(Path(__file__).with_name("facts.toml").read_text("utf-8"))
WRITTEN = re.compile(r"(?s)<!-- (findings|results):.*?<!-- end of \1 -->")  # by `make notebooks`
WORDS = "|".join(FACTS["words"].split())
QUOTED = re.compile(rf"\$[^$\n]+\$|[+−-]?\d(?:[\d.,]*\d)?|(?i:\b(?:{WORDS})\b)")


def texts():
    """Return all prose by file and cell or heading, without what commands write."""
    found = {}
    for path in sorted(path for files in FACTS["files"] for path in ROOT.glob(files)):
        text, name = path.read_text("utf-8"), path.relative_to(ROOT).as_posix()
        if path.suffix == ".ipynb":
            cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
            found |= {f"{name} {cell['id']}": "".join(cell["source"]) for cell in cells}
        elif name != "docs/options.md":
            for part in re.split(r"(?m)^(?=#+ |\[)", WRITTEN.sub("", text)):
                found[f"{name} {part.partition(chr(10))[0]}".strip()] = part
    return found


def quoted():
    """Return the numbers, formulas and directions of each text that has any."""
    lists = {name: " ".join(QUOTED.findall(text)) for name, text in texts().items()}
    return {name: numbers for name, numbers in lists.items() if numbers}


if __name__ == "__main__":
    ArgumentParser(description=__doc__).parse_args()
    FILE.write_text(json.dumps(quoted(), indent=1, ensure_ascii=False) + "\n", "utf-8")
