"""Cursors and counters: a process is killed at each durable step; they are always those of the rows.

`victim_cursor.check` also looks at what each killed process leaves, before anything is recovered: the state at the
destination is never ahead of the rows that are there, and never behind.
"""

from __future__ import annotations

from tests.e2e import victim_cursor
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    Quick,
    test_killed_again_in_any_state_of_the_recovery,
    test_killed_at_any_moment,
    test_killed_in_any_state,
    test_killed_in_any_state_on_postgres,
    test_killed_twice_or_more_at_random,
    test_killed_while_rows_are_loaded_ahead,
    test_rows_are_loaded_ahead,
)

STORY = victim_cursor
QUICK = Quick(runs=[GROWN], recoveries=["after load.commit"], times=2, ahead=6)
"""On DuckDB: what is particular to a server, its own kill test has."""
