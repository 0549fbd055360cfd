"""What a result was made with is read from the installation, the checkout and the machine."""

import re
import subprocess

import numpy as np

from kmnist_mlp import __version__
from kmnist_mlp.experiments import provenance
from kmnist_mlp.experiments.provenance import PROJECT, blas, commit, facts


def test_the_project_is_the_folder_of_this_checkout():
    assert (PROJECT / "kmnist_mlp" / "experiments" / "provenance.py").samefile(provenance.__file__)
    assert (PROJECT / "pyproject.toml").is_file()


def test_the_version_is_the_same_in_the_package_the_citation_and_the_changelog():
    citation, changelog = (
        (PROJECT / name).read_text("utf-8") for name in ("CITATION.cff", "CHANGELOG.md")
    )
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [__version__]
    newest, state = re.findall(r"^## (\S+) \((.+)\)$", changelog, re.MULTILINE)[0]
    assert newest == __version__.removesuffix(".dev0")
    assert (state == "unreleased") == __version__.endswith(".dev0")


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


def test_the_facts_name_data_seeds_and_libraries(tiny10):
    found = facts(tiny10, [0, 3])
    assert (found["data"], found["fingerprint"]) == (tiny10.name, tiny10.fingerprint)
    assert (found["seeds"], found["NumPy"]) == ("0, 3", np.__version__)
    assert found["BLAS"] == blas() and all(found.values())
