"""Tables that come to be while items are read: by functions of the item and by marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import ladle
from ladle.errors import DataError, UsageError
from ladle.events import silent
from ladle.extract.run import ExtractOptions, declare, extract
from ladle.package.store import Package, Packages
from ladle.schema.schema import Schema
from ladle.sources.hints import Hints
from ladle.sources.resource import Resource
from ladle.sources.source import Source

mark = ladle.mark


def extracted(
    root: Path, *resources: Resource, sink: Any = None, hints: Hints | None = None, **options: Any
) -> Package:
    source, over = Source("s", resources), hints or Hints()
    package = declare(source, Packages(root, silent).create("p"), Schema("s"), over)
    return extract(source, package, ExtractOptions(over, **options), silent, sink)


def rows(package: Package, key: str) -> list[dict[str, Any]]:
    return [row for batch in package.read(package.files("raw", key)) for row in batch.to_pylist()]


def by_table(package: Package) -> dict[str, list[dict[str, Any]]]:
    return {
        root: rows(package, key) for info in package.manifest.resources for key, root in info.parts.items()
    }


class Sink:
    """Notes what it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def put(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        self.heard.append((resource, root, batch.num_rows))

    def declare(self, tables: Any) -> None:
        self.heard.append([t.name for t in tables])


def events() -> Iterator[Any]:
    yield {"type": "a", "id": 1}
    yield [{"type": "b", "id": 2}, {"type": "a", "id": 3}]
    yield None


def dispatched(**hints: Any) -> Resource:
    return ladle.resource(events, name="events", table_name=lambda row: row["type"], **hints)


def test_rows_are_dispatched_and_the_manifest_knows_the_tables(tmp_path: Path) -> None:
    package = extracted(tmp_path, dispatched(primary_key="id"), ladle.resource([{"x": 1}], name="plain"))
    assert by_table(package) == {
        "plain": [{"x": 1}],
        "a": [{"type": "a", "id": 1}, {"type": "a", "id": 3}],
        "b": [{"type": "b", "id": 2}],
    }
    assert [(i.name, i.table, i.rows) for i in package.manifest.resources] == [
        ("plain", "plain", 1), ("events", "a", 2), ("events", "b", 1),
    ]  # fmt: skip
    tables = package.manifest.schema["tables"]
    assert tables["a"]["columns"]["id"]["primary_key"]
    assert tables["b"]["resource"] == "events"
    assert "events" not in tables


def test_frames_go_whole_by_what_the_function_says_of_them(tmp_path: Path) -> None:
    frames = [pa.table({"id": [1, 2]}), pa.table({"id": [3]})]
    made = ladle.resource(frames, name="r", table_name=lambda frame: f"t{frame.num_rows}")
    assert by_table(extracted(tmp_path, made)) == {"t2": [{"id": 1}, {"id": 2}], "t1": [{"id": 3}]}


def test_the_name_of_the_run_wins(tmp_path: Path) -> None:
    package = extracted(tmp_path, dispatched(), hints=Hints.of(table_name="all"))
    assert {t: len(r) for t, r in by_table(package).items()} == {"all": 3}


def test_a_table_is_declared_before_its_first_batch(tmp_path: Path) -> None:
    sink = Sink()
    extracted(tmp_path, dispatched(), sink=sink)
    assert sink.heard == [["a"], ["b"], ("events", "a", 2), ("events", "b", 1)]


def test_what_is_declared_before_extract_is_not_told_again(tmp_path: Path) -> None:
    sink = Sink()
    extracted(tmp_path, ladle.resource([{"x": 1}], name="plain", primary_key="x"), sink=sink)
    assert sink.heard == [("plain", "plain", 1)]


def test_hints_by_item_add_up(tmp_path: Path) -> None:
    made = ladle.resource(
        [{"k": "a"}, {"k": "b"}, {"k": "a"}], name="r", columns=lambda row: {row["k"]: {"data_type": "date"}}
    )
    package = extracted(tmp_path, made)
    assert set(package.manifest.schema["tables"]["r"]["columns"]) == {"a", "b"}
    assert [i.rows for i in package.manifest.resources] == [3]


def test_a_column_kept_as_json_by_a_mark(tmp_path: Path) -> None:
    hints = mark.make_hints(table_name="t", columns={"d": {"data_type": "json"}})
    package = extracted(
        tmp_path, ladle.resource(lambda: iter([mark.with_hints({"d": {"x": 1}}, hints)]), name="r")
    )
    ((row,),) = [r for t, r in by_table(package).items() if t == "t"]
    assert list(row["d"].values()) == ['{"x":1}']


def test_marks_pass_steps_and_transformers(tmp_path: Path) -> None:
    made = ladle.resource(lambda: iter([mark.with_table_name({"i": 1}, "t"), {"i": 2}]), name="r")
    made.add_map(lambda row: {"i": row["i"] * 10})
    child = made | ladle.transformer(lambda row: mark.with_table_name({"j": row["i"]}, "u"), name="c")
    assert by_table(extracted(tmp_path, made, child)) == {
        "r": [{"i": 20}], "t": [{"i": 10}], "c": [], "u": [{"j": 10}, {"j": 20}],
    }  # fmt: skip


def test_hints_alone_change_what_follows(tmp_path: Path) -> None:
    data = [mark.with_hints(None, mark.make_hints(table_name="t")), {"i": 1}]
    assert by_table(extracted(tmp_path, ladle.resource(lambda: iter(data), name="r")))["t"] == [{"i": 1}]


def test_tables_must_agree_on_the_disposition(tmp_path: Path) -> None:
    made = dispatched(write_disposition=lambda row: "replace" if row["id"] == 3 else "append")
    with pytest.raises(UsageError, match="different write dispositions"):
        extracted(tmp_path, made)


def test_a_wrong_hint_by_item_is_told_with_the_resource(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean `append`"):
        extracted(tmp_path, dispatched(write_disposition=lambda row: "apend"))


def test_rows_are_sent_when_their_resource_ends_not_at_the_end_of_all(tmp_path: Path) -> None:
    sink = Sink()
    seen: list[Any] = []

    def second() -> Iterator[Any]:
        seen.extend(sink.heard)
        yield {"b": 1}

    extracted(tmp_path, ladle.resource([{"a": 1}], name="first"), ladle.resource(second), sink=sink)
    assert seen == [("first", "first", 1)]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_a_file_of_another_format_is_told(file_format: Any, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("nothing of the kind")
    made = ladle.resource(lambda: iter([mark.with_file_import(path, file_format)]), name="r")
    with pytest.raises(DataError, match=f"can't be read as {file_format}"):
        extracted(tmp_path, made)


def test_separate_steps_give_the_same_tables_as_a_run(tmp_path: Path) -> None:
    def data() -> Iterator[Any]:
        yield [{"type": "a", "v": i, "l": [{"x": i}]} for i in range(100)]
        hints = mark.make_hints(table_name="a", columns={"v": {"data_type": "text"}})
        yield mark.with_hints({"type": "a", "v": 100}, hints, create_table_variant=True)
        yield {"type": "b", "v": 1}

    found = []
    for way in ("run", "steps"):
        file = tmp_path / f"{way}.duckdb"
        pipeline = ladle.pipeline(
            "p", tmp_path / way, destination=ladle.destinations.duckdb(str(file)), dataset_name="d"
        )
        made = ladle.resource(data, name="r", table_name=lambda row: row["type"])
        if way == "run":
            pipeline.run(made)
        else:
            pipeline.extract(made)
            pipeline.normalize()
            pipeline.load()
        with duckdb.connect(str(file)) as db:
            a = db.sql("select v, typeof(v) from d.a order by v").fetchall()
            found.append(
                (a, db.sql("select v from d.b").fetchall(), db.sql("select count(*) from d.a__l").fetchall())
            )
    assert found[0] == found[1]
    assert {kind for _, kind in found[0][0]} == {"VARCHAR"}
    assert found[0][1:] == ([(1,)], [(100,)])


def test_nested_hints_are_declared_as_child_tables(tmp_path: Path) -> None:
    made = ladle.resource(
        [],
        name="o",
        nested_hints={"Items": {"columns": {"Price": {"data_type": "decimal"}}, "references": []}},
    )
    tables = extracted(tmp_path, made).manifest.schema["tables"]
    assert tables["o__items"]["parent"] == "o"
    assert tables["o__items"]["columns"]["price"]["data_type"] == "decimal"


def test_what_is_only_noted_is_in_the_schema(tmp_path: Path) -> None:
    references = [{"columns": ["a"], "referenced_table": "t", "referenced_columns": ["b"]}]
    made = ladle.resource([], name="r", schema_contract="freeze", references=references, table_format="delta")
    source = Source("s", (made,), schema_contract={"tables": "freeze"})
    package = declare(source, Packages(tmp_path, silent).create("p"), Schema("s"), Hints())
    table = package.manifest.schema["tables"]["r"]
    assert (table["schema_contract"], table["references"], table["table_format"]) == (
        "freeze",
        references,
        "delta",
    )
    assert package.manifest.schema["settings"]["schema_contract"] == {"tables": "freeze"}


def test_metrics_are_counted_by_resource(tmp_path: Path) -> None:
    metrics: dict[str, dict[str, Any]] = {}

    def count(items: Any, meta: Any, found: dict[str, Any]) -> None:
        found["pages"] = found.get("pages", 0) + 1

    extracted(tmp_path, ladle.resource([[1, 2], [3]], name="r").add_metrics(count), metrics=metrics)
    assert metrics == {"r": {"pages": 2}}


@pytest.mark.parametrize("parallelized", [False, True])
def test_generators_are_closed_before_an_error_of_ours_is_raised(parallelized: bool, tmp_path: Path) -> None:
    closed: list[str] = []

    def endless() -> Iterator[Any]:
        try:
            while True:
                yield [{"a": 1j}]
        finally:
            closed.append("it")

    try:
        extracted(tmp_path, ladle.resource(endless, parallelized=parallelized))
    except DataError:
        assert closed == ["it"]
    assert closed == ["it"]


def test_a_cursor_that_comes_with_an_item_is_refused(tmp_path: Path) -> None:
    hints = mark.make_hints(incremental=ladle.sources.incremental("a"))
    with pytest.raises(UsageError, match="a cursor can't come with an item"):
        extracted(tmp_path, ladle.resource(lambda: iter([mark.with_hints({"a": 1}, hints)]), name="r"))


@pytest.mark.parametrize("kind", ["file", "empty"])
def test_what_has_no_item_needs_a_table_that_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("type\na\n")

    def item(**options: Any) -> Any:
        if kind == "file":
            return mark.with_file_import(path, "csv", **options)
        return mark.with_hints(mark.materialize_table_schema(), options.get("hints"))

    def made(**options: Any) -> Resource:
        return ladle.resource(lambda: iter([item(**options)]), name="r", table_name=lambda row: row["type"])

    with pytest.raises(UsageError, match="the table is a function of the item"):
        extracted(tmp_path, made())
    named = extracted(tmp_path, made(hints=mark.make_hints(table_name="t")))
    assert by_table(named) == {"t": [{"type": "a"}] if kind == "file" else []}
