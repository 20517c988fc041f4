"""The toy, against ladle's public suite: this file is all that a destination's author writes."""

from __future__ import annotations

from pathlib import Path

import pytest

import ladle_toy
from ladle.errors import DestinationError
from ladle.testing import DestinationSuite
from ladle_toy import Toy


class TestToy(DestinationSuite):
    conversions = frozenset({"rounded to 6 digits"})  # of seconds, by the DuckDB that reads
    refusals = {
        "decimal: 76 digits of fraction": DestinationError,
        "decimal: declared with 76 digits": DestinationError,
    }

    @pytest.fixture
    def destination(self, tmp_path):
        return Toy(tmp_path / "toy")


def test_it_is_short():
    lines = Path(ladle_toy.__file__).read_text().splitlines()
    assert len(lines) < 150
