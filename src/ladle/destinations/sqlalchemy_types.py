"""Types behind SQLAlchemy: generic ones compiled for the dialect, and values on their way in and out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, oracle

from ladle.destinations.reading import LOOSE
from ladle.errors import DataError, DestinationError
from ladle.schema.table import Column

_INTS = {8: sa.SmallInteger, 16: sa.SmallInteger, 32: sa.Integer}
_MYSQL = ("mysql", "mariadb")
_TAKEN: dict[str, tuple[Any, ...]] = {
    "text": (sa.String,),
    "json": (sa.JSON, sa.String),
    "bigint": (sa.Integer, sa.Numeric),
    "double": (sa.Float,),
    "decimal": (sa.Numeric,),
    "wei": (sa.Numeric,),
    "bool": (sa.Boolean, sa.Integer, sa.Numeric),
    "timestamp": (sa.DateTime,),
    "date": (sa.Date,),
    "time": (sa.Time,),
    # what MySQL and Oracle reflect is none of the generic type's
    "binary": (
        sa.LargeBinary,
        sa.BINARY,
        sa.VARBINARY,
        mysql.TINYBLOB,
        mysql.MEDIUMBLOB,
        mysql.LONGBLOB,
        oracle.RAW,
    ),
}


def sql_type(column: Column, dialect: sa.Dialect) -> Any:
    """Return the type of a new column."""
    kind = column.data_type or "text"
    if kind in ("decimal", "wei"):
        if not has_decimals(dialect):
            return sa.Text()  # exact, where the engine's numbers aren't
        scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
        return sa.Numeric(column.precision or 38, 0 if kind == "wei" else scale)
    if kind == "bigint":
        return _INTS.get(column.precision or 64, sa.BigInteger)()
    if kind == "text":
        return sa.String(column.precision) if column.precision else _text()
    if kind == "timestamp":
        return _timestamp(column.timezone is not False)
    if kind == "json":
        return sa.JSON() if dialect.name in ("postgresql", "duckdb", *_MYSQL) else _text()
    binary = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL)
    moment = sa.Time().with_variant(mysql.TIME(fsp=6), *_MYSQL)
    return {"double": sa.Double(), "bool": sa.Boolean(), "date": sa.Date(), "time": moment, "binary": binary}[
        kind
    ]


def _text() -> Any:
    return sa.Text().with_variant(mysql.LONGTEXT(), *_MYSQL)


def _timestamp(aware: bool) -> Any:
    """The generic type keeps whole seconds in MySQL, and 3 ms in SQL Server."""
    mssql_type: Any = getattr(mssql, "DATETIMEOFFSET" if aware else "DATETIME2")(6)
    made = sa.DateTime(timezone=aware).with_variant(mysql.DATETIME(fsp=6), *_MYSQL)
    return made.with_variant(mssql_type, "mssql").with_variant(oracle.TIMESTAMP(timezone=aware), "oracle")


def has_decimals(dialect: sa.Dialect) -> bool:
    """Whether its numbers hold decimals. SQLAlchemy's own mark says no for Postgres too."""
    return dialect.name != "sqlite"


def type_text(column: Column, dialect: sa.Dialect) -> str:
    """Return the type of a new column as SQL."""
    return str(sql_type(column, dialect).compile(dialect=dialect))


def keeps_zones(dialect: sa.Dialect) -> bool:
    """Whether it has timestamps with time zone."""
    with_zone, without = (_timestamp(aware).compile(dialect=dialect) for aware in (True, False))
    return bool(with_zone != without)


# -- in


def bind_type(table: str, column: Column, found: Any, dialect: sa.Dialect) -> Any:
    """Return the type that values are handed over with.

    Args:
        table: the column is in.
        column: as the data has it.
        found: the column's type as reflected.
        dialect: of the engine.

    Raises:
        DestinationError: a column there can't take these values.
    """
    kind = column.data_type or "text"
    taken = _TAKEN[kind]
    if kind in ("decimal", "wei") and not has_decimals(dialect):
        taken = (sa.String,)
    is_float = isinstance(found, sa.Float)
    fits = isinstance(found, taken) and (kind == "double" or not is_float)
    if (
        kind == "decimal"
        and fits
        and getattr(found, "scale", None) is not None
        and not isinstance(found, sa.String)
    ):
        scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
        fits = found.scale >= scale
    if not fits and not isinstance(found, sa.types.NullType):
        raise DestinationError(
            f"column `{column.name}` of `{table}` is `{found!r}` in the database and can't take `{kind}`",
            expected=type_text(column, dialect),
            hint="change the column there, or give this one another name or data_type",
            table=table,
            column=column.name,
        )
    # Without a type nothing is made of the value: JSON is text already, and decimals would become floats.
    return sa.types.NullType() if kind in ("json", "decimal", "wei") else found


def values(column: Column, array: pa.Array, dialect: sa.Dialect) -> Sequence[Any]:
    """Return the values of an Arrow column as the driver takes them.

    Raises:
        DataError: a value that it can't take.
    """
    kind = array.type
    try:
        if pa.types.is_timestamp(kind):
            array = array.cast(pa.timestamp("us", kind.tz))
            if kind.tz and not keeps_zones(dialect):
                array = array.cast(pa.timestamp("us"))
        elif pa.types.is_time(kind):
            array = array.cast(pa.time64("us"))
        found: Sequence[Any] = array.to_pylist()
    except (pa.ArrowInvalid, ValueError, OverflowError) as exc:
        raise DataError(
            f"a value of column `{column.name}` can't be handed over: {exc}",
            column=column.name,
            expected="dates from the year 1 to 9999, and microseconds",
        ) from exc
    if pa.types.is_decimal(kind) and not has_decimals(dialect):
        return [None if v is None else format(v, "f") for v in found]
    if pa.types.is_floating(kind) and dialect.name == "sqlite" and any(v != v for v in found):
        raise DataError(
            f"column `{column.name}` has NaN, of which SQLite makes null",
            column=column.name,
            hint="load through ladle.destinations.sqlite, which keeps it, or map it to null",
        )
    return found


def parameter(value: Any, dialect: sa.Dialect) -> Any:
    """Return a parameter as the driver takes it."""
    if isinstance(value, datetime) and value.tzinfo is not None and not keeps_zones(dialect):
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, Decimal) and not has_decimals(dialect):
        return format(value, "f")
    return value


# -- out


def field_of(name: str, found: Sequence[Any]) -> pa.Field:
    """Return the field of a result's column: by its first values, as drivers tell no more.

    What the schema knows of it counts more, where the result is read through a relation.
    """
    kinds = {type(value) for value in found} - {type(None)}
    return pa.field(name, _arrow(kinds, found), metadata=LOOSE)


def _arrow(kinds: set[type], found: Sequence[Any]) -> pa.DataType:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and all(v is None or -(2**63) <= v < 2**63 for v in found):
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    if kinds and kinds <= {bytes, bytearray, memoryview}:
        return pa.binary()
    if kinds == {datetime}:
        aware = any(v is not None and v.tzinfo is not None for v in found)
        return pa.timestamp("us", "UTC" if aware else None)
    if len(kinds) == 1 and (kind := {date: pa.date32(), time: pa.time64("us")}.get(next(iter(kinds)))):
        return kind
    return pa.string()


def array_of(found: Sequence[Any], arrow: pa.DataType) -> pa.Array:
    """Return values of a result as Arrow."""
    if pa.types.is_string(arrow):
        found = [v if v is None or isinstance(v, str) else _spelled(v) for v in found]
    elif pa.types.is_binary(arrow):
        found = [None if v is None else bytes(v) for v in found]
    return pa.array(found, arrow)


def _spelled(value: Any) -> str:
    if isinstance(value, (dict, list)):
        # not orjson, which has no integers beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, timedelta):  # MySQL's times
        return str((datetime(1, 1, 1, tzinfo=UTC) + value).time())
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return moment.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(value)
