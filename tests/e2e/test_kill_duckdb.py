"""DuckDB: a process is killed at each durable step, also while it recovers; nothing is lost or twice."""

from __future__ import annotations

from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    FIRST,
    GROWN,
    LAST,
    Quick,
    Undisturbed,
    test_killed_again_in_any_state_of_any_recovery,
    test_killed_again_in_any_state_of_the_recovery,
    test_killed_at_any_moment,
    test_killed_in_any_state,
    test_killed_twice_or_more_at_random,
)

QUICK = Quick(
    runs=[FIRST, GROWN],
    recoveries=["after load.commit"],
    times=4,
    slow_recoveries=[
        (FIRST, "after package.extracted"),
        (GROWN, "after load.write.orders"),
        (LAST, "after load.commit"),
    ],
)


STEPS = {
    "package.new", "package.seal.raw", "package.extracted",
    "folder.schema", "load.begin", "load.apply", "load.write.orders", "load.write.orders__items",
    "load.write.rates", "load.write.rates__days", "load.write.readings", "load.write._ladle_changes",
    "load.commit",
    "folder.state", "package.loaded", "package.unsealed", "package.removed",
}  # fmt: skip


def test_every_durable_step_is_announced_before_and_after(undisturbed: Undisturbed) -> None:
    steps = undisturbed.steps[FIRST].names
    assert {*steps} == {f"{when} {name}" for name in STEPS for when in ("before", "after")}
    assert len(steps) == 2 * len(STEPS)
