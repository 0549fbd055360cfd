"""What a result was made with is read from the installation, the checkout and the machine."""

import re
import subprocess

import numpy as np
import pytest
import threadpoolctl

from kmnist_mlp import __version__
from kmnist_mlp.experiments import provenance
from kmnist_mlp.experiments.provenance import PROJECT, blas, commit, facts


def test_the_version_is_the_same_in_the_package_the_citation_and_the_changelog():
    citation, changelog = (
        (PROJECT / name).read_text("utf-8") for name in ("CITATION.cff", "CHANGELOG.md")
    )
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [__version__]
    newest, state = re.findall(r"^## (\S+) \((.+)\)$", changelog, re.MULTILINE)[0]
    assert newest == __version__.removesuffix(".dev0")
    assert (state == "unreleased") == __version__.endswith(".dev0")


def git(folder, *arguments):
    author = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    command = ["git", "-C", str(folder), *author, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def afresh():
    """Look the commit up in every test."""
    commit.cache_clear()
    yield
    commit.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a checkout of one commit that takes the place of this one."""
    folder = tmp_path / "größe 日本"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("build/\n", "utf-8")
    (folder / "code.py").write_text("1\n", "utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    monkeypatch.setattr(provenance, "PROJECT", folder)
    return folder


def test_the_commit_of_a_folder_is_not_that_of_a_repository_around_it(checkout, monkeypatch):
    (checkout / "project").mkdir()
    for folder in (checkout / "project", checkout.parent):
        monkeypatch.setattr(provenance, "PROJECT", folder)
        commit.cache_clear()
        assert commit().startswith("unknown")


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        (None, "clean tree"),
        ("build/index.html", "clean tree"),
        ("code.py", "with uncommitted changes"),
        ("new.py", "with uncommitted changes"),
    ],
)
def test_the_commit_says_whether_the_files_are_its_own(checkout, changed, state):
    if changed:
        (checkout / "build").mkdir()
        (checkout / changed).write_text("2\n", "utf-8")
    assert commit() == f"{git(checkout, 'rev-parse', 'HEAD')[:12]}, {state}"


def test_a_checkout_of_another_user_has_its_commit(checkout, monkeypatch):
    """As where a folder is mounted into a container; git itself refuses it."""
    head = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(subprocess.CalledProcessError):
        git(checkout, "status")
    assert commit() == f"{head[:12]}, clean tree"


def test_the_facts_name_data_seeds_and_libraries(tiny10):
    found = facts(tiny10, [0, 3])
    assert (found["data"], found["fingerprint"]) == (tiny10.name, tiny10.fingerprint)
    assert (found["seeds"], found["NumPy"]) == ("0, 3", np.__version__)
    assert found["BLAS"] == blas() and all(found.values())


def test_numpys_own_blas_is_told_from_scipys_in_a_folder_of_any_name(tmp_path, monkeypatch):
    """Else the key of a result would depend on whether SciPy has been imported yet."""
    packages = tmp_path / "numpy course" / "site-packages"
    monkeypatch.setattr(np, "__file__", str(packages / "numpy" / "__init__.py"))
    for brought in ("numpy.libs/libblas.so", "numpy/.dylibs/b.dylib"):
        pools = [
            {"user_api": "blas", "num_threads": 2, "internal_api": name, "filepath": str(path)}
            for name, path in (("numpys", packages / brought), ("scipys", packages / "scipy.libs"))
        ]
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda pools=pools: pools)
        assert provenance.blas_libraries() == {"numpys": 2}
