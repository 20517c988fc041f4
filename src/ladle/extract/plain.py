"""Whatever Python object people yield, to the plain types that have a kind."""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Callable, ItemsView, KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import pyarrow as pa

from ladle.extract.refused import Refused
from ladle.extract.scalars import PLAIN

Reader = Callable[[Any], Any]

_MAX_WRAPS = 20
_UNITS_PER_US = {"ns": 10**3, "ps": 10**6, "fs": 10**9, "as": 10**12}
_UNIT_US = {
    "us": 1,
    "ms": 10**3,
    "s": 10**6,
    "m": 60 * 10**6,
    "h": 3600 * 10**6,
    "D": 86_400 * 10**6,
    "W": 7 * 86_400 * 10**6,
}


def plain_all(values: Sequence[Any]) -> list[Any]:
    """Return values with each one of a type in `PLAIN`; nested values stay what they are.

    Raises:
        Refused: a value has no plain form; its `row` is the index in `values`.
    """
    result: list[Any] = []
    for row, value in enumerate(values):
        try:
            result.append(plain(value))
        except Refused as refused:
            refused.row = row
            raise
    return result


def plain(value: Any) -> Any:
    """Return the plain form of a value, one of the types in `PLAIN`.

    Raises:
        Refused: it has none, or reading it failed.
    """
    outer = type(value)
    # an enum of a numpy scalar, a root model of an enum, ...: unwrap until plain
    for _ in range(_MAX_WRAPS):
        if type(value) in PLAIN:
            return value
        type_: Any = type(value)
        read = _reader(type_)
        if read is None:
            break
        try:
            value = read(value)
        except Exception as exc:  # whatever the code of users' classes raises
            raise Refused(0, outer, f"reading it fails with {type(exc).__name__}: {exc}") from exc
    raise Refused(0, outer)


def as_mapping(value: Any) -> Any:
    """Return a dict of an object with named fields; anything else as it is."""
    if type(value) in PLAIN:
        return value
    try:
        read = plain(value)
    except Refused:
        return value
    return read if type(read) is dict else value


@lru_cache(maxsize=1024)
def _reader(type_: type) -> Reader | None:
    """Return how values of a type that is not plain are read; None if they can't be."""
    if issubclass(type_, Enum):
        return _enum_value
    return _foreign(type_) or _scalar(type_) or _record(type_) or _many(type_)


def _enum_value(member: Enum) -> Any:
    return member.value


def _scalar(type_: type) -> Reader | None:
    for base, read in _SCALARS:
        if issubclass(type_, base):
            return read
    return None


def _record(type_: type) -> Reader | None:
    """Return how to make a dict of an object with named fields."""
    if issubclass(type_, Mapping) or (hasattr(type_, "keys") and hasattr(type_, "__getitem__")):
        return lambda v: {key: v[key] for key in v.keys()}  # noqa: SIM118 - sqlite3.Row iterates over values
    if hasattr(type_, "model_dump"):
        return lambda v: v.model_dump(by_alias=True)
    if hasattr(type_, "__fields__") and hasattr(type_, "dict"):
        return lambda v: v.dict(by_alias=True)
    if hasattr(type_, "_asdict"):
        return lambda v: dict(v._asdict())
    if hasattr(type_, "asdict"):  # infos and traces know best what of them is data
        return lambda v: dict(v.asdict())
    names = _field_names(type_)
    if names is None:
        return None
    return lambda v: {name: getattr(v, name) for name in names}


def _field_names(type_: type) -> list[str] | None:
    if dataclasses.is_dataclass(type_):
        return [field.name for field in dataclasses.fields(type_)]
    if hasattr(type_, "__attrs_attrs__"):
        return [attribute.name for attribute in type_.__attrs_attrs__]
    if hasattr(type_, "__struct_fields__"):
        return list(type_.__struct_fields__)
    return None


def _many(type_: type) -> Reader | None:
    if issubclass(type_, (list, tuple, deque, KeysView, ValuesView, ItemsView)):
        return list
    return _sorted if issubclass(type_, AbstractSet) else None


def _foreign(type_: type) -> Reader | None:
    """Return how values of pyarrow, numpy and pandas are read; those two only if they are loaded."""
    if issubclass(type_, pa.Scalar):
        return lambda v: v.as_py()
    np = sys.modules.get("numpy")
    if np is not None and issubclass(type_, (np.generic, np.ndarray)):
        return _numpy(type_, np)
    if type_.__module__.partition(".")[0] != "pandas":
        return None
    if type_.__name__ in ("NaTType", "NAType"):
        return lambda v: None
    return (lambda v: v.tolist()) if hasattr(type_, "tolist") else None


def _numpy(type_: type, np: Any) -> Reader | None:
    if issubclass(type_, np.ndarray):
        return _ndarray
    if issubclass(type_, np.datetime64):
        return lambda v: _datetime64(v, np)
    if issubclass(type_, np.timedelta64):
        return lambda v: _timedelta64(v, np)
    if issubclass(type_, np.floating):
        return float
    if issubclass(type_, np.void):
        return lambda v: {n: v[n] for n in v.dtype.names} if v.dtype.names else bytes(v)
    return None if issubclass(type_, np.complexfloating) else lambda v: v.item()


def _ndarray(array: Any) -> Any:
    # the elements of these have more to say than what tolist() makes of them
    return list(array) if array.ndim and array.dtype.kind in "mMV" else array.tolist()


def _datetime64(value: Any, np: Any) -> Any:
    if np.isnat(value):
        return None
    if not 1 <= int(value.astype("datetime64[Y]").astype("int64")) + 1970 <= 9999:
        return str(value)
    whole_days = np.datetime_data(value.dtype)[0] in ("Y", "M", "W", "D")
    return value.astype("datetime64[D]" if whole_days else "datetime64[us]").item()


def _timedelta64(value: Any, np: Any) -> int | None:
    """Return microseconds, cut; a timedelta64 without unit is a bare number."""
    if np.isnat(value):
        return None
    unit, count = np.datetime_data(value.dtype)
    steps: int = int(value.astype("int64")) * count
    if unit == "generic":
        return steps
    return steps // _UNITS_PER_US[unit] if unit in _UNITS_PER_US else steps * _UNIT_US[unit]


def _datetime(value: datetime) -> datetime | str:
    """Return a datetime of exactly that type, with the offset the subclass computes."""
    offset = value.utcoffset()
    try:
        return datetime(
            value.year,
            value.month,
            value.day,
            value.hour,
            value.minute,
            value.second,
            value.microsecond,
            tzinfo=None if offset is None else timezone(offset),
        )
    except ValueError:  # pandas has years that datetime hasn't
        return value.isoformat()


def _sorted(values: AbstractSet[Any]) -> list[Any]:
    """Return the elements of a set in an order that doesn't change from run to run."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda v: (type(v).__name__, repr(v)))


_SCALARS: tuple[tuple[type | tuple[type, ...], Reader], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
    ((bytearray, memoryview), bytes),
    (datetime, _datetime),
    (date, lambda v: date(v.year, v.month, v.day)),
    (time, lambda v: time(v.hour, v.minute, v.second, v.microsecond, tzinfo=v.tzinfo, fold=v.fold)),
    (timedelta, lambda v: timedelta(v.days, v.seconds, v.microseconds)),
    (Decimal, Decimal),
    (UUID, lambda v: UUID(int=v.int)),
)
