"""Where a suite loads to, and how it reads what landed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ladle.destinations.base import Destination, Session
from ladle.pipelines.entry import pipeline as make_pipeline
from ladle.pipelines.pipeline import Pipeline
from ladle.schema.records import is_record
from ladle.schema.schema import SYSTEM_TABLES

KEYS = ("_dlt_load_id", "_dlt_root_id", "_dlt_parent_id", "_dlt_list_idx", "_dlt_id")
Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A destination, a dataset of the test's own there, and a folder for pipelines.

    Attributes:
        destination: what is tested.
        root: an empty folder.
        dataset: name of the dataset, as the pipelines ask for it.
        options: of each run, such as `loader_file_format`.
    """

    destination: Destination
    root: Path
    dataset: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def pipeline(self, name: str = "suite", destination: Any = None, **options: Any) -> Pipeline:
        """Return a pipeline to the dataset; a new object each time, with what is known of it on disk."""
        options = {"dataset_name": self.dataset, **options}
        return make_pipeline(
            name, self.root / "pipelines", destination=destination or self.destination, **options
        )

    def load(self, data: Any, table: str | None = "t", **hints: Any) -> Pipeline:
        """Run a pipeline and return it."""
        made = self.pipeline()
        made.run(data, table_name=table, **hints, **self.options)
        return made

    def forget(self, name: str = "suite") -> None:
        """Lose what a pipeline knows on this machine."""
        shutil.rmtree(self.root / "pipelines" / name)

    # -- what is there

    def arrow(self, table: str = "t", pipeline: str = "suite") -> pa.Table:
        """Return a table of the dataset as Arrow, all columns."""
        found = self.pipeline(pipeline).dataset().table(table).arrow()
        assert found is not None, f"table `{table}` is not there"
        return found

    def rows(self, table: str = "t", pipeline: str = "suite") -> list[Row]:
        """Return the rows of a table without keys and nulls, in no order."""
        found = self.arrow(table, pipeline)
        kept = found.drop_columns([name for name in found.column_names if name in KEYS])
        if not kept.column_names:
            return [{} for _ in range(found.num_rows)]
        return [{k: v for k, v in row.items() if v is not None} for row in kept.to_pylist()]

    def nested(self, table: str = "t", child: str = "kids", pipeline: str = "suite") -> list[Row]:
        """Return the rows of a table, each with the rows of its child table in their order."""
        rows = self.arrow(table, pipeline).to_pylist()
        below: dict[str, list[tuple[int, Row]]] = {}
        for row in self.arrow(f"{table}__{child}", pipeline).to_pylist():
            data = {k: v for k, v in row.items() if k not in KEYS and v is not None}
            below.setdefault(row["_dlt_parent_id"], []).append((row["_dlt_list_idx"], data))
        lost = below.keys() - {row["_dlt_id"] for row in rows}
        assert not lost, f"rows of `{table}__{child}` have lost their parents: {lost}"
        found = []
        for row in rows:
            kids = sorted(below.get(row["_dlt_id"], []), key=lambda pair: pair[0])
            data = {k: v for k, v in row.items() if k not in KEYS and v is not None}
            found.append({**data, child: [kid for _, kid in kids]})
        return found

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session, and close it."""
        with closing(self.destination.bound("suite").open(self.dataset)) as session:
            yield session

    def left(self, table: str) -> bool:
        """Whether a load that failed left a table: one with rows, where tables are made before their load."""
        if table not in self.tables():
            return False
        if not self.destination.limits.tables_first:
            return True
        with self.pipeline().sql_client() as client:
            name = client.make_qualified_table_name(table)
            return bool(client.execute_sql(f"SELECT 1 FROM {name} LIMIT 1"))

    def tables(self) -> dict[str, Mapping[str, str]]:
        """Return the tables of data that are there, as a session tells: types by column."""
        with self.session() as session:
            found = session.tables()
        return {n: c for n, c in found.items() if n not in SYSTEM_TABLES and not is_record(n)}


def plain(rows: Any) -> list[str]:
    """Return rows as texts to compare, in an order of their own: without nulls, keys sorted."""
    return sorted(repr(_plain(row)) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((k, _plain(v)) for k, v in value.items() if v is not None)
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
