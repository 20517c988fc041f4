"""DuckDB, against the public suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.errors import DestinationError
from ladle.testing import DestinationSuite


class TestDuckDb(DestinationSuite):
    conversions = frozenset({"cut to 6 digits"})
    refusals = {
        "decimal: 76 digits of fraction": DestinationError,
        "decimal: declared with 76 digits": DestinationError,
    }

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Any:
        return ladle.destinations.duckdb(str(tmp_path / "suite.duckdb"))
