"""What is wrong with a source, each fault named by its resource, its row and its column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ladle.errors import DataError
from ladle.extract.arrow import Where, to_array
from ladle.sources.resource import Resource
from ladle.sources.source import Source
from ladle.testing.source_reading import Reading, closes, fetches, read

ROW_BYTES = 16_000_000
_SHOWN = 3


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: `eager`, `unnamed`, `raises`, `hangs`, `nothing`, `changes`, `ignores close`, `types`, `values`,
            `huge`, `key`, `null`, or `unstable`.
        resource: its name.
        what: happened, where.
    """

    kind: str
    resource: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: resource `{self.resource}` {self.what}"


@dataclass(frozen=True)
class Trust:
    """How far a source may go.

    Attributes:
        patience_s: seconds between two items.
        row_bytes: size of a row as JSON.
        stable: whether reading it again gives the same rows.
    """

    patience_s: float = 10.0
    row_bytes: int = ROW_BYTES
    stable: bool = True


def faults(make: Callable[[], Source], trust: Trust = Trust()) -> list[Fault]:
    """Return all that is wrong with a source. It is made and read several times. Memory: O(rows).

    Args:
        make: returns the source anew.
        trust: how far it may go.
    """
    found = list(eager(make))
    for name in make().resources:
        once = read(make().resources[name], trust.patience_s)
        resource = make().resources[name]
        wrong = list(of_rows(resource, once.rows, trust))
        if any(fault.kind == "values" for fault in wrong):
            found += wrong  # what is no data isn't equal to its copy either
            continue
        found += of_reading(name, once)
        if once.hung or once.error is not None:
            continue
        found += wrong
        found += closing(resource)
        found += again(make, name, once, trust)
    return found


def eager(make: Callable[[], Source]) -> Iterator[Fault]:
    """Yield a fault where making the source fetches something."""
    heard = fetches(make)
    if heard:
        shown = ", ".join(heard[:_SHOWN])
        yield Fault("eager", "*", f"fetches when the source is made, before it is read: {shown}")


def of_reading(name: str, reading: Reading) -> Iterator[Fault]:
    """Yield faults that show while it is read."""
    at = len(reading.rows)
    if reading.error is not None:
        kind = type(reading.error).__name__
        yield Fault("raises", name, f"raised {kind} after {at} rows: {str(reading.error)[:200]}")
    if reading.hung:
        yield Fault("hangs", name, f"gave nothing for too long, after {at} rows")
    if reading.nothings:
        yield Fault("nothing", name, f"yields None at row {reading.nothings[0]}: leave it out")
    if reading.changed:
        yield Fault(
            "changes",
            name,
            f"changed row {reading.changed[0]} after it was yielded: yield a new dict each time",
        )


def of_rows(resource: Resource, rows: Sequence[Any], trust: Trust) -> Iterator[Fault]:
    """Yield faults of its rows: types, sizes, and hints that don't hold."""
    dicts = [row for row in rows if isinstance(row, dict)]
    yield from _types(resource.name, dicts)
    try:
        to_array(dicts, where=Where(resource.name, resource.name))
    except DataError as error:
        yield Fault("values", resource.name, str(error).splitlines()[0])
        return
    for number, row in enumerate(dicts):
        size = len(json.dumps(row, default=str))
        if size > trust.row_bytes:
            yield Fault("huge", resource.name, f"has a row of {size:,} bytes, row {number}")
            break
    yield from _hints(resource, dicts)


def _types(name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    seen: dict[str, type] = {}
    told: set[str] = set()
    for number, row in enumerate(rows):
        for key, value in row.items():
            kind = float if type(value) is int and seen.get(key) is float else type(value)
            first = seen.setdefault(key, kind) if value is not None else kind
            widens = first is int and kind is float
            if value is None or kind is first or key in told or widens:
                continue
            told.add(key)
            yield Fault(
                "types", name, f"has `{kind.__name__}` in `{key}` at row {number}, `{first.__name__}` before"
            )


def _hints(resource: Resource, rows: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    columns = resource.compute_table_schema()["columns"]
    key = [name for name, hints in columns.items() if hints.get("primary_key")]
    if key:
        counts = Counter(repr([row.get(name) for name in key]) for row in rows)
        twice = [value for value, count in counts.items() if count > 1]
        if twice and "merge" not in str(resource.write_disposition):
            yield Fault("key", resource.name, f"has several rows with {', '.join(key)} = {twice[0]}")
    for name, hints in columns.items():
        if hints.get("nullable", True):
            continue
        missing = next((n for n, row in enumerate(rows) if row.get(name) is None), None)
        if missing is not None:
            yield Fault(
                "null", resource.name, f"has nothing in `{name}` at row {missing}, which can't be null"
            )


def closing(resource: Resource) -> Iterator[Fault]:
    """Yield a fault where it goes on after its reader has enough."""
    if not closes(resource):
        yield Fault("ignores close", resource.name, "goes on when it is closed: let GeneratorExit through")


def again(make: Callable[[], Source], name: str, once: Reading, trust: Trust) -> Iterator[Fault]:
    """Yield a fault where reading one object twice, or another one, gives other rows."""
    source = make()
    resource = source.resources[name]
    for _ in range(2):
        second = read(resource, trust.patience_s)
        if second.error is not None or second.hung:
            yield from of_reading(name, second)
            return
        if trust.stable and _differ(second.rows, once.rows):
            yield Fault(
                "unstable",
                name,
                f"gave {len(once.rows)} rows, and then {len(second.rows)} or others: "
                "set `stable = False` if it has to",
            )
            return
        if once.rows and not second.rows:
            yield Fault("unstable", name, "gave nothing when it was read again: make it of a function")
            return


def _differ(rows: Sequence[Any], others: Sequence[Any]) -> bool:
    try:
        return bool(rows != others)
    except (ValueError, TypeError, RecursionError):
        return len(rows) != len(others)  # frames, and what contains itself
