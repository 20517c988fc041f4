"""Files of each format, against the public suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.errors import DataError, DestinationError
from ladle.testing import DestinationSuite, notyet

REFUSALS = {
    "decimal: 76 digits of fraction": DestinationError,
    "decimal: declared with 76 digits": DestinationError,
}
FAR = {"timestamp: year 33658": DataError}


class TestParquet(DestinationSuite):
    fast = frozenset({"test_columns", "test_datasets"})
    options = {"loader_file_format": "parquet"}
    conversions = frozenset({"rounded to 6 digits"})
    refusals = REFUSALS

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Any:
        return ladle.destinations.filesystem(tmp_path / "files")


class TestJsonLines(DestinationSuite):
    fast = frozenset({"test_widening"})
    options = {"loader_file_format": "jsonl"}
    conversions = frozenset({"null", "double in JSON", "cut to 6 digits"})
    refusals = {**REFUSALS, **FAR}

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Any:
        return ladle.destinations.filesystem(tmp_path / "files")


class TestCsv(DestinationSuite):
    marks = {"test_a_value_of_100_mb": notyet("the DuckDB that reads takes lines of CSV of 2 MB at most")}
    fast = frozenset({"test_widening"})
    options = {"loader_file_format": "csv"}
    conversions = frozenset({"cut to 6 digits"})
    refusals = {**REFUSALS, **FAR}

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Any:
        return ladle.destinations.filesystem(tmp_path / "files")
