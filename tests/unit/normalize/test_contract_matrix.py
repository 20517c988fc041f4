"""Contract modes x what breaks them x how deep x rows or Arrow: each cell as the oracle says."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.normalize.contract_oracle import KNOWN, MODES, Broken, Outcome, expected
from tests.unit.normalize.folding import data, normalized, raw

from ladle.errors import DataError, DataValidationError
from ladle.package.store import Package
from ladle.schema.records import CHANGES_TABLE, REJECTS_TABLE
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

ENTITIES = ("tables", "columns", "data_type")
CONTRACTS = [{entity: mode} for entity in ENTITIES for mode in MODES]
CONTRACTS += [dict.fromkeys(ENTITIES, mode) for mode in MODES]
VIOLATIONS: dict[str, dict[str, Any]] = {
    "new table": {},
    "new child table": {"toys": [{"a": 1}, {"a": 2, "b": "x"}]},
    "new column": {"extra": 5},
    "new dict": {"extra": {"a": 1, "b": "z"}},
    "new list": {"extra": [1, 2]},
    "wrong type": {"n": "xx"},
    "null": {"r": None},
}
LEVELS = ("root", "child", "grandchild")


def schema(contract: Mapping[str, str]) -> Schema:
    """The tables that the oracle knows, as loaded before."""
    tables = []
    for name, columns in KNOWN.items():
        made = [Column(c, "bigint", nullable=c != "r") for c in columns]
        parent = name.rpartition("__")[0]
        table = Table(
            name, {c.name: c for c in made}, parent=parent or None, resource=None if parent else "r"
        )
        tables.append(table.with_extra(**{"x-normalizer": {"seen-data": True}}))
    return Schema("s", settings={"schema_contract": dict(contract)}).with_tables(tables)


def rows_with(level: str, violation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Two rows, each with two children with two children each; the first element of a level is wrong."""
    grandchildren = [{"id": 1, "r": 1}, {"id": 2, "r": 1}]
    children = [{"id": 1, "r": 1, "g": grandchildren}, {"id": 2, "r": 1, "g": [{"id": 3, "r": 1}]}]
    row: dict[str, Any] = {"id": 1, "r": 1, "kids": children}
    wrong = {"root": row, "child": children[0], "grandchild": grandchildren[0]}[level]
    wrong.update(violation)
    kept = {"id": 2, "r": 1, "n": 7, "kids": [{"id": 4, "r": 1, "n": 7, "g": [{"id": 5, "r": 1, "n": 7}]}]}
    return [row, kept]


CELLS = [
    pytest.param(contract, kind, level, form, id=f"{contract}-{kind}-{level}-{form}")
    for contract in CONTRACTS
    for kind in VIOLATIONS
    for level in (LEVELS if kind != "new table" else LEVELS[:1])
    for form in ("rows", "frames")
]


@pytest.mark.parametrize(("contract", "kind", "level", "form"), CELLS)
def test_each_cell_is_as_the_oracle_says(
    contract: dict[str, str], kind: str, level: str, form: str, tmp_path: Path
) -> None:
    rows = rows_with(level, VIOLATIONS[kind])
    table = "u" if kind == "new table" else "t"
    frames = [pa.Table.from_pylist([row]) for row in rows]
    batches = raw(rows, table=table) if form == "rows" else raw(*frames, table=table)
    check(contract, table, rows, batches, tmp_path)


def check(
    contract: Mapping[str, str], table: str, rows: list[dict[str, Any]], batches: Any, root: Path
) -> None:
    """Compare what normalize makes of batches with what the oracle makes of their rows."""
    outcome = expected(contract, table, rows)
    if isinstance(outcome, Broken):
        with pytest.raises(DataError) as caught:
            normalized(root, batches, schema=schema(contract))
        if outcome.entity == "null":
            assert not isinstance(caught.value, DataValidationError)
        else:
            assert isinstance(caught.value, DataValidationError)
            assert (caught.value.schema_entity, caught.value.contract_mode) == (outcome.entity, "freeze")
        return
    package = normalized(root, batches, schema=schema(contract))
    assert tables_of(package) == outcome.tables
    assert rejects_of(package) == Counter(as_text(r) for r in outcome.rejects)
    check_accounts(package, outcome)


def tables_of(package: Package) -> dict[str, list[dict[str, Any]]]:
    """Rows by table without nulls."""
    found = {n: rows for n, rows in data(package).items() if n not in (REJECTS_TABLE, CHANGES_TABLE)}
    return {n: [{k: v for k, v in row.items() if v is not None} for row in rows] for n, rows in found.items()}


def rejects_of(package: Package) -> Counter[str]:
    made = data(package).get(REJECTS_TABLE, [])
    names = ("table_name", "rule", "action", "column_path", "value")
    return Counter(
        as_text((*(r[n] for n in names), None if r["record"] is None else json.loads(r["record"])))
        for r in made
    )


def as_text(reject: tuple[Any, ...]) -> str:
    return json.dumps(reject, sort_keys=True)


def check_accounts(package: Package, outcome: Outcome) -> None:
    accounts = package.manifest.accounts
    assert {n: a["extracted"] for n, a in accounts.items()} == outcome.seen
    for name, account in accounts.items():
        assert account["loaded"] == len(outcome.tables.get(name, ()))
        assert account["extracted"] == account["loaded"] + account["rejected"]


@pytest.mark.parametrize("seed", range(120))
def test_many_faults_at_once_wherever_batches_are_cut(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    contract = {entity: chance.choice(("evolve", "discard_row", "discard_value")) for entity in ENTITIES}
    if chance.random() < 0.15:
        contract[chance.choice(ENTITIES)] = "freeze"
    rows = [a_row(chance) for _ in range(6)]
    for cut in (6, 1, 2):
        batches = [rows[i : i + cut] for i in range(0, len(rows), cut)]
        check(contract, "t", rows, raw(*batches), tmp_path / str(cut))


def a_row(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    row: dict[str, Any] = {"id": chance.randrange(99), "r": 1}
    if chance.random() < 0.1:
        row.update(chance.choice([{"n": "xx"}, {"extra": 5}, {"extra": {"a": 1}}, {"toys": [{"a": 1}]}]))
    if chance.random() < 0.2:
        # a new column, whose type is that of the first row that stays
        row["fresh"] = chance.choice([1, 2, "x"])
    if depth < 2 and chance.random() < 0.7:
        row[("kids", "g")[depth]] = [a_row(chance, depth + 1) for _ in range(chance.randrange(3))]
    return row
