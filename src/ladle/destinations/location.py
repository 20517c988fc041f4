"""Where the tables of a dataset are, as OpenLineage names datasets: a namespace, and a name in it."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import urlsplit

from ladle.destinations.base import Destination
from ladle.schema.provenance import place

_PORTS = {"postgres": 5432, "mysql": 3306}


def table_place(destination: Destination, dataset: str, table: str) -> tuple[str, str]:
    """Return namespace and name of a table: two tables are one where both are equal. Holds no secrets.

    Postgres: `postgres://host:port` and `database.dataset.table`. DuckDB: `duckdb://path` and
    `database.dataset.table`. Files: `file`, or scheme and bucket, and the folder of the table. Others: the
    type and what it shows of itself.
    """
    shown = destination.displayable()
    if destination.type_name == "duckdb":
        path = shown if getattr(destination, "path", None) else "memory"
        return f"duckdb://{path}", f"{PurePath(path).stem}.{dataset}.{table}"
    if "://" not in shown:
        return f"{destination.type_name}://{shown}", f"{dataset}.{table}"
    if destination.type_name == "filesystem":
        return place(f"{shown.rstrip('/')}/{dataset}/{table}")
    parts = urlsplit(shown)
    host = parts.netloc.rpartition("@")[2] or "localhost"
    port = _PORTS.get(destination.type_name)
    if port is not None and not host.rpartition("]")[2].count(":"):
        host = f"{host}:{port}"
    database = parts.path.strip("/")
    return f"{destination.type_name}://{host}", ".".join(n for n in (database, dataset, table) if n)
