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
    fast = frozenset(
        {
            "test_a_load_that_breaks_leaves_nothing",
            "test_columns",
            "test_datasets",
            "test_dropped_for_good",
            "test_has_load",
            "test_history",
            "test_merge",
            "test_names_that_differ_by_case",
            "test_new_columns_and_tables",
            "test_one_load_id_twice",
            "test_state_and_schema_come_back",
            "test_two_pipelines_at_once",
            "test_widening",
        }
    )
    refusals = {
        "decimal: 76 digits of fraction": DestinationError,
        "decimal: declared with 76 digits": DestinationError,
    }

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Any:
        return ladle.destinations.duckdb(str(tmp_path / "suite.duckdb"))
