"""Rows A13 to A37 and A49 of the specification's feature table, with the results of the reference.

Where ours differ on purpose, the test says so; docs/differences.md has the reason.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow as pa
import pyarrow.parquet
import pytest

import ladle
from ladle.errors import (
    CurrentLoadPackageStateNotAvailable,
    CurrentSourceNotAvailable,
    CurrentSourceSchemaNotAvailable,
    PipelineNotActive,
    ResourceNameMissing,
    ResourceNameNotAvailable,
    ResourcesNotFoundError,
    SourceSectionNotAvailable,
)
from ladle.schema.naming import naming
from ladle.sources import current
from ladle.sources.helpers import transform

mark = ladle.mark
NAMES = naming("snake_case")
Load = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Run data into DuckDB; return the rows of each table, without the columns ladle adds."""

    def run(data: Any, **options: Any) -> dict[str, list[dict[str, Any]]]:
        pipeline = ladle.pipeline(
            "p",
            tmp_path / "pipelines",
            destination=ladle.destinations.duckdb(str(tmp_path / "p.duckdb")),
            dataset_name="d",
        )
        pipeline.run(data, **options)
        with duckdb.connect(str(tmp_path / "p.duckdb")) as db:
            names = [n for (n,) in db.sql("select table_name from information_schema.tables").fetchall()]
            found = {
                n: db.sql(f'select * from d."{n}"').to_arrow_table().to_pylist()
                for n in names
                if not n.startswith(("_dlt", "_ladle"))
            }
        return {
            n: [{k: v for k, v in r.items() if not k.startswith("_dlt")} for r in rows]
            for n, rows in found.items()
        }

    return run


@ladle.resource
def gen(n: int = 4) -> Iterator[dict[str, int]]:
    for i in range(n):
        yield {"i": i}


@ladle.transformer
def tr(item: dict[str, int]) -> Iterator[dict[str, int]]:
    yield {"j": item["i"] * 2}


@ladle.source
def both(n: int = 3) -> Any:
    made = gen(n)
    return made, made | tr


# -- sources


def test_a13_source_with_all_arguments() -> None:
    schema = ladle.Schema("own")

    @ladle.source(
        max_table_nesting=1,
        root_key=True,
        schema_contract="freeze",
        section="sec",
        parallelized=True,
        spec=None,
    )
    def plain() -> Any:
        return gen

    made = plain()
    assert (made.name, made.schema.name, made.section) == ("plain", "plain", "sec")
    assert (made.max_table_nesting, made.root_key, made.schema_contract) == (1, True, "freeze")
    assert made.gen.parallelized
    made.max_table_nesting, made.root_key, made.schema_contract = 0, False, "evolve"
    assert (made.max_table_nesting, made.root_key, made.schema_contract) == (0, False, "evolve")
    assert ladle.source(schema=schema)(lambda: gen(1))().schema == schema
    assert ladle.source(name="other")(lambda: gen(1))().name == "other"


def test_a14_clone_reads_its_settings_from_the_new_section(monkeypatch: pytest.MonkeyPatch) -> None:
    @ladle.source
    def shop(key: str = ladle.config.value) -> Any:
        return ladle.resource([{"key": key}], name="keys")

    monkeypatch.setenv("SOURCES__SEC2__RENAMED__KEY", "two")
    renamed = shop.clone(name="renamed", section="sec2")
    made = renamed()
    assert (made.name, made.section, list(made)) == ("renamed", "sec2", [{"key": "two"}])
    assert (shop.name, shop.section) == ("shop", "test_spec")


def test_a15_with_resources_is_a_clone() -> None:
    source = both()
    only = source.with_resources("tr")
    assert list(only.selected_resources) == ["tr"]
    assert list(source.selected_resources) == ["gen", "tr"]
    with pytest.raises(ResourcesNotFoundError, match="did you mean `tr`"):
        source.with_resources("trr")


def test_a16_limit_parallelize_decompose_discover_run(tmp_path: Path) -> None:
    assert list(both().add_limit(1)) == [{"i": 0}, {"j": 0}]
    assert all(r.parallelized for r in both().parallelize().listed)
    assert [list(s.resources) for s in both().decompose("scc")] == [["gen", "tr"]]
    assert [list(s.resources) for s in both().decompose("none")] == [["gen", "tr"]]
    keyed = ladle.source(lambda: ladle.resource([1], name="k", primary_key="id"), name="s")()
    assert keyed.discover_schema().get_table("k")["columns"]["id"]["primary_key"] is True
    ladle.pipeline("p", tmp_path, destination=ladle.destinations.duckdb(str(tmp_path / "p.duckdb")))
    assert both().run().load_packages[0].rows["tr"] == 3


def test_a16_two_resources_are_two_components() -> None:
    apart = ladle.source(lambda: [gen(1), ladle.resource([1], name="x")], name="s")()
    assert [list(s.resources) for s in apart.decompose("scc")] == [["gen"], ["x"]]


def test_a17_source_from_an_async_function(load: Load) -> None:
    @ladle.source
    async def slow() -> Any:
        await asyncio.sleep(0)
        return ladle.resource([{"a": 1}], name="r")

    assert asyncio.run(slow()).name == "slow"  # type: ignore[arg-type]
    assert load(slow()) == {"r": [{"a": 1}]}


# -- resources


async def _async_rows() -> Any:
    for i in range(3):
        yield {"i": i}


async def _returns() -> Any:
    return [{"i": i} for i in range(3)]


def _awaitables() -> Any:
    async def one(i: int) -> Any:
        return {"i": i}

    return [one(i) for i in range(3)]


ROWS = [{"i": 0}, {"i": 1}, {"i": 2}]
KINDS: dict[str, Callable[[], Any]] = {
    "generator function": lambda: lambda: (r for r in ROWS),
    "function that returns": lambda: lambda: ROWS,
    "list": lambda: ROWS,
    "iterator": lambda: iter(ROWS),
    "generator": lambda: (r for r in ROWS),
    "async generator function": lambda: _async_rows,
    "async generator": _async_rows,
    "coroutine function": lambda: _returns,
    "coroutine": _returns,
    "awaitables": _awaitables,
    "deferred": lambda: lambda: [ladle.defer(dict)(i=i) for i in range(3)],
    "frame": lambda: pa.table({"i": [0, 1, 2]}),
    "pandas": lambda: pandas.DataFrame({"i": [0, 1, 2]}),
    "resource": lambda: gen(3),
    "source": lambda: ladle.source(lambda: gen(3), name="s")(),
    "function that returns a resource": lambda: lambda: gen(3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a18_whatever_a_resource_is_made_of_gives_the_same_rows(kind: str, load: Load) -> None:
    assert load(ladle.resource(KINDS[kind](), name="r")) == {"r": ROWS}


def test_a18_lists_and_functions_can_be_read_again_iterators_not() -> None:
    again = [ladle.resource(data, name="r") for data in ([1, 2], lambda: iter([1, 2]), iter([1, 2]))]
    assert [(list(r), list(r)) for r in again] == [([1, 2], [1, 2]), ([1, 2], [1, 2]), ([1, 2], [])]


def test_a19_names_and_hints_as_functions(load: Load) -> None:
    named = ladle.resource(lambda x: [x], name=lambda arguments: f"r_{arguments['x']}")
    assert named("a").name == "r_a"

    @ladle.resource(
        table_name=lambda r: "t_" + r["type"],
        columns=lambda r: {r["type"]: {"data_type": "text"}},
        write_disposition=lambda r: "replace" if r["type"] == "a" else "append",
        primary_key=lambda r: "id",
    )
    def events() -> Any:
        yield {"id": 1, "type": "a"}
        yield [{"id": 2, "type": "b"}, {"id": 3, "type": "a"}]

    made = events()
    assert made.compute_table_schema({"id": 1, "type": "a"}) == {
        "name": "t_a",
        "resource": "events",
        "write_disposition": "replace",
        "columns": {
            "a": {"name": "a", "data_type": "text"},
            "id": {"name": "id", "primary_key": True, "nullable": False},
        },
    }
    assert (made.has_dynamic_table_name, made.has_other_dynamic_hints) == (True, True)
    for rows_of_b in (1, 2):  # the second run replaces t_a, and appends to t_b
        tables = load(made)
        assert [(n, len(rows)) for n, rows in sorted(tables.items())] == [("t_a", 2), ("t_b", rows_of_b)]
    assert load(events().select_tables("t_b").with_name("x"))["t_b"][-1]["id"] == 2


def test_a20_hints_are_in_the_table_schema() -> None:
    made = ladle.resource(
        lambda: iter([]),
        name="customers",
        primary_key="id",
        columns={"a": {"data_type": "text"}},
        max_table_nesting=2,
        schema_contract="freeze",
        table_format="delta",
        file_format="parquet",
        references=[{"columns": ["a"], "referenced_table": "o", "referenced_columns": ["id"]}],
        nested_hints={"purchases": {"columns": {"price": {"data_type": "decimal"}}}},
    )
    assert made.compute_table_schema() == {
        "name": "customers",
        "resource": "customers",
        "write_disposition": "append",
        "columns": {
            "a": {"name": "a", "data_type": "text"},
            "id": {"name": "id", "nullable": False, "primary_key": True},
        },
        "schema_contract": "freeze",
        "table_format": "delta",
        "file_format": "parquet",
        "references": [{"columns": ["a"], "referenced_table": "o", "referenced_columns": ["id"]}],
        "x-normalizer": {"max_nesting": 2},
    }
    assert made.compute_nested_table_schemas("customers", NAMES) == [
        {
            "name": "customers__purchases",
            "parent": "customers",
            "columns": {"price": {"name": "price", "data_type": "decimal"}},
        }
    ]
    assert [t["name"] for t in made.compute_tables(NAMES)] == ["customers", "customers__purchases"]


def test_a21_data_without_a_name() -> None:
    with pytest.raises(ResourceNameMissing):
        ladle.resource([1])
    assert ladle.resource(i for i in [1]).name == "<genexpr>"


def test_a22_steps_in_order() -> None:
    numbers = ladle.resource(lambda: iter(range(4)), name="n")
    numbers.add_map(lambda i: i).add_filter(lambda i: i > 0).add_yield_map(lambda i: iter([i, i])).add_limit(
        3
    )
    # The reference takes turns among the generators and loses one: [1, 2, 1]. Ours are in order and complete.
    assert list(numbers) == [1, 1, 2, 2]


@pytest.mark.parametrize(("insert_at", "expected"), [(None, "0AB"), (1, "0BA"), (2, "0AB"), (-1, "0BA")])
def test_a22_insert_at(insert_at: int | None, expected: str) -> None:
    made = ladle.resource([0], name="r").add_map(lambda i: f"{i}A")
    assert list(made.add_map(lambda i: f"{i}B", insert_at=insert_at)) == [expected]


def test_a23_none_drops() -> None:
    assert list(gen(3).add_map(lambda r: r if r["i"] else None)) == [{"i": 1}, {"i": 2}]


def _pages() -> Iterator[list[int]]:
    for i in range(0, 15, 3):
        yield [i, i + 1, i + 2]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"max_items": 4, "count_rows": True}, 6),
        ({"max_items": 4}, 12),
        ({"max_items": 0}, 0),
        ({"max_items": -1}, 15),
        ({}, 15),
        ({"max_time": 0}, 3),
        ({"max_time": 1000}, 15),
    ],
    ids=str,
)
def test_a24_limits(limit: dict[str, Any], expected: int) -> None:
    assert len(list(ladle.resource(_pages).add_limit(**limit))) == expected


def test_a24_limits_do_nothing_to_transformers() -> None:
    assert len(list((gen(5) | tr).add_limit(2))) == 5


def test_a25_apply_hints() -> None:
    made = ladle.resource(
        [], name="r", primary_key="id", columns={"a": {"data_type": "text"}}, write_disposition="replace"
    )
    made.apply_hints(primary_key="b")
    columns = made.compute_table_schema()["columns"]
    assert columns == {
        "a": {"data_type": "text", "name": "a"},
        "b": {"name": "b", "nullable": False, "primary_key": True},
    }
    made.apply_hints(primary_key="", columns={"z": {"data_type": "date"}})
    assert set(made.columns) == {"a", "z"}
    made.apply_hints(columns=[], table_name="t", additional_table_hints={"x-foo": 1})
    assert made.compute_table_schema() == {
        "name": "t",
        "resource": "r",
        "columns": {},
        "write_disposition": "replace",
        "x-foo": 1,
    }
    made.apply_hints(table_name="", write_disposition="")
    made.merge_hints(mark.make_hints(schema_contract={"columns": "freeze"}))
    assert made.compute_table_schema() == {
        "name": "r", "resource": "r", "columns": {}, "write_disposition": "append", "x-foo": 1, "schema_contract": {"columns": "freeze"},
    }  # fmt: skip


def test_a26_names_and_arguments(load: Load) -> None:
    def counting(n: int) -> Any:
        state = current.resource_state()
        state["seen"] = state.get("seen", 0) + n
        yield {"n": n, "seen": state["seen"]}

    made = ladle.resource(counting)
    assert not made.args_bound
    assert made.requires_args
    assert load([made(1).with_name("a"), made(2).with_name("b")]) == {
        "a": [{"n": 1, "seen": 1}],
        "b": [{"n": 2, "seen": 2}],
    }
    bound = made.bind(3)
    assert bound is made
    assert made.explicit_args == {"n": 3}
    with pytest.raises(TypeError, match="given its arguments before"):
        made.bind(3)
    with pytest.raises(TypeError, match="missing"):
        ladle.resource(counting)()


# -- at once


def _meeting(parties: int) -> Callable[[], Any]:
    """Return a function that only comes back when so many calls are under way at once."""
    barrier = threading.Barrier(parties, timeout=20)
    return lambda: barrier.wait() and None


def test_a27_parallel_resources_run_at_once() -> None:
    meet = _meeting(2)

    def slow(n: int) -> Any:
        for i in range(3):
            meet()
            yield {"n": n, "i": i}

    parallel = ladle.resource(slow, parallelized=True)
    source = ladle.source(
        lambda: [parallel(1).with_name("a"), ladle.resource(slow)(2).with_name("b").parallelize()], name="s"
    )()
    found = list(source)
    assert [r["i"] for r in found if r["n"] == 1] == [r["i"] for r in found if r["n"] == 2] == [0, 1, 2]


def test_a28_deferred_calls_run_at_once_and_come_in_order() -> None:
    meet = _meeting(5)

    @ladle.defer
    def work(i: int) -> dict[str, int]:
        meet()
        return {"i": i}

    assert list(ladle.resource(lambda: (work(i) for i in range(5)), name="r")) == [{"i": i} for i in range(5)]


def test_a28_awaitables_run_at_once_and_come_in_order() -> None:
    async def work(i: int, gate: dict[int, asyncio.Event]) -> int:
        gate.setdefault(i, asyncio.Event()).set()
        for other in range(5):  # all have begun
            await gate.setdefault(other, asyncio.Event()).wait()
        return i

    gate: dict[int, asyncio.Event] = {}
    assert list(ladle.resource(lambda: (work(i, gate) for i in range(5)), name="r")) == list(range(5))


# -- transformers


def test_a29_pipes() -> None:
    @ladle.transformer
    def times(item: dict[str, int], by: int) -> Iterator[dict[str, int]]:
        yield {"k": item["j"] * by}

    assert list(gen(2) | tr | times(10)) == [{"k": 0}, {"k": 20}]
    assert list([{"i": 1}, {"i": 2}] | tr) == [{"j": 2}, {"j": 4}]
    bound = ladle.transformer(data_from=gen(1))(lambda item: {"x": item["i"]})
    assert list(bound) == [{"x": 0}]


def test_a29_pages_come_as_they_are_and_meta_comes_along() -> None:
    seen: list[tuple[Any, Any]] = []

    @ladle.transformer
    def look(items: Any, meta: Any) -> Any:
        seen.append((items, getattr(meta, "table_name", None)))
        return len(items)

    pages = ladle.resource(lambda: iter([[1, 2], mark.with_table_name([3], "q")]), name="p")
    assert list(pages | look) == [2, 1]
    assert seen == [([1, 2], None), ([3], "q")]


@pytest.mark.parametrize("kind", ["async", "async generator", "deferred", "parallel"])
def test_a29_transformers_that_work_elsewhere_keep_the_order(kind: str) -> None:
    async def single(item: Any) -> Any:
        await asyncio.sleep(0)
        return {"x": item["i"]}

    async def many(item: Any) -> Any:
        yield {"x": item["i"]}

    def plain(item: Any) -> Any:
        yield {"x": item["i"]}

    made = {
        "async": lambda: ladle.transformer(single),
        "async generator": lambda: ladle.transformer(many),
        "deferred": lambda: ladle.transformer(ladle.defer(lambda item: {"x": item["i"]}), name="d"),
        "parallel": lambda: ladle.transformer(plain, parallelized=True),
    }[kind]()
    assert list(gen(50) | made) == [{"x": i} for i in range(50)]


def test_a29_a_pipe_that_goes_on_runs_once(load: Load) -> None:
    asked: list[int] = []

    @ladle.transformer
    def details(item: dict[str, int]) -> dict[str, int]:
        asked.append(item["i"])
        return {"detail": item["i"]}

    @ladle.transformer
    def more(item: dict[str, int]) -> dict[str, int]:
        return {"more": item["detail"]}

    @ladle.source
    def api() -> Any:
        parent = gen(2)
        parent.selected = False
        return parent | details, parent | details, parent | details | more

    for _ in range(2):
        asked.clear()
        tables = load(api(), write_disposition="replace")
        assert tables == {"details": [{"detail": 0}, {"detail": 1}], "more": [{"more": 0}, {"more": 1}]}
        assert asked == [0, 1]


def test_a29_a_transformer_serves_several_parents() -> None:
    first, second = gen(1), gen(2)
    one, two = first | tr, second | tr
    assert (len(list(one)), len(list(two)), tr.parent) == (1, 2, None)
    assert first | tr is one
    changed = tr.clone()
    before = first | changed
    changed.add_map(lambda row: None)
    assert (list(before), list(first | changed)) == ([{"j": 0}], [])
    assert first.clone() | tr is not one


def test_a30_the_parent_runs_deselected(load: Load) -> None:
    source = both()
    source.gen.selected = False
    assert load(source) == {"tr": [{"j": 0}, {"j": 2}, {"j": 4}]}
    assert load(both(1))["gen"] == [{"i": 0}]


# -- marks


def test_a31_with_table_name(load: Load) -> None:
    data = ladle.resource(lambda: iter([mark.with_table_name({"x": 1}, "tb_a"), {"x": 3}]), name="own")
    assert load(data) == {"tb_a": [{"x": 1}], "own": [{"x": 3}]}


def test_a32_with_hints(load: Load) -> None:
    hints = mark.make_hints(
        primary_key="id", columns={"v": {"data_type": "decimal", "precision": 5, "scale": 2}}
    )
    data = [{"id": 1}, mark.with_hints({"id": 2, "v": "1.5"}, hints), {"id": 3}]
    ((name, rows),) = load(ladle.resource(lambda: iter(data), name="r")).items()
    assert (name, [str(r["v"]) for r in rows]) == ("r", ["None", "1.50", "None"])


def test_a32_hints_hold_for_rows_that_came_before(load: Load) -> None:
    hints = mark.make_hints(columns={"v": {"data_type": "text"}})
    data = [*({"v": 1} for _ in range(100)), mark.with_hints({"v": 2}, hints)]
    rows = load(ladle.resource(lambda: iter(data), name="r"))["r"]
    assert {type(r["v"]) for r in rows} == {str}


def test_a32_a_table_named_by_hints_takes_what_follows(load: Load) -> None:
    data = [{"id": 1}, mark.with_hints({"id": 2}, mark.make_hints(table_name="other")), {"id": 3}]
    assert load(ladle.resource(lambda: iter(data), name="r")) == {
        "r": [{"id": 1}],
        "other": [{"id": 2}, {"id": 3}],
    }


def test_a32_create_table_variant(load: Load) -> None:
    hints = mark.make_hints(table_name="other", columns={"id": {"data_type": "text"}})
    data = [
        {"id": 1},
        mark.with_hints({"id": 2}, hints, create_table_variant=True),
        mark.with_table_name({"id": 3}, "other"),
        {"id": 4},
    ]
    assert load(ladle.resource(lambda: iter(data), name="r")) == {
        "r": [{"id": 1}, {"id": 4}],
        "other": [{"id": "2"}, {"id": "3"}],
    }


def test_a33_materialize_table_schema(load: Load, tmp_path: Path) -> None:
    columns = {"id": {"data_type": "bigint", "nullable": False}}
    assert load(
        ladle.resource(lambda: iter([mark.materialize_table_schema()]), name="own", columns=columns)
    ) == {"own": []}
    hints = mark.make_hints(columns={"x": {"data_type": "text"}})
    load(
        ladle.resource(lambda: iter([mark.with_hints(mark.materialize_table_schema(), hints)]), name="marked")
    )
    with duckdb.connect(str(tmp_path / "p.duckdb")) as db:
        described = {t: db.sql(f"describe d.{t}").fetchall() for t in ("own", "marked")}
    assert [c[:3] for c in described["own"]] == [
        ("id", "BIGINT", "NO"),
        ("_dlt_load_id", "VARCHAR", "NO"),
        ("_dlt_id", "VARCHAR", "NO"),
    ]
    assert [c[0] for c in described["marked"]] == ["x", "_dlt_load_id", "_dlt_id"]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_a34_with_file_import(file_format: str, load: Load, tmp_path: Path) -> None:
    path = tmp_path / f"f.{file_format}"
    if file_format == "parquet":
        pyarrow.parquet.write_table(pa.table({"A b": [1, 2]}), path)
    else:
        path.write_text('{"A b": 1}\n{"A b": 2}\n' if file_format == "jsonl" else "A b\n1\n2\n")
    data = ladle.resource(lambda: iter([mark.with_file_import(path, file_format)]), name="r")
    assert load(data) == {"r": [{"a_b": 1}, {"a_b": 2}]}


def test_a35_make_hints() -> None:
    nested = mark.make_nested_hints(columns=[{"name": "price", "data_type": "decimal"}])
    hints = mark.make_hints(table_name="t", primary_key="id", nested_hints={"items": nested})
    made = ladle.resource([], name="r").apply_hints(**hints)
    assert made.table_name == "t"
    assert made.nested_hints == {("items",): {"columns": [{"name": "price", "data_type": "decimal"}]}}


def test_a35_nested_hints_type_the_child_table(load: Load) -> None:
    data = ladle.resource(
        [{"id": 1, "items": [{"price": "1.50", "taxes": [{"rate": "7"}]}]}],
        name="orders",
        nested_hints={
            "items": {"columns": {"price": {"data_type": "decimal"}}},
            ("items", "taxes"): {"columns": {"rate": {"data_type": "bigint"}}},
        },
    )
    tables = load(data)
    assert str(tables["orders__items"][0]["price"]).startswith("1.5")
    assert tables["orders__items__taxes"] == [{"rate": 7}]


# -- context and state


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("source", CurrentSourceNotAvailable),
        ("source_schema", CurrentSourceSchemaNotAvailable),
        ("resource", CurrentSourceNotAvailable),
        ("resource_metrics", CurrentSourceNotAvailable),
        ("resource_name", ResourceNameNotAvailable),
        ("pipe", ResourceNameNotAvailable),
        ("source_state", SourceSectionNotAvailable),
        ("state", SourceSectionNotAvailable),
        ("resource_state", SourceSectionNotAvailable),
        ("load_package_state", CurrentLoadPackageStateNotAvailable),
        ("destination_state", CurrentLoadPackageStateNotAvailable),
    ],
)
def test_a36_outside_of_an_extract(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        getattr(ladle.current, name)()


def test_a36_no_pipeline_is_active() -> None:
    token = current.active_pipeline.set(None)
    try:
        with pytest.raises(PipelineNotActive):
            ladle.current.pipeline()
    finally:
        current.active_pipeline.reset(token)


def _what_is_at_work() -> dict[str, str]:
    here = ladle.current
    return {
        "pipeline": here.pipeline().pipeline_name,
        "source": here.source().name,
        "resource": here.resource_name(),
    }


@pytest.mark.parametrize("kind", ["plain", "parallel", "async", "deferred", "map", "transformer"])
def test_a36_inside_of_an_extract(kind: str, load: Load) -> None:
    def plain() -> Any:
        yield _what_is_at_work()

    async def later() -> Any:
        await asyncio.sleep(0)
        yield _what_is_at_work()

    made = {
        "plain": lambda: ladle.resource(plain, name="r"),
        "parallel": lambda: ladle.resource(plain, name="r", parallelized=True),
        "async": lambda: ladle.resource(later, name="r"),
        "deferred": lambda: ladle.resource(lambda: iter([ladle.defer(_what_is_at_work)()]), name="r"),
        "map": lambda: ladle.resource([1], name="r").add_map(lambda _: _what_is_at_work()),
        "transformer": lambda: gen(1) | ladle.transformer(lambda _: _what_is_at_work(), name="r"),
    }[kind]()
    source = ladle.source(lambda: made, name="shop")()
    assert load(source)["r"] == [{"pipeline": "p", "source": "shop", "resource": "r"}]


def test_a37_state_is_shared_by_source_or_own() -> None:
    def counting() -> Any:
        ladle.current.resource_state()["x"] = 1
        ladle.state()["y"] = 2
        yield ladle.current.resource().state

    state: dict[str, Any] = {}
    token = current.scope.set(current.Scope(source_state=state))
    try:
        assert list(ladle.resource(counting, name="t")) == [{"x": 1}]
    finally:
        current.scope.reset(token)
    assert state == {"resources": {"t": {"x": 1}}, "y": 2}


def test_a37_state_is_seen_by_the_next_run(load: Load) -> None:
    def counting() -> Any:
        own, shared = ladle.current.resource_state(), ladle.current.source_state()
        own["n"] = own.get("n", 0) + 1
        shared["n"] = shared.get("n", 0) + 10
        yield {"own": own["n"], "shared": shared["n"]}

    made = ladle.source(lambda: ladle.resource(counting), name="s")
    load(made())
    assert load(made())["counting"] == [{"own": 1, "shared": 10}, {"own": 2, "shared": 20}]


def test_exhausted() -> None:
    read = ladle.source(lambda: ladle.resource((i for i in range(2)), name="r"), name="s")()
    assert (read.exhausted, list(read), read.exhausted, list(read)) == (False, [0, 1], True, [])
    again = both()
    assert (list(again) != [], again.exhausted) == (True, False)


def test_where_a_process_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    context = ladle.current.run_context()
    assert (context.run_dir, context.settings_dir) == (str(tmp_path), str(tmp_path / ".dlt"))
    (tmp_path / ".ladle").mkdir()
    assert ladle.current.run_context().settings_dir == str(tmp_path / ".ladle")
    assert ladle.current.interval() is None
    monkeypatch.setenv("DLT_INTERVAL_TIMEZONE", "Europe/Berlin")
    assert str(ladle.current.timezone()) == "Europe/Berlin"
    monkeypatch.setenv("DLT_INTERVAL_START", "2024-01-15")
    monkeypatch.setenv("DLT_INTERVAL_END", "2024-01-16")
    start, end = ladle.current.interval() or (None, None)
    assert (end - start).days == 1  # type: ignore[operator]


# -- helpers


def test_a49_row_hashes_are_stable() -> None:
    add = transform.add_row_hash_to_table("row_hash")
    table = pa.table({"a": [1, 1, 2], "b": ["x", "x", None]})
    first, second = add(table), add(pa.concat_tables([table, table]))
    assert first.column_names == ["a", "b", "row_hash"]
    hashes = first["row_hash"].to_pylist()
    assert hashes[0] == hashes[1] != hashes[2]
    assert second["row_hash"].to_pylist() == hashes * 2
    assert add(table.to_batches()[0]).column("row_hash").to_pylist() == hashes
    assert list(add(table.to_pandas())["row_hash"]) == hashes


def test_a49_take_skip_pivot() -> None:
    numbers = ladle.resource([5, 6, 7], name="x")
    assert list(numbers.clone().add_filter(transform.take_first(2))) == [5, 6]
    assert list(numbers.clone().add_filter(transform.skip_first(2))) == [7]
    rows = ladle.resource([{"a": [[1, 2], [3, 4]], "b": {"c": [[5, 6]]}}], name="x")
    assert list(rows.add_map(transform.pivot(["$.a", "$.b.c"], "p_"))) == [
        {"a": [{"p_0": 1, "p_1": 2}, {"p_0": 3, "p_1": 4}], "b": {"c": [{"p_0": 5, "p_1": 6}]}}
    ]
    assert list(ladle.resource([[[1, 2], [3, 4]]], name="x").add_map(transform.pivot())) == [
        [{"col0": 1, "col1": 2}],
        [{"col0": 3, "col1": 4}],
    ]


def test_a25_what_merges_and_what_is_replaced() -> None:
    reference = {"columns": ["a"], "referenced_table": "o", "referenced_columns": ["id"]}
    made = ladle.resource(
        [], name="r", columns={"a": {"data_type": "text"}}, references=[reference], nested_hints={"x": {}}
    )
    made.apply_hints(
        columns={"a": {"nullable": False}}, references=[{**reference, "label": "l"}], nested_hints={"y": {}}
    )
    assert made.columns == {"a": {"data_type": "text", "nullable": False, "name": "a"}}
    assert made.compute_table_schema()["references"] == [reference, {**reference, "label": "l"}]
    assert made.nested_hints == {("y",): {}}
    made.apply_hints(schema_contract={"columns": "freeze"}).apply_hints(schema_contract={"tables": "freeze"})
    assert made.schema_contract == {"tables": "freeze"}


def test_a29_functions_can_be_piped_to_as_well() -> None:
    def spread(item: int) -> Iterator[Any]:
        yield {"v": item}
        yield {"w": item}

    pages = ladle.resource(lambda: iter([1, [2, 3]]), name="g")
    assert list(pages | (lambda item: {"v": item})) == [{"v": 1}, {"v": 2}, {"v": 3}]
    assert len(list(pages | spread)) == len(list(pages.clone().add_map(spread))) == 6
    assert list(pages) == [1, 2, 3]
