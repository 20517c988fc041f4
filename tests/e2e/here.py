"""A pipeline into a DuckDB file, for tests that disturb it from within the test process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e import content

import ladle

ROWS = [{"id": i, "tags": ["a", "b"]} for i in range(3)]


class Here:
    """A pipeline into a DuckDB file, made anew with each call as by a new process."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.database = folder / "x.duckdb"
        self.options = options

    def __call__(self, **options: Any) -> ladle.Pipeline:
        destination = ladle.destinations.duckdb(str(self.database), lock_wait_s=0.2)
        return ladle.pipeline(
            "faulty",
            self.folder / "work",
            destination=destination,
            dataset_name="ds",
            **self.options,
            **options,
        )

    @property
    def work(self) -> Path:
        return self.folder / "work" / "faulty"

    def tables(self) -> content.Tables:
        return content.read(f"duckdb:{self.database}", "ds")

    def rows(self, table: str = "items") -> int:
        return len(self.tables().get(table, []))

    def loads(self) -> int:
        return len(content.load_ids(self.tables()))
