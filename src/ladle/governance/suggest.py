"""Suggest tags for columns that look personal. Nothing acts on a suggestion but the person who reads it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import yaml

from ladle.dataset.dataset import Dataset
from ladle.errors import UsageError
from ladle.governance.detect import DETECTORS, fits, named
from ladle.schema.naming import naming
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.secrecy import masked
from ladle.schema.tags import PII, PREFIX

SAMPLE_ROWS = 1000
MIN_SHARE = 0.5
MIN_SHARE_NAMED = 0.1
"""Of a column whose name says the same."""

_Column = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A column that looks personal.

    Attributes:
        table: name of the table.
        column: name of the column.
        pii: class of personal data: `email`, `phone`, `iban`, `card` or `ip`.
        share: of the values looked at, how many fit the class; from 0 to 1.
        values: how many were looked at; null is none.
        named: whether the column's name says the same.
        example: one of them, masked.
    """

    table: str
    column: str
    pii: str
    share: float
    values: int
    named: bool
    example: str

    def __str__(self) -> str:
        return (
            f"{self.table}.{self.column}: {self.share:.0%} of {self.values:,} values look like {self.pii}"
            f"{', as its name does' if self.named else ''}, such as {self.example}"
        )


@dataclass(frozen=True, slots=True)
class PiiReport:
    """Columns that look personal and have no tag `pii`. `str` lists them; `yaml()` is to be pasted.

    Attributes:
        suggestions: by table and column, in their order.
    """

    suggestions: tuple[Suggestion, ...]

    def yaml(self) -> str:
        """Return the suggestions as part of a schema in YAML."""
        tables: dict[str, Any] = {}
        for found in self.suggestions:
            columns = tables.setdefault(found.table, {"columns": {}})["columns"]
            columns[found.column] = {PREFIX + PII: found.pii}
        return yaml.safe_dump({"tables": tables}, sort_keys=False) if tables else ""

    def asdict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        if not self.suggestions:
            return "no column without a tag looks personal"
        return "\n".join(map(str, self.suggestions))


def suggest_tags(data: Any, *, sample_rows: int = SAMPLE_ROWS, table_name: str = "data") -> PiiReport:
    """Look through values and names of columns for personal data: mail, phone, IBAN, card, IP.

    Args:
        data: a pipeline or dataset (what is loaded), a source or resource (it is read from its beginning),
            rows or a frame.
        sample_rows: of each table, the first so many are looked at.
        table_name: for rows and frames, in the report.

    Returns:
        Columns of which at least half the values fit a class, or a tenth where the name says the same. Those
        that are tagged already are left out. Memory: O(distinct values of the sample).

    Raises:
        UsageError: data of another kind, or `sample_rows` below 1.
    """
    if sample_rows < 1:
        raise UsageError(f"sample_rows can't be {sample_rows}", expected="1 or more")
    found: dict[_Column, dict[str, int]] = {}
    tagged: set[_Column] = set()
    for name, rows, known in _tables(data, table_name):
        tagged |= known
        for row in itertools.islice(_rows(rows), sample_rows):
            _walk(row, name, (), found)
    columns = ((place, values) for place, values in found.items() if place not in tagged)
    made = (_suggestion(*place, values) for place, values in columns)
    return PiiReport(tuple(s for s in made if s is not None))


def _suggestion(table: str, column: str, values: Mapping[str, int]) -> Suggestion | None:
    total = sum(values.values())
    for pii in sorted(DETECTORS, key=lambda p: not named(p, column)):
        fitting = [text for text in values if fits(pii, column, text)]
        share = sum(values[text] for text in fitting) / total
        by_name = named(pii, column)
        if fitting and share >= (MIN_SHARE_NAMED if by_name else MIN_SHARE):
            return Suggestion(table, column, pii, share, total, by_name, masked(fitting[0], pii))
    return None


def _tables(data: Any, table_name: str) -> Iterator[tuple[str, Any, set[_Column]]]:
    """Yield name, rows and tagged columns of each table."""
    if isinstance(data, Dataset):
        yield from _of_dataset(data)
    elif hasattr(data, "dataset") and hasattr(data, "pipeline_name"):
        yield from _of_dataset(data.dataset())
    elif hasattr(data, "selected_resources"):
        for resource in data.selected_resources.values():
            yield from _tables(resource, table_name)
    elif hasattr(data, "compute_table_schema"):
        name = data.table_name if isinstance(data.table_name, str) else data.name
        columns = data.columns if isinstance(data.columns, Mapping) else {}
        fit = naming("snake_case").join
        yield name, data, {(name, fit(c)) for c, hints in columns.items() if PREFIX + PII in hints}
    elif _is_frame(data) or (isinstance(data, Iterable) and not isinstance(data, (str, bytes, Mapping))):
        yield table_name, data, set()
    else:
        raise UsageError(
            f"suggest_tags can't look into a `{type(data).__name__}`",
            expected="a pipeline, dataset, source or resource, rows, or a frame",
        )


def _of_dataset(dataset: Dataset) -> Iterator[tuple[str, Any, set[_Column]]]:
    tagged = {place for schema in dataset.schemas for place in _tagged(schema)}
    for table in dataset.tables:
        if table not in SYSTEM_TABLES and not table.startswith("_ladle_"):
            yield table, _Sampled(dataset, table), tagged


@dataclass(frozen=True, slots=True)
class _Sampled:
    """The rows of a table, read when they are asked for."""

    dataset: Dataset
    table: str

    def __iter__(self) -> Iterator[Any]:
        for part in self.dataset[self.table].iter_arrow(SAMPLE_ROWS):
            yield from part.to_pylist()


def _tagged(schema: Schema) -> Iterator[_Column]:
    for table in schema.table_map.values():
        yield from ((table.name, c.name) for c in table.columns.values() if PREFIX + PII in c.extra)


def _is_frame(item: Any) -> bool:
    return hasattr(item, "__arrow_c_stream__") or hasattr(item, "__arrow_c_array__")


def _rows(data: Any) -> Iterator[Any]:
    """Yield rows of whatever comes: pages and frames are opened."""
    if _is_frame(data):
        yield from pa.table(data).to_pylist() if not isinstance(data, pa.RecordBatch) else data.to_pylist()
        return
    for item in data:
        if _is_frame(item) or isinstance(item, list):
            yield from _rows(item)
        elif item is not None:
            yield item


def _walk(value: Any, table: str, path: tuple[str, ...], found: dict[_Column, dict[str, int]]) -> None:
    """Count the values below a row by column, as texts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    elif hasattr(value, "model_dump"):
        value = value.model_dump(by_alias=True)
    names = naming("snake_case")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _walk(inner, table, (*path, str(key)), found)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            _walk(inner, names.join(table, *(path or ("list",))), (), found)
    elif value is not None and not isinstance(value, (bool, float)):
        text = str(value).strip()
        column = names.join(*(path or ("value",)))
        if text and not column.startswith("_dlt_"):
            counts = found.setdefault((table, column), {})
            counts[text] = counts.get(text, 0) + 1
