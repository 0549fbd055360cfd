"""Print environment.yml: the packages of pyproject.toml for conda (`make lock` writes the file)."""

import tomllib
from argparse import ArgumentParser
from pathlib import Path

NAMES = {"playwright": "playwright-python"}  # conda-forge's name of a package
PIP = ("axe-playwright-python", "mutmut")  # not on conda-forge

ArgumentParser(description=__doc__).parse_args()
project = tomllib.loads(Path(__file__).parent.with_name("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]


def lines(packages: list[str]) -> list[str]:
    """Return the lines of packages that conda-forge has."""
    here = [package for package in packages if not package.startswith(PIP)]
    for name, other in NAMES.items():
        here = [other + p.removeprefix(name) if p.startswith(name) else p for p in here]
    return [f"  - {package}" for package in here]


pip = [p for p in extras["test"] if p.startswith(PIP)]
print("# Written by `make lock` from pyproject.toml. Use: conda env create -f environment.yml")
print("# While this environment is active, `make` uses it and installs nothing.")
print("name: kmnist-mlp\nchannels:\n  - conda-forge\n  - nodefaults\ndependencies:")
print(f"  - python{project['requires-python']}\n  - pip")
print("\n".join(lines(project["dependencies"] + extras["test"] + extras["lock"])))
print("  - pip:\n" + "\n".join(f"      - {package}" for package in [*pip, "-e ."]))
