"""A process whose package has somebody else's load id is killed at each durable step: its rows come once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.e2e.forks import KILLED, call
from tests.e2e.victim_load_id import ID, VALUES, commit_another, pipeline, run

_SEALED = "after package.extracted"


def check(kind: str, root: Path, is_whole: bool = False) -> None:
    """Let a process recover, and one more that may have to begin anew; compare with what a kill spared."""
    steps = (root / "steps").read_text().splitlines()
    assert call(run, kind, root, 0, True) == 0
    made = pipeline(kind, root)
    assert not made.has_pending_data
    if _SEALED not in steps:
        assert call(run, kind, root, 0, False) == 0
    dataset = made.dataset()
    rows = dataset.query("SELECT v, _dlt_load_id FROM t ORDER BY v").fetchall()
    assert [v for v, _ in rows] == VALUES, steps
    (load_id,) = {load_id for _, load_id in rows}
    loads = dataset.query("SELECT load_id, schema_name FROM _dlt_loads").fetchall()
    assert sorted(loads) == sorted([(ID, "theirs"), (load_id, "p")])
    told = "SELECT DISTINCT _dlt_load_id FROM _ladle_changes"
    named = dataset.query(told).fetchall() if "_ladle_changes" in dataset.tables else []
    # Killed after it got the new id, before the folder has the older schema again: then nothing seems to change.
    assert named == [(load_id,)] or (named == [] and not is_whole)


@pytest.mark.parametrize(
    "kind", ["sqlite", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("duckdb", "filesystem"))]
)
def test_killed_at_each_step(kind: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    commit_another(kind, whole)
    assert call(run, kind, whole, 0, False) == 0
    steps = (whole / "steps").read_text().splitlines()
    check(kind, whole, is_whole=True)
    assert steps.count(_SEALED) == 2, "the package becomes an extracted one again, under another id"
    # Before that the id means nothing.
    for kill in range(steps.index(_SEALED) + 1, len(steps) + 1):
        root = tmp_path / f"killed_{kill}"
        root.mkdir()
        commit_another(kind, root)
        assert call(run, kind, root, kill, False) == KILLED
        if kill % 5 == 4:
            # Once more, in the recovery.
            again = tmp_path / f"killed_{kill}_again"
            shutil.copytree(root, again)
            assert call(run, kind, again, 3, True) in (0, KILLED)
            check(kind, again)
        check(kind, root)
