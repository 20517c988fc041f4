"""Random merges through the reference and ladle: the same rows and children. Of rows with one key in one batch the
reference doesn't say which remains (upsert loads all), so the histories here have a key once in a batch."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site
from tests.merges import Way, key_of, merged, plain
from tests.parity.recorded import Batch
from tests.unit.load.test_merge import landed

import ladle

pytestmark = pytest.mark.needs_reference
COUNT = 39
WAYS = [
    Way("delete-insert", ("id",)),
    Way("delete-insert", ("id", "k")),
    Way("delete-insert", (), ("d",)),
    Way("delete-insert", ("id",), ("d",), flag=True),
    Way("upsert", ("id",)),
    Way("upsert", ("id", "k"), flag=True),
    Way("insert-only", ("id",)),
    Way("insert-only", ("id", "k"), flag=True),
    Way("upsert", ("id",), missing="hard"),
    Way("upsert", ("id", "k"), flag=True, missing="hard"),
    Way("upsert", ("id",), skips=True),
    # the reference can't do the third on DuckDB
    Way("truncate-and-insert"),
    Way("insert-from-staging"),
]


def history(number: int) -> dict[str, Any]:
    draw = random.Random(number)
    way = WAYS[number % len(WAYS)]

    def row() -> dict[str, Any]:
        kids = [{"x": draw.randrange(4)} for _ in range(draw.randrange(3))]
        made = {
            "id": draw.randrange(6),
            "k": draw.choice(["a", "ab", "b"]),
            "d": draw.randrange(3),
            "v": draw.choice("xyz"),
        }
        return {**made, "kids": kids, **({"gone": draw.choice([False, False, True])} if way.flag else {})}

    batches = []
    for _ in range(draw.randrange(2, 4)):
        rows = [row() for _ in range(draw.randrange(1, 7))]
        once = {key_of(r, way.primary) or n: r for n, r in enumerate(rows)}
        batches.append(list(once.values()))
    return {"id": number, "way": way, "hints": way.hints, "batches": batches}


HISTORIES = [history(n) for n in range(COUNT)]


def hints_there(way: Way, hints: dict[str, Any]) -> dict[str, Any]:
    """Spell hints as the reference does: deletes by comparison are a strategy of its own."""
    if not way.missing:
        return hints
    return {**hints, "write_disposition": {"disposition": "merge", "strategy": "cdc"}}


def batch() -> Batch:
    """What the reference is asked."""
    given = [
        {"id": h["id"], "batches": h["batches"], "hints": hints_there(h["way"], h["hints"])}
        for h in HISTORIES
    ]
    return Batch("merges", Path(__file__).with_name("reference_merges.py"), given)


@pytest.fixture(scope="module")
def reference(reference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return batch().answer(reference_python, tmp_path_factory.mktemp("merges"))


@pytest.mark.parametrize("number", range(COUNT))
def test_the_same_rows(reference: dict[int, Any], tmp_path: Path, number: int) -> None:
    case = HISTORIES[number]
    site, expected = Site.in_memory(tmp_path), []
    for batch in case["batches"]:
        site.pipeline().run(ladle.resource(batch, name="t", **case["hints"]))
        expected = merged(expected, batch, case["way"])
    ours = plain(landed(site))
    assert ours == plain(expected)
    assert not isinstance(reference[number], str), reference[number]
    theirs = [row for row in reference[number] if not added_to_be_deleted(case["way"], row)]
    if case["way"].strategy == "insert-only":
        # The reference adds children to roots that it leaves as they are, where the list got longer.
        ours, theirs = plain([without_kids(row) for row in landed(site)]), [without_kids(r) for r in theirs]
    assert ours == plain(theirs), (case["way"], case["batches"])


def added_to_be_deleted(way: Way, row: dict[str, Any]) -> bool:
    """Whether the reference has added a row that is marked to delete: its upsert does where the key is new."""
    return way.strategy == "upsert" and bool(row.get("gone"))


def without_kids(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "kids": []}
