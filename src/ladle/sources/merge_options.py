"""What a merge may be asked for beside its strategy: rows that are the same, and rows that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ladle.errors import UsageError
from ladle.schema.table import LISTING

MERGE_OPTIONS = ("skip_unchanged_rows", "delete_missing", "max_missing", "missing_within", "deleted_at")
MAX_MISSING = 0.5
"""Share of the rows that are there which a listing may lack, unless told otherwise."""
DELETED_AT_NAME = "_ladle_deleted_at"
_OF_MISSING = ("max_missing", "missing_within", "deleted_at")


def merge_options(config: Mapping[str, Any], strategy: str) -> dict[str, Any]:
    """Return the options as table hints; those that aren't asked for are None, as they may have been before.

    Raises:
        UsageError: an option that the strategy hasn't, or a value it can't have.
    """
    skips = config.get("skip_unchanged_rows", False)
    if not isinstance(skips, bool):
        raise UsageError(f"skip_unchanged_rows can't be `{skips!r}`", expected="True or False")
    if skips and strategy != "upsert":
        raise UsageError(f"`{strategy}` can't skip unchanged rows", hint='use "strategy": "upsert"')
    return {"x-skip-unchanged": True if skips else None, LISTING: _listing(config, strategy)}


def _listing(config: Mapping[str, Any], strategy: str) -> dict[str, Any] | None:
    how = config.get("delete_missing")
    if how is None or how is False:
        if beside := [name for name in _OF_MISSING if name in config]:
            raise UsageError(f"`{beside[0]}` goes with delete_missing", hint='add "delete_missing": "hard"')
        return None
    if how not in ("hard", "soft"):
        raise UsageError(f"delete_missing can't be `{how!r}`", expected="`hard` or `soft`")
    if strategy not in ("upsert", "delete-insert"):
        raise UsageError(f"`{strategy}` can't delete missing rows", expected="upsert or delete-insert")
    if how == "hard" and "deleted_at" in config:
        raise UsageError("`deleted_at` goes with soft deletes", hint='use "delete_missing": "soft"')
    return {
        "how": how,
        "max": _most(config.get("max_missing", MAX_MISSING)),
        "within": _columns(config.get("missing_within", ())),
        "deleted_at": str(config.get("deleted_at", DELETED_AT_NAME)) if how == "soft" else None,
    }


def _most(value: Any) -> int | float:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if whole or (isinstance(value, float) and 0 <= value <= 1):
        return value  # type: ignore[no-any-return]
    raise UsageError(
        f"max_missing can't be `{value!r}`",
        expected="a number of rows as an int, or a share as a float from 0.0 to 1.0",
    )


def _columns(value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, (list, tuple)) and all(isinstance(n, str) and n for n in names):
        return list(names)
    raise UsageError(
        f"missing_within can't be `{value!r}`", expected="a column name or a list of column names"
    )
