"""Reading files with SQL: all types in all formats, new columns, uncommitted and replaced files, other places."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.dataset.dataset import Dataset
from ladle.destinations.file_folder import FileFolder
from ladle.destinations.file_reader import FileReader

FORMATS = ("jsonl", "parquet", "csv")
ROW: dict[str, Any] = {
    "i": 2**62,
    "f": 1.5,
    "b": True,
    "s": 'a,"b"\nc\\ü',
    "e": "",
    "n": Decimal("12.340000000"),
    "w": 2**70,
    "t": datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    "d": date(2024, 1, 2),
    "h": time(1, 2, 3),
    "x": b"\x00\xff",
    "j": '{"a":[1,"ü"]}',
}


def load(destination: Any, tmp_path: Path, rows: Any, table: str = "t", **options: Any) -> None:
    pipeline = ladle.pipeline("f", tmp_path / "work", destination=destination, dataset_name="ds")
    pipeline.run(rows, table_name=table, **options)


@pytest.mark.parametrize("kind", FORMATS)
def test_values_come_back_as_they_were(tmp_path: Path, kind: str) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    rows = [{**ROW, "j": {"a": [1, "ü"]}}, {"i": None}]
    load(lake, tmp_path, rows, loader_file_format=kind, columns={"j": {"data_type": "json"}})
    found = ladle.dataset(lake, "ds")["t"].select(*ROW).arrow()
    assert found is not None
    assert sorted(found.to_pylist(), key=lambda r: r["i"] is None) == [ROW, dict.fromkeys(ROW)]


def test_files_of_all_formats_are_one_table(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    for number, kind in enumerate(FORMATS):
        load(lake, tmp_path, [{"a": number, f"only_{kind}": "x"}], loader_file_format=kind)
    ds = ladle.dataset(lake, "ds")
    assert ds.row_counts().fetchall() == [("t", 3)]
    rows = ds["t"].select("a", "only_csv").order_by("a").fetchall()
    assert rows == [(0, None), (1, None), (2, "x")]
    assert len(ds.load_ids()) == 3
    assert ds["_dlt_pipeline_state"].select("pipeline_name").fetchmany(1) == [("f",)]


def test_only_what_is_committed_is_read(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    load(lake, tmp_path, [{"a": 1}])
    session: Any = lake.open("ds")
    ds = ladle.dataset(lake, "ds")
    with ds:
        assert ds["t"].select("a").fetchall() == [(1,)]
        # a load of another process that has put its files in place, and not yet its row
        [path] = (tmp_path / "lake" / "ds" / "t").iterdir()
        new = path.with_name(f"9.{path.name.partition('.')[2]}")
        new.write_bytes(path.read_bytes())
        intent = tmp_path / "lake" / "ds" / "_ladle" / "9.json"
        intent.parent.mkdir(exist_ok=True)
        intent.write_text(f'{{"load_id": "9", "session": "s", "new": ["t/{new.name}"], "old": []}}')
        assert ds["t"].select("a").fetchall() == [(1,)]
        intent.unlink()
        assert ds["t"].select("a").fetchall() == [(1,), (1,)]
    session.close()


@pytest.mark.parametrize(("place", "name"), [(FileFolder, "files"), (FileReader, "_make_views")])
def test_files_that_are_replaced_when_a_query_begins_are_looked_up_again(
    place: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    load(lake, tmp_path, [{"a": 1}])
    original, replaced = getattr(place, name), []

    def then_replaced(*args: Any) -> Any:
        done = original(*args)
        if not replaced and any(table.name == "t" for table in args[1]):
            replaced.append(2)
            load(lake, tmp_path, [{"a": 2}], write_disposition="replace")
        return done

    monkeypatch.setattr(place, name, then_replaced)
    assert ladle.dataset(lake, "ds")("SELECT a FROM t").fetchall() == [(2,)]


def test_replaced_files_are_not_read(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    load(lake, tmp_path, [{"a": 1}])
    load(lake, tmp_path, [{"a": 2}], write_disposition="replace")
    assert ladle.dataset(lake, "ds")["t"].select("a").fetchall() == [(2,)]


def test_a_folder_of_fsspec(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(f"memory://{tmp_path.name}")
    load(lake, tmp_path, [{"a": 1}, {"a": 2}], loader_file_format="parquet")
    assert ladle.dataset(lake, "ds")("select sum(a) as s from t").fetchscalar() == 3


def test_a_layout_of_its_own(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(
        str(tmp_path / "lake"), layout="{schema_name}/{table_name}/{YYYY}/{load_id}.{file_id}.{ext}"
    )
    load(lake, tmp_path, [{"a": 1, "b": [{"c": 1}]}])
    ds = ladle.dataset(lake, "ds")
    assert ds["t"].join("t__b").select("a", "t__b__c").fetchall() == [(1, 1)]


def test_a_dataset_that_is_not_there(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    ds: Dataset = ladle.dataset(lake, "nothing")
    assert ds.tables == ["_dlt_version", "_dlt_loads", "_dlt_pipeline_state"]
    assert not ds.sql_client.has_dataset()
    assert ds["_dlt_loads"].fetchall() == []
    assert not (tmp_path / "lake").exists()


def test_views_are_made_only_of_tables_that_a_query_names(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    load(lake, tmp_path, [{"a": 1}])
    load(lake, tmp_path, [{"a": 1}], table="other")
    reader: Any = lake.reader("ds")
    assert isinstance(reader, FileReader)

    def views() -> set[str]:
        with reader._sql.stream("select view_name from duckdb_views() where schema_name = 'ds'") as rows:
            return {name for batch in rows.batches for name in batch.column(0).to_pylist()}

    with reader.stream('select * from "ds"."t"') as rows:
        assert sum(batch.num_rows for batch in rows.batches) == 1
    assert views() == {"t"}
    assert reader.native is not None
    assert views() == {"t", "other", "_dlt_version", "_dlt_loads", "_dlt_pipeline_state", "_ladle_changes"}
    assert not reader.exists("another")
    assert reader.tables("another") == []
    reader.close()


def test_a_table_without_files_has_its_columns(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    load(lake, tmp_path, [{"a": 1}])
    for path in (tmp_path / "lake" / "ds" / "t").iterdir():
        path.unlink()
    found = ladle.dataset(lake, "ds")["t"].select("a").arrow()
    assert found is not None
    assert str(found.schema.field("a").type) == "int64"
    assert found.num_rows == 0


def test_sql_may_name_a_table_in_any_case(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    load(lake, tmp_path, [{"a": 1}])
    with ladle.dataset(lake, "ds").sql_client as client:
        assert client.execute_sql("SELECT a FROM T") == [(1,)]


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_names_with_the_look_of_a_pattern_match_only_themselves(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA__NAMING", "direct")
    destination = ladle.destinations.filesystem(tmp_path / "lake")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name="d?*[a]")
    for number, table in enumerate(["?", "a", "[ab]", "*"]):
        pipeline.run([{"n": number}], table_name=table, loader_file_format=kind)
    with pipeline.dataset() as dataset:
        found = {name: dataset.table(name).arrow()["n"].to_pylist() for name in ["?", "a", "[ab]", "*"]}
    assert found == {"?": [0], "a": [1], "[ab]": [2], "*": [3]}
