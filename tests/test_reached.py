"""Every public function and method of the package is reached from a test or a notebook.

Reached means: a test, a notebook or a template uses the name, or a function that is itself reached
does. Names are compared without their module: quick, but a function may hide behind a namesake.
"""

import ast
import json
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def used(nodes):
    """Return the names that statements use: attributes, and names that they do not assign."""
    attributes, names, own = set(), set(), set()
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Attribute):
            attributes.add(node.attr)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name):
            (names if isinstance(node.ctx, ast.Load) else own).add(node.id)
    return attributes | names - own


def definitions(tree, prefix=""):
    """Yield (qualified name, names used) of each function, method and class of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            if any("Protocol" in ast.unparse(base) for base in node.bases):
                continue  # only for type checkers
            rest = [part for part in node.body if not isinstance(part, DEFINITIONS)]
            special = [part for part in node.body if getattr(part, "name", "").startswith("__")]
            yield prefix + node.name, used([*rest, *special, *node.bases])
            yield from definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name, used([node])


def at_import(tree):
    """Return the names that a module uses when it is imported, and not only when it is run."""
    return used(
        node
        for node in tree.body
        if not isinstance(node, DEFINITIONS)
        and not (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))
    )


def cells(path):
    """Return the code of a notebook."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return "\n".join(line for line in "\n".join(code).splitlines() if line[:1] not in "%!")


def in_template(text):
    """Return the attributes that a Jinja template reads."""
    return set(re.findall(r"\.(\w+)", " ".join(re.findall(r"{[{%].*?[%}]}", text, re.DOTALL))))


def unreached(sources, roots, templates=()):
    """Return the public definitions of modules {name: source} that nothing else reaches."""
    uses, modules_of = {}, defaultdict(list)
    names = set().union(*map(in_template, templates))
    names |= set().union(*(used([node]) for root in roots for node in ast.parse(root).body))
    for module, source in sources.items():
        tree = ast.parse(source)
        names |= at_import(tree)
        for qualified, inner in definitions(tree):
            uses[module, qualified] = inner
            modules_of[qualified.rpartition(".")[2]].append((module, qualified))
    ahead = [one for name in names for one in modules_of[name]]
    seen = set(ahead)
    while ahead:
        for name in uses[ahead.pop()]:
            new = [one for one in modules_of.get(name, ()) if one not in seen]
            seen.update(new)
            ahead += new
    return sorted(
        f"{module}.{qualified}"
        for module, qualified in set(uses) - seen
        if not any(part.startswith("_") for part in qualified.split("."))
    )


def test_every_public_function_and_method_is_reached_from_a_test_or_a_notebook():
    package = ROOT / "kmnist_mlp"
    sources = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in package.rglob("*.py")
    }
    roots = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py")]
    roots += [cells(path) for path in (ROOT / "notebooks").glob("*.ipynb")]
    templates = [path.read_text(encoding="utf-8") for path in package.rglob("*.j2")]
    assert unreached(sources, roots, templates) == []


def test_functions_that_only_use_each_other_are_not_reached():
    module = """
def a(b): return used_by_a()
def used_by_a(): pass
def b(): c()
def c(): b()
class D:
    def __init__(self): self.used_by_d()
    def used_by_d(self): pass
    def e(self): pass
"""
    found = unreached({"m": module}, ["from m import b, c\nm.a(1)\nD()"])
    assert found == ["m.D.e", "m.b", "m.c"]
