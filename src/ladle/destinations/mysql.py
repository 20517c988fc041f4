"""MySQL 8 and MariaDB 10.5 and later: the rows of a load, in bulk and one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pymysql import err

from ladle.config import context
from ladle.destinations import mysql_login
from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.mysql_connection import MySqlConnection
from ladle.destinations.mysql_errors import cause, refused
from ladle.destinations.mysql_line import Line
from ladle.destinations.mysql_login import Login
from ladle.destinations.mysql_session import MySqlSession, dialect_for
from ladle.destinations.mysql_types import MAX_DIGITS
from ladle.destinations.reading import Reader, SqlReader
from ladle.errors import UsageError
from ladle.schema.change import MERGES, REPLACES, Limits

_MAX_CHARS = 64
# Pairs of types by which ALTER TABLE gives the value that a new load would; others are spelled otherwise.
_IN_PLACE = frozenset(
    {
        ("bigint", "bigint"),
        ("bigint", "wei"),
        ("bigint", "decimal"),
        ("bigint", "double"),
        ("bigint", "text"),
        ("decimal", "decimal"),
        ("date", "timestamp"),
        ("date", "text"),
        ("timestamp", "timestamp"),
        ("time", "time"),
        ("text", "text"),
        ("binary", "binary"),
        ("wei", "text"),
    }
)
_LIMITS = Limits(
    max_table_name=_MAX_CHARS,
    max_column_name=_MAX_CHARS,
    wei_digits=MAX_DIGITS,
    decimal_digits=MAX_DIGITS,
    merges=MERGES,
    replaces=REPLACES,
    in_place=_IN_PLACE,
    renames=True,
    folds_case=True,  # of columns always, of tables where the server's files do
    tables_first=True,
    waits_ahead=True,
    astral_names=False,
)
_STRICT = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_WAIT_S = 28_800
_SETTINGS = (
    "time_zone = '+00:00'",
    # a source may be slow, and a reader too
    f"net_read_timeout = {_WAIT_S}",
    f"net_write_timeout = {_WAIT_S}",
    f"wait_timeout = {_WAIT_S}",
    "sql_notes = 0",
    # a server may guard its users: a SELECT loses rows without a word then, large statements are refused
    "sql_select_limit = 18446744073709551615",
    "sql_safe_updates = 0",
    "sql_big_selects = 1",
)
# What not every user may set. A table of many long texts can be made, as long as no row is too long.
_WISHES = ("innodb_strict_mode = 0",)
_COLLATIONS = {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin"}


@dataclass(frozen=True)
class MySql:
    """A MySQL or MariaDB server; a dataset is a database of it.

    Args:
        login: how to connect; None where no credentials were found.
        name: of the destination.
        create_indexes: give new tables an index on each key that merges go by.
        lock_wait_s: seconds to wait for other loads of the pipeline, or that change the same tables.
        fence_wait_s: seconds to wait for a session that an earlier try left, before ending it.
        credentials: what the login was made from, completed from the configuration where `configured`.

    Guarantee: G4 for rows. All tables' rows, the state and the loads row of a load become visible in one
    transaction. Tables and columns are made before it, and stay where a load fails; tables that a refresh
    drops are gone before it.
    """

    login: Login | None
    name: str = "mysql"
    create_indexes: bool = True
    lock_wait_s: float = 600.0
    fence_wait_s: float = 10.0
    type_name: str = "mysql"
    guarantee: str = "G4"
    rests_on: tuple[str, ...] = (
        "data, schema, state and the row of `_dlt_loads` are one transaction",
        "tables and columns are made before it: they may be there, empty, without their load",
        "before a load is tried again, its load id is looked for",
    )
    dataset_named: bool = True
    streams: bool = True
    sql_dialect: str = "mysql"
    limits: Limits = _LIMITS
    credentials: Any = field(default=None, repr=False, compare=False)
    configured: bool = False

    @property
    def destination_name(self) -> str:
        """The same as `name`."""
        return self.name

    def capabilities(self) -> Capabilities:
        """Return what it can hold and how names are made for it."""
        return capabilities(self.limits)

    def bound(self, pipeline: str) -> MySql:
        """Return the destination with the login that is configured for the pipeline, if one is."""
        if not self.configured:
            return self
        with context.of_pipeline(pipeline):
            return replace(self, login=mysql_login.login(self.credentials, self.name))

    def displayable(self) -> str:
        """Return the URL without password."""
        return self.login.shown if self.login else "no credentials"

    def open(self, dataset: str) -> Session:
        """Connect.

        Raises:
            ConfigError: no credentials.
            DestinationError: no connection.
            UsageError: the dataset's name is too long.
        """
        if len(dataset) > _MAX_CHARS:
            raise UsageError(
                f"the dataset name `{dataset}` is too long", expected=f"at most {_MAX_CHARS} characters"
            )
        connection, flavour = self._connected(dataset, f"{_STRICT},ANSI_QUOTES")
        collation = _COLLATIONS[flavour]
        dialect = dialect_for(dataset, collation, reopens=flavour == "mariadb")
        return MySqlSession(connection, dialect, dataset, collation, self.create_indexes)

    def reader(self, dataset: str) -> Reader:
        """Connect to read.

        Raises:
            ConfigError: no credentials.
            DestinationError: no connection.
        """
        connection, flavour = self._connected(dataset, _STRICT)
        return SqlReader(connection, dialect_for(dataset, _COLLATIONS[flavour]), dataset)

    def _connected(self, dataset: str, sql_mode: str) -> tuple[MySqlConnection, str]:
        if self.login is None:
            raise mysql_login.missing(self.name)
        line = None
        try:
            line = Line(**self.login.arguments)
            flavour = "mariadb" if "mariadb" in line.get_server_info().lower() else "mysql"
            self._set_up(line, sql_mode, _COLLATIONS[flavour])
            return MySqlConnection(line, self.login, dataset, self.lock_wait_s, self.fence_wait_s), flavour
        except err.MySQLError as exc:
            if line is not None:
                line.close()
            raise refused(exc, self.login) from cause(exc, self.login)

    def _set_up(self, line: Line, sql_mode: str, collation: str) -> None:
        wait_s = max(int(self.lock_wait_s), 1)
        waits = (f"innodb_lock_wait_timeout = {wait_s}", f"lock_wait_timeout = {wait_s}")
        line.run(f"SET NAMES utf8mb4 COLLATE {collation}")
        line.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        line.run(
            "SET SESSION " + ", ".join((f"sql_mode = '{sql_mode}'", "autocommit = 1", *waits, *_SETTINGS))
        )
        for wish in _WISHES:
            with suppress(err.OperationalError):
                line.run(f"SET SESSION {wish}")


def mysql_destination(
    credentials: str | Mapping[str, Any] | None = None,
    *,
    destination_name: str | None = None,
    create_indexes: bool = True,
    lock_wait_s: float = 600.0,
    **capability: Any,
) -> MySql:
    """Load into a MySQL server, version 8 or later, or a MariaDB server, version 10.5 or later.

    Args:
        credentials: `mysql://user:password@host:3306/database?ssl_ca=ca.pem`, or a mapping with `host`,
            `port`, `username`, `password`, `database` and options of PyMySQL. None: those of the
            configuration, `DESTINATION__MYSQL__CREDENTIALS` or `[destination.mysql.credentials]`; parts that
            are missing are taken from there too.
        destination_name: a name of its own, which also is that of its section.
        create_indexes: give new tables an index on each key that merges go by.
        lock_wait_s: seconds to wait for other loads that have to go first.
        capability: `naming_convention`, `max_table_nesting` and others of `Capabilities`.

    Raises:
        UsageError: the credentials aren't a MySQL URL or a mapping; a capability that it hasn't.
    """
    name = destination_name or "mysql"
    own = ("credentials", "destination_name", "create_indexes", "lock_wait_s")
    limits = overridden(_LIMITS, capability, "mysql", own)
    login = mysql_login.login(credentials, name)
    made = MySql(login, name, create_indexes, lock_wait_s, credentials=credentials, configured=True)
    return replace(made, limits=limits)


def mariadb_destination(
    credentials: str | Mapping[str, Any] | None = None,
    *,
    destination_name: str | None = None,
    create_indexes: bool = True,
    lock_wait_s: float = 600.0,
    **capability: Any,
) -> MySql:
    """Load into a MariaDB server, version 10.5 or later: `mysql_destination` under another name.

    Args:
        credentials: as there; by default those of `DESTINATION__MARIADB__CREDENTIALS` or
            `[destination.mariadb.credentials]`.
        destination_name: a name of its own, which also is that of its section.
        create_indexes: give new tables an index on each key that merges go by.
        lock_wait_s: seconds to wait for other loads that have to go first.
        capability: as there.

    Raises:
        UsageError: the credentials aren't a MySQL URL or a mapping; a capability that it hasn't.
    """
    return mysql_destination(
        credentials,
        destination_name=destination_name or "mariadb",
        create_indexes=create_indexes,
        lock_wait_s=lock_wait_s,
        **capability,
    )
