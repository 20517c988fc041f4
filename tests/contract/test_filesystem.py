"""Files end to end: the content DuckDB gets, state, evolution, and datasets shared with the reference."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pytest

import ladle
from ladle.errors import DestinationError, InvalidPipelineName, PipelineStepFailed

FORMATS = ("jsonl", "csv", "parquet")
_OWN = ("_dlt_id", "_dlt_load_id", "_dlt_parent_id")


def lake(root: Path, name: str = "p", work: str = "work", **options: Any) -> Any:
    destination = ladle.destinations.filesystem(root / "lake", **options)
    return ladle.pipeline(name, root / work, destination=destination, dataset_name="ds")


def files(root: Path, table: str) -> list[str]:
    return sorted(str(p) for p in (root / "lake" / "ds" / table).rglob("*") if p.is_file())


def read(root: Path, table: str) -> list[dict[str, Any]]:
    """Read a table of JSON lines as DuckDB finds it."""
    with duckdb.connect() as db:
        sql = f"SELECT * FROM read_json({files(root, table)}, union_by_name=true)"
        rows = db.sql(sql).to_arrow_table().to_pylist()
    return [{k: v for k, v in row.items() if k not in _OWN} for row in rows]


_EXTREMES: list[dict[str, Any]] = [
    {
        "i": 2**63 - 1, "f": 1.7976931348623157e308, "b": True, "s": 'a"b\\c\n\r\t,é😀\x01\x1f;',
        "at": datetime(1, 1, 1, tzinfo=UTC), "nt": datetime(9999, 12, 31, 23, 59, 59, 999999),
        "da": date(1, 1, 1), "ti": time(23, 59, 59, 999999), "by": bytes(range(256)),
        "de": Decimal("12345678901234567890123456789.123456789"), "w": 10**38 - 1,
        "js": {"a": [1, None, "x\n"], "b": {"c": 1.5, "é": True}},
    },
    {
        "i": -(2**63), "f": -0.0, "b": False, "s": "", "at": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        "nt": datetime(1, 1, 1), "da": date(9999, 12, 31), "ti": time(0, 0), "by": b"",
        "de": Decimal("-0.000000001"), "w": -(10**38 - 1), "js": [],
    },
    {
        "i": 0, "f": 5e-324, "s": "null", "at": datetime(2024, 2, 29, 1, 2, 3, 4, UTC),
        "nt": datetime(2024, 2, 29, 1, 2, 3), "da": date(2024, 2, 29), "ti": time(1, 2, 3), "by": b"abc",
        "de": Decimal(0), "w": 2**64, "js": [[], {}, ""],
    },
    {"i": 1, "f": 2.0, "s": " NULL "},
    {"i": 2, "f": float("nan")},
    {"i": 3, "f": float("-inf"), "js": None},
]  # fmt: skip
_HINTS = {
    "js": {"data_type": "json"},
    "w": {"data_type": "wei"},
    "nt": {"data_type": "timestamp", "timezone": False},
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return types and rows of the extremes as DuckDB gets them."""
    root = tmp_path_factory.mktemp("expected")
    path = str(root / "x.duckdb")
    pipeline = ladle.pipeline(
        "p", root / "work", destination=ladle.destinations.duckdb(path), dataset_name="ds"
    )
    pipeline.run(_EXTREMES, table_name="t", columns=_HINTS)
    with duckdb.connect(path) as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.sql(f"SELECT * EXCLUDE ({', '.join(_OWN[:2])}) FROM ds.t")
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        return types, found.to_arrow_table().to_pylist()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_type_with_its_extremes_is_read_as_duckdb_would_have_it(
    kind: str, expected: tuple[dict[str, str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    lake(tmp_path).run(_EXTREMES, table_name="t", columns=_HINTS, loader_file_format=kind)
    types, rows = expected
    declared = {n: "VARCHAR" if t == "BLOB" and kind != "parquet" else t for n, t in types.items()}
    declared |= {"_dlt_load_id": "VARCHAR", "_dlt_id": "VARCHAR"}
    [path] = files(tmp_path, "t")
    source = {
        "parquet": f"read_parquet('{path}')",
        "jsonl": f"read_json('{path}', columns={declared}, format='newline_delimited')",
        "csv": f"read_csv('{path}', columns={declared}, auto_detect=false, header=true, quote='\"', "
        "escape='\"', delim=',', allow_quoted_nulls=false)",
    }[kind]
    bytes_of = '"{0}"' if kind == "parquet" else 'from_base64("{0}") AS "{0}"'
    select = ", ".join(bytes_of.format(n) if t == "BLOB" else f'"{n}"' for n, t in types.items())
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.sql(f"SELECT {select} FROM {source}").to_arrow_table().to_pylist()
    if kind == "jsonl":
        rows = [{**row, "f": None if row["i"] in (2, 3) else row["f"]} for row in rows]
    assert [{k: repr(v) for k, v in row.items()} for row in found] == [
        {k: repr(v) for k, v in row.items()} for row in rows
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_types_are_found_without_being_declared(kind: str, tmp_path: Path) -> None:
    lake(tmp_path).run(
        [
            {
                "i": 1,
                "f": 2.0,
                "b": True,
                "s": "x",
                "da": date(2024, 1, 2),
                "at": datetime(2024, 1, 2, tzinfo=UTC),
            }
        ],
        table_name="t",
        loader_file_format=kind,
    )
    reader = {"jsonl": "read_json", "csv": "read_csv", "parquet": "read_parquet"}[kind]
    with duckdb.connect() as db:
        rows = db.execute(f"DESCRIBE SELECT * FROM {reader}(?)", [files(tmp_path, "t")]).fetchall()
    types = {row[0]: row[1] for row in rows}
    wanted = {"i": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "s": "VARCHAR", "da": "DATE"}
    assert {name: types[name] for name in wanted} == wanted
    assert types["at"].startswith("TIMESTAMP")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_row_of_nulls_is_a_row(kind: str, tmp_path: Path) -> None:
    frame = pa.table({"a": ["x", None, None, ""], "b": pa.array([1, None, None, 2])})
    lake(tmp_path).run(frame, table_name="t", loader_file_format=kind)
    reader = {
        "jsonl": "read_json(?)",
        "csv": "read_csv(?, allow_quoted_nulls=false)",
        "parquet": "read_parquet(?)",
    }
    with duckdb.connect() as db:
        found = db.execute(f"SELECT * FROM {reader[kind]}", [files(tmp_path, "t")]).fetchall()
    assert found == [("x", 1), (None, None), (None, None), ("", 2)]


def test_pyarrow_tells_empty_from_null_in_csv(tmp_path: Path) -> None:
    lake(tmp_path).run([{"a": "", "b": 1}, {"a": None, "b": 2}], table_name="t", loader_file_format="csv")
    convert = pa.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    assert pa.csv.read_csv(files(tmp_path, "t")[0], convert_options=convert).column("a").to_pylist() == [
        "",
        None,
    ]


def test_columns_that_come_later_are_in_newer_files_only(tmp_path: Path) -> None:
    pipeline = lake(tmp_path)
    pipeline.run([{"a": 1}], table_name="t")
    before = Path(files(tmp_path, "t")[0]).read_bytes()
    info = pipeline.run([{"a": 2, "new": "x", "l": [1]}], table_name="t")
    update = info.load_packages[0].schema_update
    assert {name: list(table["columns"]) for name, table in update.items()} == {
        "t": ["new"],
        "t__l": ["value", "_dlt_parent_id", "_dlt_list_idx", "_dlt_id"],
    }
    assert Path(files(tmp_path, "t")[0]).read_bytes() == before
    assert read(tmp_path, "t") == [{"a": 1, "new": None}, {"a": 2, "new": "x"}]
    assert pipeline.run([{"a": 3, "new": "y"}], table_name="t").load_packages[0].schema_update == {}


@pytest.mark.parametrize("kind", FORMATS)
def test_folders_that_look_like_columns_do_not_hide_those_of_the_rows(kind: str, tmp_path: Path) -> None:
    pipeline = lake(tmp_path, layout="{table_name}/year={YYYY}/id=7/{load_id}.{file_id}.{ext}")
    rows = [{"id": 1, "year": 5}, {"id": 2, "year": None}]
    pipeline.run(rows, table_name="t", loader_file_format=kind)
    assert pipeline.dataset()["t"].select("id", "year").fetchall() == [(1, 5), (2, None)]


def test_replace_and_refresh(tmp_path: Path) -> None:
    pipeline = lake(tmp_path)
    pipeline.run([{"a": 1, "l": [1]}], table_name="t")
    pipeline.run([{"a": 1}], table_name="other")
    pipeline.run([{"a": 2}], table_name="t", write_disposition="replace")
    assert read(tmp_path, "t") == [{"a": 2}]
    assert len(files(tmp_path, "t")) == len(files(tmp_path, "other")) == 1
    with duckdb.connect() as db:
        assert db.execute("SELECT count(*) FROM read_json(?)", [files(tmp_path, "t__l")]).fetchone() == (0,)
    pipeline.run([{"b": 3}], table_name="t", refresh="drop_resources")
    assert read(tmp_path, "t") == [{"b": 3}]
    assert files(tmp_path, "t__l") == []
    assert read(tmp_path, "other") == [{"a": 1}]


def test_state_comes_back_where_the_working_folder_is_gone(tmp_path: Path) -> None:
    first = lake(tmp_path)
    first.run([{"a": 1}], table_name="t")
    again = lake(tmp_path, work="elsewhere")
    again.sync_destination()
    assert again.state["_state_version"] == first.state["_state_version"] > 0
    assert again.default_schema.version_hash == first.default_schema.version_hash
    info = again.run([{"a": 2}], table_name="t")
    assert info.load_packages[0].schema_update == {}
    assert read(tmp_path, "t") == [{"a": 1}, {"a": 2}]


def test_a_folder_that_is_gone_is_a_fresh_start(tmp_path: Path) -> None:
    pipeline = lake(tmp_path)
    pipeline.run([{"a": 1}], table_name="t")
    (tmp_path / "lake").rename(tmp_path / "gone")
    pipeline.run([{"b": 2}], table_name="t")
    assert read(tmp_path, "t") == [{"b": 2}]


def test_two_pipelines_share_a_dataset(tmp_path: Path) -> None:
    one, two = lake(tmp_path, "one"), lake(tmp_path, "two")
    one.run([{"a": 1}], table_name="t")
    two.run([{"a": 2, "b": 3}], table_name="t")
    one.run([{"a": 4}], table_name="t")
    assert sorted(row["a"] for row in read(tmp_path, "t")) == [1, 2, 4]
    for name in ("one", "two"):
        restored = lake(tmp_path, name, work="elsewhere")
        restored.sync_destination()
        assert restored.default_schema_name == name


def test_a_package_that_could_not_be_written_is_kept_and_loaded_later(tmp_path: Path) -> None:
    lake(tmp_path).run([{"a": 1}], table_name="t")
    folder = tmp_path / "lake" / "ds" / "u"
    folder.write_text("in the way")
    with pytest.raises(PipelineStepFailed) as caught:
        lake(tmp_path).run([{"a": 2}], table_name="u")
    assert isinstance(caught.value, DestinationError) or isinstance(caught.value.exception, DestinationError)
    assert "a file stands where a folder is needed" in str(caught.value)
    folder.unlink()
    lake(tmp_path).run([{"a": 3}], table_name="u")
    assert [row["a"] for row in read(tmp_path, "u")] == [2, 3]


def test_a_format_per_resource(tmp_path: Path) -> None:
    pipeline = lake(tmp_path, layout="{table_name}/{YYYY}/{load_id}.{file_id}.{ext}")
    rows = ladle.resource([{"a": 1, "l": [1]}], name="t", file_format="parquet")
    pipeline.run([rows, ladle.resource([{"a": 1}], name="u")])
    ends = {name: files(tmp_path, name)[0].rpartition(".")[2] for name in ("t", "t__l", "u")}
    assert ends == {"t": "parquet", "t__l": "parquet", "u": "gz"}


def test_a_lake_in_memory(tmp_path: Path) -> None:
    place = f"memory://{tmp_path.name}"
    for work in ("a", "b"):
        destination = ladle.destinations.filesystem(place)
        pipeline = ladle.pipeline("p", tmp_path / work, destination=destination, dataset_name="ds")
        pipeline.run([{"a": work}], table_name="t", write_disposition="replace")
    assert pipeline.state["_state_version"] == 1
    assert len(destination.open("ds").data_files("p", "t")) == 1


@pytest.mark.needs_reference
def test_the_reference_and_ladle_carry_on_each_others_datasets(
    reference_python: Path, tmp_path: Path
) -> None:
    def reference(rows: list[Any], disposition: str = "append") -> Any:
        script = Path(__file__).with_name("reference_lake.py")
        command = [reference_python, script, tmp_path / "lake", "p", json.dumps(rows), disposition]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def ours(rows: list[Any], work: str) -> Any:
        pipeline = lake(tmp_path, work=work)
        return list(pipeline.run(rows, table_name="t").load_packages[0].schema_update)

    assert reference([{"a": 1, "l": [1]}]) == {"version": 0, "schemas": []}
    assert ours([{"a": 2, "l": [2]}], "one") == []
    restored = reference([{"a": 3, "new": "x"}])
    assert restored["schemas"] == ["p"]
    assert restored["version"] > 0
    assert ours([{"a": 4, "new": "y"}], "two") == []
    assert sorted(row["a"] for row in read(tmp_path, "t")) == [1, 2, 3, 4]
    reference([{"a": 5}], "replace")
    assert [row["a"] for row in read(tmp_path, "t")] == [5]
    assert lake(tmp_path, work="three").run([{"a": 6}], table_name="t", write_disposition="replace")
    assert [row["a"] for row in read(tmp_path, "t")] == [6]


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_a_pipelines_name_has_room_in_the_name_of_a_file(letter: str, tmp_path: Path) -> None:
    longest = letter * (160 // len(letter.encode()))
    source = ladle.source(lambda: ladle.resource([{"a": 1}], name="t"), name="s")
    lake(tmp_path, longest).run(source())
    lake(tmp_path, longest, work="elsewhere").run(source())  # its state is found
    assert len(files(tmp_path, "t")) == 2
    with pytest.raises(InvalidPipelineName, match="too long for destination `filesystem`"):
        lake(tmp_path, longest + letter, work="third")
    assert not (tmp_path / "third").exists()
