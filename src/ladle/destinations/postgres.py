"""Postgres 15 and later: one transaction per load, rows in by binary COPY, answers as Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.config import context
from ladle.destinations import postgres_login
from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.postgres_connection import DIALECT, PostgresConnection
from ladle.destinations.postgres_login import Login
from ladle.destinations.postgres_read import PostgresReading
from ladle.destinations.reading import Reader, SqlReader
from ladle.destinations.sql import SqlSession
from ladle.errors import UsageError
from ladle.schema.change import MERGES, REPLACES, Limits
from ladle.schema.lattice import EVERYWHERE
from ladle.schema.naming_rules import ByteLength

_MAX_BYTES = 63
_LIMITS = Limits(
    max_table_name=ByteLength(_MAX_BYTES),
    max_column_name=ByteLength(_MAX_BYTES),
    wei_digits=76,
    holds_nul=False,
    merges=MERGES,
    replaces=REPLACES,
    in_place=EVERYWHERE,
    renames=True,
    waits_ahead=True,
)


@dataclass(frozen=True)
class Postgres:
    """A Postgres database.

    Args:
        login: how to connect; None where no credentials were found.
        name: of the destination.
        create_indexes: make a unique index on new tables for each unique column, as `_dlt_id` is.
        lock_wait_s: seconds to wait for other loads of the pipeline, or that change the dataset's tables.
        fence_wait_s: seconds to wait for a session that an earlier try left, before ending it.
        credentials: what the login was made from, completed from the configuration where `configured`.

    Guarantee: G4. All tables, the state and the loads row of a load become visible in one transaction.
    """

    login: Login | None
    name: str = "postgres"
    create_indexes: bool = True
    lock_wait_s: float = 600.0
    fence_wait_s: float = 10.0
    type_name: str = "postgres"
    guarantee: str = "G4"
    dataset_named: bool = True
    streams: bool = True
    sql_dialect: str = "postgres"
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

    def bound(self, pipeline: str) -> Postgres:
        """Return the destination with the login that is configured for the pipeline, if one is."""
        if not self.configured:
            return self
        with context.of_pipeline(pipeline):
            return replace(self, login=postgres_login.login(self.credentials, self.name))

    def displayable(self) -> str:
        """Return the URL without password."""
        return self.login.shown if self.login else "no credentials"

    def open(self, dataset: str) -> Session:
        """Connect.

        Raises:
            ConfigError: no credentials.
            DestinationError: no connection.
            UsageError: the server would cut the dataset's name.
        """
        if len(dataset.encode()) > _MAX_BYTES:
            raise UsageError(
                f"the dataset name `{dataset}` is too long", expected=f"at most {_MAX_BYTES} bytes"
            )
        return SqlSession(self._connect(), replace(DIALECT, unique_indexes=self.create_indexes), dataset)

    def reader(self, dataset: str) -> Reader:
        """Connect to read.

        Raises:
            ConfigError: no credentials.
            DestinationError: no connection.
        """
        return SqlReader(PostgresReading(self._found()), DIALECT, dataset)

    def _connect(self) -> PostgresConnection:
        return PostgresConnection(self._found(), self.lock_wait_s, self.fence_wait_s)

    def _found(self) -> Login:
        if self.login is None:
            raise postgres_login.missing(self.name)
        return self.login


def postgres_destination(
    credentials: str | Mapping[str, Any] | None = None,
    *,
    destination_name: str | None = None,
    create_indexes: bool = True,
    lock_wait_s: float = 600.0,
    **capability: Any,
) -> Postgres:
    """Load into a Postgres database, version 15 or later.

    Args:
        credentials: `postgresql://user:password@host:5432/database?sslmode=require`, or a mapping with
            `host`, `port`, `username`, `password`, `database` and options of libpq. None: those of the
            configuration, `DESTINATION__POSTGRES__CREDENTIALS` or `[destination.postgres.credentials]`;
            parts that are missing are taken from there too.
        destination_name: a name of its own, which also is that of its section.
        create_indexes: make a unique index for each column that is declared unique, as `_dlt_id` is.
        lock_wait_s: seconds to wait for other loads that have to go first.
        capability: `naming_convention`, `max_table_nesting` and others of `Capabilities`.

    Raises:
        UsageError: the credentials aren't a Postgres URL or a mapping; a capability that it hasn't.
    """
    name = destination_name or "postgres"
    own = ("credentials", "destination_name", "create_indexes", "lock_wait_s")
    limits = overridden(_LIMITS, capability, "postgres", own)
    login = postgres_login.login(credentials, name)
    made = Postgres(login, name, create_indexes, lock_wait_s, credentials=credentials, configured=True)
    return replace(made, limits=limits)
