"""The lock between runs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ladle.package.lock import FileLock

HOLD = """
import sys
from ladle.package.lock import FileLock
from pathlib import Path
assert FileLock(Path(sys.argv[1])).acquire(0)
print("held", flush=True)
sys.stdin.read()
"""


def test_one_at_a_time_also_within_a_process(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "l"), FileLock(tmp_path / "l")
    assert (first.acquire(0), second.acquire(0)) == (True, False)
    assert (first.held, second.held) == (True, False)
    first.release()
    assert second.acquire(0)
    first.release()
    assert second.held


def test_waiting_ends_with_the_time_given(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "l")
    assert held.acquire(0)
    began = time.monotonic()
    assert not FileLock(tmp_path / "l").acquire(0.1)
    assert 0.1 <= time.monotonic() - began < 5


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "l"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    assert not FileLock(tmp_path / "l").acquire(0)
    other.kill()
    other.communicate()
    assert FileLock(tmp_path / "l").acquire(10)


def test_a_folder_that_was_made_anew_has_a_new_lock(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    old = FileLock(folder / "l")
    assert old.acquire(0)
    (folder / "l").unlink()
    assert FileLock(folder / "l").acquire(0)


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "none" / "l").acquire(0)
