"""Destination factories by name: `ladle.destinations.duckdb(...)`; imported when first used."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.destinations.duckdb import duckdb_destination as duckdb
    from ladle.destinations.filesystem import filesystem_destination as filesystem
    from ladle.destinations.mysql import mariadb_destination as mariadb
    from ladle.destinations.mysql import mysql_destination as mysql
    from ladle.destinations.postgres import postgres_destination as postgres
    from ladle.destinations.sqlalchemy import sqlalchemy_destination as sqlalchemy
    from ladle.destinations.sqlite import sqlite_destination as sqlite

__all__ = ["duckdb", "filesystem", "mariadb", "mysql", "postgres", "sqlalchemy", "sqlite"]


class _Factories(ModuleType):
    """This module. A factory has its file's name; importing the file must not hide it."""

    def __getattribute__(self, name: str) -> Any:
        if name in __all__:
            return importlib.import_module("ladle.destinations.registry").factory(name)
        return super().__getattribute__(name)


sys.modules[__name__].__class__ = _Factories
