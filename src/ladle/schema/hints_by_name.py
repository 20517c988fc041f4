"""Rules by name: what data type and hints a new column gets because of what it is called.

A rule is a normalised name, or `re:` and a regular expression that is searched in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ladle.errors import UsageError
from ladle.schema.table import DATA_TYPES, Column

HINTS = (
    "not_null",
    "nullable",
    "partition",
    "cluster",
    "primary_key",
    "sort",
    "unique",
    "merge_key",
    "row_key",
    "parent_key",
    "root_key",
    "hard_delete",
    "dedup_sort",
)
"""Hints that a rule can give."""

DEFAULT_HINTS: Mapping[str, tuple[str, ...]] = {
    "not_null": ("_dlt_id", "_dlt_root_id", "_dlt_parent_id", "_dlt_list_idx", "_dlt_load_id"),
    "parent_key": ("_dlt_parent_id",),
    "root_key": ("_dlt_root_id",),
    "unique": ("_dlt_id",),
    "row_key": ("_dlt_id",),
}
"""What every schema says of the columns that link rows."""

_REGEX = "re:"
_OWN_COLUMNS = {name for names in DEFAULT_HINTS.values() for name in names}


@dataclass(frozen=True, slots=True)
class NameRules:
    """The rules of a schema.

    Attributes:
        types: rule and data type, in order; the first that matches holds.
        hints: rule and hint, in order.
    """

    types: tuple[tuple[str, str], ...] = ()
    hints: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> NameRules:
        """Read the rules of a schema's settings; those of columns that link rows are left out."""
        types = settings.get("preferred_types") or {}
        found = settings.get("default_hints") or {}
        hints = [
            (str(rule), hint)
            for hint, rules in found.items()
            for rule in rules
            if hint in HINTS and rule not in _OWN_COLUMNS
        ]
        return cls(tuple((str(rule), str(t)) for rule, t in types.items()), tuple(hints))

    def data_type(self, column: str) -> str | None:
        """Return the data type that a column of this name is to have; None where no rule says."""
        return next((t for rule, t in self.types if matches(rule, column)), None)

    def hinted(self, column: Column) -> Column:
        """Return a new column with the hints that its name brings; what it has stays.

        `nullable` goes before `not_null`. A primary key by rule may be null, as in the reference.
        """
        names = [hint for rule, hint in self.hints if matches(rule, column.name)]
        if not names:
            return column
        changed: dict[str, Any] = {h: True for h in names if h not in ("not_null", "nullable", "dedup_sort")}
        if "dedup_sort" in names and column.dedup_sort is None:
            changed["dedup_sort"] = "asc"
        if "not_null" in names and "nullable" not in names:
            changed["nullable"] = False
        return replace(column, **changed)


def matches(rule: str, name: str) -> bool:
    """Whether a rule holds for a normalised name."""
    if rule.startswith(_REGEX):
        return pattern_of(rule).search(name) is not None
    return rule == name


@lru_cache(maxsize=1024)
def pattern_of(rule: str) -> re.Pattern[str]:
    """Return the compiled expression of a rule that begins with `re:`.

    Raises:
        UsageError: it is none.
    """
    try:
        return re.compile(rule.removeprefix(_REGEX))
    except re.error as error:
        raise UsageError(f"`{rule}` is no regular expression: {error}", expected="`re:` and one") from None


def checked(rule: Any, normalize: Callable[[str], str] | None) -> str:
    """Return a rule as it is stored: a name normalised, an expression as it is.

    Raises:
        UsageError: it isn't a text, or no regular expression.
    """
    if not isinstance(rule, str):
        raise UsageError(
            f"a rule by name can't be `{rule!r}`", expected="a column name, or `re:` and an expression"
        )
    text = str(rule)
    if text.startswith(_REGEX):
        pattern_of(text)
        return text
    return normalize(text) if normalize else text


def merged_hints(
    known: Mapping[str, Iterable[str]],
    new: Mapping[str, Iterable[Any]],
    replaces: bool,
    normalize: Callable[[str], str] | None,
) -> dict[str, list[str]]:
    """Return rules for hints with new ones added, or, hint by hint, put in their place.

    Raises:
        UsageError: an unknown hint, or a rule that is none.
    """
    merged = {hint: list(rules) for hint, rules in known.items()}
    for hint, rules in new.items():
        if hint not in HINTS:
            raise UsageError.unknown_choice("hint", hint, HINTS)
        given = [checked(rule, normalize) for rule in ([rules] if isinstance(rules, str) else rules)]
        merged[hint] = list(dict.fromkeys(given if replaces else [*merged.get(hint, ()), *given]))
    return merged


def merged_types(
    known: Mapping[str, str], new: Mapping[Any, str], normalize: Callable[[str], str] | None
) -> dict[str, str]:
    """Return rules for data types with new ones added.

    Raises:
        UsageError: an unknown data type, or a rule that is none.
    """
    merged = dict(known)
    for rule, data_type in new.items():
        if data_type not in DATA_TYPES:
            raise UsageError.unknown_choice(f"data type for `{rule}`:", data_type, DATA_TYPES)
        merged[checked(rule, normalize)] = data_type
    return merged
