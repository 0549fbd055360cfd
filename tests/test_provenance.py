"""What a result was made with is read from the installation, the checkout and the machine."""

import json
import re
import subprocess

import numpy as np
import threadpoolctl

from kmnist_mlp import __version__
from kmnist_mlp.experiments import provenance
from kmnist_mlp.experiments.provenance import PROJECT, commit


def test_version_and_what_a_doi_needs_are_the_same_in_package_citation_deposit_and_changelog():
    files = ("CITATION.cff", "CHANGELOG.md", ".zenodo.json")
    citation, changelog, deposit = ((PROJECT / name).read_text("utf-8") for name in files)
    deposit, stated = json.loads(deposit), " ".join(citation.split())
    same = [deposit[key] for key in ("title", "description", "license")]
    same += deposit["keywords"] + [creator["name"] for creator in deposit["creators"]]
    same += [other["identifier"] for other in deposit["related_identifiers"]]
    assert [text for text in same if text not in stated] == []
    assert deposit["upload_type"] == "software" and deposit["access_right"] == "open"
    versions = re.findall(r"^version: (.+)$", citation, re.MULTILINE)
    assert versions == [__version__] == [deposit["version"]]
    newest, state = re.findall(r"^## (\S+) \((.+)\)$", changelog, re.MULTILINE)[0]
    assert newest == __version__.removesuffix(".dev0")
    assert (state == "unreleased") == __version__.endswith(".dev0")


def test_the_commit_is_that_of_the_folder_and_says_whether_the_files_are_its_own(
    tmp_path, monkeypatch
):
    """Also in a checkout of another user, as in a container, which git itself refuses."""

    def found(folder):
        monkeypatch.setattr(provenance, "PROJECT", folder)
        commit.cache_clear()
        return commit()

    checkout = tmp_path / "größe 日本"
    build = checkout / "build"
    build.mkdir(parents=True)
    (checkout / ".gitignore").write_text("build/\n", "utf-8")
    (checkout / "code.py").write_text("1\n", "utf-8")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", "-C", str(checkout)]
    for words in ("init --quiet", "add .", "commit --quiet -m one", "rev-parse HEAD"):
        head = subprocess.check_output([*git, *words.split()], text=True)[:12]
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    (build / "index.html").write_text("2\n", "utf-8")
    assert found(checkout) == f"{head}, clean tree"
    for folder in (build, tmp_path):  # a repository lies around the first
        assert found(folder) == "unknown (not a git checkout)"
    for changed in ("new.py", "code.py"):
        (checkout / changed).write_text("2\n", "utf-8")
        assert found(checkout) == f"{head}, with uncommitted changes"
        (checkout / changed).unlink()
    commit.cache_clear()


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
