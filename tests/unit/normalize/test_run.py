"""The fold over a package's raw batches: same outcome wherever they were cut, nothing lost on the way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.normalize.folding import data, normalized, raw, ready

from ladle.errors import DataError
from ladle.events import Event, Notice, Progress
from ladle.normalize.run import Options
from ladle.schema.change import Limits
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

BIG = 2**53 + 1
ROWS: dict[str, list[dict[str, Any]]] = {
    "int, then float": [{"v": 1}, {"v": 2.5}, {"v": 3}],
    "an int no double holds, then a float": [{"v": BIG}, {"v": 2.5}],
    "only some rows are pushed out": [{"v": BIG}, {"v": 1}, {"v": BIG}, {"v": 2}, {"v": 2.5}, {"v": 3}],
    "a fraction between an int and a float": [{"v": 1}, {"v": Decimal("1.25")}, {"v": 2.5}, {"v": "1.5"}],
    "whole, but no double holds it": [{"v": 1}, {"v": Decimal(BIG)}, {"v": str(BIG)}, {"v": 2.5}, {"v": "7"}],
    "a name that promises a type": [{"v__v_bigint": 1}, {"v__v_bigint": 2.5}, {"v__v_bigint": 3}],
    "new columns": [{"a": 1}, {"b": "x"}, {"a": 2, "c": [1]}],
    "other kinds": [{"v": 1}, {"v": "x"}, {"v": {"k": 1}}, {"v": [1]}, {"v": True}],
    "nulls first": [{"v": None}, {"v": None}, {"v": "x"}],
    "colliding keys": [{"aB": 1, "a_b": 2}, {"aB": 3}, {"a_b": "x"}],
    "a key like a variant": [{"v": 1, "v__v_text": 5}, {"v": "x", "v__v_text": "real"}, {"v": "y"}],
    "two spellings of a list": [{"A": [], "a": ["x"]}, {"A": [1]}, {"a": [True]}],
    "two spellings in lists": [{"l": [{"A": []}, {"a": ["x"]}]}, {"l": [{"A": [1], "a": [2]}, {"a": [3]}]}],
    "two spellings of a dict": [{"A": {}, "a": {"x": "t"}}, {"A": {"x": 1}}, {"a": {"x": 2, "l": [1]}}],
    "lists with two parents": [{"a__b": [], "a": [{"b": [1.5]}]}, {"a__b": ["x"]}, {"a": [{"b": [True]}]}],
    "a list, and a key called so": [{"l": [{"list": ["x"]}, [1]]}, {"l": [[True], {"list": [2]}]}],
    "lists of lists": [{"l": [{"m": [1, "x"]}, {}]}, {"l": []}, {"l": [{"m": [2.5]}]}],
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("cut", [1, 2])
def test_the_outcome_does_not_depend_on_cuts(name: str, cut: int, tmp_path: Path) -> None:
    rows = ROWS[name]
    whole = normalized(tmp_path / "whole", raw(rows))
    parts = normalized(tmp_path / "parts", raw(*[rows[i : i + cut] for i in range(0, len(rows), cut)]))
    assert data(parts) == data(whole)
    assert types(parts.manifest.schema) == types(whole.manifest.schema)
    assert parts.manifest.counts == whole.manifest.counts


SEEN = {"x-normalizer": {"seen-data": True}}
KNOWN = Schema("s").with_tables(
    [
        Table("t", {"v": Column("v", "bigint")}, resource="r").with_extra(**SEEN),
        Table("t__l", {"v": Column("v", "bigint", nullable=False)}, parent="t").with_extra(**SEEN),
    ]
)
UNDER_CONTRACT: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a refused row gives no column its type": (
        {"data_type": "discard_row"},
        [{"v": "x", "n": "text"}, {"v": 1, "n": 5}, {"v": 2, "n": "y"}, {"v": 3, "n": 6}],
    ),
    "a refused row of new types": (
        {"data_type": "discard_row"},
        [{"n": 1, "m": "x"}, {"n": "y", "m": 2}, {"n": 2, "m": "z"}, {"n": "z", "w": 1}, {"w": "x"}],
    ),
    "values of new columns": ({"data_type": "discard_value"}, [{"n": 1}, {"n": 2.5}, {"n": "x"}, {"n": 3}]),
    "columns before types": (
        {"columns": "discard_row", "data_type": "discard_value"},
        [{"v": "x", "n": 1}, {"v": "y"}, {"v": 1, "n": None}],
    ),
    "a child table of refused rows": (
        {"columns": "discard_row"},
        [{"n": 1, "k": [1]}, {"v": 1, "k": ["x"]}, {"v": 2, "k": [2]}],
    ),
    "nulls in children": (
        {"data_type": "discard_value"},
        [{"l": [{"v": 1}, {"v": None}, {}]}, {"l": [{"v": "x"}, {"v": 2}]}],
    ),
    "two spellings of a new list": (
        {"tables": "discard_row"},
        [{"A": [1], "v": 1}, {"a": ["x"]}, {"a": [], "v": 2}],
    ),
}


@pytest.mark.parametrize("name", UNDER_CONTRACT)
@pytest.mark.parametrize("cut", [1, 2])
def test_what_a_contract_refuses_does_not_depend_on_cuts(name: str, cut: int, tmp_path: Path) -> None:
    contract, rows = UNDER_CONTRACT[name]
    schema = replace(KNOWN, settings={"schema_contract": contract})
    whole = normalized(tmp_path / "whole", raw(rows), schema=schema)
    batches = [rows[i : i + cut] for i in range(0, len(rows), cut)]
    parts = normalized(tmp_path / "parts", raw(*batches), schema=schema)
    assert refused(parts) == refused(whole)
    assert refused(whole)
    made, wanted = data(parts), data(whole)
    assert {n: r for n, r in made.items() if n != REJECTS} == {
        n: r for n, r in wanted.items() if n != REJECTS
    }
    assert types(parts.manifest.schema) == types(whole.manifest.schema)
    assert parts.manifest.accounts == whole.manifest.accounts


REJECTS = "_ladle_rejects"


def refused(package: Any) -> list[dict[str, Any]]:
    """Rejects without what differs between two packages."""
    rows = data(package).get(REJECTS, [])
    return [{k: v for k, v in r.items() if k not in ("row_id", "parent_id", "rejected_at")} for r in rows]


def types(schema: Any) -> Any:
    return {
        t: (
            table.get("parent"),
            {n: (c.get("data_type"), c["nullable"]) for n, c in table["columns"].items()},
        )
        for t, table in schema["tables"].items()
    }


def test_what_a_join_pushes_out_of_earlier_files_is_in_the_schema(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw([{"v": BIG}], [{"v": 2.5}]))
    assert data(package) == {"t": [{"v": None, "v__v_bigint": BIG}, {"v": 2.5, "v__v_bigint": None}]}


def test_values_under_the_name_of_a_variant_lose_nothing(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw([{"v": 1}, {"v": "x", "v__v_text": "real"}]))
    assert data(package)["t"][1] == {"v": None, "v__v_text": "real", "v__v_text__v_text": "x"}


def test_frames_have_no_keys(tmp_path: Path) -> None:
    assert ready(normalized(tmp_path, raw(pa.table({"a": [1]})))) == {"t": [{"a": 1}]}


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (Options(add_dlt_id=True), ["a", "_dlt_id"]),
        (Options(add_dlt_load_id=True), ["a", "_dlt_load_id"]),
        (Options(True, True), ["a", "_dlt_load_id", "_dlt_id"]),
    ],
)
def test_frames_get_the_keys_asked_for(options: Options, keys: list[str], tmp_path: Path) -> None:
    assert list(ready(normalized(tmp_path, raw(pa.table({"a": [1]})), options=options))["t"][0]) == keys


FRAME, NESTED, UNTYPED = (
    pa.table({"a": [1, 2]}),
    pa.table({"a": [1], "l": [[7]]}),
    pa.table({"a": pa.nulls(2)}),
)
ROW = [{"a": 3}]


@pytest.mark.parametrize(
    "batches",
    [(FRAME, ROW), (ROW, FRAME), (FRAME, NESTED), (NESTED, FRAME), (FRAME, UNTYPED), (UNTYPED, FRAME)],
)
def test_all_rows_of_a_table_have_keys_where_one_has(batches: Any, tmp_path: Path) -> None:
    package = normalized(tmp_path, raw(*batches))
    rows = ready(package)["t"]
    assert len({row["_dlt_id"] for row in rows}) == len(rows) == package.manifest.counts["t"]
    assert {row["_dlt_load_id"] for row in rows} == {package.load_id}


def test_load_ids_that_frames_bring_are_overwritten_row_ids_are_kept(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw(pa.table({"_dlt_load_id": ["old"], "_dlt_id": ["mine"], "a": [1]})))
    assert ready(package)["t"] == [{"a": 1, "_dlt_load_id": package.load_id, "_dlt_id": "mine"}]


def test_a_frame_with_nothing_to_change_is_not_written_again(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw(pa.table({"a": [1], "b": ["x"]})))
    assert [f.name for f in package.files("ready")] == [f.name for f in package.files("raw")]
    changed = normalized(tmp_path, raw(pa.table({"aB": [1]})))
    assert [f.name.split("/")[0] for f in changed.files("ready")] == ["ready"]


def test_two_resources_feed_one_table(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw([{"a": 1}], resource="r1"), raw([{"b": "x"}], resource="r2"))
    assert data(package) == {"t": [{"a": 1, "b": None}, {"a": None, "b": "x"}]}
    assert package.manifest.counts == {"t": 2}


def test_a_list_whose_table_is_anothers_is_refused(tmp_path: Path) -> None:
    schema = Schema("s").with_tables([Table("t__l", resource="other")])
    with pytest.raises(DataError, match="the list `l` of table `t` would go to `t__l`, the table of `other`"):
        normalized(tmp_path, raw([{"l": [1]}]), schema=schema)


def test_lists_that_share_a_table_keep_apart_by_id(tmp_path: Path) -> None:
    rows = ready(normalized(tmp_path, raw([{"aL": [1], "a_l": [2]}])))
    assert sorted(r["value"] for r in rows["t__a_l"]) == [1, 2]
    assert len({r["_dlt_id"] for r in rows["t__a_l"]}) == 2
    assert {r["_dlt_parent_id"] for r in rows["t__a_l"]} == {rows["t"][0]["_dlt_id"]}


def test_of_two_lists_in_one_row_the_one_spelt_like_the_table_comes_first(tmp_path: Path) -> None:
    rows = data(normalized(tmp_path, raw([{"aL": [1], "a_l": ["x", "y"]}, {"aL": [2]}])))
    assert [row["value"] for row in rows["t__a_l"]] == ["x", "y", "1", "2"]


def test_lists_that_share_a_table_share_its_root_key(tmp_path: Path) -> None:
    schema = Schema("s").with_tables([Table("t", resource="r", write_disposition="merge")])
    package = normalized(
        tmp_path, raw([{"a__b": [1], "a": [{"b": [2]}]}, {"a": [{"b": [3]}]}]), schema=schema
    )
    rows = ready(package)
    roots = [rows["t"][i]["_dlt_id"] for i in (0, 0, 1)]
    assert [(r["value"], r["_dlt_root_id"]) for r in rows["t__a__b"]] == list(
        zip([2, 1, 3], roots, strict=True)
    )


@pytest.mark.parametrize(
    ("batches", "row"),
    [
        ([[{"v": 1}, {"v": None}]], 1),
        ([[{"v": 1}] * 3, [{"v": 1}, {}]], 4),
        ([[{"v": 1, "l": [{"w": 1}]}, {"v": 1}, {"v": 1, "l": [{"w": 1}, {}]}]], 2),
        ([[{"v": 1, "l": [{"w": 1}]}], [{"v": 1, "l": [{"w": None}]}]], 1),
        ([[{"v": 1}, {"v": 1, "L": [{"w": 1}], "l": []}, {"v": 1, "l": [{"w": 1}, {}], "L": [{"w": 1}]}]], 2),
    ],
)
def test_the_error_names_the_row_of_the_input(batches: Any, row: int, tmp_path: Path) -> None:
    required = {"v": Column("v", "bigint", nullable=False)}
    child = Table("t__l", columns={"w": Column("w", "bigint", nullable=False)}, parent="t")
    schema = Schema("s").with_tables([Table("t", columns=required, resource="r"), child])
    with pytest.raises(DataError) as caught:
        normalized(tmp_path, raw(*batches), schema=schema)
    assert (caught.value.resource, caught.value.row) == ("r", row)


def test_a_key_without_any_value_is_found_at_the_end(tmp_path: Path) -> None:
    schema = Schema("s").with_tables(
        [Table("t", columns={"k": Column("k", nullable=False, primary_key=True)})]
    )
    with pytest.raises(DataError, match="null in column `k`"):
        normalized(tmp_path, raw([{"a": 1}]), schema=schema)


def test_columns_of_nulls_are_told_and_remembered(tmp_path: Path) -> None:
    told: list[Event] = []
    hinted = Table("t", columns={"h": Column("h", description="d")})
    package = normalized(
        tmp_path, raw([{"a": 1, "n": None}]), schema=Schema("s").with_tables([hinted]), emit=told.append
    )
    assert [e.text.split(" saw")[0] for e in told if isinstance(e, Notice)] == [
        "column `h` of table `t`",
        "column `n` of table `t`",
    ]
    assert [e for e in told if isinstance(e, Progress)] == [Progress("normalize", "t", 1)]
    columns = package.manifest.schema["tables"]["t"]["columns"]
    assert list(columns) == ["h", "a", "n", "_dlt_load_id", "_dlt_id"]
    assert columns["h"] == {"name": "h", "nullable": True, "description": "d"}
    assert columns["n"] == {"name": "n", "nullable": True, "x-normalizer": {"seen-null-first": True}}


def test_the_schema_is_the_next_version_and_knows_what_it_came_from(tmp_path: Path) -> None:
    first = normalized(tmp_path, raw([{"a": 1}]))
    stored = Schema.from_dict(first.manifest.schema)
    same = normalized(tmp_path, raw([{"a": 2}]), schema=stored, stored=stored)
    more = normalized(tmp_path, raw([{"b": 2}]), schema=stored, stored=stored)
    assert (same.manifest.schema["version"], more.manifest.schema["version"]) == (1, 2)
    assert same.manifest.base_hash == more.manifest.base_hash == stored.version_hash
    assert more.manifest.schema["previous_hashes"] == [stored.version_hash]


def test_names_keep_to_the_limits(tmp_path: Path) -> None:
    limits = Limits(max_table_name=20, max_column_name=12)
    package = normalized(
        tmp_path, raw([{"a_very_long_column": "x", "a_list_of_something": [1]}]), limits=limits
    )
    tables = ready(package)
    assert max(map(len, tables)) <= 20
    assert len(tables) == 2
    assert max(len(n) for n in tables["t"][0] if not n.startswith("_dlt")) == 12


def test_a_failed_attempt_can_be_repeated(tmp_path: Path) -> None:
    schema = Schema("s").with_tables([Table("t", columns={"v": Column("v", "bigint", nullable=False)})])
    with pytest.raises(DataError):
        normalized(tmp_path, raw([{"v": None}]), schema=schema)
    assert data(normalized(tmp_path, raw([{"v": 1}]), schema=schema)) == {"t": [{"v": 1}]}


def test_thousands_of_columns(tmp_path: Path) -> None:
    rows = [{f"c{i}": i for i in range(3000)}]
    package = normalized(tmp_path, raw(rows, [{f"d{i}": i for i in range(500)}]))
    assert sum(len([v for v in row.values() if v is not None]) for row in data(package)["t"]) == 3500
