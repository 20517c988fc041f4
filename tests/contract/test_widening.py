"""Each step of the lattice on each engine: what was stored reads as if it had been loaded with the wider type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.errors import UsageError
from ladle.schema.lattice import HOLDERS, in_place
from ladle.schema.table import Column

_INTS = [0, 1, -1, 127, -128]
_TIMES = [time(3, 4, 5), time(3, 4, 5, 600_000), time(23, 59, 59, 999_999), time(0)]
_MOMENTS = [
    datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2024, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
    datetime(1600, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
_NAIVE = [moment.replace(tzinfo=None) for moment in _MOMENTS]
_DECIMALS = [Decimal("1.5"), Decimal("-0.01"), Decimal(100), Decimal(0), Decimal("12345.67")]
_DOUBLES = [0.0, -0.0, 1.0, -1.5, 0.1, 1e300, -2.5e-7, 0.0001, 123456789.0, 1e15, 2.0**53, 1e16, 5e-324]


@dataclass(frozen=True)
class Step:
    """From one type to a wider one, with values of the first and one of the second."""

    known: dict[str, Any]
    wanted: dict[str, Any]
    values: list[Any]
    after: Any


def _hint(data_type: str, **digits: Any) -> dict[str, Any]:
    return {"data_type": data_type, **digits}


_BIG = 2**63 - 1
STEPS = {
    "int8_to_int16": Step(_hint("bigint", precision=8), _hint("bigint", precision=16), _INTS, 300),
    "int16_to_int64": Step(_hint("bigint", precision=16), _hint("bigint", precision=64), _INTS, _BIG),
    "int32_to_double": Step(_hint("bigint", precision=32), _hint("double"), [*_INTS, 2**31 - 1], 1.5),
    "int64_to_double": Step(_hint("bigint"), _hint("double"), [*_INTS, 2**53], 1.5),
    "int64_to_decimal": Step(_hint("bigint"), _hint("decimal"), [*_INTS, _BIG], Decimal("1.5")),
    "int64_to_wei": Step(_hint("bigint"), _hint("wei"), [*_INTS, _BIG], 2**100),
    "int64_to_text": Step(_hint("bigint"), _hint("text"), [*_INTS, _BIG], "x"),
    "decimal_to_decimal": Step(
        _hint("decimal", precision=10, scale=2),
        _hint("decimal", precision=20, scale=4),
        _DECIMALS,
        Decimal("1.2345"),
    ),
    "decimal_to_text": Step(_hint("decimal"), _hint("text"), _DECIMALS, "x"),
    "whole_decimal_to_text": Step(
        _hint("decimal", precision=5, scale=0), _hint("text"), [Decimal(100), Decimal(0)], "x"
    ),
    "wei_to_text": Step(_hint("wei"), _hint("text"), [0, 100, -7, 2**100], "x"),
    "double_to_text": Step(_hint("double"), _hint("text"), _DOUBLES, "x"),
    "bool_to_text": Step(_hint("bool"), _hint("text"), [True, False], "x"),
    "date_to_timestamp": Step(_hint("date"), _hint("timestamp"), [date(2024, 2, 29)], _MOMENTS[0]),
    "date_to_naive": Step(_hint("date"), _hint("timestamp", timezone=False), [date(2024, 2, 29)], _NAIVE[0]),
    "date_to_text": Step(_hint("date"), _hint("text"), [date(2024, 2, 29), date(1, 1, 1)], "x"),
    "timestamp_digits": Step(
        _hint("timestamp", precision=3), _hint("timestamp", precision=6), _MOMENTS[:1], _MOMENTS[1]
    ),
    "naive_digits": Step(
        _hint("timestamp", precision=3, timezone=False),
        _hint("timestamp", precision=6, timezone=False),
        _NAIVE[:1],
        _NAIVE[1],
    ),
    "timestamp_to_text": Step(_hint("timestamp"), _hint("text"), _MOMENTS, "x"),
    "naive_to_text": Step(_hint("timestamp", timezone=False), _hint("text"), _NAIVE, "x"),
    "time_to_text": Step(_hint("time"), _hint("text"), _TIMES, "x"),
    "text_length": Step(_hint("text", precision=5), _hint("text", precision=10), ["abcde", ""], "abcdefghij"),
    "text_without_length": Step(
        _hint("text", precision=5), _hint("text", precision=None), ["abcde"], "abcdefghijk"
    ),
    "binary_length": Step(_hint("binary", precision=5), _hint("binary", precision=10), [b"\0ab"], b"abcdefg"),
}
_TIME_DIGITS = {"time"}  # digits of times are the same everywhere
PLACES = ("duckdb", "postgres", "mysql", "sqlite", "sqlalchemy", "parquet", "jsonl", "csv")


def test_every_pair_of_the_lattice_is_a_step() -> None:
    pairs = {(known, wider) for known, widers in HOLDERS.items() for wider in widers}
    tried = {(step.known["data_type"], step.wanted["data_type"]) for step in STEPS.values()}
    assert pairs - tried == {(kind, kind) for kind in _TIME_DIGITS}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Any:
    kind = request.param
    if kind == "duckdb":
        destination = ladle.destinations.duckdb(str(tmp_path / "d.duckdb"))
    elif kind in ("postgres", "mysql"):
        destination = getattr(ladle.destinations, kind)(request.getfixturevalue(f"{kind}_url"))
    elif kind == "sqlalchemy":
        url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+psycopg:", 1)
        destination = ladle.destinations.sqlalchemy(url)
    elif kind == "sqlite":
        destination = ladle.destinations.sqlite(str(tmp_path / "d.db"))
    else:
        destination = ladle.destinations.filesystem(str(tmp_path / "lake"))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name=dataset)

    def run(rows: list[dict[str, Any]], **options: Any) -> Any:
        if kind in ("parquet", "jsonl", "csv"):
            options["loader_file_format"] = kind
        return pipeline.run(rows, **options)

    return pipeline, run


def _columns(names: list[str], side: str) -> dict[str, Any]:
    return {name: getattr(STEPS[name], side) for name in names}


def _rows(names: list[str]) -> list[dict[str, Any]]:
    """Rows of the first load, each with one value of each column that has so many."""
    longest = max(len(STEPS[name].values) for name in names)
    return [
        {"n": i, **{name: values[i] for name in names if i < len(values := STEPS[name].values)}}
        for i in range(longest)
    ]


def _read(pipeline: Any, table: str, names: list[str]) -> dict[str, list[Any]]:
    found = pipeline.dataset()[table].arrow().sort_by("n")
    return {name: found[name].to_pylist() for name in names}


def test_what_was_stored_reads_as_if_it_had_been_loaded_with_the_wider_type(place: Any) -> None:
    pipeline, run = place
    limits = pipeline.destination.limits
    can = {
        name: in_place(Column(name, **step.known), Column(name, **step.wanted), limits)
        for name, step in STEPS.items()
    }
    names, refused = [n for n in STEPS if can[n]], [n for n in STEPS if not can[n]]
    first = _rows(list(STEPS))
    after = [{"n": len(first), **{name: STEPS[name].after for name in names}}]
    run(first, table_name="grown", columns=_columns(list(STEPS), "known"))
    info = run(after, table_name="grown", columns=_columns(names, "wanted"))
    update = info.load_packages[-1].schema_update["grown"]["columns"]
    assert set(update) == set(names)
    assert all("previous_type" in column for column in update.values())
    kept = [{k: v for k, v in row.items() if k in ("n", *names)} for row in first]
    run([*kept, *after], table_name="fresh", columns=_columns(names, "wanted"))
    grown, fresh = (_read(pipeline, table, names) for table in ("grown", "fresh"))
    differ = {n: (grown[n], fresh[n]) for n in names if grown[n] != fresh[n]}
    assert not differ, sorted(differ)
    for name in refused:
        with pytest.raises(UsageError, match=f"column `{name}` of table `grown` is "):
            run(after, table_name="grown", columns=_columns([name], "wanted"))
    run([{"n": 99}], table_name="grown")


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_files_widen_by_value_where_readers_spell_it_alike(
    kind: str, tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", "widen")
    destination = ladle.destinations.filesystem(str(tmp_path / "lake"))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name=dataset)
    for row in ({"n": 1, "i": 1, "b": True, "d": 1}, {"n": 2, "i": "x", "b": "x", "d": 1.5}):
        pipeline.run([row], table_name="t", loader_file_format=kind)
    found = pipeline.dataset()["t"].arrow().sort_by("n")
    values = {n: found[n].to_pylist() for n in found.column_names if not n.startswith("_dlt")}
    assert values == {
        "n": [1, 2],
        "i": ["1", "x"],
        "b": [True, None],
        "b__v_text": [None, "x"],
        "d": [1.0, 1.5],
    }


def test_a_function_takes_any_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", "widen")
    taken: list[Any] = []

    @ladle.destination(batch_size=0)
    def place(items: Any, table: dict[str, Any]) -> None:
        taken.append(table["columns"]["v"]["data_type"])

    pipeline = ladle.pipeline("p", tmp_path / "work", destination=place)
    assert pipeline.plan([{"v": 2**60}], table_name="t") == {}
    for value in (2**60, 1.5, "x"):
        pipeline.run([{"v": value}], table_name="t")
    assert taken == ["bigint", "double", "text"]
