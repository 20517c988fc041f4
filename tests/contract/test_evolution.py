"""Tables that change under loads, on DuckDB and Postgres: hints, nulls, and what the engine refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import ladle
from ladle.errors import (
    ConfigError,
    DataError,
    DataValidationError,
    DestinationError,
    PipelineStepFailed,
    UsageError,
)

Query = Callable[[str], list[tuple[Any, ...]]]


class Place:
    """One pipeline into one engine, and its catalog."""

    def __init__(self, pipeline: Any, ask: Query, dataset: str) -> None:
        self.pipeline = pipeline
        self.ask = ask
        self.dataset = dataset

    def run(self, data: Any, table: str = "t", **options: Any) -> Any:
        return self.pipeline.run(data, table_name=table, **options)

    def columns(self, table: str = "t") -> dict[str, tuple[str, bool]]:
        """Return SQL type and nullability of the data columns."""
        found = self.ask(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            f"WHERE table_schema = '{self.dataset}' AND table_name = '{table}' ORDER BY ordinal_position"
        )
        return {n: (t.lower(), null == "YES") for n, t, null in found if not n.startswith("_dlt")}

    def values(self, column: str, table: str = "t") -> list[Any]:
        return [v for (v,) in self.ask(f'SELECT {column} FROM "{self.dataset}"."{table}" ORDER BY id')]

    def hints(self, column: str, table: str = "t") -> dict[str, Any]:
        found: dict[str, Any] = self.pipeline.default_schema.tables[table]["columns"][column]
        return found

    def changes(self) -> list[tuple[Any, ...]]:
        return self.ask(
            f'SELECT change, table_name, column_name, data_type, previous FROM "{self.dataset}"._ladle_changes '
            "WHERE change NOT LIKE 'add%' ORDER BY schema_version, column_name, change"
        )

    def is_clean(self) -> bool:
        return not self.pipeline.has_pending_data


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Place:
    if request.param == "postgres":
        destination = ladle.destinations.postgres(request.getfixturevalue("postgres_url"))
        ask = request.getfixturevalue("query")
    else:
        destination = ladle.destinations.duckdb(str(tmp_path / "d.duckdb"))

        def ask(sql: str) -> list[tuple[Any, ...]]:
            with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
                return connection.execute(sql).fetchall()

    pipeline = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name=dataset)
    return Place(pipeline, ask, dataset)


# -- P15: NOT NULL and rows that are there


def test_a_new_column_that_may_not_be_null_is_nullable_there(place: Place) -> None:
    place.run([{"id": 1}])
    declared = {"columns": {"code": {"data_type": "text", "nullable": False}}}
    place.run([{"id": 2, "code": "a"}], **declared)
    assert place.columns()["code"][1] is True
    assert place.hints("code")["nullable"] is True
    with pytest.raises(DataError) as caught:
        place.run([{"id": 3, "code": None}], **declared)
    assert (caught.value.facts["table"], caught.value.facts["column"]) == ("t", "code")
    with pytest.raises(DataError):
        place.run([{"id": 4}], **declared)
    assert place.is_clean()
    place.run([{"x": 1}], "other")
    place.run([{"id": 5, "code": "b"}], **declared)
    place.run([{"id": 6}])
    assert place.values("code") == [None, "a", "b", None]
    assert place.changes() == []


def test_a_new_column_of_another_table_never_names_this_one(place: Place) -> None:
    place.run([{"id": 1}], "first")
    place.run([{"id": 1}], "second")
    columns = {"code": {"data_type": "text", "nullable": False}}
    with pytest.raises(DataError, match="`code`") as caught:
        place.run([{"id": 2}], "first", columns=columns)
    assert caught.value.facts["table"] == "first"
    place.run([{"id": 2}], "second")
    assert list(place.columns("first")) == ["id"]


def test_root_keys_that_come_later(place: Place) -> None:
    """The reference adds `_dlt_root_id` NOT NULL to a child table with rows."""
    rows = [{"id": 1, "items": [{"n": 1}]}]

    def source(**options: Any) -> Any:
        @ladle.source(name="p", **options)
        def made() -> Any:
            return ladle.resource(rows, name="t")

        return made()

    place.pipeline.run(source())
    place.pipeline.run(source(root_key=True))
    place.pipeline.run(source(root_key=True))
    found = place.ask(f'SELECT count(*), count(_dlt_root_id) FROM "{place.dataset}".t__items')
    assert found == [(3, 3)]  # the rows that were there got theirs too


def test_rows_after_frames_bring_keys(place: Place) -> None:
    place.run(pa.table({"id": [1]}))
    place.run([{"id": 2}])
    place.run(pa.table({"id": [3]}))
    assert place.ask(f'SELECT count(*), count(_dlt_id) FROM "{place.dataset}".t') == [(3, 2)]


def test_a_primary_key_declared_later(place: Place) -> None:
    place.run([{"id": 1}, {"id": None}])
    place.run([{"id": 2}], primary_key="id")
    assert place.columns()["id"][1] is True
    with pytest.raises(DataError, match="column `id`"):
        place.run([{"id": None}], primary_key="id")
    assert place.is_clean()


def test_not_null_can_be_given_up(place: Place) -> None:
    place.run([{"id": 1, "code": "a"}], columns={"code": {"nullable": False}})
    assert place.columns()["code"][1] is False
    with pytest.raises(DataError, match="declare it nullable"):
        place.run([{"id": 2, "code": None}])
    info = place.run([{"id": 3, "code": None}], columns={"code": {"nullable": True}})
    assert info.load_packages[-1].schema_update["t"]["columns"]["code"]["relaxed"] is True
    assert place.columns()["code"][1] is True
    assert place.changes() == [("relax_column", "t", "code", "text", None)]
    place.run([{"id": 4, "code": None}])
    assert place.values("code") == ["a", None, None]


# -- P11 and S14: another type


def test_a_wider_type_that_is_declared_is_the_column_s(place: Place) -> None:
    place.run([{"id": 1, "v": 1}])
    info = place.run([{"id": 2, "v": "abc"}], columns={"v": {"data_type": "text"}})
    assert info.load_packages[-1].schema_update["t"]["columns"]["v"]["previous_type"] == "bigint"
    assert place.columns()["v"][0] in ("varchar", "character varying")
    place.run([{"id": 3, "v": 3}])
    assert place.values("v") == ["1", "abc", "3"]
    assert place.changes() == [("widen_column", "t", "v", "text", "bigint")]


@pytest.mark.parametrize(
    ("first", "hint", "text"),
    [
        ({"v": "abc"}, {"data_type": "bigint"}, "`v` of table `t` is text, a hint asks for bigint"),
        ({"v": 1}, {"data_type": "bool"}, "`v` of table `t` is bigint, a hint asks for bool"),
        ({"v": 1}, {"precision": 32}, r"`v` of table `t` is bigint, a hint asks for bigint\(32\)"),
        ({"v": 2**53 + 1}, {"data_type": "double"}, "numbers are there that a double doesn't hold exactly"),
    ],
)
def test_a_type_that_would_lose_is_refused_before_anything_is_read(
    first: dict[str, Any], hint: dict[str, Any], text: str, place: Place
) -> None:
    read = []

    @ladle.resource(name="t", columns={"v": hint})
    def rows() -> Iterator[Any]:
        read.append(1)
        yield {"id": 2, **first}

    place.run([{"id": 1, **first}])
    before = place.columns()
    with pytest.raises(UsageError, match=text) as caught:
        place.pipeline.run(rows)
    assert (caught.value.facts["table"], caught.value.facts["column"]) == ("t", "v")
    assert (read, place.is_clean(), place.columns()) == ([], True, before)
    place.run([{"id": 3, **first}])
    assert place.values("v") == [first["v"]] * 2


def test_the_same_hint_again_and_again(place: Place) -> None:
    for number in range(3):
        place.run(
            [{"id": number, "v": 1}], columns={"v": {"data_type": "decimal", "precision": 9, "scale": 2}}
        )
    assert place.changes() == []


def test_children_widen_too(place: Place) -> None:
    place.run([{"id": 1, "items": [{"id": 1, "v": True}]}])
    rows = ladle.resource([{"id": 2, "items": [{"id": 2, "v": "no"}]}], name="t")
    rows.apply_hints(nested_hints={"items": {"columns": {"v": {"data_type": "text"}}}})
    place.pipeline.run(rows)
    assert place.values("v", "t__items") == ["True", "no"]


def test_a_replaced_table_widens(place: Place) -> None:
    place.run([{"id": 1, "v": 1}])
    columns = {"v": {"data_type": "text"}}
    place.run([{"id": 2, "v": "x"}], write_disposition="replace", columns=columns)
    assert place.values("v") == ["x"]


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_a_merged_table_widens(strategy: str, place: Place) -> None:
    merge = {"write_disposition": {"disposition": "merge", "strategy": strategy}, "primary_key": "id"}
    place.run([{"id": 1, "v": 1}, {"id": 2, "v": 2}], **merge)
    place.run([{"id": 2, "v": "x"}], columns={"v": {"data_type": "text"}}, **merge)
    assert place.values("v") == ["1", "x"]


def test_a_view_that_needs_the_column_keeps_it(place: Place) -> None:
    place.run([{"id": 1, "v": 1}])
    place.ask(f'CREATE VIEW "{place.dataset}".above AS SELECT v FROM "{place.dataset}".t')
    data, columns = [{"id": 2, "v": "x", "more": 1}], {"v": {"data_type": "text"}}
    if place.pipeline.destination.type_name == "duckdb":
        place.run(data, columns=columns)
        assert place.ask(f'SELECT count(v) FROM "{place.dataset}".above') == [(2,)]
        return
    with pytest.raises(DestinationError) as caught:
        place.run(data, columns=columns)
    error = caught.value
    assert "changing column `v` of table `t` from bigint to text" in error.what
    assert "above" in error.what
    assert (error.facts["table"], error.facts["column"]) == ("t", "v")
    assert "drop the view" in str(error.hint)
    assert place.columns() == {"id": ("bigint", True), "v": ("bigint", True)}
    place.ask(f'DROP VIEW "{place.dataset}".above')
    place.run([{"id": 3, "v": "y"}])
    assert place.values("v") == ["1", "x", "y"]


# -- by values, where the policy says so


@pytest.fixture
def widening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", "widen")


@pytest.mark.usefixtures("widening")
def test_values_widen_a_column_step_by_step(place: Place) -> None:
    place.run([{"id": 1, "v": 1, "w": "2024-01-02T00:00:00Z"}])
    place.run([{"id": 2, "v": 1.5}])
    assert place.columns()["v"][0] in ("double", "double precision")
    place.run([{"id": 3, "v": "n/a", "w": "soon"}])
    assert place.values("v") == ["1.0", "1.5", "n/a"]
    assert place.values("w") == ["2024-01-02T00:00:00+00:00", None, "soon"]
    assert place.changes() == [
        ("widen_column", "t", "v", "double", "bigint"),
        ("widen_column", "t", "v", "text", "double"),
        ("widen_column", "t", "w", "text", "timestamp"),
    ]


@pytest.mark.usefixtures("widening")
def test_numbers_that_doubles_would_round_keep_their_column(place: Place) -> None:
    place.run([{"id": 1, "v": 2**53 + 1}])
    place.run([{"id": 2, "v": 1.5}])
    assert place.values("v") == [2**53 + 1, None]
    assert place.values("v__v_double") == [None, 1.5]
    assert place.changes() == []


def test_what_was_renamed_widens_under_its_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run([{"id": 1, "v": 1, "w": 2**60, "f": True}])
    place.pipeline.rename_column("t", "v", "price").apply()
    place.pipeline.rename_column("t", "w", "big").apply()
    place.pipeline.rename_table("t", "orders").apply()
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", "widen")
    place.run([{"id": 2, "v": 1.5, "w": 1.5}])
    assert place.values("price", "orders") == [1.0, 1.5]
    assert place.values("big", "orders") == [2**60, None]
    place.run([{"id": 3, "v": "x", "f": "no"}], columns={"f": {"data_type": "text"}})
    assert place.values("price", "orders") == ["1.0", "1.5", "x"]
    assert place.values("f", "orders") == ["True", None, "no"]


@pytest.mark.usefixtures("widening")
def test_a_declared_type_holds(place: Place) -> None:
    for number in range(2):
        place.run([{"id": number, "v": 1}, {"id": 9, "v": "x"}], columns={"v": {"data_type": "bigint"}})
    assert place.columns()["v"][0] == "bigint"
    assert sorted(place.values("v__v_text"), key=str) == [None, None, "x", "x"]


@pytest.mark.usefixtures("widening")
def test_what_the_lattice_has_no_type_for_is_a_variant(place: Place) -> None:
    place.run([{"id": 1, "v": 1}])
    place.run([{"id": 2, "v": True}, {"id": 3, "v": b"x"}])
    assert set(place.columns()) == {"id", "v", "v__v_bool", "v__v_binary"}


@pytest.mark.usefixtures("widening")
@pytest.mark.parametrize("mode", ["freeze", "discard_row", "discard_value"])
def test_a_contract_on_types_goes_before_the_policy(mode: str, place: Place) -> None:
    contract = {"schema_contract": {"data_type": mode}}
    place.run([{"id": 1, "v": 1}, {"id": 2, "v": 1.5}], **contract)
    place.run([{"id": 3, "v": 2}], **contract)
    before = place.columns()
    assert before["v"][0].startswith("double")
    if mode == "freeze":
        with pytest.raises(DataValidationError):
            place.run([{"id": 4, "v": "x"}], **contract)
    else:
        place.run([{"id": 4, "v": "x"}], **contract)
    assert place.columns() == before
    assert place.values("v") == [1.0, 1.5, 2.0, *([None] if mode == "discard_value" else [])]
    place.run([{"id": 5, "v": "x"}], schema_contract="evolve")
    assert set(place.columns()) == {"id", "v"}
    assert place.values("v")[-1] == "x"


@pytest.mark.usefixtures("widening")
def test_a_row_that_a_contract_refuses_widens_nothing(place: Place) -> None:
    place.run([{"id": 1, "v": 1}])
    rows = [{"id": 2, "v": 2}, {"id": 3, "v": "x", "new": 1}]
    place.run(rows, schema_contract={"columns": "discard_row"})
    assert place.columns()["v"][0] == "bigint"
    assert place.values("v") == [1, 2]


def test_a_contract_keeps_the_digits_that_frames_would_widen(place: Place) -> None:
    frame = pa.table({"id": pa.array([1], pa.int64()), "v": pa.array([1], pa.int16())})
    place.run(frame)
    wide = pa.table({"id": pa.array([2, 3], pa.int64()), "v": pa.array([2, 2**40], pa.int64())})
    place.run(wide, schema_contract={"data_type": "discard_row"})
    assert place.columns()["v"][0] == "smallint"
    assert place.values("v") == [1, 2]


def test_nesting_that_is_noted_makes_no_loaded_table(place: Place) -> None:
    for kind in ("bigint", "bool"):
        rows = ladle.resource(
            [], name="t", columns={"v": {"data_type": kind}}, max_table_nesting=1, primary_key="id"
        )
        place.pipeline.run([rows, ladle.resource([{"id": 1}], name="other")])
    assert place.columns() == {}


def test_by_default_values_don_t_change_a_type(place: Place) -> None:
    place.run([{"id": 1, "v": 1}])
    place.run([{"id": 2, "v": "x"}])
    assert place.columns()["v"][0] == "bigint"
    assert place.values("v__v_text") == [None, "x"]


def test_digits_of_frames_widen_a_column(place: Place) -> None:
    place.run(pa.table({"id": pa.array([1], pa.int64()), "v": pa.array([1], pa.int16())}))
    assert place.columns()["v"][0] == "smallint"
    place.run(pa.table({"id": pa.array([2], pa.int64()), "v": pa.array([2**40], pa.int64())}))
    assert place.columns()["v"][0] == "bigint"
    place.run(pa.table({"id": pa.array([3], pa.int64()), "v": pa.array([3], pa.int8())}))
    assert place.values("v") == [1, 2**40, 3]


def test_a_large_load_of_a_table_that_changes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading ahead gives up: the rows are there once."""
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "1")
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", "widen")
    place.run([{"id": 0, "v": 0}])
    count = 60_000

    def rows() -> Iterator[Any]:
        for number in range(1, count):
            yield {"id": number, "v": number if number < count - 5 else "end", "pad": "x" * 50}

    place.run(rows())
    assert place.ask(f'SELECT count(*), count(DISTINCT id) FROM "{place.dataset}".t') == [(count, count)]
    assert place.values("v")[-6:] == [str(count - 6), *["end"] * 5]


# -- the plan


def test_a_plan_is_what_a_run_does(place: Place) -> None:
    data = {"first": [{"id": 1, "v": 1, "n": [1]}], "second": [{"id": 2, "v": "x", "w": 1.5}]}
    for rows in data.values():
        hints = {"columns": {"v": {"data_type": "text"}}} if rows is data["second"] else {}
        plan = place.pipeline.plan(rows, table_name="t", **hints)
        assert not place.pipeline.has_pending_data
        before = place.columns()
        assert place.pipeline.plan(rows, table_name="t", **hints) == plan
        assert place.columns() == before
        made = dict(place.run(rows, **hints).load_packages[-1].schema_update)
        assert plan == made
    assert place.pipeline.plan(data["second"], table_name="t") == {}
    assert place.values("v") == ["1", "x"]


def test_a_plan_keeps_no_cursor(place: Place) -> None:
    @ladle.resource(name="t")
    def rows(at: Any = ladle.sources.incremental("id")) -> Iterator[Any]:
        yield [{"id": 1}, {"id": 2}]

    place.pipeline.plan(rows)
    place.pipeline.run(rows)
    assert place.ask(f'SELECT count(*) FROM "{place.dataset}".t') == [(2,)]


# -- P17: columns of nulls


def test_columns_of_nulls_are_remembered(place: Place) -> None:
    place.run([{"id": 1, "n": None, "deep": {"m": None}, "items": [{"id": 1, "k": None}]}])
    mark = {"nullable": True, "x-normalizer": {"seen-null-first": True}}
    assert place.hints("n") == {"name": "n", **mark}
    assert place.hints("deep__m") == {"name": "deep__m", **mark}
    assert place.hints("k", "t__items") == {"name": "k", **mark}
    assert list(place.columns()) == ["id"]
    version = place.pipeline.default_schema.version
    place.run([{"id": 2, "n": None}])
    assert place.pipeline.default_schema.version == version
    place.run([{"id": 3, "n": 5}])
    assert place.hints("n") == {"name": "n", "nullable": True, "data_type": "bigint"}
    assert place.values("n") == [None, None, 5]


def test_a_remembered_column_is_created_on_request(place: Place) -> None:
    place.run([{"id": 1, "n": None}])
    place.run([{"id": 2, "n": None}], columns={"n": {"data_type": "date"}})
    assert place.columns()["n"] == ("date", True)
    assert place.hints("n") == {"name": "n", "nullable": True, "data_type": "date"}


def test_a_remembered_column_that_turns_out_to_be_nested_is_forgotten(place: Place) -> None:
    place.run([{"id": 1, "d": None, "l": None, "n": None}])
    place.run([{"id": 2, "d": {"x": 1}, "l": [1]}])
    columns = [n for n in place.pipeline.default_schema.tables["t"]["columns"] if not n.startswith("_dlt")]
    assert columns == ["id", "n", "d__x"]


def test_columns_of_nulls_are_created_by_policy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run([{"id": 1, "n": None}])
    monkeypatch.setenv("SCHEMA__NULL_COLUMNS", "create")
    place.run([{"id": 2, "m": None}])
    assert {n: t for n, (t, _) in place.columns().items() if n != "id"}.keys() == {"n", "m"}
    place.run([{"id": 3, "m": 5}])
    assert place.values("m") == [None, None, "5"]
    monkeypatch.setenv("SCHEMA__NULL_COLUMNS_TYPE", "double")
    place.run([{"id": 4, "o": None}])
    assert place.hints("o")["data_type"] == "double"


def test_columns_of_nulls_in_frames_have_their_type(place: Place) -> None:
    place.run(pa.table({"id": [1], "n": pa.array([None], pa.float32())}))
    assert place.columns()["n"][0] in ("double", "double precision")


@pytest.mark.parametrize("setting", ["ON_TYPE_CHANGE", "NULL_COLUMNS"])
def test_a_setting_that_isn_t_one(setting: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SCHEMA__{setting}", "wide")
    with pytest.raises((ConfigError, PipelineStepFailed), match=f"`SCHEMA__{setting}` can't be `wide`"):
        place.run([{"id": 1}])
    assert place.is_clean()
