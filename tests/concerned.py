"""Print the test files that concern what has changed since the last commit: `make check` runs them.

A test file concerns itself and the modules that it imports, or imports something from. What opens a
browser or takes long is left to `make test`.
"""

import ast
import subprocess
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONG = {
    "test_browser", "test_course", "test_exercises", "test_faults",
    "test_jupyterlab", "test_new_activation", "test_in_page", "test_report", "test_workers",
}  # fmt: skip


def changed() -> set[str]:
    """Return the paths that differ from the last commit, new files included."""
    commands = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    outputs = [
        subprocess.run(["git", *c], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for c in commands
    ]
    return set("".join(outputs).splitlines())


def imported(source: str) -> set[str]:
    """Return the modules of this project that a source imports, or whose functions it imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("kmnist_mlp"):
            origin = import_module(node.module)
            if not hasattr(origin, "__path__"):
                names.add(node.module)
                continue
            for alias in node.names:  # a module of this package, or what it passes on from one
                thing = getattr(origin, alias.name, None)
                names.add(getattr(thing, "__module__", f"{node.module}.{alias.name}"))
    return names


def concerned(paths: set[str]) -> list[str]:
    """Return the test files for some changed paths, in order."""
    modules = {path.removesuffix(".py").replace("/", ".") for path in paths if path.endswith(".py")}
    # whoever imports a package as a whole may use any of its modules
    modules |= {module.rpartition(".")[0] for module in modules} - {"kmnist_mlp"}
    tests = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if path.stem not in LONG]
    return [
        f"tests/{path.name}"
        for path in tests
        if f"tests/{path.name}" in paths or imported(path.read_text("utf-8")) & modules
    ]


if __name__ == "__main__":
    print(*concerned(changed()))
