"""The toy, against ladle's public suite: this file is all that a destination's author writes."""

from __future__ import annotations

import pytest
from ladle.errors import DestinationError
from ladle.testing import DestinationSuite
from ladle_toy import toy


class TestToy(DestinationSuite):
    conversions = frozenset({"rounded to 6 digits"})  # of seconds, by the DuckDB that reads
    refusals = {
        "decimal: 76 digits of fraction": DestinationError,
        "decimal: declared with 76 digits": DestinationError,
    }

    @pytest.fixture
    def destination(self, tmp_path):
        return toy(tmp_path / "toy")
