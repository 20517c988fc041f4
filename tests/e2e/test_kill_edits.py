"""Renames and drops: a process is killed at each durable step; each is done or not done, and then goes on.

How a recovery that is killed itself is recovered is the same for all loads: `test_kill_cursor.py` has that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e import victim_edits
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    LAST,
    Quick,
    Undisturbed,
    pytest_generate_tests,
    survives_each,
    test_killed_at_any_moment,
    test_killed_in_any_state,
    test_killed_twice_or_more_at_random,
    undisturbed_runs,
)

QUICK = Quick(runs=[], recoveries=[], times=2, slow=[GROWN])


def server(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else ""


@pytest.fixture(scope="module", params=["duckdb", pytest.param("postgres", marks=pytest.mark.slow)])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = tmp_path_factory.mktemp("runs")
    return undisturbed_runs(request.param, root, server(request), story=victim_edits.__name__)


def test_killed_around_an_edit(undisturbed: Undisturbed, tmp_path: Path) -> None:
    steps = undisturbed.steps[GROWN]
    survives_each(
        undisturbed, GROWN, [steps.number(f"{w} load.alter") for w in ("before", "after")], tmp_path
    )


def test_edits_have_durable_steps(undisturbed: Undisturbed) -> None:
    assert undisturbed.steps[0].names.count("before load.alter") == 0
    assert undisturbed.steps[GROWN].names.count("after load.alter") == 3
    assert victim_edits.RUNS[GROWN] == tuple(
        edit
        for edit in victim_edits.done(replace(undisturbed.sites[GROWN + 1].job(1)))
        if edit[1] != "users__pets"
    )
