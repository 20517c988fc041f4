"""Extract: hints to schema, items of every form to the raw stage, errors that say where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import ladle
from ladle.errors import DataError, SourceError, UsageError
from ladle.events import Event, Progress, silent
from ladle.extract.run import ExtractOptions, apply_hints, declare, extract
from ladle.package.store import Package, Packages
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.sources.hints import Hints
from ladle.sources.resource import Resource
from ladle.sources.source import Source

SCHEMA = Schema("s")


def declared(root: Path, *resources: Resource, schema: Schema = SCHEMA, **hints: Any) -> Package:
    return declare(Source("s", resources), Packages(root, silent).create("p"), schema, Hints.of(**hints))


def pulled(
    root: Path, *resources: Resource, batch_bytes: int = 1 << 20, sink: Any = None, emit: Any = silent
) -> Package:
    package = declared(root, *resources)
    return extract(Source("s", resources), package, ExtractOptions(Hints(), batch_bytes), emit, sink)


def rows(package: Package) -> list[dict[str, Any]]:
    return [row for batch in package.read(package.files("raw")) for row in batch.to_pylist()]


def resource(data: Any, name: str = "r", **hints: Any) -> Resource:
    return ladle.resource(data, name=name, **hints)  # type: ignore[no-any-return]


# -- hints


def columns_after(known: dict[str, Any], **hints: Any) -> dict[str, Any]:
    table = Table("t", columns={n: Column.from_dict(n, c) for n, c in known.items()}, resource="r")
    schema, found = apply_hints(SCHEMA.with_tables([table]), resource([], "t"), Hints.of(**hints))
    assert schema.table_map["t"] == found
    return {n: {k: v for k, v in c.to_dict().items() if k != "name"} for n, c in found.columns.items()}


HINTS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {"columns": {"userId": {"data_type": "text"}}}, {"user_id": {"data_type": "text", "nullable": True, "x-declared": True}}),
    ({}, {"primary_key": "userId"}, {"user_id": {"primary_key": True, "nullable": False}}),
    ({}, {"primary_key": ["a", "b"]}, {"a": {"primary_key": True, "nullable": False}, "b": {"primary_key": True, "nullable": False}}),
    ({}, {"primary_key": "a", "columns": {"a": {"nullable": True}}}, {"a": {"primary_key": True, "nullable": True}}),
    ({"a": {"data_type": "bigint"}}, {"columns": {"a": {"precision": 32}}}, {"a": {"data_type": "bigint", "precision": 32, "nullable": True}}),
    ({"a": {"primary_key": True}}, {"primary_key": "b"}, {"a": {"nullable": False}, "b": {"primary_key": True, "nullable": False}}),
    ({"a": {"primary_key": True}}, {}, {"a": {"primary_key": True, "nullable": False}}),
    ({"a": {"primary_key": True}}, {"primary_key": ()}, {"a": {"nullable": False}}),
]  # fmt: skip


@pytest.mark.parametrize(("known", "hints", "expected"), HINTS)
def test_column_hints_merge_with_what_is_known(known: Any, hints: Any, expected: Any) -> None:
    assert columns_after(known, **hints) == expected


def test_hints_of_the_run_win_over_those_of_the_resource(tmp_path: Path) -> None:
    made = resource([], table_name="own", write_disposition="append", columns={"a": {"data_type": "text"}})
    package = declared(
        tmp_path, made, table_name="T 1", write_disposition="replace", columns={"b": {"data_type": "date"}}
    )
    (info,) = package.manifest.resources
    assert (info.name, info.table, info.write_disposition, info.parts) == (
        "r",
        "t_1",
        "replace",
        {"0": "T 1"},
    )
    assert set(package.manifest.schema["tables"]["t_1"]["columns"]) == {"a", "b"}
    assert package.manifest.schema["tables"]["t_1"]["resource"] == "r"


def test_a_disposition_is_for_the_run_that_asks(tmp_path: Path) -> None:
    known = SCHEMA.with_tables([Table("r", resource="r", write_disposition="replace")])
    package = declared(tmp_path, resource([]), schema=known)
    assert package.manifest.resources[0].write_disposition == "append"
    assert package.manifest.schema["tables"]["r"]["write_disposition"] == "append"


@pytest.mark.parametrize("order", [1, -1])
def test_resources_of_one_table_share_its_disposition(order: int, tmp_path: Path) -> None:
    made = [resource([], "a", table_name="t", write_disposition="replace"), resource([], "b", table_name="t")]
    package = declared(tmp_path, *made[::order])
    assert [i.write_disposition for i in package.manifest.resources] == ["replace", "replace"]


def test_resources_of_one_table_must_agree(tmp_path: Path) -> None:
    made = [
        resource([], n, table_name="t", write_disposition=d) for n, d in (("a", "replace"), ("b", "append"))
    ]
    with pytest.raises(
        UsageError, match="resources `a` and `b` feed one table with different write dispositions"
    ):
        declared(tmp_path, *made)


def test_a_child_table_is_no_target(tmp_path: Path) -> None:
    known = SCHEMA.with_tables([Table("t", resource="t"), Table("t__l", parent="t")])
    with pytest.raises(UsageError, match="it holds a list of table `t`"):
        declared(tmp_path, resource([], table_name="t__l"), schema=known)


def test_skipped_and_deselected_resources_are_not_declared(tmp_path: Path) -> None:
    package = declared(
        tmp_path, resource([], "a", write_disposition="skip"), resource([], "b", selected=False)
    )
    assert package.manifest.resources == ()
    assert set(Schema.from_dict(package.manifest.schema).table_map) == set()


# -- items


def nested(depth: int) -> Iterator[Any]:
    yield nested(depth - 1) if depth else {"a": 1}


ITEMS: dict[str, tuple[Any, list[Any]]] = {
    "rows": ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
    "one row": ({"a": 1}, [{"a": 1}]),
    "pages": (iter([[{"a": 1}], [{"a": 2}, {"a": 3}]]), [{"a": 1}, {"a": 2}, {"a": 3}]),
    "scalars": ([1, None, 2], [{"value": 1}, {"value": 2}]),
    "text is one scalar": ("abc", [{"value": "abc"}]),
    "a list in a page is a value": ([[[1]]], [{"value": [1]}]),
    "frames": (pa.table({"a": [1]}), [{"a": 1}]),
    "a page of frames": (iter([[pa.table({"a": [1]}), pa.table({"a": [2]})]]), [{"a": 1}, {"a": 2}]),
    "rows, frame, rows": (iter([{"a": 1}, pa.table({"a": [2]}), {"a": 3}]), [{"a": 1}, {"a": 2}, {"a": 3}]),
    "generators": (nested(3), [{"a": 1}]),
    "resources": (iter([resource([{"a": 1}], "inner")]), [{"a": 1}]),
    "nothing": ([], []),
    "None": (iter([None]), []),
}


@pytest.mark.parametrize("name", ITEMS)
def test_items_of_every_form_become_rows_in_order(name: str, tmp_path: Path) -> None:
    data, expected = ITEMS[name]
    package = pulled(tmp_path, resource(data))
    assert rows(package) == expected
    assert package.manifest.resources[0].rows == len(expected)
    assert sum(f.rows for f in package.manifest.raw) == len(expected)


def test_each_resource_is_read_once_and_in_order(tmp_path: Path) -> None:
    read: list[str] = []

    def reading(name: str) -> Any:
        def rows() -> Iterator[Any]:
            read.append(name)
            yield {name: 1}

        return resource(rows, name)

    package = pulled(tmp_path, reading("a"), resource([], "off", selected=False), reading("b"), reading("a"))
    assert read == ["a", "b", "a"]
    assert [i.name for i in package.manifest.resources] == ["a", "b", "a"]


def test_batches_also_go_to_the_sink_and_progress_is_told(tmp_path: Path) -> None:
    sunk: list[tuple[str, str, int]] = []
    told: list[Event] = []
    data = resource([{"a": i} for i in range(100)], table_name="T")
    pulled(tmp_path, data, sink=lambda r, t, b: sunk.append((r, t, b.num_rows)), emit=told.append)
    assert sunk == [("r", "T", 64), ("r", "T", 36)]
    assert [e for e in told if isinstance(e, Progress)] == [
        Progress("extract", "r", 64),
        Progress("extract", "r", 36),
    ]


def test_the_aimed_size_of_batches_is_kept(tmp_path: Path) -> None:
    small = pulled(tmp_path, resource([{"a": i} for i in range(500)]), batch_bytes=80)
    assert max(b.num_rows for b in small.read(small.files("raw"))) <= 64
    assert [r["a"] for r in rows(small)] == list(range(500))


def failing(at: int) -> Any:
    def rows() -> Iterator[Any]:
        for number in range(200):
            if number == at:
                raise KeyError("missing")
            yield {"a": number}

    return rows


def raising() -> Any:
    raise KeyError("missing")


@pytest.mark.parametrize("data", [failing(150), failing(0), raising])
def test_failures_of_the_sources_code_name_the_resource(data: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        pulled(tmp_path, resource(data))
    assert caught.value.what == "resource `r` failed with KeyError: 'missing'"
    assert isinstance(caught.value.exception, KeyError)
    assert caught.value.row <= 150


def test_errors_in_data_name_row_and_path_across_batches_and_frames(tmp_path: Path) -> None:
    items = iter([*[{"a": 1}] * 70, pa.table({"a": [1] * 30}), {"a": {"b": [1, object()]}}])
    with pytest.raises(DataError) as caught:
        pulled(tmp_path, resource(items))
    assert (caught.value.row, caught.value.column) == (100, "a.b[1]")


def test_generators_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nested deeper than 20"):
        pulled(tmp_path, resource(nested(30)))


@pytest.mark.parametrize("frame", [False, True])
def test_columns_declared_json_are_kept_whole(frame: bool, tmp_path: Path) -> None:
    data: Any = [{"n": 1, "d": {"x": 1}, "l": [{"y": 1}]}]
    if frame:
        data = pa.table({"n": pa.array([1], pa.int32()), "d": [{"x": 1}], "l": [[{"y": 1}]]})
    package = pulled(tmp_path, resource(data, columns={"d": {"data_type": "json"}}))
    (row,) = rows(package)
    assert list(row["d"].values()) == ['{"x":1}']
    assert row["l"] == [{"y": 1}]
    assert package.schema_of(package.files("raw")[0]).field("n").type == (pa.int32() if frame else pa.int64())
