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
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA = PYPROJECT["project"]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def run_make(*arguments, cwd=ROOT, **environment):
    """Run make as from a fresh shell: not as a part of the `make test` that may run this test."""
    ours = ("MAKE", "MFLAGS", "CONDA_", "PYTHON", "ARGS", "LAB_ARGS")
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


@pytest.fixture
def python(tmp_path):
    """Return a Python that logs what it builds and installs; its pip fails if "broken" exists."""
    return write_program(
        tmp_path / "python3",
        f"""case "$*" in
      *"-m venv "*) echo venv >> "{tmp_path}/log"; mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
      *"-m pip "*) echo pip >> "{tmp_path}/log"; ! [ -e "{tmp_path}/broken" ];;
    esac""",
    )


# ---- lists of packages -----------------------------------------------


def test_environment_yml_is_written_from_pyproject():
    written = subprocess.run(
        [sys.executable, ROOT / ".ci/environment.py"], capture_output=True, text=True, check=True
    )
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert text == written.stdout, "`make lock` writes it"
    assert all(f"- {line}" in text for line in METADATA["dependencies"])


def test_binder_and_the_development_container_install_this_checkout_with_a_supported_python():
    binder = ROOT / ".binder"
    constraints, checkout = (binder / "requirements.txt").read_text("utf-8").splitlines()
    assert (binder / constraints.removeprefix("-c ")).samefile(ROOT / "constraints.txt")
    assert checkout == "-e ."
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"].split()[1] in TARGETS
    for text in ((binder / "runtime.txt").read_text("utf-8"), container["image"]):
        version = re.search(r"3\.\d+", text)[0]
        assert version in Requirement(f"python{METADATA['requires-python']}").specifier


def test_constraints_pin_every_direct_dependency_within_its_range():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"(?m)^([\w.-]+)==(\S+) *(?:#.*)?$", text))  # on all systems
    extras = [lines for name, lines in METADATA["optional-dependencies"].items() if name != "bench"]
    for needed in map(Requirement, [*METADATA["dependencies"], *sum(extras, [])]):
        assert pins[canonicalize_name(needed.name)] in needed.specifier, needed


# ---- make ------------------------------------------------------------


def test_make_alone_lists_the_targets_and_pages_name_no_other():
    shown = dict(re.findall(r"^  ([a-z-]+) +(\S.*)$", run_make().stdout, flags=re.MULTILINE))
    assert shown.keys() == TARGETS
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    commands = re.findall(r"(?m)(?:^(?:\$ )?|`)make ([a-z][a-z-]*)", text)
    assert {"report", "test"} <= set(commands) <= TARGETS


def test_make_uses_the_active_conda_environment_and_passes_on_absolute_paths_and_utf_8_mode(
    checkout, tmp_path
):
    """A kernel, which works in another folder, would look for a relative one there.

    The file of an editable install's path is read as UTF-8, whatever the locale.
    """
    calls = tmp_path / "calls"
    program = (
        f'echo "$@|$KMNIST_MLP_DATA|$KMNIST_MLP_RESULTS|$PYTHONUTF8$KMNIST_MLP_SEEDS" >> "{calls}"'
    )
    write_program(tmp_path / "conda env/bin/python", program)
    environment = {"CONDA_DEFAULT_ENV": "kmnist-mlp", "CONDA_PREFIX": str(tmp_path / "conda env")}
    environment |= {"LC_ALL": "C", "KMNIST_MLP_DATA": "my data, here"}
    environment["KMNIST_MLP_RESULTS"] = "/elsewhere/results"
    result = run_make("lab", "LAB_ARGS=--no-browser", cwd=checkout, **environment)
    assert result.returncode == 0, result.stderr
    end = f"|{checkout}/my data, here|/elsewhere/results|11"  # and one seed
    called = ("kmnist_mlp.report --play", "jupyterlab play --no-browser")
    assert calls.read_text("utf-8") == "".join(f"-m {module}{end}\n" for module in called)
    assert not (checkout / ".venv").exists()


def test_make_test_runs_all_tests_and_all_notebooks_afresh_and_fails_if_any_of_them_does(
    checkout, tmp_path
):
    calls = tmp_path / "calls"
    program = f"""echo "$*|$KMNIST_MLP_SEEDS|$KMNIST_MLP_RESULTS" >> "{calls}"
    [ "$(wc -l < "{calls}")" -ne "$FAILING" ]"""
    write_program(tmp_path / "env/bin/python", program)
    environment = {"CONDA_DEFAULT_ENV": "kmnist-mlp", "CONDA_PREFIX": str(tmp_path / "env")}
    environment["KMNIST_MLP_RESULTS"] = str(tmp_path / "old")
    for failing in (1, 2, 3, 0):
        calls.unlink(missing_ok=True)
        result = run_make("test", cwd=checkout, FAILING=str(failing), **environment)
        assert (result.returncode != 0) == (failing > 0), result.stderr
    lines = [line.split("|") for line in calls.read_text("utf-8").splitlines()]
    command = "-m pytest -n auto --dist loadfile"
    assert [line[0].strip() for line in lines] == [
        f"{command} tests --ignore=tests/test_jupyterlab.py",
        "-m kmnist_mlp.report.measure experiments",
        f"{command} --nbval --nbval-current-env -p no:cacheprovider notebooks",
    ]
    old, *fresh = (line[1:] for line in lines)
    assert fresh[0] == fresh[1] == ["1", fresh[0][1]] and fresh[0][1] != old[1]
    options = PYPROJECT["tool"]["pytest"]["ini_options"]
    assert options["addopts"] == ["-ra", "--strict-markers", "--strict-config"]
    assert len(re.findall(r"(?m)^ *step .* make test$", (ROOT / ".ci/run").read_text("utf-8"))) == 2


def test_setup_builds_once_and_again_after_a_change_a_failure_or_a_move(checkout, python, tmp_path):
    log = tmp_path / "log"

    def steps(*arguments, fails=False):
        log.write_text("")
        result = run_make("setup", f"PYTHON={python}", *arguments, cwd=checkout)
        assert (result.returncode != 0) == fails, result.stderr
        return log.read_text().split()

    (tmp_path / "broken").touch()
    assert steps(fails=True) == ["venv", "pip"] and not (checkout / ".venv").exists()
    (tmp_path / "broken").unlink()
    assert steps() == ["venv", "pip"] and steps() == []
    os.utime(checkout / "constraints.txt", (time.time() + 60,) * 2)
    assert steps() == ["venv", "pip"]
    os.utime(checkout / "constraints.txt", (0, 0))
    checkout = checkout.rename(tmp_path / "größe 日本")
    assert steps() == ["venv", "pip"] and steps() == []
    run_make("distclean", cwd=checkout)
    assert not (checkout / ".venv").exists()
    assert "3.11" in run_make("setup", "PYTHON=", cwd=checkout).stderr


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


def test_make_acts_in_its_own_folder_alone(checkout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "build").mkdir(parents=True)
    for target in ("clean", "setup"):
        result = run_make("-f", str(checkout / "Makefile"), target, cwd=elsewhere)
        assert result.returncode != 0 and "make -C" in result.stderr
    assert (elsewhere / "build").exists() and not (elsewhere / ".venv").exists()
    assert run_make("-C", str(checkout), "help", cwd=elsewhere).returncode == 0
