"""Schemas travel both ways: what one exports the other imports, and rows loaded by it make the same tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from tests.parity import schemas
from tests.parity.recorded import Batch

import ladle
from ladle.errors import LadleError
from ladle.schema.yaml import read

MORE = {"made_at": 1700000000, "code": 5, "must_have": 1, "when": "2024-01-02T03:04:05Z", "day": "2024-01-02"}
Tables = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Case:
    """A schema as it was found, as ladle exports it, and rows that fit it."""

    stored: dict[str, Any]
    ours: str
    rows: dict[str, list[dict[str, Any]]]


def made_of(found: Mapping[str, dict[str, Any]]) -> dict[str, Case]:
    """Return cases by name."""
    made = {}
    for name, stored in found.items():
        schema = ladle.Schema.from_dict(stored)
        more = MORE if name.startswith("generated") else {}
        made[name] = Case(stored, schema.to_pretty_yaml(), schemas.rows(schema, more))
    return made


def batch(cases: Mapping[str, Case]) -> Batch:
    """What the reference is asked: what it makes of cases."""
    lines = [
        {"id": f"case_{n}", "ours": case.ours, "theirs": case.stored, "rows": case.rows}
        for n, case in enumerate(cases.values())
    ]
    return Batch("schemas", Path(__file__).with_name("schemas_reference.py"), lines)


@pytest.fixture(scope="module")
def real(test_data: Path) -> dict[str, Case]:
    return made_of(schemas.real(test_data))


@pytest.fixture(scope="module")
def generated() -> dict[str, Case]:
    return made_of(schemas.generated())


@pytest.fixture(scope="module")
def cases(real: dict[str, Case], generated: dict[str, Case]) -> dict[str, Case]:
    return real | generated


@pytest.fixture(scope="module")
def theirs(
    real: dict[str, Case],
    generated: dict[str, Case],
    reference_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """What the reference makes of all cases; of those that aren't ours nothing is recorded."""
    there = batch(real).live(reference_python, tmp_path_factory.mktemp("real"))
    made = batch(generated).answer(reference_python, tmp_path_factory.mktemp("generated"))
    return {
        name: found[f"case_{n}"]
        for some, found in ((real, there), (generated, made))
        for n, name in enumerate(some)
    }


def load(schema: ladle.Schema, rows: Mapping[str, Any], folder: Path) -> Tables:
    """Load rows by a schema with ladle; return types by column by table."""
    connection = duckdb.connect()
    pipeline = ladle.pipeline(
        "schemas",
        pipelines_dir=folder,
        destination=ladle.destinations.duckdb(connection),
        dataset_name="d",
        dev_mode=True,
    )
    resources = [ladle.resource(schemas.with_bytes(given), name=name) for name, given in rows.items()]
    pipeline.run(ladle.source(lambda: resources, name=schema.name, schema=schema)())
    return tables_of(
        connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema LIKE 'd%'"
        ).fetchall()
    )


def tables_of(found: list[Any]) -> Tables:
    tables: dict[str, dict[str, str]] = {}
    for table, column, data_type in found:
        if not table.startswith(("_dlt_", "_ladle_")):
            tables.setdefault(table, {})[column] = data_type
    return tables


def test_there_are_schemas_of_every_engine_version(cases: dict[str, Case]) -> None:
    versions = {case.stored["engine_version"] for case in cases.values()}
    assert versions == set(range(1, 12))
    assert len(cases) >= schemas.GENERATED + 25


def test_rows_loaded_by_one_schema_make_the_same_tables(
    cases: dict[str, Case], theirs: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    wrong, refused = {}, []
    for number, (name, case) in enumerate(cases.items()):
        their = theirs[name]
        folder = tmp_path / str(number)
        if "error" in their:
            # A normalizer of rows that only its authors have, or root tables with a root key that is never null.
            with pytest.raises(LadleError, match="wants rows normalised by|null in column `_dlt_root_id`"):
                load(ladle.Schema.from_dict(case.stored), case.rows, folder)
            refused.append(name)
            continue
        if not case.rows:
            continue
        by_ours = load(ladle.Schema.from_dict(read(case.ours, name)), case.rows, folder)
        by_theirs = load(ladle.Schema.from_dict(read(their["theirs"], name)), case.rows, folder)
        if not by_ours == by_theirs == tables_of(their["tables"]):
            wrong[name] = difference(by_ours, tables_of(their["tables"])) or difference(by_ours, by_theirs)
    assert not wrong
    assert [Path(name).name for name in refused] == [
        "event.schema.json",
        "schema.json",
        "event.schema.json",
        "event_user.schema.json",
    ]


def difference(one: Tables, other: Tables) -> dict[str, Any]:
    names = {*one, *other}
    return {
        n: (set(one.get(n, {}).items()) ^ set(other.get(n, {}).items()))
        for n in names
        if one.get(n) != other.get(n)
    }


def test_nothing_is_lost_on_the_way(cases: dict[str, Case], theirs: dict[str, dict[str, Any]]) -> None:
    for name, case in cases.items():
        if "error" in theirs[name]:
            continue
        first = ladle.Schema.from_dict(case.stored)
        again = ladle.Schema.from_dict(read(case.ours, name))
        assert again.content() == first.content(), name
        assert ladle.Schema.from_dict(theirs[name]["imported"]).table_map == first.table_map, name
        exported = ladle.Schema.from_dict(read(theirs[name]["theirs"], name))
        assert exported.table_map == first.table_map, name
        assert exported.naming == first.naming, name


def test_ladle_reads_what_yaml_of_the_reference_says(theirs: dict[str, dict[str, Any]]) -> None:
    for name, their in theirs.items():
        if "error" not in their:
            assert read(their["theirs"], name) == yaml.safe_load(their["theirs"]), name
