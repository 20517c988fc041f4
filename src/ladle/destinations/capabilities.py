"""Capabilities under the reference's names: what a factory takes by keyword, and what a destination shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ladle.errors import UsageError
from ladle.schema.change import Limits
from ladle.schema.naming import naming
from ladle.schema.naming_rules import ByteLength

_FIELDS = {
    "naming_convention": "naming",
    "max_identifier_length": "max_table_name",
    "max_column_identifier_length": "max_column_name",
    "max_table_nesting": "max_nesting",
    "timestamp_precision": "timestamp_digits",
}
_LOWEST = {"max_identifier_length": 1, "max_column_identifier_length": 1}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a destination can hold and how names are made for it. Lengths in characters, None for no limit.

    `max_table_nesting`: levels of nesting that become tables and columns, None for all.
    `timestamp_precision`: fraction digits of a second.
    """

    naming_convention: str
    max_identifier_length: int | None
    max_column_identifier_length: int | None
    max_table_nesting: int | None
    timestamp_precision: int


def capabilities(limits: Limits) -> Capabilities:
    """Return a destination's limits as its capabilities."""
    return Capabilities(**{name: getattr(limits, own) for name, own in _FIELDS.items()})


def overridden(limits: Limits, given: Mapping[str, Any], factory: str, own: tuple[str, ...] = ()) -> Limits:
    """Return the limits with what a user overrides.

    Args:
        limits: of the destination as it is.
        given: capabilities by name; None leaves one as it is.
        factory: its name, for errors.
        own: other arguments it takes, to name the nearest of all.

    Raises:
        UsageError: no such capability, or a value that the destination can't keep.
    """
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _FIELDS:
            raise UsageError.unknown_choice(f"argument of `{factory}`:", name, (*own, *_FIELDS))
        if value is not None:
            changes[_FIELDS[name]] = _checked(name, value, getattr(limits, _FIELDS[name]), factory)
    return replace(limits, **changes) if changes else limits


def _checked(name: str, value: Any, most: Any, factory: str) -> Any:
    if name == "naming_convention":
        naming(value)
        return value
    lowest = _LOWEST.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise UsageError(f"{name} can't be `{value!r}`", expected=f"a whole number from {lowest}")
    if most is not None and value > most and name != "max_table_nesting":
        raise UsageError(f"{name} of `{factory}` can't be {value}", expected=f"at most {most}")
    return ByteLength(value) if isinstance(most, ByteLength) else value
