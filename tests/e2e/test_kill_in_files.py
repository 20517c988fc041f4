"""Packages too large to wait in memory: a process is killed at each durable step; nothing is lost or twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import content
from tests.e2e.killing import (
    FIRST,
    GROWN,
    LAST,
    Undisturbed,
    survives_each,
    survives_random,
    survives_recovery,
    undisturbed_runs,
)

STEPS = {"package.seal.ready", "package.normalized", "folder.schema"}


def test_ready_files_are_sealed_and_the_schema_is_kept_before_the_load(in_files: Undisturbed) -> None:
    names = in_files.steps[FIRST].names
    begun = names.index("before load.begin")
    assert {f"after {step}" for step in STEPS} <= {*names[:begun]}


def test_what_lands_is_what_lands_from_memory(
    in_files: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    held = undisturbed_runs("duckdb", tmp_path_factory.mktemp("held"))
    assert not [name for name in held.steps[FIRST].names if name.endswith("package.seal.ready")]
    for ours, theirs in zip(in_files.tables, held.tables, strict=True):
        assert not content.differences(ours, theirs)


def test_killed_in_any_state(in_files: Undisturbed, tmp_path: Path) -> None:
    survives_each(in_files, GROWN, in_files.steps[GROWN].distinct(), tmp_path)


def test_killed_twice_or_more_at_random(in_files: Undisturbed, tmp_path: Path) -> None:
    survives_random(in_files, 4, 4, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("run", [FIRST, LAST])
def test_killed_in_any_state_of_other_runs(in_files: Undisturbed, run: int, tmp_path: Path) -> None:
    survives_each(in_files, run, in_files.steps[run].distinct(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["after package.extracted", "after package.normalized"])
def test_killed_again_in_any_state_of_the_recovery(in_files: Undisturbed, step: str, tmp_path: Path) -> None:
    survives_recovery(in_files, GROWN, step, tmp_path)
