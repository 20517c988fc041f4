"""The options of the merge strategy `scd2`, checked as people write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ladle.errors import UsageError
from ladle.schema.scd2 import BOUNDARY, SCD2, VALIDITY_NAMES, moment

OPTIONS = (
    "validity_column_names",
    "active_record_timestamp",
    "boundary_timestamp",
    "row_version_column_name",
)
ASKED = "x-scd2"
"""Hint of a table on its way from the options to its columns; not stored."""


def history_hints(strategy: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options say as table hints.

    Raises:
        UsageError: options of `scd2` with another strategy, or values that are none.
    """
    if strategy != SCD2:
        given = next((option for option in OPTIONS if config.get(option) is not None), None)
        if given:
            raise UsageError(
                f"{given} goes with the strategy `{SCD2}`, not with `{strategy}`",
                hint=f'write_disposition={{"disposition": "merge", "strategy": "{SCD2}", ...}}',
            )
        return {BOUNDARY: None}
    moments = {}
    for option in ("active_record_timestamp", "boundary_timestamp"):
        given = config.get(option)
        moments[option] = None if given is None else _spelt(given, option)
    asked = {
        "names": _names(config.get("validity_column_names")),
        "active": moments["active_record_timestamp"],
        "version": _version(config.get("row_version_column_name")),
    }
    return {ASKED: asked, BOUNDARY: moments["boundary_timestamp"]}


def _spelt(given: Any, option: str) -> str:
    found = moment(given, option)
    return given if isinstance(given, str) else found.isoformat()


def _names(given: Any) -> tuple[str, str]:
    if given is None:
        return VALIDITY_NAMES
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if len(listed) != 2 or not all(isinstance(n, str) and n.strip() for n in listed):
        raise UsageError(
            f"validity_column_names can't be `{given!r}`",
            expected='two names, such as ["valid_from", "valid_to"]',
        )
    return listed[0], listed[1]


def _version(given: Any) -> str | None:
    if given is None or (isinstance(given, str) and given.strip()):
        return given
    raise UsageError(f"row_version_column_name can't be `{given!r}`", expected="the name of a column")
