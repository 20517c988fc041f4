"""Replay: a process is killed at each durable step; called again it goes on, and each reject is replayed once.

How a recovery that is killed itself is recovered is the same for all loads: `test_kill_cursor.py` has that.

`victim_replay.check` also looks at what each killed process leaves: a row is refused and open, or loaded and marked.
"""

from __future__ import annotations

import pytest
from tests.e2e import victim_replay
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    EVERY_RUN,
    GROWN,
    Quick,
    Undisturbed,
    pytest_generate_tests,
    test_killed_again_in_any_state_of_the_recovery,
    test_killed_at_any_moment,
    test_killed_in_any_state,
    test_killed_twice_or_more_at_random,
    undisturbed_runs,
)

QUICK = Quick(runs=[GROWN], recoveries=["after load.commit"], times=2)


def server(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else ""


@pytest.fixture(scope="module", params=["duckdb", pytest.param("postgres", marks=pytest.mark.slow)])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = tmp_path_factory.mktemp("runs")
    return undisturbed_runs(request.param, root, server(request), story=victim_replay.__name__)
