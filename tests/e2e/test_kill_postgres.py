"""Postgres: a process is killed at each durable step, also while it recovers; nothing is lost or twice."""

from __future__ import annotations

from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    Quick,
    test_killed_again_in_any_state_of_any_recovery,
    test_killed_again_in_any_state_of_the_recovery,
    test_killed_at_any_moment,
    test_killed_in_any_state,
    test_killed_twice_or_more_at_random,
)

KIND = "postgres"
QUICK = Quick(runs=[GROWN], recoveries=["after load.commit"], times=4)
