"""The files that describe the environment agree with each other, and `make` does what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA = PYPROJECT["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
BINDER = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))

needs_make = pytest.mark.skipif(
    os.name == "nt" or shutil.which("make") is None, reason="needs make and a POSIX shell"
)


def ranges(lines):
    """Return {package: allowed versions} of requirement lines."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r.specifier for r in requirements}


def declared():
    """Return the ranges of pyproject.toml, extras included but for what is only compared with."""
    extras = [lines for name, lines in METADATA["optional-dependencies"].items() if name != "bench"]
    return ranges([*METADATA["dependencies"], *(line for extra in extras for line in extra)])


def pins():
    """Return the requirements of constraints.txt, without comments."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def run_make(*arguments, cwd=ROOT, **environment):
    """Run make as from a fresh shell: not as a part of the `make test` that may run this test."""
    ours = ("MAKE", "MFLAGS", "CONDA_", "PYTHON")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def write_program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout without .venv, in a path with a space as real ones have."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_conda_installs_the_packages_and_ranges_of_pyproject_and_no_others():
    lines = [line for line in CONDA["dependencies"] if isinstance(line, str)]
    conda = ranges(lines)
    python = conda.pop("python")
    del conda["pip"]  # conda's own need, for the last line of environment.yml
    conda["playwright"] = conda.pop("playwright-python")  # conda-forge's name for it
    on_demand = ranges(METADATA["optional-dependencies"]["mutants"])
    assert conda == {name: r for name, r in declared().items() if name not in on_demand}
    assert python == Requirement(f"python{METADATA['requires-python']}").specifier


def test_conda_takes_packages_from_conda_forge_alone_and_the_module_from_this_checkout():
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]
    assert CONDA["dependencies"][-1] == {"pip": ["-e ."]}


def test_binder_installs_the_same_packages_and_a_python_that_is_supported():
    assert BINDER["channels"] == CONDA["channels"]
    pinned, *binder = BINDER["dependencies"]
    python, *conda = CONDA["dependencies"][:-1]
    assert binder == conda
    version = re.fullmatch(r"python=(3\.\d+)", pinned)[1]  # as repo2docker reads it
    assert Requirement(python).specifier.contains(version)


def test_binder_installs_the_module_from_the_folder_that_it_runs_in(tmp_path):
    calls = tmp_path / "calls"
    write_program(tmp_path / "bin/python", f'echo "$PWD $@" >> "{calls}"')
    post_build = ROOT / ".binder" / "postBuild"
    assert os.access(post_build, os.X_OK)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    subprocess.run([post_build], cwd=ROOT, env=os.environ | {"PATH": path}, check=True)
    call = "-m pip install --no-deps --editable ."
    assert calls.read_text(encoding="utf-8") == f"{ROOT} {call}\n"


def test_the_development_container_sets_up_by_make_with_a_python_that_is_supported():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    make, target = container["postCreateCommand"].split()
    assert make == "make" and target in TARGETS
    version = re.match(r"python:(3\.\d+)", container["image"])[1]
    assert Requirement(f"python{METADATA['requires-python']}").specifier.contains(version)


def test_constraints_are_exact_versions_without_addresses_or_paths():
    for pin in pins():
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
        assert pin.url is None, pin


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("sys_platform", "os_name", "platform_system"),
    [("linux", "posix", "Linux"), ("darwin", "posix", "Darwin"), ("win32", "nt", "Windows")],
)
def test_constraints_pin_every_direct_dependency_once_within_its_range(
    python, sys_platform, os_name, platform_system
):
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": sys_platform,
        "os_name": os_name,
        "platform_system": platform_system,
    }
    applying = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate(machine)]
    for name, allowed in declared().items():
        matching = [pin for pin in applying if canonicalize_name(pin.name) == name]
        assert len(matching) == 1, name
        (version,) = matching[0].specifier
        assert version.version in allowed, matching[0]


def test_the_files_and_tests_that_mutation_runs_name_exist():
    mutmut = PYPROJECT["tool"]["mutmut"]
    tests = [
        line.removeprefix("--deselect=") for line in mutmut["pytest_add_cli_args_test_selection"]
    ]
    for path in mutmut["source_paths"] + mutmut["do_not_mutate"]:
        assert any(ROOT.glob(path)), path
    for test in tests:
        path, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8"), test


def test_every_make_command_in_readme_and_docs_is_a_target():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    commands = re.findall(r"^(?:\$ )?make\b([^#\n`]*)", text, flags=re.MULTILINE)
    commands += re.findall(r"`make\b([^`\n]*)`", text)
    words = [word for command in commands for word in re.sub(r"-C \S+", "", command).split()]
    named = {word for word in words if re.fullmatch(r"[a-z-]+", word) and word[0] != "-"}
    assert {"report", "test"} <= named
    assert named <= TARGETS


@needs_make
def test_make_alone_lists_every_target_with_a_line():
    shown = dict(re.findall(r"^  ([a-z-]+) +(\S.*)$", run_make().stdout, flags=re.MULTILINE))
    assert shown.keys() == TARGETS


@needs_make
def test_make_uses_the_active_conda_environment_and_installs_nothing(checkout, tmp_path):
    calls = tmp_path / "calls"
    write_program(tmp_path / "conda env/bin/python", f'echo "$@" >> "{calls}"')
    environment = {"CONDA_DEFAULT_ENV": CONDA["name"], "CONDA_PREFIX": str(tmp_path / "conda env")}
    result = run_make("report", cwd=checkout, **environment)
    assert result.returncode == 0, result.stderr
    assert calls.read_text(encoding="utf-8").splitlines() == ["-m kmnist_mlp.report"]
    assert not (checkout / ".venv").exists()


@needs_make
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("lab", ["-m kmnist_mlp.report --play", "-m jupyterlab play --no-browser"]),
        ("lab-edit", ["-m jupyterlab notebooks --no-browser"]),
    ],
)
def test_make_lab_opens_the_copies_and_lab_edit_the_notebooks(checkout, tmp_path, target, expected):
    calls = tmp_path / "calls"
    write_program(tmp_path / "conda env/bin/python", f'echo "$@" >> "{calls}"')
    environment = {"CONDA_DEFAULT_ENV": CONDA["name"], "CONDA_PREFIX": str(tmp_path / "conda env")}
    result = run_make(target, cwd=checkout, LAB_ARGS="--no-browser", **environment)
    assert result.returncode == 0, result.stderr
    assert calls.read_text(encoding="utf-8").splitlines() == expected


@needs_make
def test_make_clean_leaves_what_a_reader_has_in_play(checkout):
    kept = [checkout / "play" / name for name in ("mine.ipynb", ".ipynb_checkpoints/mine.ipynb")]
    removed = checkout / "notebooks" / ".ipynb_checkpoints" / "01.ipynb"
    for path in (*kept, removed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert run_make("distclean", cwd=checkout).returncode == 0
    assert all(path.exists() for path in kept) and not removed.exists()


@needs_make
def test_make_ignores_another_projects_conda_environment(checkout, tmp_path):
    python = write_program(tmp_path / "bin/python", "exit 1")
    environment = {"CONDA_DEFAULT_ENV": "base", "CONDA_PREFIX": str(tmp_path)}
    result = run_make("report", f"PYTHON={python}", cwd=checkout, **environment)
    assert result.returncode != 0
    assert "not found, or does not run" in result.stderr


@needs_make
def test_make_refuses_an_old_python_and_says_how_to_name_another(checkout, tmp_path):
    # It answers the two questions that make asks: its version, and whether that is enough.
    script = 'case "$2" in *exit*) exit 1;; esac; echo 3.8.10'
    python = write_program(tmp_path / "python3.8", script)
    result = run_make("report", f"PYTHON={python}", cwd=checkout)
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr
    assert "Python 3.8.10" in result.stderr
    assert "make PYTHON=python3.12 report" in result.stderr
    assert not (checkout / ".venv").exists()


@needs_make
def test_make_does_not_call_a_failed_setup_done(checkout, tmp_path):
    # A Python whose venv module "works", but leaves an environment in which pip fails.
    log = tmp_path / "log"
    script = f"""case "$*" in
      *version_info*) echo 3.12.0;;
      "-m venv "*) echo setup >> "{log}"; mkdir -p .venv/bin
        printf '#!/bin/sh\\ncase "$*" in *install*) exit 1;; esac\\n' > .venv/bin/python
        chmod +x .venv/bin/python;;
    esac"""
    python = write_program(tmp_path / "python3", script)
    for _ in range(2):
        result = run_make("test-unit", f"PYTHON={python}", cwd=checkout)
        assert result.returncode != 0
        assert "the next make tries again" in result.stderr
    assert log.read_text(encoding="utf-8").splitlines() == ["setup", "setup"]


@needs_make
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_make_leaves_an_environment_alone_that_it_did_not_build(checkout, tmp_path, kind):
    foreign = tmp_path / "foreign" if kind == "link" else checkout / ".venv"
    kept = write_program(foreign / "bin/python", "exit 0")
    if kind == "link":
        (checkout / ".venv").symlink_to(foreign)
    for target in ("setup", "report"):
        result = run_make(target, cwd=checkout)
        assert result.returncode != 0 and ".venv" in result.stderr
    run_make("distclean", cwd=checkout)
    assert kept.exists()


@needs_make
def test_make_acts_in_its_own_folder_alone(checkout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "build").mkdir(parents=True)
    for target in ("clean", "setup"):
        result = run_make("-f", str(checkout / "Makefile"), target, cwd=elsewhere)
        assert result.returncode != 0 and "make -C" in result.stderr
    assert (elsewhere / "build").exists() and not (elsewhere / ".venv").exists()
    assert run_make("-C", str(checkout), "help", cwd=elsewhere).returncode == 0


@needs_make
def test_a_python_that_is_named_builds_the_environment_anew_and_a_missing_one_is_said(
    checkout, tmp_path
):
    """Also where .venv is up to date; with the Python that it has, nothing is done."""
    log = tmp_path / "log"
    script = """case "$*" in
      *base_prefix*) echo {0};;
      *version_info*) echo 3.12.0;;
      "-m venv "*) echo {0} >> "{1}"; mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
    esac"""
    pythons = [
        write_program(tmp_path / name / "python3", script.format(name, log))
        for name in ("one", "other")
    ]
    for python in (pythons[0], pythons[0], pythons[1]):
        assert run_make("setup", f"PYTHON={python}", cwd=checkout).returncode == 0
    assert log.read_text(encoding="utf-8").splitlines() == ["one", "other"]
    result = run_make("setup", "PYTHON=/no/such/python", cwd=checkout)
    assert result.returncode != 0 and "/no/such/python" in result.stderr


@needs_make
@pytest.mark.parametrize("given", ["my data, here", "/elsewhere/data", "~/data", ""])
@pytest.mark.parametrize("name", ["KMNIST_MLP_DATA", "KMNIST_MLP_CACHE", "KMNIST_MLP_RESULTS"])
def test_make_passes_on_absolute_paths(checkout, tmp_path, name, given):
    """A kernel, which works in another folder, would look for a relative one there."""
    seen = tmp_path / "seen"
    write_program(tmp_path / "conda env/bin/python", f'printf %s "${name}" > "{seen}"')
    environment = {"CONDA_DEFAULT_ENV": CONDA["name"], "CONDA_PREFIX": str(tmp_path / "conda env")}
    assert run_make("html", cwd=checkout, **environment, **{name: given}).returncode == 0
    relative = given and given[0] not in "/~"
    assert seen.read_text(encoding="utf-8") == (f"{checkout}/{given}" if relative else given)
    assert run_make("html", f"{name}=x y", cwd=checkout, **environment).returncode == 0
    assert seen.read_text(encoding="utf-8") == f"{checkout}/x y"


@needs_make
def test_of_two_makes_that_set_up_at_once_the_second_waits_and_finds_it_done(checkout, tmp_path):
    log, go_on = tmp_path / "log", tmp_path / "go on"
    script = f"""case "$*" in
      *base_prefix*) echo same;;
      *version_info*) echo 3.12.0;;
      "-m venv "*) echo began >> "{log}"; mkdir -p .venv/bin; cp "$0" .venv/bin/python
        until [ -e "{go_on}" ]; do sleep 0.1; done; echo built >> "{log}";;
    esac"""
    python = write_program(tmp_path / "python3", script)
    command = ["make", "--no-print-directory", "setup", f"PYTHON={python}"]
    first = subprocess.Popen(command, cwd=checkout)
    try:
        while first.poll() is None and not log.exists():
            time.sleep(0.01)
        with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True) as second:
            told = second.stdout.readline()
            go_on.touch()
    finally:
        go_on.touch()
    assert "rm .venv.lock" in told
    assert first.wait() == second.returncode == 0
    assert log.read_text(encoding="utf-8").splitlines() == ["began", "built"]
    assert not (checkout / ".venv.lock").is_symlink()


@needs_make
def test_a_killed_setup_stops_no_later_one(checkout, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (checkout / ".venv.lock").symlink_to(str(dead.pid))
    script = """case "$*" in
      *version_info*) echo 3.12.0;;
      "-m venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
    esac"""
    python = write_program(tmp_path / "python3", script)
    assert run_make("setup", f"PYTHON={python}", cwd=checkout).returncode == 0
    assert (checkout / ".venv/stamp").exists()
    assert not (checkout / ".venv.lock").is_symlink()


# In the place of pip: it writes the path file as an editable install does.
EDITABLE = """import os, pathlib
folder = pathlib.Path(__file__).parents[1]
(folder / "_editable_impl_kmnist_mlp.pth").write_text(os.getcwd(), "utf-8")
"""


@needs_make
@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_path_that_is_not_ascii_needs_no_locale(checkout, tmp_path, locale):
    """The environment starts, finds the module in any folder, and is not built again."""
    checkout = checkout.rename(tmp_path / "größe 日本")
    python = write_program(
        tmp_path / "python3",
        f"""case "$*" in "-m venv "*) echo built >> "{tmp_path}/log"
          "{sys.executable}" -m venv --without-pip .venv
          cd .venv/lib/python*/site-packages && mkdir pip && touch pip/__init__.py
          echo '{EDITABLE}' > pip/__main__.py;;
        *) exec "{sys.executable}" "$@";; esac""",
    )
    environment = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"}
    for _ in range(2):
        result = run_make("setup", f"PYTHON={python}", cwd=checkout, **environment)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "log").read_text() == "built\n"
    code = "import os, sys; print(os.fsencode(sys.path[-1]).hex())"
    done = subprocess.run(
        [checkout / ".venv" / "bin" / "python", "-c", code],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
        | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == os.fsencode(checkout).hex()
    # Python 3.13 and later would understand the whole path
    (path_file,) = checkout.glob(".venv/lib/*/site-packages/*kmnist_mlp.pth")
    assert path_file.read_bytes().isascii()
