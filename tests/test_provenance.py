"""What a result was made with is read from the installation, the checkout and the machine."""

import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError

import numpy as np

from kmnist_mlp.experiments import provenance
from kmnist_mlp.experiments.provenance import PROJECT, blas, commit, facts, package_version


def test_the_project_is_the_folder_of_this_checkout():
    assert (PROJECT / "kmnist_mlp" / "experiments" / "provenance.py").samefile(provenance.__file__)
    assert (PROJECT / "pyproject.toml").is_file()


def test_the_version_is_the_projects_or_said_to_be_unknown(monkeypatch):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert package_version() == project["version"]

    def not_installed(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(provenance, "version", not_installed)
    assert package_version().startswith("unknown")


def test_the_commit_is_the_one_checked_out_or_said_to_be_unknown(tmp_path, monkeypatch):
    command = ["git", "-C", str(PROJECT), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    commit.cache_clear()
    assert commit()[:12] == (done.stdout[:12] if done.returncode == 0 else "unknown (not")
    (tmp_path / "project").mkdir()
    monkeypatch.setattr(provenance, "PROJECT", tmp_path / "project")
    for repository_around_it in (False, True):
        if repository_around_it:
            git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
            subprocess.run([*git, "init", "--quiet"], check=True)
            subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True)
        commit.cache_clear()
        assert commit().startswith("unknown")
    commit.cache_clear()


def test_the_commit_is_clean_until_a_file_is_changed_or_new(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "--quiet"], ["add", "file"], ["commit", "--quiet", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    for name, content, state in (
        ("file", "one", "clean tree"),
        ("file", "two", "with uncommitted changes"),
        ("new", "one", "with uncommitted changes"),
    ):
        (tmp_path / "file").write_text("one")
        (tmp_path / name).write_text(content)
        commit.cache_clear()
        assert commit().partition(", ")[2] == state
    commit.cache_clear()


def test_the_facts_name_data_seeds_and_libraries(tiny10):
    found = facts(tiny10, [0, 3])
    assert (found["data"], found["fingerprint"]) == (tiny10.name, tiny10.fingerprint)
    assert (found["seeds"], found["NumPy"]) == ("0, 3", np.__version__)
    assert found["BLAS"] == blas() and all(found.values())
