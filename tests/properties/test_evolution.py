"""Random sequences of runs against a model in plain Python: each applies, or is refused by the right name.

Keys come and go, values change their kind, nest and unnest, types and nullability are declared, a column gets
other names; into DuckDB and
Postgres, with both policies. Whatever is refused leaves no package behind, and the next run goes on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.properties.evolution_model import BIG, Model, Refused

import ladle
from ladle.errors import LadleError

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SCALARS = st.sampled_from([7, BIG, 1.5, "abc", True, date(2024, 1, 2)])
VALUES = st.one_of(
    SCALARS,
    SCALARS,
    st.none(),
    SCALARS.map(lambda value: {"x": value}),
    st.lists(SCALARS, min_size=1, max_size=2),
)
ROWS = st.lists(st.fixed_dictionaries({}, optional={"a": VALUES, "b": SCALARS}), min_size=1, max_size=3)
HINT = st.fixed_dictionaries(
    {},
    optional={
        "data_type": st.sampled_from(["bigint", "double", "decimal", "text", "bool"]),
        "nullable": st.booleans(),
    },
)
HINTS = st.one_of(st.just({}), st.just({}), st.fixed_dictionaries({}, optional={"a": HINT, "b": HINT}))
RENAMES = st.sampled_from(["", "", "", "beta", "gamma"])
RUNS = st.lists(st.tuples(ROWS, HINTS, RENAMES), min_size=1, max_size=5)
Runs = list[tuple[list[dict[str, Any]], dict[str, Any], str]]
"""Rows, hints, and what column `b` is called from then on, where it is there and not called so."""

SQL = {
    "bigint": ("bigint",),
    "double": ("double", "double precision"),
    "decimal": ("decimal(38,9)", "numeric"),
    "text": ("varchar", "character varying"),
    "bool": ("boolean",),
    "date": ("date",),
}
Ask = Callable[[str], list[tuple[Any, ...]]]


def check(runs: Runs, widen: bool, destination: Any, ask: Ask, dataset: str, folder: Path) -> None:
    """Do the runs, and compare after each."""
    pipeline = ladle.pipeline("p", folder / "work", destination=destination, dataset_name=dataset)
    model, count, called = Model(widen), 0, "b"
    for number, (rows, hints, name) in enumerate(runs):
        # `id` is there so that rows can be told apart; it is never null
        data = [{"id": count + i, **row} for i, row in enumerate(rows)]
        try:
            model.run(data, hints)
            expected = None
            count += len(rows)
        except Refused as refused:
            expected = refused
        error = error_of(pipeline, data, hints)
        assert (error is None) == (expected is None), f"run {number}: {error}, expected: {expected}"
        if error is not None and expected is not None:
            assert type(error).__name__ == expected.error, error
            column = str(error.facts["column"]).replace(called, "b")
            assert (error.facts["table"], column) in expected.places, error
        if name not in ("", called) and model.has("b"):
            pipeline.rename_column("t", called, name).apply()
            called = name
        assert not pipeline.has_pending_data
        compare(model, ask, dataset, called)


def error_of(pipeline: Any, data: list[dict[str, Any]], hints: dict[str, Any]) -> LadleError | None:
    try:
        pipeline.run(data, table_name="t", columns=hints or None)
    except LadleError as error:
        return error
    return None


def compare(model: Model, ask: Ask, dataset: str, called: str) -> None:
    catalog = ask(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        f"WHERE table_schema = '{dataset}' ORDER BY ordinal_position"
    )
    there: dict[str, dict[str, tuple[str, bool]]] = {}
    for table, column, data_type, nullable in catalog:
        if not table.startswith(("_dlt", "_ladle")):
            columns = there.setdefault(table, {})
            if not column.startswith("_dlt"):
                own = column == called or column.startswith(f"{called}__v_")
                columns["b" + column.removeprefix(called) if own else column] = (
                    data_type.lower(),
                    nullable == "YES",
                )
    assert set(there) == {name for name, table in model.tables.items() if table.rows}
    for name, columns in there.items():
        typed = {n: c for n, c in model.tables[name].columns.items() if c.data_type}
        assert set(columns) == set(typed), name
        for column, (data_type, nullable) in columns.items():
            assert data_type in SQL[str(typed[column].data_type)], (name, column)
            assert nullable == typed[column].nullable, (name, column)
        names = list(columns)
        there_as = [called + n.removeprefix("b") if n[:4] in ("b", "b__v") else n for n in names]
        quoted = ", ".join(f'"{n}"' for n in there_as)
        found = [
            dict(zip(names, row, strict=True)) for row in ask(f'SELECT {quoted} FROM "{dataset}"."{name}"')
        ]
        assert plain(found) == plain(model.tables[name].rows), name


def plain(rows: list[dict[str, Any]]) -> list[str]:
    def value(given: Any) -> str:
        return repr(given.normalize() if isinstance(given, Decimal) else given)

    return sorted(repr(sorted((n, value(v)) for n, v in row.items() if v is not None)) for row in rows)


def in_duckdb(runs: Runs, widen: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ladle-evolution-", dir=MEMORY))
    with duckdb.connect() as connection:
        try:
            destination = ladle.destinations.duckdb(connection)
            check(runs, widen, destination, lambda sql: connection.execute(sql).fetchall(), "ds", folder)
        finally:
            shutil.rmtree(folder)


def in_postgres(runs: Runs, widen: bool, url: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ladle-evolution-", dir=MEMORY))
    dataset = f"ds_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            destination = ladle.destinations.postgres(url)
            check(runs, widen, destination, lambda sql: connection.execute(sql).fetchall(), dataset, folder)
        finally:
            connection.execute(f'DROP SCHEMA IF EXISTS "{dataset}" CASCADE')
            shutil.rmtree(folder)


@pytest.fixture(params=["variant", "widen"])
def widen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", request.param)
    return bool(request.param == "widen")


# Each of P15 and P11 once, whatever else hypothesis finds.
NOT_NULL_LATER = [
    ([{"a": 7}], {}, ""),
    ([{"a": 7, "b": 7}], {"b": {"nullable": False}}, ""),
    ([{"a": 7}], {}, ""),
]
TYPE_BY_HINT = [
    ([{"a": 7}], {}, ""),
    ([{"a": "abc"}], {"a": {"data_type": "text"}}, ""),
    ([{"a": 1.5}], {}, ""),
]
DECLARED = [([{"a": 7}, {"a": "abc"}], {"a": {"data_type": "bigint"}}, "")] * 2
RENAMED = [([{"b": 7}], {}, "beta"), ([{"b": 1.5}, {"b": True}], {}, "gamma"), ([{"b": "abc"}], {}, "")]
BACK_AGAIN = [
    ([{"a": 7}], {}, ""),
    ([{"b": "abc"}], {}, ""),
    ([{"a": 1.5}, {"a": {"x": 7}}, {"a": ["abc", 7]}], {}, ""),
]


@given(runs=RUNS)
@example(runs=NOT_NULL_LATER)
@example(runs=TYPE_BY_HINT)
@example(runs=DECLARED)
@example(runs=RENAMED)
@example(runs=BACK_AGAIN)
def test_runs_into_duckdb(runs: Runs, widen: bool) -> None:
    in_duckdb(runs, widen)


@given(runs=RUNS)
@example(runs=NOT_NULL_LATER)
@example(runs=TYPE_BY_HINT)
@example(runs=DECLARED)
@example(runs=RENAMED)
@example(runs=BACK_AGAIN)
@settings(max_examples=8)
def test_runs_into_postgres(runs: Runs, widen: bool, postgres_url: str) -> None:
    in_postgres(runs, widen, postgres_url)


@pytest.mark.slow
@given(runs=RUNS)
@settings(max_examples=100)
def test_many_runs_into_duckdb(runs: Runs, widen: bool) -> None:
    in_duckdb(runs, widen)


@pytest.mark.slow
@given(runs=RUNS)
@settings(max_examples=60)
def test_many_runs_into_postgres(runs: Runs, widen: bool, postgres_url: str) -> None:
    in_postgres(runs, widen, postgres_url)
