"""The verbs of a place for files, the same for a local folder and for fsspec; and errors told clearly."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from ladle.destinations.files import Files, FsspecFiles, LocalFiles, age_s, errors, unique_name
from ladle.errors import DestinationError


@pytest.fixture(params=["local", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "local":
        return LocalFiles(tmp_path / "ds")
    return FsspecFiles(fsspec.filesystem("memory"), f"/{tmp_path.name}/ds")


def put(files: Files, path: str, content: bytes = b"x", last: bool = False) -> None:
    with files.write(path, last) as stream:
        stream.write(content)


def test_a_missing_folder_is_empty(files: Files) -> None:
    assert files.list("") == []
    assert files.list("a/b") == []


def test_list_goes_by_prefix_at_any_depth(files: Files) -> None:
    for path in ["t/2.x", "t/a/1.x", "t__l/1.x", "t.x", "init", "s/t/1.x"]:
        put(files, path)
    assert files.list("t/") == ["t/2.x", "t/a/1.x"]
    assert files.list("t") == ["t.x", "t/2.x", "t/a/1.x", "t__l/1.x"]
    assert files.list("t/a/1") == ["t/a/1.x"]
    assert files.list("s/t/") == ["s/t/1.x"]
    assert files.list("init/") == []
    assert len(files.list("")) == 6


@pytest.mark.parametrize("size", [0, 5, 3 << 20])
def test_what_is_written_is_read(files: Files, size: int) -> None:
    put(files, "t/a", b"x" * size)
    put(files, "t/a", b"y" * size, last=True)
    assert files.read("t/a") == b"y" * size


def test_what_is_missing_is_told(files: Files) -> None:
    with pytest.raises(FileNotFoundError):
        files.read("t/a")
    with pytest.raises(FileNotFoundError):
        files.move("t/a", "t/b")


def test_a_file_that_was_not_finished_is_not_there(files: Files) -> None:
    put(files, "t/a", b"old")
    with pytest.raises(KeyError), files.write("t/a") as stream:
        stream.write(b"new" * 1000)
        raise KeyError
    assert files.read("t/a") == b"old"
    assert files.list("") == ["t/a"]


def test_a_file_appears_when_it_is_whole(files: Files) -> None:
    with files.write("t/a") as stream:
        stream.write(b"half")
        stream.flush()
        assert files.list("t/") == []
    assert files.list("t/") == ["t/a"]


def test_move_and_delete(files: Files) -> None:
    put(files, "_ladle/1/s/t/a", b"content")
    files.move("_ladle/1/s/t/a", "t/deep/er/a")
    assert files.read("t/deep/er/a") == b"content"
    assert files.list("") == ["t/deep/er/a"]
    files.delete(["t/none", "t/deep/er/a", "none/at/all"])
    assert files.list("") == []


def test_emptied_folders_go_only_below_ladle(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    put(files, "_ladle/1/s/t/a")
    put(files, "_ladle/2/s/t/a")
    put(files, "t/2024/a")
    files.delete(["_ladle/1/s/t/a", "t/2024/a"])
    assert sorted(p.name for p in (tmp_path / "_ladle").iterdir()) == ["2"]
    assert (tmp_path / "t" / "2024").is_dir()
    files.delete(["_ladle/2/s/t/a"])
    assert (tmp_path / "_ladle").is_dir()


def test_what_must_come_last_comes_after_all_else_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    flush, rename = os.fsync, os.replace

    def name_of(descriptor: int) -> str:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path)

    def noted_rename(source: Path, target: Path) -> None:
        log.append(f"rename {target.relative_to(tmp_path)}")
        rename(source, target)

    def noted_flush(descriptor: int) -> None:
        log.append(f"flush {name_of(descriptor)}")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(os, "replace", noted_rename)
    files = LocalFiles(tmp_path)
    put(files, "_ladle/1/s/t/a")
    files.move("_ladle/1/s/t/a", "t/a")
    put(files, "_dlt_loads/1", last=True)
    assert log[:3] == ["flush _ladle/1/s/t/a.tmp", "rename _ladle/1/s/t/a", "rename t/a"]
    marker = log.index("rename _dlt_loads/1")
    assert {"flush .", "flush t"} <= set(log[3:marker])
    assert set(log[marker + 1 :]) == {"flush .", "flush _dlt_loads"}


def test_unique_names_tell_their_age() -> None:
    assert unique_name() != unique_name()
    assert -1 < age_s(unique_name()) < 60
    assert age_s("1000000000-ab.tmp") > 1e8
    assert age_s("t") == age_s("1000000000") == age_s("x-y") == 0


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.EACCES, "let this user write"), (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "can only be read"), (errno.ENAMETOOLONG, "shorten the table name"),
        (errno.EIO, "mend the cause"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(code: int, hint: str) -> None:
    with pytest.raises(DestinationError) as caught, errors("writing table `t`", "file:///x"):
        raise OSError(code, os.strerror(code), "/x/t/a")
    assert "`file:///x` failed while writing table `t`" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [lambda root: (root / "t").write_bytes(b""), lambda root: (root / "t" / "a").mkdir(parents=True)],
)
def test_what_stands_in_the_way_is_told(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(OSError, match="t"):
        put(LocalFiles(tmp_path), "t/a")
    assert LocalFiles(tmp_path).list("_ladle/") == []
