"""Backfill: a process is killed at each durable step; called again it goes on, each window exactly once.

How a recovery that is killed itself is recovered is the same for all loads: `test_kill_cursor.py` has that.

`victim_backfill.check` also looks at what each killed process leaves: the windows on record are those whose rows
are there, and the live cursor is that of the live rows.
"""

from __future__ import annotations

from tests.e2e import victim_backfill
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    Quick,
    test_killed_in_any_state,
    test_killed_while_rows_are_loaded_ahead,
    test_rows_are_loaded_ahead,
)

STORY = victim_backfill
QUICK = Quick(runs=[], slow=[GROWN], ahead=12)
"""The other runs are those of any cursor."""
