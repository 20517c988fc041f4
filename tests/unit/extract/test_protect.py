"""Raw batches with protected values: what is there, and what must not be."""

from __future__ import annotations

import io
import traceback
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import DataError
from ladle.extract.arrow import Where, to_array
from ladle.extract.batcher import Batcher
from ladle.extract.canonical import texts
from ladle.extract.frames import frame_batches
from ladle.extract.jsoned import JsonPlan, to_array_keeping_json
from ladle.extract.protect import Guard
from ladle.package.raw import FRAME_METADATA, hoist_deep
from ladle.schema.naming import naming
from ladle.schema.protection import NO_POLICY, Protection
from ladle.schema.schema import Schema
from ladle.schema.secrecy import Sealer
from ladle.schema.table import Column, Table

CANARY = "c4n4ry"
SEALER = Sealer("0123456789abcdef")
WHERE = Where("r", "t")
ACTIONS = ["mask", "hash", "tokenise", "encrypt", "drop"]


def guard(action: str = "hash", columns: Sequence[str] = ("secret",), **children: str) -> Guard:
    hints = {"x-annotation-protect": action}
    tables = [Table("t", {n: Column.from_dict(n, hints) for n in columns}, resource="t")]
    tables += [
        Table(f"t__{list_}", {name: Column.from_dict(name, hints)}, parent="t")
        for list_, name in children.items()
    ]
    schema = Schema("s").with_tables(tables)
    return Guard(Protection(schema, "t", NO_POLICY, naming("snake_case")), SEALER)


def batch(rows: list[Any], plan: JsonPlan | None = None) -> pa.RecordBatch:
    array = to_array(rows, where=WHERE) if plan is None else to_array_keeping_json(rows, plan, WHERE)
    return pa.RecordBatch.from_struct_array(hoist_deep(array))


def written(found: pa.RecordBatch) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_batch(found)
    return sink.getvalue()


def one(value: Any, action: str = "hash") -> Any:
    return guard(action).batch(batch([{"secret": value}])).column("secret")[0].as_py()


def hashed(text: str) -> str:
    return SEALER.hashes([text])[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        (5, "5"),
        (5.0, "5"),
        (Decimal("5.00"), "5"),
        (1e20, "100000000000000000000"),
        (2**200, str(2**200)),
        (10**20, "100000000000000000000"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1.5e-7, "0.00000015"),
        (Decimal("-12.340"), "-12.34"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (True, "true"),
        (b"\x00\xff", "AP8="),
        (date(2026, 1, 2), "2026-01-02"),
        (time(1, 2, 3), "01:02:03"),
        (time(1, 2, 3, 400000), "01:02:03.4"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (datetime(2026, 1, 2, 3, 4, 5, 120000, UTC), "2026-01-02T03:04:05.12Z"),
        (UUID(int=1), str(UUID(int=1))),
        ({"b": 1, "a": [1.0, None, {"z": None}]}, '{"a":[1.0,null,{}],"b":1}'),
        ([], "[]"),
        ({}, "{}"),
        ([[CANARY], [2]], '[["c4n4ry"],[2]]'),
        ({"d": date(2026, 1, 2), "n": Decimal("1.50"), "b": b"a"}, '{"b":"YQ==","d":"2026-01-02","n":"1.5"}'),
    ],
    ids=repr,
)
def test_a_value_of_any_kind_is_protected_as_its_text(value: Any, text: str) -> None:
    assert one(value) == hashed(text)
    if not isinstance(value, (dict, list)) or value == []:
        mixed = guard().batch(
            batch([{"secret": value}, {"secret": {"a": [1]}}, {"secret": "t"}, {"secret": None}])
        )
        expected = [hashed(text), hashed('{"a":[1]}'), hashed("t"), None]
        assert mixed.column("secret").to_pylist() == expected


@pytest.mark.parametrize(
    "column",
    [
        pa.array([5], pa.int8()),
        pa.array([5.0], pa.float32()),
        pa.array([5], pa.uint64()),
        pa.array([Decimal("5.000")]),
        pa.array(["5"], pa.large_string()),
        pa.array(["5"]).dictionary_encode(),
    ],
    ids=lambda c: str(c.type),
)
def test_frames_and_rows_are_protected_alike(column: pa.Array) -> None:
    frame = pa.table({"secret": column, "open": [1]})
    (raw,) = frame_batches(frame, WHERE)
    made = guard().batch(raw)
    assert made.column("secret").to_pylist() == [one(5)]
    assert made.column("open").to_pylist() == [1]
    assert made.schema.metadata == FRAME_METADATA


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_a_time_changes_nothing(unit: str) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    frame = pa.table({"secret": pa.array([moment], pa.timestamp(unit, "UTC"))})
    (raw,) = frame_batches(frame, WHERE)
    assert guard().batch(raw).column("secret").to_pylist() == [one(moment)]


def test_what_stands_below_a_null_is_not_written() -> None:
    hidden = pa.StructArray.from_arrays(
        [pa.array([CANARY, "x"])], names=["secret"], mask=pa.array([True, False])
    )
    assert CANARY.encode() in written(pa.record_batch({"user": hidden}))
    found = guard("mask", ["user__secret"]).batch(pa.record_batch({"user": hidden}))
    assert found.column("user").to_pylist() == [None, {"secret": "***"}]
    assert CANARY.encode() not in written(found)


def test_nulls_stay_and_a_batch_without_protected_columns_is_the_same() -> None:
    rows = batch([{"secret": None, "a": 1}, {"secret": None, "a": 2}])
    assert guard().batch(rows) is rows
    other = batch([{"a": {"b": [1]}}])
    assert guard().batch(other) is other
    empty = pa.record_batch({"secret": pa.array([], pa.string())})
    assert guard().batch(empty) is empty


def test_a_dropped_column_is_not_there() -> None:
    found = guard("drop", ["secret", "user__secret", "only__secret"]).batch(
        batch(
            [{"secret": CANARY, "user": {"secret": 1, "a": 2}, "only": {"secret": 3}}, {"only": None, "a": 1}]
        )
    )
    assert found.to_pylist() == [
        {"user": {"a": 2}, "only": {}, "a": None},
        {"user": None, "only": None, "a": 1},
    ]
    alone = guard("drop").batch(batch([{"secret": 1}, {"secret": 2}]))
    assert (alone.num_rows, alone.num_columns) == (2, 0)


def test_the_elements_of_a_list() -> None:
    found = guard("hash", (), l="value")
    rows = batch([{"l": ["a", None, {"x": 1}, [2]]}, {"l": "b"}, {"l": None}, {"l": {"x": 1}}, {"l": []}])
    made = [r["l"] for r in found.batch(rows).to_pylist()]
    kinds = [{k[1:]: v for k, v in r.items() if v is not None} for r in made]
    assert kinds == [
        {"list": [hashed("a"), None, hashed('{"x":1}'), hashed("[2]")]},
        {"text": hashed("b")},
        {},
        {"text": hashed('{"x":1}')},
        {"list": []},
    ]
    dropped = guard("drop", (), l="value").batch(batch([{"l": ["a", "b"]}, {"l": "c"}]))
    assert CANARY not in repr(dropped.to_pylist())
    assert "a" not in repr(dropped.column("l").to_pylist()[0]).replace("None", "").replace("list", "")


def test_what_was_kept_as_json_is_protected_inside() -> None:
    plan = JsonPlan(naming("snake_case"), max_nesting=0)
    rows = [{"user": {"E-Mail": CANARY, "n": 2**70, "l": [{"e_mail": CANARY}], "x": {"e_mail": [CANARY]}}}]
    found = guard("hash", ["user__e_mail", "user__l__e_mail"]).batch(batch(rows, plan))
    made = list(found.column("user").to_pylist()[0].values())[0]
    h = hashed(CANARY)
    assert made == f'{{"E-Mail":"{h}","n":{2**70},"l":[{{"e_mail":"{h}"}}],"x":{{"e_mail":["{CANARY}"]}}}}'
    gone = guard("drop", ["user__e_mail"]).batch(batch(rows, plan))
    assert '"E-Mail"' not in repr(gone.to_pylist())
    whole = guard("hash", ["user"]).batch(batch(rows, plan))
    assert CANARY not in repr(whole.to_pylist())


def test_json_and_columns_have_one_text() -> None:
    row = {"secret": {"b": [1, {"c": None}], "a": 1.5}}
    plan = JsonPlan(naming("snake_case"), max_nesting=0)
    assert guard().batch(batch([row], plan)).column("secret").to_pylist() == [one(row["secret"])]


@pytest.mark.parametrize("action", ACTIONS)
def test_deep_values(action: str) -> None:
    deep: Any = {"secret": CANARY}
    for _ in range(100):
        deep = {"a": deep}
    path = "__".join(["a"] * 100 + ["secret"])
    for columns in ([path], ["a"], ["a__a"]):
        found = guard(action, columns).batch(batch([deep, {"b": 1}]))
        assert CANARY.encode() not in written(found)


values = st.recursive(
    st.sampled_from([None, 1, 2.5, True, CANARY, CANARY + "x", b"c4n4ry", f"pre {CANARY}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["secret", "Secret", "a", "value", CANARY]), inner, max_size=3)
    ),
    max_leaves=6,
)
places = st.fixed_dictionaries(
    {},
    optional={
        "secret": values,
        "Secret": values,
        "user": st.dictionaries(st.sampled_from(["Secret", "secret"]), values, max_size=2),
        "l": st.lists(st.sampled_from([CANARY, None, [CANARY], {"x": CANARY}]), max_size=3),
        "m": st.lists(st.dictionaries(st.just("secret"), values, max_size=1), max_size=3)
        | st.dictionaries(st.just("secret"), values, max_size=1),
        "open": st.integers(),
    },
)


def guarded(action: str) -> Guard:
    return guard(action, ["secret", "user__secret"], l="value", m="secret")


@given(
    rows=st.lists(places, min_size=1, max_size=6),
    action=st.sampled_from(ACTIONS),
    nesting=st.sampled_from([None, 0, 1]),
)
def test_the_canary_is_nowhere_in_what_is_written(rows: list[Any], action: str, nesting: int | None) -> None:
    plan = None if nesting is None else JsonPlan(naming("snake_case"), max_nesting=nesting)
    found = guarded(action).batch(batch(rows, plan))
    assert found.num_rows == len(rows)
    assert CANARY.encode() not in written(found)
    assert b"YzRuNHJ5" not in written(found)


def flat(made: pa.RecordBatch) -> list[Any]:
    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            if value and all(k.startswith("\ue0f0") for k in value):
                return next((bare(v) for v in value.values() if v is not None), None)
            return {k: b for k, v in value.items() if (b := bare(v)) is not None}
        return [bare(v) for v in value] if isinstance(value, list) else value

    return [bare(row) for row in made.to_pylist()]


@given(
    rows=st.lists(places, min_size=2, max_size=6),
    action=st.sampled_from(["mask", "hash", "tokenise", "drop"]),
    cut=st.integers(1, 5),
)
def test_where_a_batch_was_cut_changes_nothing(rows: list[Any], action: str, cut: int) -> None:
    parts = [batch(part) for part in (rows[:cut], rows[cut:]) if part]
    assert flat(guarded(action).batch(batch(rows))) == [
        row for part in parts for row in flat(guarded(action).batch(part))
    ]


def test_texts_of_nothing_but_nulls() -> None:
    assert texts(pa.nulls(2)).to_pylist() == [None, None]


class Odd:
    """A value that can't be stored, and says so with its text."""

    def model_dump(self, **_: Any) -> Any:
        raise ValueError(CANARY)


@pytest.mark.parametrize(
    "row", [{"secret": Odd()}, {"secret": {CANARY: object()}}, {"user": {"secret": [Odd()]}}, Odd()]
)
def test_what_cant_be_converted_isnt_told(row: Any) -> None:
    where = Where("r", "t", 0, guarded("hash"))
    with pytest.raises(DataError) as caught:
        to_array([{"open": 1}, row], where=where)
    error: BaseException | None = caught.value
    assert caught.value.row == 1
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    while error is not None:
        assert CANARY not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_what_is_not_protected_is_told_as_ever() -> None:
    where = Where("r", "t", 0, guarded("hash"))
    with pytest.raises(DataError, match="ValueError: c4n4ry"):
        to_array([{"open": Odd()}], where=where)


def test_a_frame_that_cant_be_converted_isnt_told() -> None:
    where = Where("r", "t", 0, guarded("hash"))
    frame = pa.table({"secret": pa.array([10**17 + 1], pa.duration("ns"))})
    with pytest.raises(DataError) as caught:
        list(frame_batches(frame, where))
    assert str(10**17 + 1) not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(DataError) as caught:
        list(frame_batches(frame, WHERE))
    assert str(10**17 + 1) in "".join(traceback.format_exception(caught.value))


def test_an_item_that_is_no_row_is_masked_unless_its_column_has_a_rule() -> None:
    items = [CANARY, [CANARY], 5, {"value": 5, "secret": CANARY}, None]
    for columns, expected in ((["secret"], ["***", "***", "***", 5]), (["value"], [CANARY, [CANARY], 5, 5])):
        batcher = Batcher(Where("r", "t", 0, guard("mask", columns)), JsonPlan(naming("snake_case")))
        assert list(batcher.add(items)) == []
        made = batcher.flush()
        assert made is not None
        assert [row["value"] for row in flat(made)] == expected
        assert [row["value"] for row in flat(guard("mask", columns).batch(made))] == [
            5 if v == 5 and columns == ["secret"] else "***" for v in expected
        ]
