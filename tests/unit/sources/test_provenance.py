"""The code of resources: its name, its file, and the version of its package or working tree."""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import requests

import ladle
from ladle.schema.provenance import Code
from ladle.sources.git import working_tree
from ladle.sources.provenance import code_of, tree_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def rows() -> Any:
    yield {"a": 1}


async def later() -> Any:
    yield {"a": 1}


class Reader:
    def __call__(self) -> Any:
        yield {"a": 1}

    def read(self) -> Any:
        yield {"a": 1}


@functools.wraps(rows)
def wrapped() -> Any:
    return rows()


@pytest.mark.parametrize(
    ("data", "function"),
    [
        (rows, "rows"),
        (rows(), "rows"),
        (later, "later"),
        (later(), "later"),
        (functools.partial(rows), "rows"),
        (wrapped, "rows"),
        (Reader(), "Reader"),
        (Reader().read, "Reader.read"),
    ],
    ids=["function", "generator", "async", "async generator", "partial", "wrapped", "object", "method"],
)
def test_functions_and_generators_have_code(data: Any, function: str) -> None:
    found = code_of(data)
    assert found is not None
    assert (found.module, found.function) == (__name__, function)
    assert found.file == "tests/unit/sources/test_provenance.py"


@pytest.mark.parametrize("data", [[{"a": 1}], iter([1]), {"a": 1}, None, Reader])
def test_plain_data_has_none(data: Any) -> None:
    assert code_of(data) is None


def test_an_installed_module_has_the_version_of_its_distribution_and_a_path_below_its_package() -> None:
    version = importlib.metadata.version("requests")
    assert code_of(requests.get) == Code("requests.api", "get", "requests/api.py", version)
    assert tree_of("requests.api") is None


def test_a_distribution_may_have_another_name_than_its_module() -> None:
    import yaml

    found = code_of(yaml.safe_load)
    assert found is not None
    assert found.version == importlib.metadata.version("PyYAML")


def module_in(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function of a module that is a file in a folder."""
    file = folder / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("def rows():\n    yield {}\n")
    module = types.ModuleType(name)
    module.__file__ = str(file)
    exec(compile(file.read_text(), str(file), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    return module.rows


def test_outside_of_any_tree_only_the_file_name_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = module_in(tmp_path / "home" / "somebody", "lonely", monkeypatch)
    assert code_of(rows) == Code("lonely", "rows", "lonely.py", None)


def test_below_the_working_directory_the_path_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = module_in(tmp_path / "etl", "nearby", monkeypatch)
    assert code_of(rows) == Code("nearby", "rows", "etl/nearby.py", None)


def tree(folder: Path, head: str, **files: str) -> None:
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text(head)
    for name, text in files.items():
        path = folder / ".git" / name.replace("__", "/").replace("packed_refs", "packed-refs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_in_a_working_tree_it_is_the_commit_and_the_path_in_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "ref: refs/heads/main\n", refs__heads__main=COMMIT + "\n")
    rows = module_in(tmp_path / "etl", "versioned", monkeypatch)
    assert code_of(rows) == Code("versioned", "rows", "etl/versioned.py", COMMIT)


@pytest.mark.parametrize(
    ("head", "files", "commit", "branch"),
    [
        ("ref: refs/heads/main\n", {"refs__heads__main": COMMIT}, COMMIT, "main"),
        ("ref: refs/heads/a/b\n", {"refs__heads__a__b": COMMIT}, COMMIT, "a/b"),
        (f"{COMMIT}\n", {}, COMMIT, None),
        (
            "ref: refs/heads/main\n",
            {"packed_refs": f"# pack-refs\n{COMMIT} refs/heads/main\n"},
            COMMIT,
            "main",
        ),
        ("ref: refs/heads/main\n", {}, None, "main"),
        ("ref: refs/heads/.invalid\n", {}, None, ".invalid"),
        ("nonsense\n", {}, None, None),
    ],
    ids=["loose", "nested", "detached", "packed", "unborn", "reftable", "damaged"],
)
def test_the_commit_is_read_from_gits_own_files(
    tmp_path: Path, head: str, files: dict[str, str], commit: str | None, branch: str | None
) -> None:
    tree(tmp_path, head, **files)
    found = working_tree(tmp_path / "a" / "b.py")
    assert found is not None
    assert (found.commit, found.branch, found.root) == (commit, branch, tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@github.com/o/r.git", "https://github.com/o/r.git"),
        ("git@github.com:o/r.git", "ssh://github.com/o/r.git"),
        ("ssh://git@github.com/o/r.git", "ssh://github.com/o/r.git"),
    ],
)
def test_the_remote_shows_no_login(tmp_path: Path, url: str, shown: str) -> None:
    tree(tmp_path, COMMIT, config=f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n')
    found = working_tree(tmp_path / "b.py")
    assert found is not None
    assert found.remote == shown


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_itself_agrees_in_a_repository_and_in_a_worktree(tmp_path: Path) -> None:
    def git(*args: str, at: Path) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *args]
        return subprocess.run(command, cwd=at, check=True, capture_output=True, text=True).stdout.strip()

    main, beside = tmp_path / "main", tmp_path / "beside"
    main.mkdir()
    git("init", "-q", "-b", "trunk", at=main)
    git("commit", "-q", "--allow-empty", "-m", "one", at=main)
    git("worktree", "add", "-q", "-b", "side", str(beside), at=main)
    git("commit", "-q", "--allow-empty", "-m", "two", at=beside)
    git("remote", "add", "origin", "https://me:pw@h/r.git", at=main)
    for packed in (False, True):
        if packed:
            git("pack-refs", "--all", at=main)
        for folder, branch in ((main, "trunk"), (beside, "side")):
            found = working_tree(folder / "x" / "y.py")
            assert found is not None
            assert found.commit == git("rev-parse", "HEAD", at=folder)
            assert (found.branch, found.remote) == (branch, "https://h/r.git")


def test_a_resource_keeps_its_code_in_the_package(tmp_path: Path) -> None:
    pipeline = ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    )
    pipeline.extract([ladle.resource(rows, name="made"), ladle.resource([{"a": 1}], name="given")])
    (manifest,) = pipeline._packages.waiting()
    codes = {r.name: r.code and r.code.function for r in manifest.resources}
    assert codes == {"made": "rows", "given": None}
