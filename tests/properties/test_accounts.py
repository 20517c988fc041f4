"""Numbers add up: whatever is filtered, deduplicated or refused, by page, row, frame or later, is counted once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pydantic
from hypothesis import example, given
from hypothesis import strategies as st
from tests.loading import Site

import ladle

Row = dict[str, Any]


class Good(pydantic.BaseModel):
    key: int
    at: int
    n: int


# keys are unique, so that a repeated row is one that was loaded before
CELLS = st.fixed_dictionaries(
    {
        "at": st.integers(0, 6),
        "n": st.one_of(st.integers(0, 9), st.just("bad")),
        "keep": st.booleans(),
        "map": st.sampled_from(["same", "none"]),
    }
)
PAGES = st.lists(st.lists(CELLS, max_size=6), max_size=4)
SHAPES = st.sampled_from(["page", "row", "frame", "async", "awaited", "parallel", "mixed"])


def numbered(pages: list[list[Row]], first: int) -> list[list[Row]]:
    counter = iter(range(first, first + 1000))
    return [[{"key": next(counter), **row} for row in page] for page in pages]


def items(pages: list[list[Row]], shape: str) -> Iterator[Any]:
    for number, page in enumerate(pages):
        kind = ("page", "row")[number % 2] if shape == "mixed" else shape
        if kind == "frame" and page:
            yield pa.table({k: [str(row[k]) if k == "n" else row[k] for row in page] for k in page[0]})
        elif kind in ("row", "async", "awaited"):
            yield from page
        else:
            yield page


def resource(pages: list[list[Row]], shape: str, steps: set[str]) -> Any:
    def pull() -> Iterator[Any]:
        yield from items(pages, shape)

    async def later() -> Any:
        for item in items(pages, shape):
            await asyncio.sleep(0)
            yield item

    async def awaited(row: Row) -> Row | None:
        await asyncio.sleep(0)
        return None if row["map"] == "none" else row

    framed = shape == "frame"
    made = ladle.resource(
        later if shape == "async" else pull,
        name="r",
        parallelized=shape == "parallel",
        columns=Good if "model" in steps else None,
        schema_contract={"data_type": "discard_row", "columns": "evolve"} if "model" in steps else None,
        primary_key="key",
    )
    if "filter" in steps and not framed:
        made.add_filter(lambda row: row["keep"])
    if "map" in steps and not framed:
        made.add_map(awaited if shape == "awaited" else lambda row: None if row["map"] == "none" else row)
    if "cursor" in steps:
        made.set_incremental(ladle.sources.incremental("at", initial_value=1))
    return made


class Expected:
    """The same in plain Python."""

    def __init__(self, steps: set[str], framed: bool) -> None:
        self.steps = steps - {"filter", "map"} if framed else steps
        self.start = 1
        self.loaded: set[int] = set()
        self.at_last: set[int] = set()

    def run(self, pages: list[list[Row]]) -> dict[str, int]:
        rows = [row for page in pages for row in page]
        account = {"read": len(rows), "filtered": 0, "deduplicated": 0, "rejected": 0, "extracted": 0}
        passed = []
        for row in rows:
            name = self.judge(row)
            account[name] += 1
            if name == "extracted":
                passed.append(row)
        if "cursor" in self.steps and passed:
            last = max(row["at"] for row in passed)
            before = self.at_last if last == self.start else set()
            self.start, self.at_last = last, before | {r["key"] for r in passed if r["at"] == last}
        return account

    def judge(self, row: Row) -> str:
        if "filter" in self.steps and not row["keep"]:
            return "filtered"
        if "map" in self.steps and row["map"] == "none":
            return "filtered"
        out = "cursor" in self.steps and row["at"] < self.start
        if "model" in self.steps and row["n"] == "bad":
            return "filtered" if out else "rejected"
        if out:
            return "filtered"
        if "cursor" in self.steps and row["at"] == self.start and row["key"] in self.at_last:
            return "deduplicated"
        return "extracted"


def cell(at: int, n: Any = 1, keep: bool = True, mapped: str = "same") -> Row:
    return {"at": at, "n": n, "keep": keep, "map": mapped}


EVERY = [
    [[cell(0), cell(2, "bad"), cell(3), cell(3, keep=False)], [cell(3, mapped="none"), cell(1)]],
    [[cell(3), cell(4)]],
]


@example(runs=EVERY, shape="mixed", steps={"filter", "map", "model", "cursor"}, again=True)
@example(runs=EVERY, shape="awaited", steps={"filter", "map", "model", "cursor"}, again=True)
@example(runs=EVERY, shape="frame", steps={"model", "cursor"}, again=True)
@given(
    runs=st.lists(PAGES, min_size=1, max_size=2),
    shape=SHAPES,
    steps=st.sets(st.sampled_from(["filter", "map", "model", "cursor"])),
    again=st.booleans(),
)
def test_numbers_add_up(runs: list[list[list[Row]]], shape: str, steps: set[str], again: bool) -> None:
    framed = shape == "frame"
    expected, given_before = Expected(steps, framed), []
    with tempfile.TemporaryDirectory() as folder:
        site = Site.in_memory(Path(folder))
        for number, pages in enumerate(runs):
            # the source of a later run has what was there before, too
            found = given_before + numbered(pages, number * 1000)
            given_before = found if again else []
            wanted = expected.run(found)
            info = site.pipeline().run(resource(found, shape, steps))
            packages = [p.resource_accounts["r"] for p in info.load_packages]
            assert packages == ([wanted] if packages else [])
            if not packages:
                assert wanted["extracted"] == wanted["rejected"] == 0
            tables = [p.accounts.get("r") for p in info.load_packages]
            for table in filter(None, tables):
                assert table["extracted"] == table["loaded"] + table["rejected"] == wanted["extracted"]
