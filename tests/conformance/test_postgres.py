"""Postgres, against the public suite."""

from __future__ import annotations

from typing import Any

import pytest

import ladle
from ladle.testing import DestinationSuite


class TestPostgres(DestinationSuite):
    conversions = frozenset({"␀", "cut to 6 digits"})
    fast = frozenset({"test_columns", "test_has_load"})

    @pytest.fixture
    def destination(self, postgres_url: str) -> Any:
        return ladle.destinations.postgres(postgres_url)
