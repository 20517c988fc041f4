"""Postgres behind SQLAlchemy: a process is killed at each durable step; nothing is lost or twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.killing import GROWN, Undisturbed, survives_each, undisturbed_runs


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Undisturbed:
    return undisturbed_runs("sqlalchemy", tmp_path_factory.mktemp("runs"), postgres_url)


@pytest.mark.slow
def test_killed_in_any_state(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_each(undisturbed, GROWN, undisturbed.steps[GROWN].distinct(), tmp_path)
