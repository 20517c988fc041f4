"""Names of tables as OpenLineage has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import ladle
from ladle.destinations.location import table_place


def test_duckdb_files_and_connections(tmp_path: Path) -> None:
    file = tmp_path / "shop.duckdb"
    found = table_place(ladle.destinations.duckdb(str(file)), "ds", "t")
    assert found == (f"duckdb://{file}", "shop.ds.t")
    with duckdb.connect() as connection:
        assert table_place(ladle.destinations.duckdb(connection), "ds", "t") == (
            "duckdb://memory",
            "memory.ds.t",
        )


@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        ("postgresql://me:secret@db.x.com:6543/shop", "postgres://db.x.com:6543"),
        ("postgresql://me:secret@db.x.com/shop", "postgres://db.x.com:5432"),
        ("postgresql://me:secret@[::1]/shop", "postgres://[::1]:5432"),
        ("postgresql://me:secret@[::1]:6543/shop", "postgres://[::1]:6543"),
    ],
)
def test_postgres_servers(url: str, namespace: str) -> None:
    assert table_place(ladle.destinations.postgres(url), "ds", "t") == (namespace, "shop.ds.t")


def test_folders(tmp_path: Path) -> None:
    assert table_place(ladle.destinations.filesystem(str(tmp_path)), "ds", "t") == (
        "file",
        f"{tmp_path}/ds/t",
    )
    assert table_place(ladle.destinations.filesystem("memory://lake"), "ds", "t") == ("memory://lake", "ds/t")


def test_functions() -> None:
    @ladle.destination
    def sink(items: Any, table: Any) -> None: ...

    namespace, name = table_place(sink(), "ds", "t")
    assert namespace.startswith("destination://")
    assert name == "ds.t"
