"""The lattice of types: which type holds every value of another, so that a column can grow without loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ladle.schema.change import Limits
from ladle.schema.table import Column
from ladle.schema.types import DECIMAL_DEFAULT, same_type, with_type

HOLDERS: Mapping[str, tuple[str, ...]] = {
    "bigint": ("bigint", "wei", "decimal", "double", "text"),
    "wei": ("text",),
    "decimal": ("decimal", "text"),
    "double": ("text",),
    "bool": ("text",),
    "date": ("timestamp", "text"),
    "timestamp": ("timestamp", "text"),
    "time": ("time", "text"),
    "text": ("text",),
    "binary": ("binary",),
}
"""By data type: those that can hold all its values, the same one with more digits included."""

EVERYWHERE = frozenset((known, wider) for known, widers in HOLDERS.items() for wider in widers)
"""All pairs of the lattice: for engines that can change a column's type where it stands."""

Exact = Callable[[str, str], bool]
"""Tells for table and column whether every number stored there is the same as a double."""

_INT_DIGITS = {8: 3, 16: 5, 32: 10}
_EXACT_BITS = 32
_MAX_DIGITS = 6
_UNLIMITED = 1 << 62


def digits(column: Column) -> tuple[int, int]:
    """Return the digits before the point, and after it, of a decimal or whole number."""
    if column.data_type == "bigint":
        return _INT_DIGITS.get(column.precision or 64, 19), 0
    if column.precision is None and column.scale is None:
        return DECIMAL_DEFAULT[0] - DECIMAL_DEFAULT[1], DECIMAL_DEFAULT[1]
    scale = column.scale or 0
    return (column.precision or DECIMAL_DEFAULT[0]) - scale, scale


def widens(known: Column, wanted: Column) -> bool:
    """Whether every value that a column of the type `known` can have is also one of the type `wanted`.

    A bigint of 64 bits isn't always a double: `needs_proof` tells where the values decide. A type doesn't
    widen itself.
    """
    pair = (known.data_type, wanted.data_type)
    if same_type(known, wanted) or pair not in EVERYWHERE:
        return False
    if pair == ("bigint", "bigint"):
        return (known.precision or 64) <= (wanted.precision or 64)
    if pair == ("bigint", "double"):
        return (known.precision or 64) <= _EXACT_BITS
    if wanted.data_type == "decimal":
        return all(has >= needs for has, needs in zip(digits(wanted), digits(known), strict=True))
    if pair == ("date", "timestamp"):
        return True
    if known.data_type == wanted.data_type:
        return known.timezone == wanted.timezone and _longer(known, wanted)
    return wanted.precision is None  # to wei or text without a limit


def _longer(known: Column, wanted: Column) -> bool:
    """Whether text, bytes or fractions of a second may be as long in `wanted` as in `known`."""
    if known.data_type in ("text", "binary"):
        return wanted.precision is None or (known.precision or _UNLIMITED) <= wanted.precision
    has, needs = (_MAX_DIGITS if c.precision is None else c.precision for c in (wanted, known))
    # Nanoseconds end in 1677 and 2262.
    return needs <= has <= _MAX_DIGITS


def needs_proof(known: Column, wanted: Column) -> bool:
    """Whether the values stored decide if `wanted` holds them: those of a bigint of 64 bits as doubles."""
    return known.data_type == "bigint" and wanted.data_type == "double" and not widens(known, wanted)


def in_place(known: Column, wanted: Column, limits: Limits) -> bool:
    """Whether a destination can change a column that it has from one type to a wider one.

    Args:
        known: as it is.
        wanted: as it will be; `widens`, or is proven to.
        limits: of the destination.
    """
    pairs = EVERYWHERE if limits.in_place is None else limits.in_place
    if wanted.data_type == "decimal" and sum(digits(wanted)) > limits.decimal_digits:
        return False
    return (known.data_type, wanted.data_type) in pairs


def join(known: Column, found: Column) -> Column | None:
    """Return the type of a column that has `known` and meets a value that needs `found`; None for none.

    The smallest that holds both. Numbers never become text by a number, nor by a bool: only by text. A
    decimal whose digits were chosen gets more before the point, never after it: beyond them values are
    rounded, which is what was chosen.

    Args:
        known: the column; the result keeps its other hints.
        found: the value's type; of a decimal with the digits it takes.
    """
    pair = (known.data_type, found.data_type)
    if pair == ("bigint", "bigint"):
        return _if_wider(known, Column(known.name, "bigint"))
    if known.data_type == "decimal" and found.data_type in ("decimal", "bigint"):
        return _longer_decimal(known, found)
    if found.data_type not in HOLDERS.get(known.data_type or "", ()):
        return None
    if pair == ("bigint", "decimal"):
        default = Column(known.name, "decimal")
        fits = all(has >= needs for has, needs in zip(digits(default), digits(found), strict=True))
        return with_type(known, default) if fits else None
    if pair == ("bigint", "double"):
        return with_type(known, Column(known.name, "double"))
    wider = Column(known.name, found.data_type)
    return _if_wider(known, wider)


def _if_wider(known: Column, wider: Column) -> Column | None:
    return with_type(known, wider) if widens(known, wider) else None


def _longer_decimal(known: Column, found: Column) -> Column | None:
    (has, scale), (needs, _) = digits(known), digits(found)
    if needs <= has or known.precision is None:
        return None
    return replace(known, precision=needs + scale, scale=scale)


def wider_of(known: Column, found: Column, limits: Limits) -> Column:
    """Return `known` with as many digits as a frame's column of the same data type has.

    As it is, where the types differ, or the destination can't widen it.

    Args:
        known: as it is stored.
        found: as the frame declares it.
        limits: of the destination.
    """
    if known.data_type != found.data_type:
        return known
    wider = replace(found, timezone=known.timezone)
    if known.data_type == "decimal":
        whole, scale = (max(pair) for pair in zip(digits(known), digits(found), strict=True))
        wider = replace(wider, precision=whole + scale, scale=scale)
    wider = with_type(known, wider)
    return wider if widens(known, wider) and in_place(known, wider, limits) else known
