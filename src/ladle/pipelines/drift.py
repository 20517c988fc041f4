"""What a destination has beside the stored schema, made or dropped by hand; how the schema takes it over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from ladle.destinations import dialect as statements
from ladle.destinations.base import Destination, readable
from ladle.schema.edits import Edit
from ladle.schema.records import is_record
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import Column
from ladle.schema.types import column_of, kind_of


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """Where a destination and a stored schema differ.

    Attributes:
        schema_name: of the schema.
        dataset_name: where its tables are.
        missing_tables: loaded once, and there no more.
        missing_columns: by table, of tables that are there.
        unknown_columns: by table: columns that the schema doesn't know, with the destination's type.
        unknown_tables: that no schema of the pipeline knows; never touched.
    """

    schema_name: str
    dataset_name: str
    missing_tables: tuple[str, ...]
    missing_columns: Mapping[str, tuple[str, ...]]
    unknown_columns: Mapping[str, Mapping[str, str]]
    unknown_tables: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the schema could take over."""
        return not (self.missing_tables or self.missing_columns or self.unknown_columns)

    def __str__(self) -> str:
        lines = [f"  table `{name}` is in the schema, not at the destination" for name in self.missing_tables]
        for table, columns in self.missing_columns.items():
            lines += [
                f"  column `{n}` of table `{table}` is in the schema, not at the destination" for n in columns
            ]
        for table, types in self.unknown_columns.items():
            lines += [
                f"  column `{n}` ({t}) of table `{table}` is at the destination, not in the schema"
                for n, t in types.items()
            ]
        lines += [f"  table `{name}` is at the destination, in no schema" for name in self.unknown_tables]
        head = f"schema `{self.schema_name}`, dataset `{self.dataset_name}`:"
        return "\n".join([head, *(lines or ["  no difference"])])


def drift(schema: Schema, others: Mapping[str, Schema], destination: Destination, dataset: str) -> SchemaDiff:
    """Compare a stored schema with what is there; types aren't compared.

    Args:
        schema: as committed.
        others: all schemas of the pipeline, for the tables that it knows.
        destination: where the tables are.
        dataset: the dataset.
    """
    with closing(destination.open(dataset)) as session:
        there = session.tables()
    loaded = {
        t.name: [c.name for c in t.typed_columns()]
        for t in schema.table_map.values()
        if t.loaded and t.typed_columns() and not is_record(t.name)
    }
    missing = {
        t: tuple(c for c in columns if c not in there[t]) for t, columns in loaded.items() if t in there
    }
    unknown = {
        t: {c: kind for c, kind in there[t].items() if c not in schema.table_map[t].columns}
        for t in loaded
        if t in there
    }
    known = {*SYSTEM_TABLES, *(t for s in (schema, *others.values()) for t in s.table_map)}
    return SchemaDiff(
        schema.name,
        dataset,
        missing_tables=tuple(t for t in loaded if t not in there),
        missing_columns={t: c for t, c in missing.items() if c},
        unknown_columns={t: c for t, c in unknown.items() if c},
        unknown_tables=tuple(t for t in there if t not in known and not is_record(t)),
    )


def adopting(schema: Schema, found: SchemaDiff, destination: Destination) -> Iterator[Edit]:
    """Yield the edits that make the schema what the destination is.

    What was dropped there isn't loaded again; columns that were added there become columns of the schema.
    Those of a type that ladle has none for, and keys of rows, stay as they are.
    """
    gone = set(found.missing_tables)
    for table in found.missing_tables:
        if schema.table_map[table].parent not in gone:  # goes with it
            yield Edit("drop", table)
    for table, columns in found.missing_columns.items():
        for name in columns:
            column = schema.table_map[table].columns[name]
            above = next((c for c in columns if name.startswith(f"{c}__v_")), None)
            if not (name.startswith("_dlt_") or (column.variant and above)):
                yield Edit("drop", table, name)
    for table, types in found.unknown_columns.items():
        for column in _typed(table, list(types), destination, found.dataset_name):
            hints = {k: v for k, v in column.to_dict().items() if k != "name"}
            yield Edit("adopt", table, column.name, hints=hints)


def _typed(table: str, columns: list[str], destination: Destination, dataset: str) -> Iterator[Column]:
    with closing(readable(destination).reader(dataset)) as reader:
        sql = reader.dialect.sql
        picked = ", ".join(sql(statements.column_ref(c)) for c in columns)
        ref = sql(statements.table_ref(dataset, table))
        with reader.stream(f"SELECT {picked} FROM {ref} LIMIT 0") as rows:
            fields = list(rows.schema)
    for field in fields:
        if kind_of(field.type) is None:
            continue
        column = column_of(field.name, field.type, from_frame=True)
        naive = pa.types.is_timestamp(field.type) and field.type.tz is None
        yield replace(column, timezone=False) if naive else column
