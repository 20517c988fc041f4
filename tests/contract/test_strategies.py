"""Strategies x engines x nested or flat x rows or Arrow: each cell loads and is right, or is `never`, with a reason.

A new destination of the registry, or a new strategy, fails here until it is listed: `ENGINES`, `OUTCOMES`, `NEVER`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.merges import Way, merged
from tests.strategies import (
    ENGINES,
    FUNCTION,
    NEVER,
    PLAIN,
    WAYS,
    Engine,
    destination_types,
    disposition,
    of_type,
    ways_of,
)

import ladle
from ladle.errors import UsageError
from ladle.load.dispositions import REPLACES

Row = dict[str, Any]
SHAPES, FORMS = ("flat", "nested"), ("rows", "Arrow")

BATCHES: tuple[list[Row], ...] = (
    [{"id": 1, "v": "a", "kids": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "b", "kids": []}],
    [{"id": 2, "v": "B", "kids": [{"x": 3}]}, {"id": 3, "v": "c", "kids": [{"x": 4}]}],
    [{"id": 1, "v": "A", "kids": [{"x": 5}]}, {"id": 4, "v": "d", "kids": [{"x": 6}]}],
)
"""Keys come again, children change, and a row without any gets some."""

Outcome = Callable[[list[Row], list[Row]], list[Row]]


def by_key(strategy: str) -> Outcome:
    return lambda old, new: merged(old, new, Way(strategy, ("id",)))


OUTCOMES: dict[str, Outcome] = {
    "append": lambda old, new: [*old, *new],
    **dict.fromkeys(REPLACES, lambda old, new: new),
    "delete-insert": by_key("delete-insert"),
    "upsert": by_key("upsert"),
    "insert-only": by_key("insert-only"),
    # Versions that no longer hold stay, and no row of the batches is as one before it.
    "scd2": lambda old, new: [*old, *new],
}
"""By strategy: the rows that are there after a load, from those before and the new ones."""


@dataclass(frozen=True)
class Cell:
    engine: Engine
    way: str
    shape: str
    form: str

    def __str__(self) -> str:
        return f"{self.way}-{self.engine.name}-{self.shape}-{self.form}"


CELLS = [
    Cell(engine, way, shape, form) for way in WAYS for engine in ENGINES for shape in SHAPES for form in FORMS
]
PAIRS = [(shape, form) for shape in SHAPES for form in FORMS]
RESULTS: dict[tuple[str, str, str, str], str] = {}


def given(batch: Sequence[Row], cell: Cell) -> Any:
    rows = [row if cell.shape == "nested" else {k: v for k, v in row.items() if k != "kids"} for row in batch]
    if cell.form == "rows":
        return rows
    fields = [("id", pa.int64()), ("v", pa.string())]
    if cell.shape == "nested":
        fields.append(("kids", pa.list_(pa.struct([("x", pa.int64())]))))
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def loads(cell: Cell, destination: Any, folder: Path) -> ladle.Pipeline:
    """Load all batches, each by a run of its own."""
    pipeline = ladle.pipeline("p", folder / "work", destination=destination, dataset_name="ds")
    for batch in BATCHES:
        key = {} if cell.way in (*PLAIN, "scd2") else {"primary_key": "id"}
        resource = ladle.resource(
            given(batch, cell), name="items", write_disposition=disposition(cell.way), **key
        )
        pipeline.run(resource, loader_file_format=cell.engine.file_format)
    return pipeline


def found(pipeline: ladle.Pipeline, cell: Cell) -> list[Row]:
    """Return the rows that are there, each with its children."""
    dataset = pipeline.dataset()
    rows = dataset["items"].arrow().to_pylist()
    if cell.shape == "flat":
        return [{"id": row["id"], "v": row["v"]} for row in rows]
    kids: dict[str, list[Row]] = {}
    for kid in dataset["items__kids"].arrow().sort_by("_dlt_list_idx").to_pylist():
        kids.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    assert set(kids) <= {row["_dlt_id"] for row in rows}, "children without a parent"
    return [{"id": r["id"], "v": r["v"], "kids": kids.get(r["_dlt_id"], [])} for r in rows]


def handed_over(cell: Cell, folder: Path) -> list[Row]:
    """Return the rows that a function got: a list without items may be left out."""
    rows = [json.loads(line) for line in (folder / "taken.jsonl").read_text().splitlines()]
    return [{**row, "kids": row.get("kids", [])} if cell.shape == "nested" else row for row in rows]


def expected(cell: Cell) -> list[Row]:
    rows: list[Row] = []
    for batch in BATCHES:
        rows = OUTCOMES[cell.way](rows, batch)
    return [row if cell.shape == "nested" else {k: v for k, v in row.items() if k != "kids"} for row in rows]


def ordered(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=repr)


_OFTEN = (("flat", "Arrow"), ("nested", "rows"))


def marked(cell: Cell) -> Any:
    """Leave half of the cells, whose ways the others take too, to the slow tests."""
    marks = [] if (cell.shape, cell.form) in _OFTEN else [pytest.mark.slow]
    return pytest.param(cell, id=str(cell), marks=marks)


@pytest.mark.parametrize("cell", [marked(cell) for cell in CELLS])
def test_cell(cell: Cell, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    key = (cell.way, cell.engine.name, cell.shape, cell.form)
    RESULTS[key] = "FAILED"
    reason = NEVER.get((cell.engine.kind, cell.way))
    able = cell.way in ways_of(cell.engine.kind)
    destination = cell.engine.made(request, tmp_path)
    if reason is None:
        assert able, f"`{cell.engine.kind}` can't do `{cell.way}`: let it, or say why not in NEVER"
        assert cell.way in OUTCOMES, f"say in OUTCOMES what `{cell.way}` leaves"
        pipeline = loads(cell, destination, tmp_path)
        taken = handed_over(cell, tmp_path) if cell.engine.kind == FUNCTION else found(pipeline, cell)
        assert ordered(taken) == ordered(expected(cell))
        RESULTS[key] = "yes"
        return
    if cell.engine.kind == FUNCTION:
        loads(cell, destination, tmp_path)
        all_rows = [row["id"] for batch in BATCHES for row in batch]
        assert [row["id"] for row in handed_over(cell, tmp_path)] == all_rows
    else:
        assert not able, f"`{cell.engine.kind}` declares that it can do `{cell.way}`"
        with pytest.raises(UsageError, match="can't merge table `items`"):
            loads(cell, destination, tmp_path)
    RESULTS[key] = "never"


def test_each_destination_of_the_registry_is_an_engine() -> None:
    assert {engine.kind for engine in ENGINES} == set(destination_types()), "list it in tests/strategies.py"


def test_nothing_is_said_of_what_is_not_there() -> None:
    assert {way for _, way in NEVER} <= set(WAYS)
    assert {kind for kind, _ in NEVER} <= set(destination_types())
    for kind in destination_types():
        assert of_type(kind).type_name in (kind, "destination")


def test_the_matrix_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print()
        for way in WAYS:
            for engine in ENGINES:
                cells = {s: RESULTS.get((way, engine.name, *s), "not run") for s in PAIRS}
                print(
                    f"{way:<15} {engine.name:<20} "
                    + "  ".join(f"{'/'.join(s)}: {r}" for s, r in cells.items())
                )
    assert "FAILED" not in RESULTS.values()
