"""Print the test files that concern what has changed since the last commit: `make check` runs them.

A test file concerns a module that it imports by name, and itself. What opens a browser or takes
minutes is left to `make test`.
"""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONG = {"test_browser", "test_jupyterlab", "test_course", "test_drawing_pad", "test_playground"}


def changed() -> set[str]:
    """Return the paths that differ from the last commit, new files included."""
    commands = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    outputs = [
        subprocess.run(["git", *c], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for c in commands
    ]
    return set("".join(outputs).splitlines())


def imported(source: str) -> set[str]:
    """Return the names of all modules and of what is imported from them."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def concerned(paths: set[str]) -> list[str]:
    """Return the test files for some changed paths, in order."""
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in paths
        if path.endswith(".py")
    }
    tests = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if path.stem not in LONG]
    return [
        f"tests/{path.name}"
        for path in tests
        if f"tests/{path.name}" in paths or imported(path.read_text("utf-8")) & modules
    ]


if __name__ == "__main__":
    print(*concerned(changed()))
