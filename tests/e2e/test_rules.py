"""Data quality rules through whole runs: rows and frames, each severity, and what stays behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.loading import Site

import ladle
from ladle import rules
from ladle.errors import DataError, DataValidationError, UsageError
from ladle.schema.schema import Schema

Form = Callable[[list[dict[str, Any]]], Any]


def as_rows(rows: list[dict[str, Any]]) -> Any:
    return rows


def as_arrow(rows: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(rows)


def as_pages(rows: list[dict[str, Any]]) -> Any:
    return [[row] for row in rows]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def checks(info: Any) -> dict[str, tuple[int, int]]:
    found = [c for package in info.load_packages for c in package.checks]
    return {f"{c['table']}: {c['rule']}": (c["failed"], c["checked"]) for c in found}


def rejects(site: Site) -> list[tuple[Any, ...]]:
    return site.query(
        "SELECT table_name, rule, value, record FROM ds._ladle_rejects ORDER BY table_name, record, rule"
    )


def even(batch: pa.RecordBatch) -> Any:
    return pc.equal(pc.bit_wise_and(batch["id"], 1), 0)


ROWS: list[dict[str, Any]] = [
    {"id": 2, "kind": "a", "price": 1.5},
    {"id": 4, "kind": "a", "price": 9.5},
    {"id": 5, "kind": "b", "price": 1.5},
    {"id": 6, "kind": None, "price": None},
    {"id": 8, "kind": "dd", "price": -1.0},
]
EACH: list[tuple[Any, list[int]]] = [
    (rules.not_null("kind"), [6]),
    (rules.unique("price"), [5]),
    (rules.accepted("kind", ["a", "b"]), [8]),
    (rules.between("price", 0, 5), [4, 8]),
    (rules.matches("kind", "."), [8]),
    (rules.length("kind", high=1), [8]),
    (rules.condition("price > 0 AND id < 8"), [8]),
    (rules.check(even), [5]),
    (rules.exists_in("price", "t", "id"), [2, 4, 5, 8]),
]


@pytest.mark.parametrize("form", [as_rows, as_arrow, as_pages], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("rule", "broken"), EACH, ids=lambda v: getattr(v, "label", ""))
def test_rejected_rows_stay_out_and_are_kept_with_the_reason(
    site: Site, form: Form, rule: Any, broken: list[int]
) -> None:
    resource = ladle.resource(form(ROWS), name="t", rules=[rule])
    info = site.pipeline().run(resource)
    assert sorted(site.table("t").values("id")) == [r["id"] for r in ROWS if r["id"] not in broken]
    kept = rejects(site)
    assert {(table, name) for table, name, _, _ in kept} == {("t", rule.label)}
    assert sorted(json.loads(record)["id"] for *_, record in kept) == broken
    checked = len(ROWS)
    assert checks(info) == {f"t: {rule.label}": (len(broken), checked)}


@pytest.mark.parametrize("form", [as_rows, as_arrow], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("rule", "broken"), EACH, ids=lambda v: getattr(v, "label", ""))
def test_warnings_load_everything(
    site: Site, form: Form, rule: Any, broken: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    warned = rules.from_dict({**rule.to_dict(), "severity": "warn"})
    info = site.pipeline().run(ladle.resource(form(ROWS), name="t", rules=[warned]))
    assert len(site.table("t").rows) == len(ROWS)
    assert "_ladle_rejects" not in site.names()
    assert checks(info) == {f"t: {rule.label}": (len(broken), len(ROWS))}
    assert [m for m in caplog.messages if rule.label in m] != []
    assert f"rules broken: t: {rule.label} ({len(broken)} of 5, warn)" in str(info)


@pytest.mark.parametrize("form", [as_rows, as_arrow], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("rule", "broken"), EACH, ids=lambda v: getattr(v, "label", ""))
def test_a_failure_loads_nothing_and_leaves_nothing_pending(
    site: Site, form: Form, rule: Any, broken: list[int]
) -> None:
    fails = rules.from_dict({**rule.to_dict(), "severity": "fail"})
    pipeline = site.pipeline()
    with pytest.raises(DataValidationError) as caught:
        pipeline.run(ladle.resource(form(ROWS), name="t", rules=[fails]))
    assert rule.label in caught.value.what
    assert (caught.value.schema_entity, caught.value.contract_mode) == ("rules", "fail")
    assert not pipeline.has_pending_data
    assert "t" not in site.names()
    # all is well once the data is
    pipeline.run(ladle.resource([{"id": 2, "kind": "a", "price": 2.0}], name="t", rules=[fails]))
    assert site.table("t").values("id") == [2]


def test_rules_of_child_tables_by_source_name(site: Site) -> None:
    resource = ladle.resource(
        [{"id": 1, "Lines": [{"Sku": "a"}, {"Sku": "1"}]}, {"id": 2, "Lines": [{"Sku": "b", "Qty": -1}]}],
        name="orders",
        nested_hints={"Lines": {"rules": [rules.matches("Sku", "[a-z]"), rules.condition("Qty > 0")]}},
    )
    info = site.pipeline().run(resource)
    assert site.table("orders__lines").values("sku") == ["a"]
    assert len(site.table("orders").rows) == 2
    assert checks(info) == {"orders__lines: matches(sku)": (1, 3), "orders__lines: qty > 0": (1, 3)}


def users_and_orders(users: Sequence[int], orders: Sequence[int], **hints: Any) -> list[Any]:
    rule = rules.exists_in("userId", "Users", "id", **hints)
    rows = [{"id": n, "userId": u, "lines": [{"n": 1}]} for n, u in enumerate(orders)]
    return [
        ladle.resource(rows, name="orders", rules=[rule]),
        ladle.resource([{"id": n} for n in users], name="Users"),
    ]


def test_rows_without_counterpart_take_their_children_along(site: Site) -> None:
    info = site.pipeline().run(users_and_orders([1], [1, 9, 1]))
    assert site.table("orders").values("id") == [0, 2]
    assert len(site.table("orders__lines").rows) == 2
    assert site.query("SELECT resource, position FROM ds._ladle_rejects") == [("orders", 1)]
    ((table, _, value, record),) = rejects(site)
    assert (table, value, json.loads(record)) == ("orders", "9", {"id": 1, "user_id": 9, "lines": [{"n": 1}]})
    accounts = info.load_packages[0].accounts if hasattr(info.load_packages[0], "accounts") else None
    assert accounts is None or accounts["orders"]["rejected"] == 1
    assert info.load_packages[0].rows["orders"] == 2


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_rows_refused_at_the_end_keep_their_place(site: Site, cut: int) -> None:
    ruled: list[Any] = [rules.exists_in("user", "users", "id"), rules.condition("user <> 6")]
    rows = [{"user": n % 7, "lines": [{"boss": n % 4}] * (n % 3)} for n in range(20)]
    pages = [rows[n : n + cut] for n in range(0, len(rows), cut)]
    lines = {"lines": {"rules": [rules.exists_in("boss", "users", "id")]}}
    first = ladle.resource(pages, name="first", table_name="t", rules=ruled, nested_hints=lines)
    second = ladle.resource([{"user": 0}, {"user": 9}], name="second", table_name="t")
    users = ladle.resource([{"id": n} for n in (0, 1, 2)], name="users")
    site.pipeline().run([first, second, users])
    found = site.query("SELECT resource, table_name, position FROM ds._ladle_rejects ORDER BY ALL")
    roots = [("first", "t", n) for n, row in enumerate(rows) if row["user"] > 2]
    below = [
        ("first", "t__lines", n)
        for n, row in enumerate(rows)
        for line in row["lines"]
        if row["user"] <= 2 and line["boss"] > 2
    ]
    assert found == sorted([*roots, *below, ("second", "t", 1)])
    assert len(site.table("t").rows) == len(rows) - len(roots) + 1


def test_a_refused_row_counts_towards_the_budget(site: Site) -> None:
    pipeline = site.pipeline()
    with pytest.raises(DataValidationError, match="refused"):
        pipeline.run(users_and_orders([1], [9, 9, 1]), max_rejects=1)
    assert not pipeline.has_pending_data
    assert site.names() == set() or "orders" not in site.names()


@pytest.mark.parametrize("kind", ["duckdb", "filesystem"])
def test_counterparts_of_earlier_loads_are_looked_up(tmp_path: Path, kind: str) -> None:
    place = {"duckdb": ladle.destinations.duckdb(str(tmp_path / "d.duckdb")),
             "filesystem": ladle.destinations.filesystem(str(tmp_path / "lake"))}  # fmt: skip
    pipeline = ladle.pipeline("p", tmp_path / "pipelines", destination=place[kind], dataset_name="ds")
    pipeline.run(users_and_orders([1, 2], [1]))
    info = pipeline.run(users_and_orders([3], [1, 2, 3, 4]))
    assert checks(info)["orders: exists_in(user_id, users)"] == (1, 4)
    assert info.load_packages[0].rows["orders"] == 3
    with pytest.raises(DataValidationError, match="1 of 2 rows have no counterpart"):
        pipeline.run(users_and_orders([], [3, 4], severity="fail"))


def test_rows_that_this_load_replaces_are_not_looked_up(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run(users_and_orders([1, 2], [1]))
    orders, users = users_and_orders([2], [1, 2])
    info = pipeline.run([orders, users.apply_hints(write_disposition="replace")])
    assert checks(info)["orders: exists_in(user_id, users)"] == (1, 2)


def test_without_a_destination_nobody_can_look_up(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run(users_and_orders([1, 2], [1]))
    lost = ladle.pipeline("p", site.root / "pipelines")
    lost.extract(users_and_orders([3], [1]))
    with pytest.raises(DataError, match="`users` has rows of earlier loads"):
        lost.normalize()


def test_row_count_of_a_resource_that_yields_nothing(site: Site) -> None:
    pipeline = site.pipeline()
    with pytest.raises(DataValidationError, match=r"breaks rule `row_count\(1\)`: it has 0 rows"):
        pipeline.run(ladle.resource([], name="t", rules=[rules.row_count(1)]))
    assert not pipeline.has_pending_data


def test_rules_of_the_code_end_with_it_those_of_a_schema_stay(site: Site) -> None:
    stored = {"columns": {}, "resource": "t", "write_disposition": "append"}
    of_schema = {"rule": "between", "column": "Price", "high": 5}
    schema = Schema.from_dict({"name": "s", "tables": {"t": {**stored, "x-rules": [of_schema]}}})

    def ruled(*given: Any) -> Any:
        @ladle.source(name="s", schema=schema)
        def s() -> Any:
            return ladle.resource([{"Price": 9}, {"Price": None}], name="t", rules=list(given) or None)

        return s()

    pipeline = site.pipeline()
    first = pipeline.run(ruled(rules.not_null("Price")))
    assert checks(first) == {"t: between(price, high=5)": (1, 2), "t: not_null(price)": (1, 2)}
    second = pipeline.run(ruled())
    assert checks(second) == {"t: between(price, high=5)": (1, 2)}


def test_a_bad_rule_of_a_schema_is_told_before_anything_is_read(site: Site) -> None:
    schema = Schema.from_dict(
        {"name": "s", "tables": {"t": {"resource": "t", "x-rules": [{"rule": "betwen", "column": "a"}]}}}
    )

    @ladle.source(name="s", schema=schema)
    def s() -> Any:
        return ladle.resource([{"a": 1}], name="t")

    with pytest.raises(UsageError, match="did you mean `between`"):
        site.pipeline().run(s())


def test_rules_of_tables_that_items_name(site: Site) -> None:
    resource = ladle.resource(
        [{"kind": "a", "n": 1}, {"kind": "b", "n": -1}, {"kind": "a", "n": -1}],
        name="events",
        table_name=lambda item: item["kind"],
        rules=[rules.between("n", 0)],
    )
    info = site.pipeline().run(resource)
    assert site.table("a").values("n") == [1]
    assert checks(info) == {"a: between(n, 0)": (1, 2), "b: between(n, 0)": (1, 1)}


def test_hints_add_rules_and_an_empty_list_takes_them_away() -> None:
    resource = ladle.resource([{"a": 1}], name="t", rules=[rules.not_null("a")])
    resource.apply_hints(rules=[rules.unique("a")])
    resource.apply_hints(rules=rules.not_null("a", severity="warn"))
    assert [r.label for r in resource.hints.rules] == ["not_null(a)", "unique(a)"]
    assert resource.hints.rules[0].severity == "warn"
    assert ladle.mark.make_hints(rules=[rules.not_null("a")]) == {"rules": [rules.not_null("a")]}
    stored = resource.compute_table_schema()["x-rules"]
    assert [(r["rule"], r["column"] if "column" in r else r["columns"]) for r in stored] == [
        ("not_null", "a"),
        ("unique", ["a"]),
    ]
    assert "x-rules" not in resource.apply_hints(rules=[]).compute_table_schema()


@pytest.mark.parametrize("given", [lambda item: [], "not_null", [{"rule": "nope"}], [1]])
def test_what_is_no_rule_is_refused_at_decoration(given: Any) -> None:
    with pytest.raises(UsageError):
        ladle.resource([{"a": 1}], name="t", rules=given)


def test_a_transformer_has_rules(site: Site) -> None:
    numbers = ladle.resource([1, 2, 3], name="numbers", selected=False)

    @ladle.transformer(data_from=numbers, rules=[rules.unique("half")])
    def halves(n: int) -> Any:
        yield {"half": n // 2}

    site.pipeline().run(halves)
    assert site.table("halves").values("half") == [0, 1]


def test_rules_that_come_with_an_item_hold_for_all_rows(site: Site) -> None:
    @ladle.resource(name="t")
    def rows() -> Any:
        yield {"a": -1}
        yield ladle.mark.with_hints({"a": 1}, ladle.mark.make_hints(rules=[rules.between("a", 0)]))
        yield {"a": -2}

    info = site.pipeline().run(rows())
    assert site.table("t").values("a") == [1]
    assert checks(info) == {"t: between(a, 0)": (2, 3)}


def test_a_package_that_waits_gets_no_staler(site: Site) -> None:
    at = datetime.now(UTC) - timedelta(seconds=2)
    pipeline = site.pipeline()
    pipeline.extract(ladle.resource([{"at": at}], name="t", rules=[rules.fresh("at", timedelta(seconds=60))]))
    (package,) = (site.root / "pipelines" / "p" / "packages").iterdir()
    manifest = json.loads((package / "manifest.json").read_bytes())
    for created_at, fresh in ((at.timestamp() + 59, True), (at.timestamp() + 61, False)):
        (package / "manifest.json").write_text(json.dumps({**manifest, "created_at": created_at}))
        if fresh:
            pipeline.normalize()
            continue
        with pytest.raises(DataValidationError, match="the newest value is"):
            pipeline.normalize()


@pytest.mark.parametrize("severity", ["reject", "warn"])
def test_rows_that_were_loaded_ahead_are_taken_back(
    site: Site, severity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "1")
    site = Site(site.root)  # in a file, which the run writes and reads at once
    pipeline = site.pipeline()

    def run(users: Sequence[int], count: int) -> Any:
        rule = rules.from_dict(rules.exists_in("user", "users", "id").to_dict() | {"severity": severity})

        def orders() -> Any:
            for start in range(0, count, 1000):
                yield [
                    {"user": n % 10, "text": "x" * 50, "lines": [{"n": n}]}
                    for n in range(start, start + 1000)
                ]

        return pipeline.run(
            [
                ladle.resource(orders, name="orders", rules=[rule]),
                ladle.resource([{"id": n} for n in users], name="users"),
            ]
        )

    first = run(range(5), 2000)
    second = run(range(5, 8), 20000)
    key = "orders: exists_in(user, users)"
    assert (checks(first)[key], checks(second)[key]) == ((1000, 2000), (4000, 20000))
    loaded = 17000 if severity == "reject" else 22000
    assert site.query("SELECT count(*) FROM ds.orders") == [(loaded,)]
    assert site.query("SELECT count(*) FROM ds.orders__lines") == [(loaded,)]


STEP = """
import sys
import ladle
import quality_functions

pipeline = ladle.pipeline("p", "pipelines", destination=ladle.destinations.duckdb("d.duckdb"), dataset_name="ds")
if sys.argv[1] == "extract":
    rule = ladle.rules.check(quality_functions.positive, each="row")
    pipeline.extract(ladle.resource([{"a": 1}, {"a": -1}], name="t", rules=[rule]))
else:
    pipeline.normalize()
    print(pipeline.load().load_packages[0].rows["t"])
"""


def test_a_function_is_found_by_another_process(tmp_path: Path) -> None:
    code = "def positive(row):\n    return row['a'] > 0\n"
    (tmp_path / "quality_functions.py").write_text(code, encoding="utf-8")
    (tmp_path / "step.py").write_text(STEP, encoding="utf-8")
    outputs = [
        subprocess.run(
            [sys.executable, "step.py", step], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()
        for step in ("extract", "load")
    ]
    assert outputs == ["", "1"]


Cut = Literal[1, 2, 7]


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_all_rules_together_wherever_rows_are_cut(site: Site, cut: Cut) -> None:
    rows = [{"id": n % 9, "kind": "ab"[n % 2] if n % 5 else None, "price": n / 2} for n in range(20)]
    ruled = [
        rules.not_null("kind"),
        rules.unique("id"),
        rules.between("price", 1, 8, inclusive="neither"),
        rules.condition("id <> 3"),
    ]
    pages = [rows[n : n + cut] for n in range(0, len(rows), cut)]
    info = site.pipeline().run(ladle.resource(pages, name="t", rules=ruled))
    first_left = [r for r in rows if r["kind"] and 1 < r["price"] < 8 and r["id"] != 3]
    expected = {r["id"]: r["price"] for r in reversed(first_left)}
    assert dict(zip(site.table("t").values("id"), site.table("t").values("price"), strict=True)) == expected
    assert info.load_packages[0].rows["t"] == len(expected)


def test_tables_and_columns_that_were_renamed(site: Site) -> None:
    pipeline = site.pipeline()

    def run(users: Sequence[int], orders: Sequence[int]) -> Any:
        rows = [{"user": u, "lines": [{"n": 1}]} for u in orders]
        rule = rules.exists_in("user", "users", "id")
        return pipeline.run(
            [
                ladle.resource(rows, name="orders", rules=[rule, rules.not_null("user")]),
                ladle.resource([{"id": n} for n in users], name="users"),
            ]
        )

    run([1, 2], [1])
    pipeline.rename_table("orders", "sales").apply()
    pipeline.rename_table("users", "people").apply()
    pipeline.rename_column("sales", "user", "buyer").apply()
    pipeline.rename_column("people", "id", "number").apply()
    info = run([3], [2, 3, 9])
    assert sorted(site.table("sales").values("buyer")) == [1, 2, 3]
    assert len(site.table("sales__lines").rows) == 3
    ((table, rule, value, record),) = rejects(site)
    assert (table, rule, value) == ("sales", "exists_in(user, users)", "9")
    assert json.loads(record) == {"user": 9, "lines": [{"n": 1}]}
    assert checks(info) == {"sales: exists_in(user, users)": (1, 3), "sales: not_null(user)": (0, 3)}
    assert info.load_packages[0].checks[0]["columns"] == ["buyer"]
