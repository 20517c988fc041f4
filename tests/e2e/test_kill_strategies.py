"""Every strategy: a process is killed before and after each durable step; run again, all is as if undisturbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_strategies
from tests.e2e.killing import (
    DATABASES,
    ENGINES,
    FIRST,
    GROWN,
    LAST,
    Undisturbed,
    survives_each,
)

STORY = victim_strategies


def test_every_table_of_every_strategy_has_its_steps(undisturbed: Undisturbed) -> None:
    steps = undisturbed.steps[GROWN].names
    tables = {name for name in undisturbed.tables[GROWN + 1] if not name.startswith("_")}
    assert {f"{when} load.write.{table}" for table in tables for when in ("before", "after")} <= {*steps}
    assert [name.replace("after", "before") for name in steps[1::2]] == steps[::2]


def test_killed_around_the_merge(undisturbed: Undisturbed, tmp_path: Path) -> None:
    names = undisturbed.steps[GROWN].names
    around = [n + 1 for n, name in enumerate(names) if "load.merge" in name or "load.commit" in name]
    assert len(around) == 4
    survives_each(undisturbed, GROWN, around, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("undisturbed", ENGINES, indirect=True, scope="module")
def test_killed_before_and_after_each_step(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_each(undisturbed, GROWN, undisturbed.steps[GROWN].all(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("undisturbed", DATABASES, indirect=True, scope="module")
@pytest.mark.parametrize("run", [FIRST, LAST])
def test_killed_in_any_state_of_a_load(undisturbed: Undisturbed, run: int, tmp_path: Path) -> None:
    """Kill it where the tables are new, and where they stay as they are; files are all the same to that."""
    steps = undisturbed.steps[run]
    load = steps.number("before load.begin")
    survives_each(undisturbed, run, [kill for kill in steps.distinct() if kill >= load], tmp_path)
