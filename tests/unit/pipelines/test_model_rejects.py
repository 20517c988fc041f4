"""What models refuse: where it goes, what it says, and that nothing else is lost (2.15, P8)."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pydantic
import pytest
from tests.loading import Site

import ladle
from ladle.errors import DataError, LadleError, UsageError
from ladle.extract import rejects

CANARY = "canary@example.com"


class Row(pydantic.BaseModel):
    id: int
    name: str


class Person(pydantic.BaseModel):
    id: int
    mail: Annotated[str | None, {"tags": {"pii": "email"}}] = None

    @pydantic.field_validator("mail")
    @classmethod
    def at(cls, value: str) -> str:
        if "@" in value:
            raise ValueError(f"{value} is a mail")
        return value


DATA: list[dict[str, Any]] = [
    {"id": 1, "name": "a"},
    {"id": "zz", "name": "b"},
    {"id": 3, "name": "c", "more": 1},
]
DISCARD = {"data_type": "discard_row"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def found(site: Site, *columns: str) -> list[tuple[Any, ...]]:
    if "_ladle_rejects" not in site.names():
        return []
    names = ", ".join(f'"{c}"' for c in columns)
    return site.query(f"SELECT {names} FROM ds._ladle_rejects ORDER BY _dlt_id")


def test_a_refused_row_is_kept_with_its_reason(site: Site) -> None:
    info = site.pipeline().run(ladle.resource(DATA, name="r", columns=Row, schema_contract=DISCARD))
    assert [row["id"] for row in site.table("r").rows] == [1, 3]
    columns = (
        "resource",
        "table_name",
        "column_path",
        "action",
        "rule",
        "value",
        "wanted",
        "position",
        "record",
    )
    assert found(site, *columns) == [
        ("r", "r", "id", "row", "model Row: int_parsing", '"zz"', "bigint", 1, '{"id":"zz","name":"b"}'),
        ("r", "r", "more", "value", "model Row: extra_forbidden", "1", "no field of the model", 2, None),
    ]
    (reason,), *_ = found(site, "reason")
    assert reason.startswith("Input should be a valid integer")
    (package,) = info.load_packages
    account = {"read": 3, "filtered": 0, "deduplicated": 0, "rejected": 1, "extracted": 2}
    assert package.resource_accounts == {"r": account}
    assert "resource r: read 3: 1 rejected, 2 extracted" in str(info)
    assert info.asdict()["load_packages"][0]["resource_accounts"] == [{"resource_name": "r", **account}]


def test_a_run_that_loses_nothing_says_nothing(site: Site) -> None:
    info = site.pipeline().run(DATA[:1], table_name="r", columns=Row)
    assert "read" not in str(info)
    assert found(site, "rule") == []


def test_a_package_of_nothing_but_rejects_is_loaded(site: Site) -> None:
    made = ladle.resource([{"id": "x", "name": "y"}], name="r", columns=Row, schema_contract=DISCARD)
    site.pipeline().run(made)
    assert found(site, "value") == [('"x"',)]


def test_the_model_of_a_run_counts_too(site: Site) -> None:
    with pytest.raises(DataError, match="doesn't fit model `Row`"):
        site.pipeline().run(DATA, table_name="r", columns=Row)
    site.pipeline().run(DATA, table_name="r", columns=Row, schema_contract=DISCARD)
    assert found(site, "value") == [('"zz"',), ("1",)]


def test_a_value_becomes_null_where_it_may(site: Site) -> None:
    class Loose(pydantic.BaseModel):
        id: int
        n: int | None = None
        inner: Any = None

    class Looser(Loose):
        id: int | None  # type: ignore[assignment]

    rows = [{"id": 1, "n": "x"}, {"id": 2, "n": 5}]
    made = ladle.resource(rows, name="r", columns=Looser, schema_contract={"data_type": "discard_value"})
    site.pipeline().run(made)
    assert [(row["id"], row["n"]) for row in site.table("r").rows] == [(1, None), (2, 5)]
    assert found(site, "action", "column_path", "value", "wanted") == [("value", "n", '"x"', "bigint")]


def test_a_rule_about_several_fields_refuses_the_row(site: Site) -> None:
    class Range(pydantic.BaseModel):
        low: int | None
        high: int | None

        @pydantic.model_validator(mode="after")
        def ordered(self) -> Range:
            if (self.low or 0) > (self.high or 0):
                raise ValueError("low is above high")
            return self

    rows = [{"low": 2, "high": 1}, {"low": 1, "high": 2}]
    made = ladle.resource(rows, name="r", columns=Range, schema_contract={"data_type": "discard_value"})
    site.pipeline().run(made)
    assert [row["low"] for row in site.table("r").rows] == [1]
    assert found(site, "action", "column_path", "reason") == [("row", None, "Value error, low is above high")]


def test_fields_below_a_field_are_told_by_their_path(site: Site) -> None:
    class Line(pydantic.BaseModel):
        sku: str

    class Order(pydantic.BaseModel):
        id: int
        lines: list[Line]

    rows = [
        {"id": 1, "lines": [{"sku": "a"}, {"sku": "b", "extra": 5}]},
        {"id": 2, "lines": [{"sku": "a"}, {"sku": 7}]},
    ]
    site.pipeline().run(ladle.resource(rows, name="r", columns=Order, schema_contract=DISCARD))
    assert found(site, "column_path", "action", "value") == [
        ("lines[1].extra", "value", "5"), ("lines[1].sku", "row", "7"),
    ]  # fmt: skip
    assert site.table("r").values("lines") == ['[{"sku":"a"},{"sku":"b"}]']


def test_a_row_with_something_that_can_not_be_stored_is_kept_as_text(site: Site) -> None:
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": object}, {"id": "3x", "name": "c"}]
    site.pipeline().run(ladle.resource(rows, name="r", columns=Row, schema_contract=DISCARD))
    assert found(site, "value") == [("\"<class 'object'>\"",), ('"3x"',)]


@pytest.mark.parametrize("kind", ["page", "rows", "parallel", "async", "transformer", "awaited"])
def test_wherever_rows_come_from(site: Site, kind: str) -> None:
    def rows() -> Iterator[Any]:
        yield from DATA

    async def later() -> Any:
        for row in DATA:
            await asyncio.sleep(0)
            yield row

    data: Any = {"page": [list(DATA)], "rows": DATA, "async": later}.get(kind, rows)
    made: Any = ladle.resource(
        data, name="r", columns=Row, schema_contract=DISCARD, parallelized=kind == "parallel"
    )
    if kind == "awaited":
        made.add_map(awaited)
    if kind == "transformer":

        @ladle.transformer(data_from=ladle.resource(rows, name="all"), columns=Row, schema_contract=DISCARD)
        def r(item: Any) -> Any:
            return [item]

        made = r
    info = site.pipeline().run(made)
    assert sorted(row["id"] for row in site.table("r").rows) == [1, 3]
    assert sorted(found(site, "table_name", "value", "position")) == [("r", '"zz"', 1), ("r", "1", 2)]
    assert info.load_packages[0].resource_accounts["r"]["rejected"] == 1


async def awaited(row: Any) -> Any:
    await asyncio.sleep(0)
    return row


def test_the_table_is_that_of_the_item(site: Site) -> None:
    made = ladle.resource(
        DATA, name="r", columns=Row, schema_contract=DISCARD, table_name=lambda row: f"t_{row['name']}"
    )
    site.pipeline().run(made)
    assert found(site, "resource", "table_name") == [("r", "t_b"), ("r", "t_c")]


def test_a_union_goes_by_its_tag(site: Site) -> None:
    class A(pydantic.BaseModel):
        tag: Literal["a"]
        x: int

    class B(pydantic.BaseModel):
        tag: Literal["b"]
        y: int

    class Either(pydantic.RootModel[A | B]):
        root: A | B = pydantic.Field(discriminator="tag")

    rows = [{"tag": "a", "x": "1", "q": 2}, {"tag": "b", "y": "no"}, {"tag": "c"}]
    site.pipeline().run(ladle.resource(rows, name="r", columns=Either, schema_contract=DISCARD))
    assert found(site, "column_path", "rule", "action") == [
        ("q", "model Either: extra_forbidden", "value"),
        ("y", "model Either: int_parsing", "row"),
        (None, "model Either: union_tag_invalid", "row"),
    ]


def test_of_a_field_that_every_row_has_too_many_only_the_number_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MAX_PER_FIELD", 3)
    rows = [{"id": n, "name": "a", "more": n} for n in range(10)]
    site.pipeline().run(rows, table_name="r", columns=Row)
    assert found(site, "value", "reason")[3:] == [(None, "left out of 7 more rows")]
    assert len(found(site, "value")) == 4


def test_a_validator_of_ones_own_filters(site: Site) -> None:
    made = ladle.resource([[{"id": 1}, {"id": 2}], {"id": 3}], name="r")
    made.validator = lambda item: [row for row in item if row["id"] != 2] if isinstance(item, list) else None
    info = site.pipeline().run(made)
    account = {"read": 3, "filtered": 2, "deduplicated": 0, "rejected": 0, "extracted": 1}
    assert info.load_packages[0].resource_accounts == {"r": account}


def test_outside_of_a_pipeline_they_are_dropped_with_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ladle")
    made = ladle.resource(DATA, name="r", columns=Row, schema_contract=DISCARD)
    assert len(list(made)) == 2
    assert "model `Row` refuses items" in caplog.text
    assert "zz" not in caplog.text


# -- cursors


def test_rows_that_a_cursor_leaves_out_are_not_refused_again(site: Site) -> None:
    class At(pydantic.BaseModel):
        id: int
        at: int

    def load(rows: list[dict[str, Any]]) -> dict[str, int]:
        made = ladle.resource(rows, name="r", columns=At, schema_contract=DISCARD)
        made.set_incremental(ladle.sources.incremental("at"))
        return dict(site.pipeline().run(made).load_packages[0].resource_accounts["r"])

    rows: list[dict[str, Any]] = [{"id": 1, "at": 1}, {"id": "x", "at": 2}, {"id": 3, "at": 3}]
    first = load(rows)
    assert first == {"read": 3, "filtered": 0, "deduplicated": 0, "rejected": 1, "extracted": 2}
    second = load([*rows, {"id": "y", "at": 4}, {"id": 5, "at": 5}])
    assert second == {"read": 5, "filtered": 2, "deduplicated": 1, "rejected": 1, "extracted": 1}
    assert found(site, "value") == [('"x"',), ('"y"',)]


# -- personal data


@pytest.mark.parametrize("mode", ["freeze", "discard_row"])
def test_errors_do_not_show_what_is_personal(site: Site, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    made = ladle.resource(
        [{"id": 1, "mail": CANARY}], name="r", columns=Person, schema_contract={"data_type": mode}
    )
    if mode == "freeze":
        with pytest.raises(DataError, match="the model's own check failed") as caught:
            site.pipeline().run(made)
        error: BaseException | None = caught.value
        while error is not None:
            assert CANARY not in f"{error}{error!r}"
            error = error.__cause__ or error.__context__
    else:
        list(made)
        assert CANARY not in caplog.text


class Tagged(pydantic.BaseModel):
    id: int
    mail: Annotated[str | None, {"protect": "mask", "tags": {"pii": "email"}}] = None
    inner: Any = None


@pytest.mark.parametrize("named", [False, True])
def test_rejects_are_protected_like_rows(site: Site, named: bool) -> None:
    rows = [{"id": 1, "mail": CANARY}, {"id": "x", "mail": CANARY}, {"id": 3, "mail": [CANARY]}]
    table: Any = (lambda row: f"t_{row['id']}") if named else None
    made = ladle.resource(rows, name="r", columns=Tagged, schema_contract=DISCARD, table_name=table)
    pipeline = site.pipeline()
    pipeline.run(made)
    assert [r.column_path for r in pipeline.rejects()] == ["id", "mail"]
    for name in site.names():
        assert CANARY not in str(site.table(name).rows)
    assert all('"mail":' in str(r.record) for r in pipeline.rejects())


def test_replays_do_not_protect_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hashed(pydantic.BaseModel):
        id: int
        mail: Annotated[str | None, {"protect": "hash"}] = None

    monkeypatch.setenv("GOVERNANCE__PII_KEY", "a key that is long enough for this test of ours")
    rows = [{"id": 1, "mail": CANARY}, {"id": "2x", "mail": CANARY}]
    pipeline = site.pipeline()
    made = ladle.resource(rows, name="r", columns=Hashed, schema_contract=DISCARD)
    pipeline.run(made)
    monkeypatch.delenv("GOVERNANCE__PII_KEY")
    with pytest.raises(UsageError, match="value of a protected column"):
        pipeline.replay(fix=lambda row: {"id": 2, "mail": CANARY})
    pipeline.replay(fix=lambda row: {**row, "id": 2})
    first, second = site.table("r").values("mail")
    assert first == second != CANARY


def test_errors_name_field_value_and_row(site: Site) -> None:
    with pytest.raises(LadleError) as caught:
        site.pipeline().run(ladle.resource(DATA, name="r", columns=Row))
    facts = caught.value.facts
    assert (facts["resource"], facts["column"], facts["row"], facts["value"]) == ("r", "id", 1, "zz")


# -- frames


def frame(**columns: Any) -> pa.Table:
    return pa.table(columns)


FRAME_CASES: list[tuple[dict[str, str], Any]] = [
    ({"data_type": "discard_row"}, ([(1, "a"), (3, "c")], [("id", "row"), ("more", "value"), ("name", "row")])),
    ({"data_type": "discard_row", "columns": "discard_row"}, ([(1, "a")], [("id", "row"), ("more", "row"), ("name", "row")])),
    ({"data_type": "freeze"}, "no bigint"),
    ({"data_type": "discard_row", "columns": "freeze"}, "column `more` that model `Row` lacks"),
]  # fmt: skip


@pytest.mark.parametrize(("contract", "expected"), FRAME_CASES, ids=str)
@pytest.mark.parametrize("kind", ["table", "batch", "reader", "pandas", "polars"])
def test_frames_are_checked_by_column(site: Site, contract: dict[str, str], expected: Any, kind: str) -> None:
    table = frame(id=["1", "zz", "3", "4"], name=["a", "b", "c", None], more=pa.array([None, None, 1, None]))
    data: Any = table
    if kind == "batch":
        data = table.to_batches()[0]
    elif kind == "reader":
        data = table.to_reader()
    elif kind == "pandas":
        data = table.to_pandas()
    elif kind == "polars":
        data = pytest.importorskip("polars").from_arrow(table)
    made = ladle.resource([data], name="r", columns=Row, schema_contract=contract)
    if isinstance(expected, str):
        with pytest.raises(LadleError, match=expected):
            site.pipeline().run(made)
        return
    info = site.pipeline().run(made)
    assert [(row["id"], row["name"]) for row in site.table("r").rows] == expected[0]
    assert sorted(set(found(site, "column_path", "action"))) == expected[1]
    account = info.load_packages[0].resource_accounts["r"]
    assert account["read"] == 4 == account["rejected"] + account["extracted"]


def test_a_frame_that_fits_passes_as_it_is(site: Site) -> None:
    table = frame(id=[1, 2], name=["a", "b"])
    made = ladle.resource([table], name="r", columns=Row)
    assert list(made.items())[0] is table


# -- dataclasses and TypedDicts


def test_dataclasses_and_typed_dicts(site: Site) -> None:
    @dataclasses.dataclass
    class Point:
        x: int
        label: str | None = None
        size: int = 1

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("left of everything")

    rows = [{"x": "1"}, Point(2, "b"), {"x": -1}, {"x": 3, "more": 1}]
    site.pipeline().run(ladle.resource(rows, name="r", columns=Point, schema_contract=DISCARD))
    assert [(r["x"], r["label"], r["size"]) for r in site.table("r").rows] == [
        (1, None, 1),
        (2, "b", 1),
        (3, None, 1),
    ]
    assert found(site, "column_path", "action", "rule") == [
        (None, "row", "model Point: value_error"), ("more", "value", "model Point: extra_forbidden"),
    ]  # fmt: skip
