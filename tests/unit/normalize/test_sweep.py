"""Rows that a rule refuses at the end: they and what is below them leave the ready files, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import rules
from ladle.errors import DataError
from ladle.events import silent
from ladle.normalize.checks import Checks
from ladle.normalize.given import Given
from ladle.normalize.names import Names
from ladle.normalize.quality.sweep import ReadyStage, Swept, sweep
from ladle.package.manifest import Manifest, ResourceInfo
from ladle.package.store import Package, Packages, StageWriter
from ladle.schema.naming import naming
from ladle.schema.rule import Rule
from ladle.schema.schema import Schema
from ladle.schema.table import Table

Rows = list[dict[str, Any]]
ORDERS, LINES, USERS = ("orders", None), ("orders__lines", "orders"), ("users", None)


class Ready:
    """The ready stage of a package being filled, and the rules that watch it."""

    def __init__(self, root: Path, ruled: dict[str, list[Rule]]) -> None:
        self.package: Package = Packages(root, silent).create("p")
        self.writer: StageWriter = self.package.writer("ready")
        self.tables = {
            name: Table(name, parent=parent, resource=None if parent else name).with_extra(
                **({"x-rules": [r.to_dict() for r in ruled[name]]} if name in ruled else {})
            )
            for name, parent in (LINES, ORDERS, USERS)
        }
        self.checks = Checks()
        resources = tuple(ResourceInfo(name, name, "append") for name in ("orders", "users"))
        self.checks.begin(Schema("s", self.tables), Manifest("1", "p", resources=resources))

    def write(self, table: str, rows: Rows, schema: pa.Schema | None = None) -> None:
        if rows:
            batch = pa.RecordBatch.from_pylist(rows, schema)
            self.checks.written(
                self.tables[table], dict(zip(batch.schema.names, batch.columns, strict=True)), len(rows)
            )
            self.writer.append(table, batch)

    def sweep(self) -> Swept:
        given = Given(Schema("s", self.tables), Names(naming("snake_case"), None, None))
        return sweep(self.checks, ReadyStage(self.package, self.writer, given), self.tables)

    def rows(self, swept: Swept) -> dict[str, Rows]:
        found: dict[str, Rows] = {}
        for file in swept.files(self.writer.seal()):
            for batch in self.package.read([file]):
                found.setdefault(file.table, []).extend(batch.to_pylist())
        return found


def order(number: int, user: int | None) -> dict[str, Any]:
    return {"user_id": user, "_dlt_id": f"o{number}"}


def line(number: int, of: int, sku: str = "a") -> dict[str, Any]:
    return {"sku": sku, "_dlt_parent_id": f"o{of}", "_dlt_list_idx": number, "_dlt_id": f"o{of}.{number}"}


def user(number: int | None) -> dict[str, Any]:
    return {"id": number, "_dlt_id": f"u{number}"}


KNOWN_USER = rules.exists_in("user_id", "users", "id")


def test_a_refused_row_takes_the_rows_below_it_along(tmp_path: Path) -> None:
    ready = Ready(tmp_path, {"orders": [KNOWN_USER]})
    ready.write("orders", [order(0, 1), order(1, 9)])
    ready.write("orders__lines", [line(0, 0), line(0, 1), line(1, 1, "b")])
    ready.write("orders", [order(2, None), order(3, 8)])
    ready.write("orders__lines", [line(0, 3)])
    ready.write("users", [user(1)])
    swept = ready.sweep()
    rows = ready.rows(swept)
    assert [r["_dlt_id"] for r in rows["orders"]] == ["o0", "o2"]
    assert [r["_dlt_id"] for r in rows["orders__lines"]] == ["o0.0"]
    assert len(rows["users"]) == 1
    assert swept.out == {"orders": 2, "orders__lines": 3}
    first, second = swept.rejects
    assert (first.resource, first.table_name, first.rule) == ("orders", "orders", "exists_in(user_id, users)")
    assert (first.action, first.column_path, first.value, first.row_id) == ("row", "user_id", "9", "o1")
    assert json.loads(str(first.record)) == {"user_id": 9, "lines": [{"sku": "a"}, {"sku": "b"}]}
    assert json.loads(str(second.record)) == {"user_id": 8, "lines": [{"sku": "a"}]}
    assert first.wanted == "what is in users.id"
    assert ready.checks.results()[0] | {"columns": None} == {
        "table": "orders",
        "rule": "exists_in(user_id, users)",
        "kind": "exists_in",
        "columns": None,
        "severity": "reject",
        "checked": 4,
        "failed": 2,
    }


def test_nothing_is_read_or_written_where_all_is_well(tmp_path: Path) -> None:
    ready = Ready(tmp_path, {"orders": [KNOWN_USER]})
    ready.write("orders", [order(0, 1)])
    ready.write("users", [user(1)])
    before = sorted((ready.package.folder / "ready").iterdir())
    swept = ready.sweep()
    assert (swept.out, swept.rejects, swept.replaced) == ({}, [], set())
    assert sorted((ready.package.folder / "ready").iterdir()) == before


def test_a_refused_child_stays_out_alone(tmp_path: Path) -> None:
    ready = Ready(tmp_path, {"orders__lines": [rules.exists_in("sku", "users", "id")]})
    ready.write("orders", [order(0, 1)])
    ready.write("orders__lines", [line(0, 0, "x"), line(1, 0, "y")])
    ready.write("users", [{"id": "y", "_dlt_id": "u"}])
    swept = ready.sweep()
    assert swept.out == {"orders__lines": 1}
    (reject,) = swept.rejects
    assert (reject.table_name, reject.parent_id, reject.list_index) == ("orders__lines", "o0", 0)
    assert (reject.resource, reject.record) == ("orders", '{"sku":"x"}')


def test_rows_that_refer_to_a_refused_row_go_too(tmp_path: Path) -> None:
    ready = Ready(
        tmp_path,
        {"orders": [KNOWN_USER], "users": [rules.exists_in("boss", "users", "id")]},
    )
    people = [{"id": n, "boss": n - 1 if n else None, "_dlt_id": f"u{n}"} for n in (0, 1, 3, 4)]
    ready.write("users", people)
    ready.write("orders", [order(0, 1), order(1, 3), order(2, 4)])
    swept = ready.sweep()
    rows = ready.rows(swept)
    # 3 has no boss 2, then 4 has no boss 3
    assert [r["id"] for r in rows["users"]] == [0, 1]
    assert [r["_dlt_id"] for r in rows["orders"]] == ["o0"]
    assert swept.out == {"users": 2, "orders": 2}
    assert [(r["table"], r["failed"]) for r in ready.checks.results()] == [("orders", 2), ("users", 2)]


def test_a_row_below_a_refused_row_is_in_its_record_only(tmp_path: Path) -> None:
    ready = Ready(
        tmp_path, {"orders": [KNOWN_USER], "orders__lines": [rules.exists_in("sku", "users", "name")]}
    )
    ready.write("orders", [order(0, 9)])
    ready.write("orders__lines", [line(0, 0)])
    ready.write("users", [{"id": 1, "name": "b", "_dlt_id": "u"}])
    swept = ready.sweep()
    assert swept.out == {"orders": 1, "orders__lines": 1}
    assert [r.table_name for r in swept.rejects] == ["orders"]


def test_of_two_rules_the_first_that_a_row_breaks_is_the_reason(tmp_path: Path) -> None:
    of_name = rules.exists_in("name", "users", "name")
    ready = Ready(tmp_path, {"orders": [KNOWN_USER, of_name]})
    ready.write("orders", [order(0, 1) | {"name": "x"}, order(1, 9) | {"name": "x"}])
    ready.write("users", [user(1) | {"name": "b"}])
    assert [r.rule for r in ready.sweep().rejects] == ["exists_in(name, users)", "exists_in(user_id, users)"]


def test_a_rule_that_fails_changes_nothing(tmp_path: Path) -> None:
    ready = Ready(tmp_path, {"orders": [KNOWN_USER, rules.row_count(2)]})
    ready.write("orders", [order(0, 9)])
    with pytest.raises(DataError, match="table `orders` breaks rule `row_count.*`: it has 1 rows") as caught:
        ready.sweep()
    assert len(str(caught.value).splitlines()) == 4


def test_a_warning_leaves_all_rows(tmp_path: Path) -> None:
    ready = Ready(tmp_path, {"orders": [rules.exists_in("user_id", "users", "id", severity="warn")]})
    ready.write("orders", [order(0, 9)])
    assert ready.sweep().out == {}
    assert [n.text for n in ready.checks.notices(ready.tables)][:1] == [
        "table `orders` breaks rule `exists_in(user_id, users)`: 1 of 1 rows have no counterpart"
    ]


def test_files_of_several_schemas_and_json_columns(tmp_path: Path) -> None:
    ready = Ready(tmp_path, {"orders": [KNOWN_USER]})
    ready.tables["orders"] = Table.from_dict(
        "orders", {**ready.tables["orders"].to_dict(), "columns": {"doc": {"data_type": "json"}}}
    )
    ready.write("orders", [order(0, 9)])
    ready.write("orders", [order(1, 9) | {"doc": '{"a":1}'}])
    assert [r.record for r in ready.sweep().rejects] == ['{"user_id":9}', '{"user_id":9,"doc":{"a":1}}']


@settings(max_examples=20, deadline=None, database=None)
@given(
    st.lists(st.tuples(st.none() | st.integers(0, 4), st.integers(0, 2)), max_size=12),
    st.lists(st.integers(0, 4), max_size=4),
    st.sets(st.integers(0, 12), max_size=3),
)
def test_random_orders_wherever_batches_are_cut(
    tmp_path_factory: pytest.TempPathFactory,
    orders: Sequence[tuple[int | None, int]],
    users: list[int],
    cuts: set[int],
) -> None:
    ready = Ready(tmp_path_factory.mktemp("p"), {"orders": [KNOWN_USER]})
    rows = [order(n, u) for n, (u, _) in enumerate(orders)]
    schema = pa.schema([("user_id", pa.int64()), ("_dlt_id", pa.string())])
    edges = [0, *sorted(c for c in cuts if c < len(rows)), len(rows)]
    for start, end in zip(edges, edges[1:], strict=False):
        ready.write("orders", rows[start:end], schema)
        lines = [line(k, n) for n in range(start, end) for k in range(orders[n][1])]
        ready.write("orders__lines", lines)
    ready.write("users", [user(n) for n in users])
    found = ready.rows(ready.sweep())
    kept = {f"o{n}" for n, (u, _) in enumerate(orders) if u is None or u in users}
    assert {r["_dlt_id"] for r in found.get("orders", [])} == kept
    assert sum(orders[int(i[1:])][1] for i in kept) == len(found.get("orders__lines", []))
    assert {r["_dlt_parent_id"] for r in found.get("orders__lines", [])} <= kept
