"""Imports what every forked process needs, before it is forked; starts no thread and makes no pipeline."""

from __future__ import annotations

import importlib

import pandas  # noqa: F401  pyarrow imports it with the first array otherwise
import pyarrow as pa
import tests.e2e.victim  # noqa: F401

import ladle.pipelines.entry  # noqa: F401
from ladle.destinations import dialect
from ladle.destinations.duckdb import DIALECT
from ladle.schema.schema import SYSTEM_TABLE_MAP

ENGINES = (
    "ladle.destinations.file_session",
    "ladle.destinations.filesystem",
    "ladle.destinations.mysql",
    "ladle.destinations.mysql_session",
    "ladle.destinations.postgres",
    "ladle.destinations.postgres_connection",
    "ladle.destinations.sqlalchemy",
    "ladle.destinations.sqlalchemy_session",
    "ladle.destinations.sqlite",
    "ladle.destinations.sqlite_connection",
    "ladle.sources.decorators",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlglot.dialects.mysql",
    "sqlglot.dialects.postgres",
    "sqlglot.dialects.sqlite",
)
STORIES = ("cursor", "edits", "replay", "backfill_at_once", "strategies", "refresh")
for _name in (*ENGINES, *(f"tests.e2e.victim_{story}" for story in STORIES)):
    importlib.import_module(_name)

pa.array([{"a": 1}])
for _table in SYSTEM_TABLE_MAP.values():
    DIALECT.sql(dialect.create_table("warm", _table, DIALECT))
