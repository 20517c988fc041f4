"""What the tests of destinations share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest


@pytest.fixture
def dataset() -> str:
    return f"ds_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def query(postgres_url: str) -> Callable[..., list[tuple[Any, ...]]]:
    def run(sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(postgres_url, autocommit=True, options="-c lock_timeout=20s") as connection:
            cursor = connection.execute(sql, params or None)
            return cursor.fetchall() if cursor.description else []

    return run
