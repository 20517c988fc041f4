"""Datasets to read: users with pets with toys, and orders that reference users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.dataset.dataset import Dataset
from ladle.schema.schema import Schema

USERS = [
    {"id": 1, "v": "a", "amt": 1.5, "pets": [{"n": "x", "toys": [{"k": 1}]}, {"n": "y"}]},
    {"id": 2, "v": "b", "amt": 2.5},
    {"id": 3, "v": "c", "amt": 3.5},
    {"id": 4, "v": "d", "amt": 9.5},
]
ORDERS = [{"oid": 10, "user_id": 1}, {"oid": 11, "user_id": 2}]
REFERENCE = {"columns": ["user_id"], "referenced_table": "users", "referenced_columns": ["id"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Load two packages into a database in memory; tests add, but change nothing of it."""
    found = Site.in_memory(tmp_path_factory.mktemp("site"))
    found.pipeline().run(USERS, table_name="users", columns={"id": {"nullable": False}})
    found.pipeline().run(ORDERS, table_name="orders")
    yield found
    found.pipeline().deactivate()
    assert found.connection is not None
    found.connection.close()


@pytest.fixture(scope="module")
def schema(site: Site) -> Schema:
    """Return the schema, in which orders reference users."""
    found = site.pipeline().default_schema
    return found.with_tables([found.table_map["orders"].with_extra(references=[REFERENCE])])


@pytest.fixture
def ds(site: Site, schema: Schema) -> Dataset:
    return ladle.dataset(site.destination, "ds", schema)


@pytest.fixture
def users(ds: Dataset) -> Any:
    return ds["users"]
