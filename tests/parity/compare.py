"""What differs between the reference's dataset and ladle's: values to be explained, counted and printed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import zip_longest
from typing import Any

from tests.parity.dataset import LOAD, Dataset, Row, comparable
from tests.parity.spellings import Spellings, spellings

SHOWN = 12
"""Groups of differences printed; the rest is counted."""


@dataclass(frozen=True, eq=False)
class Difference:
    """One difference. `kind` is error, table, column, type, value, row, orphan or load.

    `path` leads to the row (`t[0].t__l[2]`); `reference` and `ladle` are the two sides, None where there is
    nothing; `rows` are the two rows, where they are known.
    """

    kind: str
    table: str = ""
    column: str = ""
    path: str = ""
    reference: Any = None
    ladle: Any = None
    rows: tuple[Row | None, Row | None] = (None, None)


@dataclass(frozen=True, eq=False)
class Case:
    """One document's two datasets and the records they were made of."""

    records: Sequence[Any]
    reference: Dataset
    ladle: Dataset

    @cached_property
    def spellings(self) -> Spellings:
        """The spellings in the records behind each table and column."""
        return spellings(self.records)


@dataclass(frozen=True, eq=False)
class Known:
    """A difference that is meant: its name in docs/differences.md, its reason, its rule and an example."""

    name: str
    reason: str
    explains: Callable[[Difference, Case], bool]
    example: Sequence[Any]


def compare(case: Case) -> list[Difference]:
    """Every difference of a case: the error if one side failed, else tables, columns, types, links, trees."""
    reference, ladle = case.reference, case.ladle
    if reference.error or ladle.error:
        differs = bool(reference.error) != bool(ladle.error)
        return [Difference("error", reference=reference.error, ladle=ladle.error)] if differs else []
    return [*_schema(reference, ladle), *_links(reference, ladle), *_trees(reference.roots, ladle.roots)]


def unexplained(differences: Iterable[Difference], case: Case, known: Iterable[Known]) -> list[Difference]:
    """The differences no known one explains."""
    known = list(known)
    return [difference for difference in differences if not any(k.explains(difference, case) for k in known)]


def report(differences: Sequence[Difference], records: Sequence[Any] | None = None) -> str:
    """The differences grouped by kind, table and column, each group with its size and first example.

    With `records`, they are printed too, to run the document again by hand.
    """
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for difference in differences:
        groups.setdefault((difference.kind, difference.table, difference.column), []).append(difference)
    lines = [f"{len(differences)} differences in {len(groups)} groups (reference -> ladle)"]
    for (kind, table, column), members in list(groups.items())[:SHOWN]:
        first = members[0]
        where = ".".join(filter(None, (table, column)))
        times = f" x{len(members)}, first at {first.path}" if first.path else ""
        sides = " -> ".join(_short(side, quoted=bool(first.path)) for side in (first.reference, first.ladle))
        lines.append(f"  {kind} {where}{times}: {sides}")
    if len(groups) > SHOWN:
        lines.append(f"  and {len(groups) - SHOWN} groups more")
    return "\n".join(lines if records is None else [*lines, f"  records: {json.dumps(records)[:4000]}"])


def _schema(reference: Dataset, ladle: Dataset) -> Iterator[Difference]:
    for table in sorted(reference.tables.keys() | ladle.tables.keys()):
        ours, theirs = ladle.tables.get(table), reference.tables.get(table)
        if ours is None or theirs is None:
            sides = [None if side is None else f"{len(side.rows)} rows" for side in (theirs, ours)]
            yield Difference("table", table, reference=sides[0], ladle=sides[1])
            continue
        for column in sorted(theirs.columns.keys() | ours.columns.keys()):
            left, right = theirs.columns.get(column), ours.columns.get(column)
            if left != right:
                kind = "column" if left is None or right is None else "type"
                yield Difference(kind, table, column, reference=left, ladle=right)


def _links(reference: Dataset, ladle: Dataset) -> Iterator[Difference]:
    """Rows that hang on nothing, on either side, and root rows that don't carry the one load's id."""
    for row in reference.orphans:
        yield Difference("orphan", row.table, reference=row.links)
    for row in ladle.orphans:
        yield Difference("orphan", row.table, ladle=row.links)
    loads = Counter(row.links.get(LOAD) for row in ladle.roots)
    if len(loads) > 1 or None in loads:
        yield Difference("load", reference="one load id", ladle=dict(loads))


def _trees(reference: Sequence[Row], ladle: Sequence[Row]) -> Iterator[Difference]:
    """Equal trees cancel out, wherever they are stored; the rest is paired per table in stored order."""
    common = Counter(row.form for row in reference) & Counter(row.form for row in ladle)
    left, right = _without(enumerate(reference), Counter(common)), _without(enumerate(ladle), Counter(common))
    for table in sorted({row.table for _, row in left + right}):
        ours, theirs = ([(n, row) for n, row in side if row.table == table] for side in (right, left))
        for pair in zip_longest(theirs, ours):
            number = next(side[0] for side in pair if side)
            yield from _pair(f"{table}[{number}]", *(side and side[1] for side in pair))


def _children(table: str, reference: Sequence[Row], ladle: Sequence[Row], above: str) -> Iterator[Difference]:
    """Child rows are the same row by list index; where several have one index, equal trees cancel out."""
    for index in sorted({row.index for row in (*reference, *ladle)}):
        left, right = ([(0, row) for row in side if row.index == index] for side in (reference, ladle))
        common = Counter(row.form for _, row in left) & Counter(row.form for _, row in right)
        left, right = _without(left, Counter(common)), _without(right, Counter(common))
        for pair in zip_longest(left, right):
            yield from _pair(f"{above}.{table}[{index}]", *(side and side[1] for side in pair))


def _without(rows: Iterable[tuple[int, Row]], taken: Counter[Any]) -> list[tuple[int, Row]]:
    rest = []
    for number, row in rows:
        if taken[row.form]:
            taken[row.form] -= 1
        else:
            rest.append((number, row))
    return rest


def _pair(path: str, reference: Row | None, ladle: Row | None) -> Iterator[Difference]:
    rows = (reference, ladle)
    if reference is None or ladle is None:
        table = next(row.table for row in rows if row)
        yield Difference("row", table, "", path, reference and reference.values, ladle and ladle.values, rows)
        return
    for column in sorted(reference.values.keys() | ladle.values.keys()):
        left, right = reference.values.get(column), ladle.values.get(column)
        if not _same(left, right):
            yield Difference("value", reference.table, column, path, left, right, rows)
    for table in sorted(reference.children.keys() | ladle.children.keys()):
        yield from _children(table, reference.children.get(table, []), ladle.children.get(table, []), path)


def _same(left: Any, right: Any) -> bool:
    """Equal as stored: 1 and 1.0 differ only in their columns' types, which are compared on their own."""
    numbers = {type(left), type(right)} <= {int, float, Decimal}
    return comparable(left) == comparable(right) or (
        numbers and type(left) is not type(right) and left == right
    )


def _short(side: Any, quoted: bool) -> str:
    text = "nothing" if side is None else repr(side) if quoted or not isinstance(side, str) else side
    return text if len(text) <= 160 else text[:157] + "..."
