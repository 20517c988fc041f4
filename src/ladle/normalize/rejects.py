"""What was refused, on its way to `_ladle_rejects`; how much of it is allowed; rows as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ladle.errors import TooManyRejects, UsageError, shorten
from ladle.events import Emit, Notice
from ladle.normalize.coerce import coerce
from ladle.normalize.keys import LOAD_ID, ROW_ID
from ladle.package.manifest import DataFile
from ladle.package.raw import kinds_of
from ladle.package.store import Package, StageWriter
from ladle.schema.records import REJECTS, REJECTS_TABLE
from ladle.schema.rejects import REJECTS_KEY, Reject, rejects_batch
from ladle.schema.schema import Schema
from ladle.schema.table import Column

_TEXT = Column("", data_type="text")
_AS_THEY_ARE = ("bool", "bigint", "text")
_SHOWN = 3
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be refused: a number of rejects, or a share of each resource's rows; None for any."""

    count: int | None = None
    share: float | None = None

    @classmethod
    def of(cls, given: Any) -> Budget:
        """Return the budget that a count (100), a share (0.01) or text (`100`, `0.01`, `1%`) spells.

        Raises:
            UsageError: it is none of them.
        """
        if given is None or isinstance(given, Budget):
            return given or cls()
        value = _number(given) if isinstance(given, str) else given
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(count=value)
        if isinstance(value, float) and 0 <= value <= 1:
            return cls(share=value)
        raise UsageError(
            f"max_rejects can't be `{given!r}`",
            expected="a count such as 100, or a share of a resource's rows such as 0.01 or `1%`",
        )


def _number(text: str) -> int | float | None:
    text = text.strip()
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return None


class RejectLog:
    """Writes rejects to the ready stage as they come, and counts them.

    Args:
        writer: of the ready stage.
        load_id: of the package.
        budget: how many are allowed.
        kept: whether the destination keeps them; else they are counted only.

    Memory: O(rejects of one batch).
    """

    def __init__(self, writer: StageWriter, load_id: str, budget: Budget, kept: bool) -> None:
        self._writer = writer
        self._load_id = load_id
        self._budget = budget
        self._kept = kept
        self._of_resource: Counter[str] = Counter()
        self._actions: Counter[str] = Counter()
        self._first: list[str] = []

    @property
    def count(self) -> int:
        """How many there are so far."""
        return self._of_resource.total()

    def add(self, rejects: Sequence[Reject]) -> None:
        """Take some more.

        Raises:
            TooManyRejects: there are more than the budget's count.
        """
        if rejects:
            self._append(rejects_batch(rejects))

    def _append(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        first = self.count
        self._of_resource.update(batch["resource"].to_pylist())
        self._actions.update(batch["action"].to_pylist())
        if len(self._first) < _SHOWN:
            shown = batch.slice(0, _SHOWN - len(self._first)).to_pylist()
            self._first += [_brief(reject) for reject in shown]
        if self._budget.count is not None and self.count > self._budget.count:
            found = f"{self.count} rows and values"
            raise _too_many(found, f"at most {self._budget.count}", self._first)
        if self._kept:
            ids = [f"{self._load_id}.{n}" for n in range(first, first + batch.num_rows)]
            keys = {LOAD_ID: [self._load_id] * batch.num_rows, ROW_ID: ids}
            arrays = [*batch.columns, *(pa.array(values, pa.string()) for values in keys.values())]
            made = pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names, *keys])
            self._writer.append(REJECTS_TABLE, made)

    def add_of_extract(self, package: Package) -> None:
        """Take what extract refused.

        Raises:
            TooManyRejects: there are more than the budget's count.
        """
        if files := package.files("raw", REJECTS_KEY):
            for batch in package.read(files):
                self._append(batch)

    def check(self, rows: Mapping[str, int], package: Package) -> None:
        """Check the budget once all rows were seen.

        Args:
            rows: of each resource that normalize got.
            package: extracted; what extract refused counts, among the rows too.

        Raises:
            TooManyRejects: it is more than the budget's.
        """
        budget = self._budget
        if budget.share is None and budget.count is None:
            return
        early, shown = Counter[str](), list(self._first)
        if files := package.files("raw", REJECTS_KEY):
            for batch in package.read(files):
                early.update(batch["resource"].to_pylist())
                shown += [_brief(r) for r in batch.slice(0, max(0, _SHOWN - len(shown))).to_pylist()]
        total = self._of_resource + early
        if budget.count is not None and total.total() > budget.count:
            raise _too_many(f"{total.total()} rows and values", f"at most {budget.count}", shown)
        for resource, refused in total.items():
            read = rows.get(resource, 0) + early[resource]
            if budget.share is not None and refused > budget.share * read:
                found = f"{refused} rows and values of {read} rows of resource `{resource}`"
                raise _too_many(found, f"at most {budget.share:.2%} of a resource's rows", shown)

    def tell(self, emit: Emit) -> None:
        """Emit what was refused, if anything was."""
        if not self.count:
            return
        rows, values = self._actions["row"], self._actions["value"]
        kept = f"see `{REJECTS_TABLE}`" if self._kept else "the destination keeps no rejects, they are lost"
        emit(Notice(f"rows refused: {rows}, values refused: {values}; {kept}"))

    def with_table(self, schema: Schema) -> Schema:
        """Return the schema with the table of rejects, where there are any to keep."""
        if not (self._kept and self.count) or REJECTS_TABLE in schema.table_map:
            return schema
        return schema.with_tables([REJECTS.with_extra(**{"x-normalizer": {"seen-data": True}})])


def _too_many(found: str, expected: str, first: Sequence[str]) -> TooManyRejects:
    return TooManyRejects(
        f"{found} were refused: nothing is loaded",
        rejects="; ".join(first),
        expected=expected,
        hint="mend the source or the contract, or allow more: max_rejects=...",
    )


def counted(files: Iterable[DataFile]) -> dict[str, int]:
    """Return rows by table."""
    counts: Counter[str] = Counter()
    for file in files:
        counts[file.table] += file.rows
    return dict(counts)


def _brief(reject: Mapping[str, Any]) -> str:
    value = "" if reject["value"] is None else f"={shorten(reject['value'], 20)}"
    place = ".".join(p for p in (reject["table_name"], reject["column_path"]) if p)
    return f"{place}{value} (item {reject['position']}; {reject['rule']})"


def to_json(value: Any) -> str:
    """Return JSON of what `plain` made; integers of any size, characters as they are."""
    return _JSON.encode(value)


def plain(array: pa.Array) -> list[Any]:
    """Return raw values as what JSON knows: dates and times as ISO text, bytes as base64, decimals as text.

    Nulls within dicts are left out: a key that is missing and one that is null are the same in Arrow.

    Args:
        array: in the raw format, restored.
    """
    if pa.types.is_null(array.type):
        return [None] * len(array)
    made: list[Any] = [None] * len(array)
    for kind, values in kinds_of(array).items():
        for row, value in enumerate(plain_of(kind, values)):
            if value is not None:
                made[row] = value
    return made


def plain_of(kind: str, array: pa.Array) -> list[Any]:
    """Return the values of one kind as `plain` does."""
    if kind == "dict":
        return _dicts(array)
    if kind == "list":
        return _lists(array)
    if kind in _AS_THEY_ARE:
        return array.to_pylist()  # type: ignore[no-any-return]
    if kind == "double":
        return [v if v is None or v - v == 0 else str(v) for v in array.to_pylist()]
    if kind == "wei":
        return [None if v is None else int(v) for v in array.to_pylist()]
    if kind == "json":
        return [None if v is None else json.loads(v) for v in array.to_pylist()]
    return coerce(array, kind, _TEXT)[0].to_pylist()  # type: ignore[no-any-return]


def _dicts(array: pa.StructArray) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [plain(values) for values in array.flatten()]
    there = array.is_valid().to_pylist()
    rows = zip(*columns, strict=True) if columns else iter([()] * len(array))
    return [
        {n: v for n, v in zip(names, row, strict=True) if v is not None} if valid else None
        for row, valid in zip(rows, there, strict=True)
    ]


def _lists(array: pa.ListArray) -> list[Any]:
    items = iter(plain(array.flatten()))
    lengths = array.value_lengths().to_pylist()
    return [None if length is None else [next(items) for _ in range(length)] for length in lengths]
