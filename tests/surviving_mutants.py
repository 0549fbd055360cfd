"""Hold the survivors of a mutation run against equivalent_mutants.toml (`make mutants`).

A mutant is known by its function and by the lines that it changes, not by mutmut's number for it,
which moves with every edit above it.
"""

import json
import sys
import tomllib
from collections import Counter
from pathlib import Path

from mutmut.configuration import config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

LISTED = Path(__file__).with_name("equivalent_mutants.toml")
CAUGHT = {"killed", "timeout", "segfault"}


def described(name, source):
    """Return a mutant as `function: removed lines -> added lines`."""
    module, _, function = name.rpartition("__mutmut_")[0].removeprefix("kmnist_mlp.").partition(".")
    function = function.replace("xǁ", "").replace("ǁ", ".").removeprefix("x_")
    lines = get_diff_for_mutant(name, path=source).splitlines()[2:]
    before, after = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return f"{module}.{function}: {before} -> {after}"


def main():
    """Print the score, and every survivor that is not listed; the exit status is 1 if one is."""
    config()
    found, survivors = Counter(), []
    for meta in sorted(Path("mutants").rglob("*.py.meta")):
        source = meta.relative_to("mutants").with_suffix("")
        for name, code in json.loads(meta.read_text("utf-8"))["exit_code_by_key"].items():
            status = status_by_exit_code[code]
            found[status] += 1
            if status not in CAUGHT:
                survivors.append((described(name, source), name, status))
    groups = tomllib.loads(LISTED.read_text("utf-8"))["equivalent"]
    listed = {mutant for group in groups for mutant in group["mutants"]}
    words = {mutant for group in groups if group.get("words") for mutant in group["mutants"]}
    unknown = [survivor for survivor in survivors if survivor[0] not in listed]
    caught, total = sum(found[status] for status in CAUGHT), found.total()
    same = sum(description in listed - words for description, *_ in survivors)
    print(", ".join(f"{count} {status}" for status, count in found.most_common()))
    print(f"{caught} of {total} mutants are caught; {same} are equivalent")
    print(f"of the others, {100 * caught / max(total - same, 1):.1f} % are caught")
    for description, name, status in unknown:
        print(f"\n{status}, not listed: {name}\n  {description}")
    for mutant in sorted(listed - {description for description, *_ in survivors}):
        print(f"\nlisted, but caught or gone: {mutant}")
    return 1 if unknown or not total else 0


if __name__ == "__main__":
    sys.exit(main())
