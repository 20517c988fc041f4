"""What a function has taken, as a killed process leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladle.destinations.function_journal import Journal


def test_what_was_noted_is_known_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "j"
    first = Journal(path)
    assert first.done("t") == []
    first.add("t", 10, 5)
    first.add("t", 0, 10)
    first.add("t", 20, 5)
    first.add("u▶v", 0, 1)
    for journal in (first, Journal(path)):
        assert journal.done("t") == [(0, 15), (20, 25)]
        assert journal.done("u▶v") == [(0, 1)]


@pytest.mark.parametrize("torn", [b'["t",10', b'["t",10,1', b"[", b""])
def test_a_line_that_was_cut_off_is_not_done(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path).add("t", 0, 10)
    path.write_bytes(path.read_bytes() + torn)
    second = Journal(path)
    assert second.done("t") == [(0, 10)]
    second.add("t", 10, 10)
    assert Journal(path).done("t") == [(0, 20)]
