"""What a destination can't hold is refused before anything is read, or at the latest before anything is written."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.destinations.duckdb import DuckDb
from ladle.destinations.registry import resolve
from ladle.errors import DestinationError


def test_a_declared_decimal_of_too_many_digits_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    read = []

    def rows() -> Any:
        read.append(1)
        yield {"v": Decimal(1)}

    site = Site.in_memory(tmp_path)
    columns = {"v": {"data_type": "decimal", "precision": 76, "scale": 38}}
    with pytest.raises(DestinationError, match=r"column `v` of table `t` is decimal\(76,38\)") as caught:
        site.load(ladle.resource(rows, name="t", columns=columns), None)
    assert "decimals of `duckdb` have 38 digits" in str(caught.value)
    assert read == []
    assert site.names() == set()


def test_a_decimal_of_arrow_of_too_many_digits_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    values = pa.array([Decimal("0." + "1" * 76)], pa.decimal256(76, 76))
    with pytest.raises(DestinationError, match=r"is decimal\(76,76\)"):
        site.load(pa.table({"v": values}))
    assert site.names() == set()


@pytest.mark.parametrize("kind", ["column", "table"])
def test_names_that_are_one_to_the_engine_are_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA__NAMING", "direct")
    site = Site.in_memory(tmp_path)
    data: Any = [{"id": 1, "Id": 2}]
    if kind == "table":
        data = [ladle.resource([{"n": 1}], name=name) for name in ("id", "Id")]
    with pytest.raises(DestinationError, match="`id` and `Id` differ by case only, and are one to `duckdb`"):
        site.load(data, "t" if kind == "column" else None)
    assert site.names() == set()


def test_duckdb_cuts_nanoseconds_of_zoned_timestamps_and_never_rounds(tmp_path: Path) -> None:
    connection = duckdb.connect()
    site = Site(tmp_path, connection)
    values = pa.array([1_704_067_200_123_456_789, -1], pa.timestamp("ns", "UTC"))
    table = site.load(pa.table({"v": values}), columns={"v": {"data_type": "timestamp", "precision": 9}})["t"]
    assert [v.microsecond for v in table.values("v")] == [123_456, 999_999]


def test_a_class_is_a_factory_of_destinations() -> None:
    assert resolve(DuckDb) == DuckDb()
