"""Cursors and counters: a process is killed at each durable step; they are always those of the rows.

`victim_cursor.check` also looks at what each killed process leaves, before anything is recovered: the state at the
destination is never ahead of the rows that are there, and never behind.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_cursor
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    Quick,
    Undisturbed,
    survives_each,
    survives_most,
    test_killed_again_in_any_state_of_the_recovery,
    test_killed_at_any_moment,
    test_killed_in_any_state,
    test_killed_twice_or_more_at_random,
)

STORY = victim_cursor
QUICK = Quick(runs=[GROWN], recoveries=["after load.commit"], times=2)
"""On DuckDB: what is particular to a server, its own kill test has."""


@pytest.mark.slow
def test_killed_in_any_state_on_postgres(served: Undisturbed, tmp_path: Path) -> None:
    survives_each(served, GROWN, served.steps[GROWN].distinct(), tmp_path)


def test_rows_are_loaded_ahead(ahead: Undisturbed) -> None:
    assert [n for n in ahead.steps[0].names if n.startswith("after load.ahead.events")]


def test_killed_while_rows_are_loaded_ahead(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, GROWN, 6, tmp_path)


@pytest.mark.slow
def test_killed_at_many_steps_while_rows_are_loaded_ahead(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, GROWN, 3, tmp_path)
