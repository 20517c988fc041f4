"""SQLite: each dataset a file of its own, one transaction per load, with what Python brings along."""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.config import context
from ladle.config.settings import searched
from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.reading import Reader, SqlReader
from ladle.destinations.sqlite_connection import DIALECT, MAIN, SqliteConnection
from ladle.destinations.sqlite_session import SqliteSession
from ladle.destinations.sqlite_types import WEI_DIGITS
from ladle.destinations.sqlite_widening import IN_PLACE
from ladle.errors import ConfigError, UsageError
from ladle.schema.change import MERGES, REPLACES, Limits

_URL = re.compile(r"sqlite(?:\+\w+)?://(?P<path>/[^?]*)?(?:\?.*)?", re.DOTALL)
_MIN_VERSION = (3, 35)
"""DROP COLUMN; UPDATE FROM came shortly before."""

_LIMITS = Limits(
    wei_digits=WEI_DIGITS,
    decimal_digits=WEI_DIGITS,
    merges=MERGES,
    replaces=REPLACES,
    renames=True,
    in_place=IN_PLACE,
    folds_case=True,
)


@dataclass(frozen=True)
class Sqlite:
    """A SQLite database: a file for the dataset `main`, and one beside it for each other dataset.

    Args:
        path: of the file; None for `<pipeline name>.db` in the current folder.
        name: of the destination.
        lock_wait_s: seconds to wait while others write to the file of the dataset.
        unique_indexes: make a unique index on new tables for each column that is declared unique.
        primary_keys: give new tables their primary key as a constraint.
        create_indexes: give new tables that are merged into an index on each key that merges go by.
        configured: the path is that of the configuration.

    Guarantee: G4. All tables, the state and the loads row of a load become visible in one transaction.
    """

    path: str | None = None
    name: str = "sqlite"
    lock_wait_s: float = 30.0
    unique_indexes: bool = False
    primary_keys: bool = False
    type_name: str = "sqlite"
    guarantee: str = "G4"
    dataset_named: bool = True
    streams: bool = False
    sql_dialect: str = "sqlite"
    limits: Limits = _LIMITS
    create_indexes: bool = True
    configured: bool = field(default=False, compare=False)

    @property
    def destination_name(self) -> str:
        """The same as `name`."""
        return self.name

    def capabilities(self) -> Capabilities:
        """Return what it can hold and how names are made for it."""
        return capabilities(self.limits)

    def bound(self, pipeline: str) -> Sqlite:
        """Return the destination with its file name: that configured for the pipeline, if there is one."""
        if self.configured:
            with context.of_pipeline(pipeline):
                return replace(self, path=_file(_configured(self.name)), configured=False).bound(pipeline)
        if self.path is not None:
            return self
        stem = pipeline if self.name in ("sqlite", "sqlalchemy") else self.name
        return replace(self, path=f"{stem}.db")

    def displayable(self) -> str:
        """Return the path of the file."""
        return os.path.abspath(self.path or "")

    def file_of(self, dataset: str) -> str:
        """Return the file of a dataset: `x.db` has `main`, `x__sales.db` has `sales`.

        Raises:
            UsageError: it can't be part of a file's name, or is SQLite's own.
        """
        if dataset.lower() == "temp" or re.search(r"[/\\\0]", dataset):
            raise UsageError(
                f"a dataset on SQLite can't be named `{dataset}`",
                expected="a name that can be part of a file's name, and isn't `temp`",
                hint="choose another dataset_name",
            )
        path = self.path or ""
        if dataset == MAIN:
            return path
        stem, ending = os.path.splitext(path)
        return f"{stem}__{dataset}{ending}"

    def open(self, dataset: str) -> Session:
        """Connect; nothing is made before the load begins.

        Raises:
            UsageError: the dataset can't have that name.
        """
        dialect = replace(DIALECT, unique_indexes=self.unique_indexes, primary_keys=self.primary_keys)
        return SqliteSession(self.connect(dataset), dialect, dataset, self.create_indexes)

    def reader(self, dataset: str) -> Reader:
        """Connect to read.

        Raises:
            UsageError: the dataset can't have that name.
        """
        return SqlReader(self.connect(dataset), DIALECT, dataset)

    def connect(self, dataset: str) -> SqliteConnection:
        """Return a connection of its own."""
        if sqlite3.sqlite_version_info < _MIN_VERSION:
            raise ConfigError(
                f"this Python comes with SQLite {sqlite3.sqlite_version}",
                expected=".".join(map(str, _MIN_VERSION)) + " or later",
                hint="use a newer build of Python",
            )
        self.file_of(dataset)
        return SqliteConnection(self.file_of, dataset, self.lock_wait_s)


def sqlite_destination(
    credentials: str | os.PathLike[str] | None = None,
    *,
    destination_name: str | None = None,
    lock_wait_s: float = 30.0,
    create_unique_indexes: bool = False,
    create_primary_keys: bool = False,
    create_indexes: bool = True,
    **capability: Any,
) -> Sqlite:
    """Load into a SQLite database.

    Args:
        credentials: path of the file, or `sqlite:///path`. The dataset `main` is in it, the dataset `sales`
            of `x.db` in `x__sales.db` beside it. None: that of the configuration,
            `DESTINATION__SQLITE__CREDENTIALS` or `[destination.sqlite] credentials`, else
            `<pipeline name>.db` in the current folder.
        destination_name: a name of its own; then the default file is `<destination_name>.db`.
        lock_wait_s: seconds to wait while others write to the file.
        create_unique_indexes: make a unique index for each column that is declared unique, as `_dlt_id` is.
        create_primary_keys: give new tables their primary key as a constraint.
        create_indexes: give new tables that are merged into an index on each key that merges go by.
        capability: `naming_convention`, `max_table_nesting` and others of `Capabilities`.

    Raises:
        UsageError: a database in memory: its data would be gone when the load ends; a capability that it
            hasn't.
    """
    name = destination_name or "sqlite"
    own = ("credentials", "destination_name", "lock_wait_s", "create_unique_indexes", "create_primary_keys")
    limits = overridden(_LIMITS, capability, "sqlite", (*own, "create_indexes"))
    made = Sqlite(None, name, lock_wait_s, create_unique_indexes, create_primary_keys, limits=limits)
    made = replace(made, create_indexes=create_indexes)
    if credentials is None:
        return replace(made, path=_file(_configured(name)), configured=True)
    return replace(made, path=_file(os.fspath(credentials)))


def _configured(name: str) -> str | None:
    """Return the file of the configuration: `credentials`, or `database` of the table of that name."""
    at = ("destination", name)
    return searched("credentials", at) or searched("database", at, ("credentials",))


def _file(path: str | None) -> str | None:
    """Return the path of a file, None for the one that has the pipeline's name.

    Raises:
        UsageError: a database in memory.
    """
    if path is None:
        return None
    if (url := _URL.fullmatch(path)) is not None:
        path = (url["path"] or "")[1:]
    if path in ("", ":memory:"):
        raise UsageError(
            "a SQLite database in memory is gone when the load ends",
            expected="the path of a file, or sqlite:///path",
            hint='open an engine yourself and pass it: ladle.destinations.sqlalchemy(create_engine("sqlite://"))',
        )
    return path
