"""SQLAlchemy: SQLite and MySQL get their own fast classes, any other dialect the generic one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ladle.config.credentials.connection import ConnectionStringCredentials
from ladle.config.settings import searched
from ladle.destinations.base import Destination
from ladle.destinations.registry import factory
from ladle.destinations.sqlite import sqlite_destination
from ladle.errors import ConfigFieldMissingException, MissingDependency, UsageError

_FORMS = (
    "dialect+driver://user:password@host:port/database, a mapping of these parts, or an engine of SQLAlchemy"
)
_OWN = {"sqlite": "sqlite", "mysql": "mysql", "mariadb": "mysql"}
"""Destinations of dialects that have one."""
_PARTS = ("drivername", "host", "port", "username", "password", "database")


def sqlalchemy_destination(
    credentials: Any = None,
    *,
    create_unique_indexes: bool = False,
    create_primary_keys: bool = False,
    engine_kwargs: Mapping[str, Any] | None = None,
    destination_name: str | None = None,
    generic: bool = False,
    **capability: Any,
) -> Destination:
    """Load into any database that SQLAlchemy has a dialect for.

    Args:
        credentials: `dialect+driver://user:password@host:port/database`, a mapping with `drivername`, `host`,
            `port`, `username`, `password`, `database` and `query`, or an engine, which is used as it is.
            None: those of the configuration, `DESTINATION__SQLALCHEMY__CREDENTIALS` or
            `[destination.sqlalchemy.credentials]`.
        create_unique_indexes: make a unique index for each column that is declared unique, as `_dlt_id` is.
        create_primary_keys: give new tables their primary key as a constraint.
        engine_kwargs: arguments of `sqlalchemy.create_engine`.
        destination_name: a name of its own, which also is that of its section.
        generic: go through SQLAlchemy also where ladle has a class of its own: SQLite, MySQL and MariaDB.
        capability: `naming_convention`, `max_table_nesting` and others of `Capabilities`.

    Raises:
        ConfigFieldMissingException: no credentials.
        MissingDependency: SQLAlchemy, or the driver of the dialect, isn't installed.
        UsageError: the credentials aren't a URL, a mapping or an engine; a capability that it hasn't.
    """
    name = destination_name or "sqlalchemy"
    engine_kwargs = engine_kwargs or capability.pop("engine_args", None)
    place = _configured(name) if credentials is None else credentials
    url = _url(place)
    dialect = url.partition(":")[0].partition("+")[0].lower()
    options = {"create_unique_indexes": create_unique_indexes, "create_primary_keys": create_primary_keys}
    if not generic and dialect in _OWN and not _in_memory(place, url):
        asked = {option: True for option, wanted in options.items() if wanted}
        if dialect == "sqlite":
            return sqlite_destination(url, destination_name=name, **asked, **capability)
        if asked.pop("create_unique_indexes", False):
            asked["create_indexes"] = True  # as it is called there
        found: Destination = factory(_OWN[dialect])(url, destination_name=name, **asked, **capability)
        return found
    try:
        module = importlib.import_module("ladle.destinations.sqlalchemy_engine")
    except ModuleNotFoundError as exc:
        if exc.name != "sqlalchemy":
            raise
        raise MissingDependency(
            "the destination `sqlalchemy` needs the package `sqlalchemy`",
            hint='pip install "ladle[sqlalchemy]", and the driver of your database',
        ) from exc
    made: Destination = module.generic(
        place if _is_engine(place) else url, name, options, engine_kwargs, capability
    )
    return made


def _is_engine(place: Any) -> bool:
    return hasattr(place, "connect") and hasattr(place, "dialect")


def _in_memory(place: Any, url: str) -> bool:
    """Whether an engine has its database in memory: only it can reach that."""
    return _is_engine(place) and (":memory:" in url or url.endswith("://"))


def _url(place: Any) -> str:
    if isinstance(place, str):
        text = place.strip()
        if "://" not in text:
            # not shown: it may hold a password
            raise UsageError("the credentials aren't a URL of SQLAlchemy", expected=_FORMS)
        return text
    if _is_engine(place):
        place = place.url
    if hasattr(place, "render_as_string"):
        rendered: str = place.render_as_string(hide_password=False)
        return rendered
    if isinstance(place, Mapping):
        place = ConnectionStringCredentials(place)
    if hasattr(place, "to_native_representation"):
        return str(place.to_native_representation())
    raise UsageError(f"credentials of SQLAlchemy can't be a `{type(place).__name__}`", expected=_FORMS)


def _configured(name: str) -> str | dict[str, str]:
    found = searched("credentials", ("destination", name), secret=True)
    if found is not None:
        return found
    parts = {p: searched(p, ("destination", name), ("credentials",), secret=p == "password") for p in _PARTS}
    given = {part: value for part, value in parts.items() if value is not None}
    if "drivername" not in given:
        raise ConfigFieldMissingException(
            f"the destination `{name}` has no credentials",
            expected=_FORMS,
            hint="pass them to ladle.destinations.sqlalchemy(...), set "
            f"DESTINATION__{name.upper()}__CREDENTIALS, or [destination.{name}.credentials] of secrets.toml",
        )
    return given
