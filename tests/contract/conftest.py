"""What the tests of destinations share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pymysql
import pytest
from tests.contract.reading import mysql_arguments


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


@pytest.fixture
def ask(mysql_url: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Return a function that runs SQL in MariaDB, beside ladle."""

    def run(sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with (
            pymysql.connect(**mysql_arguments(mysql_url), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SET time_zone = '+00:00', lock_wait_timeout = 20")
            cursor.execute(sql, params or None)
            return list(cursor.fetchall())

    return run
