"""Any dialect of SQLAlchemy: one transaction per load where the engine keeps tables in it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.dialect import Dialect
from ladle.destinations.reading import Reader, SqlReader
from ladle.destinations.sqlalchemy_connection import SqlAlchemyConnection
from ladle.destinations.sqlalchemy_engines import LEAST, Engine, known
from ladle.destinations.sqlalchemy_errors import Place
from ladle.destinations.sqlalchemy_session import SqlAlchemySession
from ladle.destinations.sqlalchemy_types import type_text
from ladle.errors import MissingDependency, UsageError
from ladle.schema.change import Limits


@dataclass(frozen=True)
class SqlAlchemy:
    """A database by a dialect of SQLAlchemy.

    Args:
        engine: made, not connected yet.
        name: of the destination.
        unique_indexes: make a unique index on new tables for each column that is declared unique.
        primary_keys: give new tables their primary key as a constraint.

    Guarantee: G4 on engines that ladle knows to roll tables back with their rows; G1 elsewhere.
    """

    engine: sa.Engine = field(compare=False)
    name: str = "sqlalchemy"
    unique_indexes: bool = False
    primary_keys: bool = False
    type_name: str = "sqlalchemy"
    dataset_named: bool = True
    streams: bool = False
    limits: Limits = LEAST

    @property
    def destination_name(self) -> str:
        """The same as `name`."""
        return self.name

    @cached_property
    def _known(self) -> Engine:
        return known(self.engine.dialect.name)

    @property
    def guarantee(self) -> str:
        """What the engine is known for."""
        return self._known.guarantee

    @property
    def sql_dialect(self) -> str:
        """The name in sqlglot of the dialect that it is read in; empty where it has none."""
        return self._known.sqlglot

    def capabilities(self) -> Capabilities:
        """Return what it can hold and how names are made for it."""
        return capabilities(self.limits)

    def bound(self, pipeline: str) -> SqlAlchemy:
        """Return the destination: nothing in it depends on the pipeline."""
        return self

    def displayable(self) -> str:
        """Return the URL without password."""
        return self.engine.url.render_as_string(hide_password=True)

    @cached_property
    def _dialect(self) -> Dialect:
        engine = self._known
        return replace(
            engine.dialect,
            column_type=lambda column: type_text(column, self.engine.dialect),
            unique_indexes=self.unique_indexes,
            primary_keys=self.primary_keys,
        )

    def open(self, dataset: str) -> Session:
        """Connect.

        Raises:
            DestinationError: no connection.
        """
        dialect = self._dialect if self._known.temporary else replace(self._dialect, staging=dataset)
        return SqlAlchemySession(self.connect(), dialect, dataset, self._known)

    def reader(self, dataset: str) -> Reader:
        """Connect to read.

        Raises:
            DestinationError: no connection.
        """
        return SqlReader(self.connect(), self._dialect, dataset)

    def connect(self) -> SqlAlchemyConnection:
        """Open a connection of its own."""
        place = Place(self.displayable(), str(self.engine.url.password or ""))
        return SqlAlchemyConnection(self.engine, self._known, place)


def generic(
    place: str | sa.Engine,
    name: str,
    options: Mapping[str, bool],
    engine_kwargs: Mapping[str, Any] | None,
    capability: Mapping[str, Any],
) -> SqlAlchemy:
    """Return the destination for a URL or an engine.

    Raises:
        MissingDependency: the driver of the dialect isn't installed.
        UsageError: not a URL, or a dialect that nobody has; a capability that it hasn't.
    """
    engine = _engine(place, engine_kwargs or {}) if isinstance(place, str) else place
    there = known(engine.dialect.name)
    longest = there.longest or engine.dialect.max_identifier_length
    limits = replace(there.limits, max_table_name=longest, max_column_name=longest)
    own = ("credentials", "destination_name", "engine_kwargs", "generic", *options)
    limits = overridden(limits, capability, "sqlalchemy", own)
    return SqlAlchemy(
        engine, name, options["create_unique_indexes"], options["create_primary_keys"], limits=limits
    )


def _engine(url: str, arguments: Mapping[str, Any]) -> sa.Engine:
    try:
        return sa.create_engine(url, **arguments)
    except ModuleNotFoundError as exc:
        raise MissingDependency(
            f"the dialect `{url.partition(':')[0]}` needs the package `{exc.name}`",
            hint=f"pip install {str(exc.name).partition('.')[0]}, or name another driver: dialect+driver://...",
        ) from exc
    except NoSuchModuleError as exc:
        raise MissingDependency(
            f"SQLAlchemy has no dialect `{url.partition(':')[0]}`",
            hint="install the package that brings it, or check its name in the URL",
        ) from exc
    except (ArgumentError, ValueError) as exc:
        # its text isn't shown: it may be a URL with a password that was mistyped
        raise UsageError(
            "the credentials aren't a URL of SQLAlchemy",
            expected="dialect+driver://user:password@host:port/database",
        ) from (None if "://" in str(exc) else exc)
