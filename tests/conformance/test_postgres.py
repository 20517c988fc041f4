"""Postgres, against the public suite."""

from __future__ import annotations

from typing import Any

import pytest

import ladle
from ladle.errors import DataError
from ladle.testing import DestinationSuite


class TestPostgres(DestinationSuite):
    conversions = frozenset({"␀", "cut to 6 digits"})
    refusals = {"json: 1,000 levels": DataError}

    @pytest.fixture
    def destination(self, postgres_url: str) -> Any:
        return ladle.destinations.postgres(postgres_url)
