"""Loads into a DuckDB of the test's own, and reads back what landed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb

import ladle

_ZONED = "TIMESTAMP WITH TIME ZONE"
KEYS = ("_dlt_load_id", "_dlt_root_id", "_dlt_parent_id", "_dlt_list_idx", "_dlt_id")


@dataclass(frozen=True)
class Landed:
    """One table: types by column, and rows in the order they have there."""

    columns: Mapping[str, str]
    rows: list[dict[str, Any]]

    @property
    def types(self) -> dict[str, str]:
        """Types of the columns that hold data."""
        return {n: t for n, t in self.columns.items() if n not in KEYS}

    @property
    def data(self) -> list[tuple[Any, ...]]:
        """Rows without the key columns."""
        return [tuple(v for n, v in row.items() if n not in KEYS) for row in self.rows]

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]


class Site:
    """A place with pipelines and one database.

    Args:
        root: an empty folder.
        connection: a database in memory, where the file itself doesn't matter: much faster.
    """

    def __init__(self, root: Path, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self.root = root
        self.file = root / "site.duckdb"
        self.connection = connection

    @classmethod
    def in_memory(cls, root: Path) -> Site:
        return cls(root, duckdb.connect())

    @property
    def destination(self) -> Any:
        return ladle.destinations.duckdb(self.connection or str(self.file))

    def pipeline(self, name: str = "p", **options: Any) -> ladle.Pipeline:
        options = {"destination": self.destination, "dataset_name": "ds", **options}
        return ladle.pipeline(name, self.root / "pipelines", **options)

    def load(self, data: Any, table_name: str | None = "t", **options: Any) -> dict[str, Landed]:
        """Run and return all data tables."""
        self.pipeline().run(data, table_name=table_name, **options)
        return self.tables()

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        opened = self.connection.cursor() if self.connection else duckdb.connect(str(self.file))
        with opened as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.open() as connection:
            return connection.execute(sql).fetchall()

    def names(self, dataset: str = "ds") -> set[str]:
        """Names of all tables, those of the system too."""
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
        if self.connection is None and not self.file.exists():
            return set()
        with self.open() as connection:
            return {name for (name,) in connection.execute(sql, [dataset]).fetchall()}

    def table(self, name: str, dataset: str = "ds") -> Landed:
        source = f'"{dataset}"."{name}"'
        with self.open() as connection:
            described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            columns = {row[0]: row[1] for row in described}
            zoned = [n for n, type_ in columns.items() if type_ == _ZONED]
            # without pytz DuckDB gives no aware datetimes
            casts = ", ".join(f'"{n}"::TIMESTAMP AS "{n}"' for n in zoned)
            found = connection.execute(f"SELECT * {f'REPLACE ({casts})' if casts else ''} FROM {source}")
            rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
        for row in rows:
            row.update((n, row[n].replace(tzinfo=UTC)) for n in zoned if row[n] is not None)
        return Landed(columns, rows)

    def tables(self, dataset: str = "ds") -> dict[str, Landed]:
        """Return the data tables."""
        return {
            n: self.table(n, dataset)
            for n in sorted(self.names(dataset))
            if not n.startswith(("_dlt", "_ladle"))
        }
