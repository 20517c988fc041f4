"""Rules over typed batches: each rule, each severity, nulls, types, and wherever batches are cut."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import rules
from ladle.errors import DataError, UsageError
from ladle.normalize.checks import Checks
from ladle.package.manifest import Manifest, ResourceInfo
from ladle.schema.rule import Rule
from ladle.schema.schema import Schema
from ladle.schema.table import Table
from ladle.schema.types import column_of

DECIMAL = pa.decimal128(10, 2)
UTC_US = pa.timestamp("us", "UTC")


def table(batch: pa.Table | pa.RecordBatch, *ruled: Rule, name: str = "t", **kinds: str) -> Table:
    columns = [column_of(f.name, f.type) for f in batch.schema if f.type != pa.null()]
    made = Table(name, resource=name).with_columns(columns)
    typed = {n: {**made.columns[n].to_dict(), "data_type": kind} for n, kind in kinds.items()}
    stored = Table.from_dict(name, {**made.to_dict(), "columns": {**made.to_dict()["columns"], **typed}})
    return stored.with_extra(**{"x-rules": [r.to_dict() for r in ruled]})


def of_package(roots: list[str]) -> Manifest:
    return Manifest("1", "p", resources=tuple(ResourceInfo(name, name, "append") for name in roots))


def broken(batch: pa.Table, *ruled: Rule, cuts: Sequence[int] = (), **kinds: str) -> dict[str, list[int]]:
    """Return the rows that break each rule, the batch cut at some rows."""
    checks, of = Checks(), table(batch, *ruled, **kinds)
    found: dict[str, list[int]] = {}
    edges = [0, *sorted(cuts), batch.num_rows]
    for start, end in zip(edges, edges[1:], strict=False):
        part = batch.slice(start, end - start)
        arrays = {n: part[n].combine_chunks() for n in part.schema.names}
        for failure in checks.of_batch(of, arrays):
            assert failure.rows.null_count == 0
            rows = pc.indices_nonzero(failure.rows).to_pylist()
            found.setdefault(failure.rule, []).extend(start + row for row in rows)
    return found


def one(values: Sequence[Any], type_: pa.DataType, rule: Rule, **kinds: str) -> list[Any]:
    """Return the values that break a rule about column `a`."""
    rows = broken(pa.table({"a": pa.array(values, type_)}), rule, **kinds)
    return [values[row] for row in rows.get(rule.label, [])]


FEW = settings(max_examples=25, deadline=None, database=None)  # each opens a DuckDB
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
CASES: list[tuple[Rule, pa.DataType, list[Any], list[Any]]] = [
    (rules.not_null("a"), pa.int64(), [1, None], [None]),
    (rules.accepted("a", ["x", "y"]), pa.string(), ["x", "z", None], ["z"]),
    (rules.accepted("a", [1, 2.0, 2.5]), pa.int64(), [1, 2, 3, None], [3]),
    (rules.accepted("a", [1, 300]), pa.int8(), [1, 44, None], [44]),
    (rules.accepted("a", [0.1, 1]), pa.float64(), [0.1, 1.0, 0.2, math.nan, None], [0.2, math.nan]),
    (rules.accepted("a", [Decimal("1.5")]), DECIMAL, [Decimal("1.50"), Decimal("1.51"), None], [Decimal("1.51")]),
    (rules.accepted("a", [True]), pa.bool_(), [True, False, None], [False]),
    (rules.accepted("a", [date(2026, 1, 1)]), pa.date32(), [date(2026, 1, 1), date(2026, 1, 2), None], [date(2026, 1, 2)]),
    (rules.accepted("a", [AT]), UTC_US, [AT, AT + timedelta(1), None], [AT + timedelta(1)]),
    (rules.accepted("a", [time(12)]), pa.time64("us"), [time(12), time(13), None], [time(13)]),
    (rules.between("a", 1, 3), pa.int64(), [0, 1, 3, 4, None], [0, 4]),
    (rules.between("a", 1, 3, inclusive="neither"), pa.int64(), [0, 1, 2, 3, None], [0, 1, 3]),
    (rules.between("a", 1, 3, inclusive="low"), pa.int64(), [1, 3], [3]),
    (rules.between("a", 1, 3, inclusive="high"), pa.int64(), [1, 3], [1]),
    (rules.between("a", 1.5, 2.5, inclusive="neither"), pa.int64(), [1, 2, 3], [1, 3]),
    (rules.between("a", high=1 << 80), pa.int64(), [1, None], []),
    (rules.between("a", low=1 << 80), pa.int64(), [1, None], [1]),
    (rules.between("a", -1000, 1000), pa.int8(), [-128, 127], []),
    (rules.between("a", 0, 0.1), pa.float64(), [0.0, 0.1, 0.2, -0.1, math.nan, math.inf, None], [0.2, -0.1, math.nan, math.inf]),
    (rules.between("a", Decimal("0.005"), 1), DECIMAL, [Decimal("0.00"), Decimal("0.01"), Decimal("1.01")], [Decimal("0.00"), Decimal("1.01")]),
    (rules.between("a", "b", "d"), pa.string(), ["a", "b", "d", "dd", "ä", None], ["a", "dd", "ä"]),
    (rules.between("a", date(2026, 1, 1), AT), pa.date32(), [date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 2)], [date(2025, 12, 31), date(2026, 1, 2)]),
    (rules.between("a", high=AT), UTC_US, [AT, AT + timedelta(microseconds=1), None], [AT + timedelta(microseconds=1)]),
    (rules.between("a", high=AT), pa.timestamp("s"), [datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, 0, 1)], [datetime(2026, 1, 1, 12, 0, 1)]),
    (rules.between("a", time(8), time(9)), pa.time64("us"), [time(8), time(9, 0, 1), None], [time(9, 0, 1)]),
    (rules.matches("a", "[a-z]+"), pa.string(), ["abc", "ab1", "1ab", "a\nb", "", None], ["ab1", "1ab", "a\nb", ""]),
    (rules.matches("a", "a|b"), pa.string(), ["a", "b", "ab"], ["ab"]),
    (rules.length("a", 1, 2), pa.string(), ["", "ä", "äö", "äöü", None], ["", "äöü"]),
    (rules.length("a", 2), pa.binary(), [b"1", b"12", None], [b"1"]),
    (rules.condition("a > 1 AND a <> 3"), pa.int64(), [1, 2, 3, None], [1, 3]),
    (rules.condition("a IS NOT NULL"), pa.int64(), [1, None], [None]),
    (rules.unique("a"), pa.string(), ["x", "y", "x", None, None, "x"], ["x", "x"]),
    (rules.unique("a"), pa.float64(), [0.0, -0.0, math.nan, math.nan, 1.0], [-0.0, math.nan]),
    (rules.unique("a"), pa.decimal256(76, 0), [Decimal(10) ** 60, Decimal(10) ** 60, Decimal(1)], [Decimal(10) ** 60]),
    (rules.unique("a"), pa.binary(), [b"x", b"x"], [b"x"]),
    (rules.unique("a"), UTC_US, [AT, AT], [AT]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "type_", "values", "expected"), CASES, ids=lambda v: str(v)[:60])
def test_each_rule(rule: Rule, type_: pa.DataType, values: list[Any], expected: list[Any]) -> None:
    assert repr(one(values, type_, rule)) == repr(expected)


@pytest.mark.parametrize(
    ("rule", "type_", "kinds"),
    [
        (rules.between("a", 1), pa.string(), {}),
        (rules.between("a", "x"), pa.int64(), {}),
        (rules.between("a", 1), pa.bool_(), {}),
        (rules.between("a", "a"), pa.string(), {"a": "json"}),
        (rules.between("a", True), pa.int64(), {}),
        (rules.between("a", 5), UTC_US, {}),
        (rules.accepted("a", ["x"]), pa.int64(), {}),
        (rules.accepted("a", [1]), pa.bool_(), {}),
        (rules.accepted("a", ["x"]), pa.binary(), {}),
        (rules.matches("a", "x"), pa.int64(), {}),
        (rules.matches("a", "x"), pa.string(), {"a": "json"}),
        (rules.length("a", 1), pa.int64(), {}),
        (rules.condition("lower(a) = 'x'"), pa.int64(), {}),
        (rules.condition("a + 1"), pa.int64(), {}),
    ],
    ids=lambda v: str(v)[:60],
)
def test_a_rule_of_another_type_is_told_with_table_and_column(
    rule: Rule, type_: pa.DataType, kinds: dict[str, str]
) -> None:
    values = {pa.string(): "s", pa.int64(): 1, pa.bool_(): True, pa.binary(): b"b", UTC_US: AT}
    with pytest.raises(DataError) as caught:
        one([values[type_]], type_, rule, **kinds)
    assert caught.value.facts["table"] == "t"
    assert rule.label in caught.value.what
    assert len(str(caught.value).splitlines()) == 4


def test_a_condition_that_fails_on_a_value_does_not_show_it() -> None:
    with pytest.raises(DataError, match="Conversion Error in one of the rows") as caught:
        one(["canary"], pa.string(), rules.condition("a::int > 1"))
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_condition_reads_no_files() -> None:
    with pytest.raises(DataError, match="can't be computed"):
        one(["/etc/passwd"], pa.string(), rules.condition("getvariable(a) = 'x' OR a > 1".replace("getvariable", "pg_size_pretty")))  # fmt: skip


@pytest.mark.parametrize("type_", [pa.null(), None], ids=["nulls", "no column"])
def test_columns_without_values(type_: pa.DataType | None) -> None:
    batch = pa.table({"b": [1, 2], **({} if type_ is None else {"a": pa.nulls(2, type_)})})
    ruled = [
        rules.not_null("a"),
        rules.unique("a", "b"),
        rules.accepted("a", [1]),
        rules.between("a", 1),
        rules.matches("a", "x"),
        rules.length("a", 1),
        rules.condition("a > b"),
        rules.condition("a IS NOT NULL", name="there"),
    ]
    assert broken(batch, *ruled) == {"not_null(a)": [0, 1], "there": [0, 1]}


def test_rows_that_are_rejected_do_not_count_as_the_first() -> None:
    batch = pa.table({"id": [1, 1, 1], "a": [None, 2, 3]})
    reject = broken(batch, rules.not_null("a"), rules.unique("id"))
    warn = broken(batch, rules.not_null("a", severity="warn"), rules.unique("id"))
    assert reject == {"not_null(a)": [0], "unique(id)": [2]}
    assert warn == {"not_null(a)": [0], "unique(id)": [1, 2]}


def test_unique_rules_are_judged_one_after_the_other() -> None:
    batch = pa.table({"a": [1, 1, 2], "b": [1, 5, 5]})
    # row 1 is out by the first, so row 2 is the first with b=5
    assert broken(batch, rules.unique("a"), rules.unique("b")) == {"unique(a)": [1]}


def test_a_key_is_the_same_as_bigint_and_as_double() -> None:
    checks, rule = Checks(), rules.unique("a")
    small, large = pa.array([1, 2]), pa.array([2.0, 2.5])
    first = checks.of_batch(table(pa.table({"a": small}), rule), {"a": small})
    second = checks.of_batch(table(pa.table({"a": large}), rule), {"a": large})
    assert (first, second[0].rows.to_pylist()) == ([], [True, False])


def positive(batch: pa.RecordBatch) -> Any:
    return pc.greater(batch["a"], 0)


def positive_row(row: dict[str, Any]) -> bool | None:
    return None if row["a"] is None else row["a"] > 0


def as_list(batch: pa.RecordBatch) -> list[bool]:
    return [True] * batch.num_rows


def too_short(batch: pa.RecordBatch) -> list[bool]:
    return [True]


def numbers(batch: pa.RecordBatch) -> Any:
    return batch["a"]


def fails(batch: pa.RecordBatch) -> Any:
    raise KeyError("canary")


def test_functions() -> None:
    values = [1, -1, None]
    assert one(values, pa.int64(), rules.check(positive)) == [-1]
    assert one(values, pa.int64(), rules.check(positive_row, each="row")) == [-1]
    assert one(values, pa.int64(), rules.check(as_list)) == []


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (too_short, "returned 1 values of type bool for 2 rows"),
        (numbers, "returned 2 values of type int64 for 2 rows"),
        (fails, "failed with KeyError"),
    ],
)
def test_functions_that_do_something_else(function: Any, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        one([1, 2], pa.int64(), rules.check(function))
    assert caught.value.facts["function"] == f"{__name__}:{function.__name__}"
    assert "canary" not in str(caught.value)


def test_a_function_that_is_gone() -> None:
    with pytest.raises(UsageError, match="isn't there"):
        one([1], pa.int64(), rules.check(f"{__name__}:gone"))


def test_functions_see_columns_that_these_rows_lack() -> None:
    batch = pa.table({"b": [1]})
    of = table(pa.table({"a": [2], "b": [1]}), rules.check(positive))
    assert Checks().of_batch(of, {"b": batch["b"].combine_chunks()}) == []


@pytest.mark.parametrize("severity", ["warn", "reject", "fail"])
def test_severity_is_handed_on(severity: Any) -> None:
    batch = pa.table({"a": pa.array([1, 0])})
    rule = rules.between("a", 1, severity=severity, name="positive")
    checks, of = Checks(), table(batch, rule)
    (failure,) = checks.of_batch(of, {"a": pa.array([1, 0])})
    assert (failure.rule, failure.severity, failure.column) == ("positive", severity, "a")
    assert failure.wanted == "at least 1"
    assert checks.results() == [
        {
            "table": "t",
            "rule": "positive",
            "kind": "between",
            "columns": ["a"],
            "severity": severity,
            "checked": 2,
            "failed": 1,
        }
    ]


# -- against plain Python

VALUES = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-3, 3),
        "f": st.none() | st.sampled_from([-1.5, 0.0, 0.5, 2.0, math.nan]),
        "s": st.none() | st.sampled_from(["", "a", "ab", "B", "ä", "abc"]),
        "d": st.none() | st.sampled_from([date(2026, 1, n) for n in (1, 2, 3)]),
        "n": st.none() | st.sampled_from([Decimal("0.10"), Decimal("1.00"), Decimal("2.50")]),
    }
)
SCHEMA = pa.schema(
    [("i", pa.int64()), ("f", pa.float64()), ("s", pa.string()), ("d", pa.date32()), ("n", DECIMAL)]
)
RULED: list[tuple[Rule, Any]] = [
    (rules.not_null("i"), lambda r: r["i"] is not None),
    (rules.accepted("s", ["a", "ä"]), lambda r: r["s"] is None or r["s"] in ("a", "ä")),
    (rules.between("i", -1.5, 2), lambda r: r["i"] is None or -1.5 <= r["i"] <= 2),
    (rules.between("f", 0, 1, inclusive="high"), lambda r: r["f"] is None or 0 < r["f"] <= 1),
    (rules.between("n", Decimal("0.1"), 2, inclusive="neither"), lambda r: r["n"] is None or Decimal("0.1") < r["n"] < 2),
    (rules.between("d", date(2026, 1, 2)), lambda r: r["d"] is None or r["d"] >= date(2026, 1, 2)),
    (rules.matches("s", "[a-z]*"), lambda r: r["s"] is None or re.fullmatch("[a-z]*", r["s"]) is not None),
    (rules.length("s", 1, 2), lambda r: r["s"] is None or 1 <= len(r["s"]) <= 2),
    (rules.condition("i > 0 OR s = 'a'", name="sql"), lambda r: r["s"] == "a" or (r["i"] is None or r["i"] > 0) or (r["s"] is None)),
    (rules.unique("i"), ("i",)),
    (rules.unique("s", "d"), ("s", "d")),
]  # fmt: skip
SEVERITY = st.lists(st.sampled_from(["warn", "reject"]), min_size=len(RULED), max_size=len(RULED))


def oracle(rows: list[dict[str, Any]], ruled: list[tuple[Rule, Any]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    out: set[int] = set()
    for rule, keeps in sorted(ruled, key=lambda r: isinstance(r[1], tuple)):
        seen: set[Any] = set()
        mine = []
        for number, row in enumerate(rows):
            if callable(keeps):
                bad = not keeps(row)
            else:
                key = tuple(row[c] for c in keeps)
                bad = number not in out and None not in key and key in seen
                if number not in out and None not in key:
                    seen.add(key)
            mine += [number] if bad else []
        if mine:
            found[rule.label] = mine
        out |= set(mine) if rule.severity == "reject" else set()
    return found


@FEW
@given(st.lists(VALUES, min_size=1, max_size=30), SEVERITY, st.sets(st.integers(0, 30), max_size=4))
def test_random_rows_against_plain_python_wherever_batches_are_cut(
    rows: list[dict[str, Any]], severities: list[Any], cuts: set[int]
) -> None:
    ruled = [
        (replace(rule, severity=severity), keeps)
        for (rule, keeps), severity in zip(RULED, severities, strict=True)
    ]
    batch = pa.Table.from_pylist(rows, SCHEMA)
    found = broken(batch, *(rule for rule, _ in ruled), cuts=[c for c in cuts if c <= len(rows)])
    assert found == oracle(rows, ruled)


# -- rules that only all rows show


def fed(checks: Checks, of: Table, *batches: pa.Table) -> None:
    for batch in batches:
        arrays = {n: batch[n].combine_chunks() for n in batch.schema.names}
        checks.of_batch(of, arrays)
        checks.written(of, arrays, batch.num_rows)


def test_row_count_and_a_table_without_rows() -> None:
    of = table(pa.table({"a": [1]}), rules.row_count(1, 2))
    for rows, found in ((0, "it has 0 rows in this load"), (1, None), (3, "it has 3 rows in this load")):
        checks = Checks()
        checks.begin(Schema("s", {"t": of}), of_package(["t"]))
        fed(checks, of, *[pa.table({"a": [1]})] * rows)
        assert [f.found for f in checks.at_end()] == ([found] if found else [])
        assert checks.results()[0]["failed"] == (1 if found else 0)


def test_tables_of_other_resources_are_not_judged() -> None:
    of = table(pa.table({"a": [1]}), rules.row_count(1))
    checks = Checks()
    checks.begin(Schema("s", {"t": of}), of_package([]))
    assert (checks.at_end(), checks.results()) == ([], [])


@pytest.mark.parametrize("type_", [UTC_US, pa.timestamp("ns"), pa.date32()], ids=str)
def test_fresh(type_: pa.DataType) -> None:
    now = datetime.now(UTC)
    old, new = now - timedelta(days=5), now - timedelta(minutes=1)
    of = table(pa.table({"at": pa.array([], type_)}), rules.fresh("at", timedelta(days=2)))
    as_type = [pa.array([v.replace(tzinfo=None), None], pa.timestamp("us")).cast(pa.timestamp("us", "UTC" if type_ == UTC_US else None)).cast(type_, safe=False) for v in (new, old)]  # fmt: skip
    checks = Checks()
    fed(checks, of, pa.table({"at": as_type[1]}))
    (failure,) = checks.at_end()
    assert failure.found.startswith(f"the newest value is {old:%Y-%m-%d}")
    fed(checks, of, pa.table({"at": as_type[0]}), pa.table({"at": as_type[1]}))
    assert checks.at_end() == []


def test_fresh_without_values_or_on_no_time() -> None:
    rule = rules.fresh("at", timedelta(days=2))
    checks = Checks()
    fed(checks, table(pa.table({"a": [1]}), rule), pa.table({"a": [1], "at": pa.nulls(1)}))
    assert checks.at_end() == []
    with pytest.raises(DataError, match="column `at` is no time"):
        fed(Checks(), table(pa.table({"at": [1]}), rule), pa.table({"at": [1]}))


@FEW
@given(
    st.lists(st.none() | st.integers(0, 5), max_size=20),
    st.lists(st.none() | st.integers(0, 5), max_size=20),
    st.integers(0, 20),
    st.booleans(),
)
def test_exists_in_whatever_comes_first(
    own: list[int | None], there: list[int | None], cut: int, first: bool
) -> None:
    orders = pa.table({"user_id": pa.array(own, pa.int64())})
    users = pa.table({"id": pa.array(there, pa.int64())})
    of_orders = table(orders, rules.exists_in("user_id", "users", "id"), name="orders")
    of_users = Table("users", resource="users")
    checks = Checks()
    checks.begin(Schema("s", {"orders": of_orders, "users": of_users}), of_package(["orders", "users"]))
    steps = [(of_orders, orders.slice(0, cut)), (of_users, users), (of_orders, orders.slice(cut))]
    for of, batch in steps if first else reversed(steps):
        fed(checks, of, batch)
    order = own if first else own[cut:] + own[:cut]
    expected = [n for n, v in enumerate(order) if v is not None and v not in there]
    failures = checks.at_end()
    assert [f.rows.to_pylist() for f in failures if f.rows is not None] == ([expected] if expected else [])
    assert checks.at_end() == failures
    assert checks.results()[0]["failed"] == len(expected)


def test_exists_in_of_two_columns_and_of_text() -> None:
    rule = rules.exists_in(["a", "b"], "u", ["x", "y"])
    of, other = table(pa.table({"a": [1], "b": ["p"]}), rule), Table("u", resource="u")
    checks = Checks()
    checks.begin(Schema("s", {"t": of, "u": other}), of_package(["t", "u"]))
    fed(checks, of, pa.table({"a": [1, 1, 2], "b": ["p", "q", "p"]}))
    fed(checks, other, pa.table({"x": [1.0, 2.0], "y": ["p", "z"]}))
    (failure,) = checks.at_end()
    assert failure.rows is not None
    assert failure.rows.to_pylist() == [1, 2]
    assert failure.found == "2 of 3 rows have no counterpart"


def test_exists_in_of_types_that_cannot_be_compared() -> None:
    of, other = table(pa.table({"a": [1]}), rules.exists_in("a", "u", "x")), Table("u", resource="u")
    checks = Checks()
    checks.begin(Schema("s", {"t": of, "u": other}), of_package(["t", "u"]))
    fed(checks, of, pa.table({"a": [1]}))
    fed(checks, other, pa.table({"x": ["1"]}))
    with pytest.raises(DataError, match="it compares number with text"):
        checks.at_end()


def earlier(
    *ids: int, types: pa.DataType | None = None
) -> tuple[Checks, list[tuple[str, tuple[str, ...]]], Table, Table]:
    """Return checks of `t.a` in `u.x`, of which earlier loads brought some, and what is looked up."""
    asked: list[tuple[str, tuple[str, ...]]] = []

    def loaded(name: str, columns: tuple[str, ...]) -> list[pa.RecordBatch]:
        asked.append((name, columns))
        return [pa.RecordBatch.from_pydict({"x": pa.array([n], types or pa.int64())}) for n in ids]

    of = table(pa.table({"a": [1]}), rules.exists_in("a", "u", "x"))
    other = table(pa.table({"x": [1]}), name="u").with_extra(**{"x-normalizer": {"seen-data": True}})
    return Checks(loaded), asked, of, other


def test_earlier_rows_are_asked_for_once_and_only_where_something_is_missing() -> None:
    checks, asked, of, other = earlier(1, 2)
    checks.begin(Schema("s", {"t": of, "u": other}), of_package(["t", "u"]))
    fed(checks, other, pa.table({"x": [5]}))
    fed(checks, of, pa.table({"a": [5]}))
    assert (checks.at_end(), asked) == ([], [])
    fed(checks, of, pa.table({"a": [1, 9]}))
    failures = checks.at_end()
    assert [f.rows.to_pylist() for f in failures if f.rows is not None] == [[2]]
    assert checks.at_end() == failures
    assert asked == [("u", ("x",))]


def test_rows_that_go_with_this_load_are_not_asked_for() -> None:
    checks, asked, of, other = earlier(1)
    manifest = replace(
        of_package(["t"]), resources=(ResourceInfo("t", "t", "append"), ResourceInfo("u", "u", "replace"))
    )
    checks.begin(Schema("s", {"t": of, "u": other}), manifest)
    fed(checks, of, pa.table({"a": [1]}))
    assert (len(checks.at_end()), asked) == (1, [])


def test_a_rule_that_comes_after_the_rows_it_looks_at() -> None:
    of, other = table(pa.table({"a": [1]}), rules.exists_in("a", "u", "x")), Table("u", resource="u")
    checks = Checks()
    fed(checks, other, pa.table({"x": [1]}))
    assert checks.declare([of])
    assert not Checks().declare([of])


def test_notices_of_whole_tables_and_of_misspelt_columns() -> None:
    of = table(pa.table({"a": [1]}), rules.row_count(5, severity="warn"), rules.between("amont", 1))
    checks = Checks()
    fed(checks, of, pa.table({"a": [1]}))
    checks.at_end()
    assert [n.text for n in checks.notices({"t": of})] == [
        "table `t` breaks rule `row_count(5)`: it has 1 rows in this load",
        "rule `between(amont, 1)` of table `t` names `amont`, which it has not",
    ]


def test_a_table_without_rules_opens_nothing() -> None:
    checks, of = Checks(), Table("t", resource="t")
    assert not checks.applies_to(of)
    fed(checks, of, pa.table({"a": [1]}))
    assert checks.at_end() == checks.results() == checks.notices({"t": of}) == []
