"""SQLite, against the public suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.errors import DataError
from ladle.testing import DestinationSuite


class TestSqlite(DestinationSuite):
    conversions = frozenset({"0.0", "cut to 6 digits"})
    refusals = {
        "date: year 15659": DataError,
        "date: year -1": DataError,
        "timestamp: year 11476": DataError,
        "timestamp: year 33658": DataError,
    }
    fast = frozenset({"test_columns", "test_has_load"})

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Any:
        return ladle.destinations.sqlite(str(tmp_path / "suite.db"))
