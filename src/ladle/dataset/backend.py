"""ibis over a dataset, where it is installed."""

from __future__ import annotations

import importlib
from typing import Any

from ladle.destinations.base import Readable
from ladle.errors import MissingDependency, UsageError


def _ibis() -> Any:
    try:
        return importlib.import_module("ibis")
    except ImportError as exc:
        raise MissingDependency("this needs ibis", hint='pip install "ladle[ibis]"') from exc


def ibis_backend(destination: Readable, dataset_name: str) -> Any:
    """Return a backend of ibis whose tables are those of the dataset; `disconnect` closes it.

    Raises:
        MissingDependency: ibis isn't installed.
        UsageError: there is no way from the destination to ibis.
    """
    ibis = _ibis()
    login = getattr(destination, "login", None)
    if login is not None:
        backend = ibis.connect(login.url)
        name = '"' + dataset_name.replace('"', '""') + '"'
        backend.raw_sql(f"SET search_path TO {name}")
        return backend
    reader = destination.reader(dataset_name)
    if reader.dialect.name == "duckdb":
        return ibis.duckdb.from_connection(reader.native)
    reader.close()
    raise UsageError(f"ibis can't read destination `{destination.name}`")


def as_sql(query: Any, dialect: str) -> str:
    """Return an expression of ibis as SQL.

    Raises:
        UsageError: it is something else.
    """
    if not type(query).__module__.startswith("ibis."):
        raise UsageError(
            f"a query can't be a `{type(query).__name__}`",
            expected="SQL, a sqlglot expression, or an ibis expression",
        )
    return str(_ibis().to_sql(query, dialect=dialect))
