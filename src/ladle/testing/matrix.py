"""Loads every value of `ladle.testing.values`, and says what became of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ladle.errors import LadleError, PipelineStepFailed
from ladle.testing.fidelity import Cell, compared
from ladle.testing.place import Place
from ladle.testing.values import CASES, Case

WAYS = ("rows", "arrow")
_PIPELINE = "suite"


def matrix(place: Place, refused: Collection[str] = (), cases: Sequence[Case] = CASES) -> list[Cell]:
    """Load values, as rows and as Arrow, and return what became of each.

    Args:
        place: fresh.
        refused: names of cases that the destination is known to refuse. Those are loaded one by one, all
            others in one row; where that one fails, in halves of it.
        cases: to load.

    Memory: O(values). Each case is a column of its own, so that none has a say in the type of another.
    """
    cells: list[Cell] = []
    for way in WAYS:
        brought = [case for case in cases if way in case.ways]
        alone = [c for c in brought if c.refused is not None or c.name in refused]
        together = [case for case in brought if case not in alone]
        cells += _halved(place, together, way, f"all_{way}")
        for number, case in enumerate(alone):
            cells.append(_alone(place, case, way, f"one_{way}_{number}"))
    order = {case.name: number for number, case in enumerate(cases)}
    return sorted(cells, key=lambda cell: order[cell.case])


def _halved(place: Place, cases: Sequence[Case], way: str, table: str) -> list[Cell]:
    """Load values in one row; where that is refused, each half by itself."""
    if len(cases) == 1:
        return [_alone(place, cases[0], way, table)]
    found = _loaded(place, cases, way, table)
    if not isinstance(found, LadleError):
        return found
    half = len(cases) // 2
    parts = ((cases[:half], f"{table}_0"), (cases[half:], f"{table}_1"))
    return [cell for some, name in parts for cell in _halved(place, some, way, name)]


def _alone(place: Place, case: Case, way: str, table: str) -> Cell:
    found = _loaded(place, [case], way, table)
    if not isinstance(found, LadleError):
        return found[0]
    if place.left(table):
        return Cell(case.name, way, "changed", f"was refused, but table `{table}` is there")
    if type(found) is PipelineStepFailed:
        return Cell(case.name, way, "changed", f"broke instead of being refused: {found}")
    return Cell(case.name, way, "refused", type(found).__name__)


def _loaded(place: Place, cases: Sequence[Case], way: str, table: str) -> list[Cell] | LadleError:
    """Load values in one row, beside a row of nulls; return what became of each, or why all were refused."""
    if not cases:
        return []
    names = [f"c{number}" for number in range(len(cases))]
    hints = {name: dict(case.hints) for name, case in zip(names, cases, strict=True) if case.hints}
    data = _arrow(names, cases) if way == "arrow" else _rows(names, cases)
    pipeline = place.pipeline(_PIPELINE)
    try:
        pipeline.run(data, table_name=table, columns=hints, **place.options)
    except LadleError as error:
        pipeline.drop_pending_packages()
        return error
    rows = place.arrow(table, _PIPELINE)
    order = rows.column("n").to_pylist()
    values = rows.slice(order.index(0), 1)
    nulls = rows.slice(order.index(1), 1)
    for name in rows.column_names:
        if name.startswith("c") and nulls.column(name)[0].is_valid:
            raise AssertionError(f"null became {nulls.column(name)[0]} in column `{name}` of `{table}`")
    return [compared(case, way, _of_column(values, name)) for name, case in zip(names, cases, strict=True)]


def _rows(names: Iterable[str], cases: Iterable[Case]) -> list[dict[str, Any]]:
    return [{"n": 0, **{n: c.value for n, c in zip(names, cases, strict=True)}}, {"n": 1}]


def _arrow(names: Iterable[str], cases: Iterable[Case]) -> pa.Table:
    arrays = [c.as_arrow() for c in cases]
    padded = [pa.chunked_array([a, pa.nulls(1, a.type)]) for a in arrays]
    return pa.table({"n": [0, 1], **dict(zip(names, padded, strict=True))})


def _of_column(row: pa.Table, name: str) -> Mapping[str, pa.Scalar]:
    """Return the values of a column and its variants that aren't null, the column as `v`."""
    mine = [n for n in row.column_names if n == name or n.startswith(f"{name}__v_")]
    return {n.replace(name, "v", 1): row.column(n)[0] for n in mine if row.column(n)[0].is_valid}
