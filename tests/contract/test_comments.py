"""Descriptions and tags become comments of tables and columns, in the load's transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet
import pytest

import ladle
from ladle.destinations import dialect
from ladle.destinations.sql import SqlSession

pytest.importorskip("psycopg")

ODD = """it's a "quoted" \\ text; -- and
 more"""
LINE = """it's a "quoted" \\ text; -- and more"""


class Site:
    """One destination, and how its comments are read: by table, then by column, None for the table's."""

    def __init__(self, kind: str, folder: Path, url: str, dataset: str) -> None:
        self.kind, self.folder, self.url, self.dataset = kind, folder, url, dataset

    def run(self, data: Any, work: str = "work", **options: Any) -> Any:
        where = self.url if self.kind == "postgres" else str(self.folder / "shop.duckdb")
        destination = getattr(ladle.destinations, self.kind)(where)
        p = ladle.pipeline("shop", self.folder / work, destination=destination, dataset_name=self.dataset)
        return p.run(data, **options)

    def comments(self) -> dict[tuple[str, str | None], str]:
        if self.kind == "duckdb":
            with duckdb.connect(str(self.folder / "shop.duckdb")) as connection:
                rows = connection.execute(
                    "SELECT table_name, NULL, comment FROM duckdb_tables() WHERE schema_name = $1 UNION ALL "
                    "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = $1",
                    [self.dataset],
                ).fetchall()
        else:
            with psycopg.connect(self.url) as connection:
                rows = connection.execute(
                    "SELECT c.relname, a.attname, d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid "
                    "JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid "
                    "AND a.attnum = d.objsubid AND d.objsubid > 0 WHERE n.nspname = %s AND c.relkind = 'r'",
                    [self.dataset],
                ).fetchall()
        return {(table, column): text for table, column, text in rows if text is not None}


@pytest.fixture(params=["duckdb", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Site:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Site(request.param, tmp_path, url, dataset)


def users(rows: Any = None, columns: Any = None, **tags: Any) -> Any:
    given = {
        "id": {"description": ODD},
        "Mail": {
            "tags": {"pii": "email", "sensitivity": "high"},
            "protect": "mask",
            "description": "Where to write",
        },
    }
    return ladle.resource(
        rows or [{"id": 1, "Mail": "a@b", "pets": [{"name": "x"}]}],
        name="users", columns=given if columns is None else columns, tags=tags or {"owner": "crm", "description": "People"},
        nested_hints={"pets": {"columns": {"name": {"description": "What it hears"}}, "tags": {"entity": "pet"}}},
    )  # fmt: skip


FIRST = {
    ("users", None): "People [owner: crm]",
    ("users", "id"): LINE,
    ("users", "mail"): "Where to write [pii: email; protect: mask; sensitivity: high]",
    ("users__pets", None): "[entity: pet]",
    ("users__pets", "name"): "What it hears",
}


def test_comments_come_with_the_tables_and_change_with_the_schema(site: Site) -> None:
    site.run(users())
    assert site.comments() == FIRST
    site.run(users())
    assert site.comments() == FIRST
    changed = {"Mail": {"description": "Where to call"}, "new": {"description": "Fresh"}}
    site.run(users([{"id": 2, "Mail": "a", "new": 1}], changed, owner="shop"))
    assert site.comments() == {
        **FIRST,
        ("users", None): "People [owner: shop]",
        ("users", "mail"): "Where to call [pii: email; protect: mask; sensitivity: high]",
        ("users", "new"): "Fresh",
    }


def test_another_dataset_gets_them_too(site: Site) -> None:
    site.run(users())
    site.dataset += "_2"
    site.run(users())
    assert site.comments() == FIRST


def test_comments_of_a_load_that_fails_dont_stay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run(users())

    def fail(*_: Any) -> None:
        raise OSError("no more")

    monkeypatch.setattr(SqlSession, "_write_version", fail)
    with pytest.raises((OSError, ladle.errors.LadleError)):
        site.run(users(columns={"id": {"description": "other"}}))
    monkeypatch.undo()
    assert site.comments() == FIRST
    site.run(None)
    assert site.comments()["users", "id"] == "other"


def test_a_load_that_begins_ahead_comments_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "0")
    rows = [[{"id": i, "Mail": "a@b", "pets": [{"name": "x"}]} for i in range(100)] for _ in range(50)]
    site.run(users(rows))
    assert site.comments() == FIRST
    site.run(users(rows, {"id": {"description": "other"}}))
    assert site.comments() == {**FIRST, ("users", "id"): "other"}


def test_nothing_is_said_where_nothing_changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    monkeypatch.setattr(dialect, "comment_on", recorded(said, dialect.comment_on))
    site.run(users())
    assert len(said) == len(FIRST)
    site.run(users())
    site.run(users([{"id": 3, "other": 1}]))
    assert len(said) == len(FIRST)


def recorded(said: list[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        said.append(args)
        return function(*args)

    return call


def test_parquet_files_carry_them_as_metadata(tmp_path: Path) -> None:
    destination = ladle.destinations.filesystem(str(tmp_path / "lake"))
    p = ladle.pipeline("shop", tmp_path / "work", destination=destination, dataset_name="ds")
    p.run(users(), loader_file_format="parquet")
    (path,) = (tmp_path / "lake" / "ds" / "users").glob("*.parquet")
    schema = pyarrow.parquet.read_schema(path)
    assert schema.metadata[b"comment"] == b"People [owner: crm]"
    assert schema.metadata[b"x-annotation-owner"] == b"crm"
    mail = schema.field("mail").metadata
    assert mail[b"comment"].decode() == FIRST["users", "mail"]
    assert mail[b"x-annotation-pii"] == b"email"
    assert b"comment" not in (schema.field("_dlt_id").metadata or {})
    assert pyarrow.parquet.read_table(path)["mail"].to_pylist() == ["a***@***"]


def test_tags_are_in_the_stored_schema(tmp_path: Path) -> None:
    p = ladle.pipeline(
        "shop",
        tmp_path / "work",
        destination=ladle.destinations.duckdb(str(tmp_path / "s.duckdb")),
        dataset_name="ds",
    )

    @ladle.source(tags={"domain": "sales", "owner": "crm", "description": "The shop"})
    def shop() -> Any:
        return users()

    p.run(shop())
    with duckdb.connect(str(tmp_path / "s.duckdb")) as connection:
        ((stored,),) = connection.execute("SELECT schema FROM ds._dlt_version").fetchall()
    found = json.loads(stored)
    assert found["settings"]["x-annotation-domain"] == "sales"
    assert found["settings"]["x-annotation-description"] == "The shop"
    assert found["tables"]["users"]["x-annotation-owner"] == "crm"
    assert found["tables"]["users"]["columns"]["mail"]["x-annotation-pii"] == "email"
    assert found["tables"]["users__pets"]["x-annotation-entity"] == "pet"
    attached = ladle.attach("shop", tmp_path / "other", destination=p.destination, dataset_name="ds")
    assert attached.schemas["shop"].to_dict() == found
