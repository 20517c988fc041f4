"""Imports what every forked process needs, before it is forked; starts no thread and makes no pipeline."""

from __future__ import annotations

import pandas  # noqa: F401  pyarrow imports it with the first array otherwise
import pyarrow as pa
import tests.e2e.victim  # noqa: F401

import ladle.pipelines.entry  # noqa: F401
from ladle.destinations import dialect
from ladle.destinations.duckdb import DIALECT
from ladle.schema.schema import SYSTEM_TABLE_MAP

pa.array([{"a": 1}])
for _table in SYSTEM_TABLE_MAP.values():
    DIALECT.sql(dialect.create_table("warm", _table, DIALECT))
