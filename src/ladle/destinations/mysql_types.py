"""Types on MySQL and MariaDB: what a new column becomes, how values are spelled for one that is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ladle.destinations.cells import decimal_text
from ladle.errors import DataError, DestinationError
from ladle.schema.table import Column

MAX_DIGITS = 65
_MAX_SCALE = 30
_MAX_FRACTION_DIGITS = 6
_MAX_CHARS = 16_383
_ID_CHARS = 255
_KEY_CHARS = 191
_MAX_KEY_BYTES = 3072

_INTS = {8: "tinyint", 16: "smallint", 32: "int"}
_TYPES = {
    "double": "double",
    "bool": "tinyint(1)",
    "date": "date",
    # not `json`: it would change numbers beyond 64 bits, and MariaDB's refuses more than 32 levels
    "json": "longtext",
    "wei": f"decimal({MAX_DIGITS},0)",
}
_LARGE = pa.large_string()
_TEXTS = ("longtext", "mediumtext", "text", "tinytext", "varchar", "char")
_BLOBS = ("longblob", "mediumblob", "blob", "tinyblob", "varbinary", "binary")
_WHOLE = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
# Types that a column may have, by what we put into it: everything that holds all such values.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "text": _TEXTS,
    "json": ("json", *_TEXTS),
    "bigint": (*_WHOLE, "decimal", "double"),
    "double": ("double",),
    "decimal": ("decimal",),
    "wei": ("decimal",),
    "bool": tuple(_WHOLE),
    "date": ("date",),
    "time": ("time",),
    "timestamp": ("datetime", "timestamp"),
    "binary": _BLOBS,
}
_DECLARED = re.compile(r"(?P<base>\w+)(?:\((?P<size>\d+)(?:,(?P<scale>\d+))?\))?(?P<unsigned> unsigned)?.*")
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY_US = 86_400_000_000
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}

Take = Callable[[pa.Array], pa.Array]


def column_type(column: Column) -> str:
    """Return the SQL type of a new column.

    Raises:
        DestinationError: a decimal with more digits than there are.
    """
    kind = column.data_type or "text"
    if kind == "text":
        if column.precision and column.precision <= _MAX_CHARS:
            return f"varchar({column.precision})"
        return f"varchar({_ID_CHARS})" if _is_id(column) else "longtext"
    if kind == "binary":
        small = column.precision and column.precision <= _MAX_CHARS
        return f"varbinary({column.precision})" if small else "longblob"
    if kind == "bigint":
        return _INTS.get(column.precision or 64, "bigint")
    if kind in ("timestamp", "time"):
        digits = _MAX_FRACTION_DIGITS if column.precision is None else column.precision
        name = "datetime" if kind == "timestamp" else "time"
        return f"{name}({min(digits, _MAX_FRACTION_DIGITS)})"
    return _decimal(column) if kind == "decimal" else _TYPES[kind]


def _is_id(column: Column) -> bool:
    """Whether it holds ids of ours: such columns can be compared in bulk, which long texts can't."""
    return column.name.startswith("_dlt_") and column.name.endswith("_id")


def _decimal(column: Column) -> str:
    scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
    digits = column.precision or 38
    if digits > MAX_DIGITS or scale > _MAX_SCALE:
        raise DestinationError(
            f"column `{column.name}` is decimal({digits},{scale}), which MySQL hasn't",
            expected=f"at most {MAX_DIGITS} digits, {_MAX_SCALE} of them after the point",
            hint="declare fewer digits, or load it as text",
            column=column.name,
        )
    return f"decimal({digits},{scale})"


def key_part(name: str, sql_type: str, columns: int) -> str:
    """Return a column as part of an index: long ones by their beginning.

    Args:
        name: quoted.
        sql_type: its type at the server.
        columns: how many the index has.
    """
    base, size, _ = parsed(sql_type)
    if base not in (*_TEXTS, *_BLOBS):
        return name
    most = min(_KEY_CHARS, _MAX_KEY_BYTES // columns // 4)
    whole = size is not None and size <= most and base in ("varchar", "char", "varbinary", "binary")
    return name if whole else f"{name}({most})"


@dataclass(frozen=True, slots=True)
class Target:
    """A column at the server, and how values get there.

    Attributes:
        name: of the column.
        take: returns values as they fit the column, in Arrow's type or as text that the server reads;
            pa.ArrowInvalid where one doesn't fit.
        form: as text they are a `number`, `quoted` (text without special characters), `text` or `hex`.
    """

    name: str
    take: Take
    form: str

    def spell(self, values: pa.Array) -> pa.Array:
        """Return values as text that the server reads as the column's type."""
        taken = self.take(values)
        return hex_text(taken) if self.form == "hex" else taken.cast(_LARGE)


def parsed(sql_type: str) -> tuple[str, int | None, int]:
    """Return name, size and scale of a type as the server spells it."""
    found = _DECLARED.fullmatch(sql_type.lower())
    if found is None:
        return sql_type, None, 0
    return found["base"], int(found["size"]) if found["size"] else None, int(found["scale"] or 0)


def target(table: str, column: Column, arrow: pa.DataType, there: str) -> Target:
    """Return how values of a column are spelled.

    Raises:
        DestinationError: the column that is there can't take them.
    """
    base, size, scale = parsed(there)
    kind = column.data_type or "text"
    if base not in _TAKEN[kind]:
        raise DestinationError(
            f"column `{column.name}` of `{table}` is `{there}` in the database and can't take `{kind}`",
            expected=" or ".join(_TAKEN[kind]),
            hint="change the column there, or give this one another name or data_type",
            table=table,
            column=column.name,
        )
    if kind in ("text", "json"):
        return Target(column.name, _texts, "text")
    if kind == "binary":
        return Target(column.name, _bytes, "hex")
    if kind in ("date", "time", "timestamp"):
        return Target(column.name, _temporal(kind, arrow, size or 0), "quoted")
    if pa.types.is_decimal(arrow):
        return Target(column.name, _rescaled(arrow, scale), "number")
    return Target(column.name, _number(base, arrow, " unsigned" in there.lower()), "number")


def _texts(values: pa.Array) -> pa.Array:
    return values if values.type in (pa.string(), _LARGE) else values.cast(_LARGE)


def _bytes(values: pa.Array) -> pa.Array:
    return values if values.type in (pa.binary(), pa.large_binary()) else values.cast(pa.large_binary())


def _number(base: str, arrow: pa.DataType, unsigned: bool) -> Take:
    if pa.types.is_boolean(arrow):
        return lambda values: values.cast(pa.int8())
    if pa.types.is_floating(arrow):
        return _finite
    if base == "double":
        return lambda values: values.cast(pa.float64())  # raises where it isn't exact
    if base in _WHOLE:
        return lambda values: _whole(values, _WHOLE[base], unsigned)
    return lambda values: values


def _whole(values: pa.Array, bits: int, unsigned: bool) -> pa.Array:
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    found = pc.min_max(values)
    least, most = found["min"].as_py(), found["max"].as_py()
    if least is not None and (least < low or most > high):
        raise pa.ArrowInvalid(f"{least if least < low else most} is out of range: {low} to {high}")
    return values


def _finite(values: pa.Array) -> pa.Array:
    if pc.all(pc.is_finite(values)).as_py() is False:
        raise pa.ArrowInvalid("it has neither NaN nor infinities")
    return values


def _rescaled(arrow: pa.DataType, scale: int) -> Take:
    if arrow.scale <= scale:
        return decimal_text
    # the server would round, and only warn
    whole = max(arrow.precision - arrow.scale + scale, 1)
    wanted = pa.decimal128(whole, scale) if whole <= 38 else pa.decimal256(whole, scale)
    return lambda values: decimal_text(values.cast(wanted))


def _temporal(kind: str, arrow: pa.DataType, digits: int) -> Take:
    if kind == "date":
        return lambda values: _years(values.cast(pa.date32()), pa.int32(), 1)
    step = 10 ** (_MAX_FRACTION_DIGITS - digits)
    exact = _UNITS[arrow.unit] <= digits

    def take(values: pa.Array) -> pa.Array:
        if kind == "timestamp":
            naive = values.cast(pa.timestamp(arrow.unit))  # of an aware one this is UTC
            if not exact:
                naive = pc.floor_temporal(naive, multiple=step, unit="microsecond")
            return _years(naive.cast(pa.timestamp("us")), pa.int64(), _DAY_US)
        micros = values.cast(pa.time64("us"), safe=False).cast(pa.int64())
        floored = micros if exact else pc.multiply(pc.divide(micros, step), step)
        return floored.cast(pa.time64("us")).cast(_LARGE)

    return take


def _years(values: pa.Array, number: pa.DataType, day: int) -> pa.Array:
    found = pc.min_max(values.cast(number))
    least, most = found["min"].as_py(), found["max"].as_py()
    if least is not None and (least < _FIRST_DAY * day or most >= (_LAST_DAY + 1) * day):
        raise pa.ArrowInvalid("it holds the years 1 to 9999")
    return values


def hex_text(values: pa.Array) -> pa.Array:
    """Return bytes as hexadecimal text: the whole column at once."""
    values = values.cast(pa.large_binary())
    start, end = values.offset, values.offset + len(values)
    offsets = pa.Array.from_buffers(pa.int64(), end + 1, [None, values.buffers()[1]])[start:]
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    data = values.buffers()[2]
    text = memoryview(data)[first:last].hex().encode() if data is not None else b""
    doubled = pc.multiply(pc.subtract(offsets, first), 2)
    valid = pc.is_valid(values)
    made = pa.Array.from_buffers(_LARGE, len(values), [None, doubled.buffers()[1], pa.py_buffer(text)])
    return pc.if_else(valid, made, pa.scalar(None, _LARGE)) if values.null_count else made


def refused(table: str, column: str, exc: pa.ArrowInvalid) -> DataError:
    """Return the error for a value that a column can't hold."""
    return DataError(
        f"a value doesn't fit the column `{column}` of `{table}` as it is in the database: {exc}",
        hint="change the value, load it as text, or change the column there; the package is kept",
        table=table,
        column=column,
    )
