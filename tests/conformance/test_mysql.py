"""MariaDB, against the public suite."""

from __future__ import annotations

from typing import Any

import pytest

import ladle
from ladle.destinations import mysql_bulk
from ladle.errors import DataError, DestinationError
from ladle.testing import DestinationSuite


class TestMySql(DestinationSuite):
    conversions = frozenset({"0.0", "cut to 6 digits"})
    refusals = {
        "double: NaN": DataError,
        "double: infinity": DataError,
        "double: -infinity": DataError,
        "decimal: NaN": DataError,
        "decimal: infinity": DataError,
        "decimal: 38 digits of fraction": DestinationError,
        "decimal: 76 digits of fraction": DestinationError,
        "decimal: declared with 76 digits": DestinationError,
        "date: year 15659": DataError,
        "date: year -1": DataError,
        "timestamp: year 11476": DataError,
        "timestamp: year 33658": DataError,
    }
    fast = frozenset({"test_columns", "test_has_load"})

    @pytest.fixture
    def destination(self, mysql_url: str) -> Any:
        return ladle.destinations.mysql(mysql_url)


class TestMySqlByText(TestMySql):
    """Rows go in as they do into MySQL, which has no bulk command."""

    @pytest.fixture(autouse=True)
    def _by_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mysql_bulk, "code", None)
