"""How names of the source become names at the destination: conventions, and shortening to a limit."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any

from ladle.errors import UsageError
from ladle.schema.naming_rules import Rule, direct, duck, shorten, snake, snake_table, sql_ci, sql_cs

__all__ = ["EMPTY_NAME", "Naming", "custom_naming", "naming", "shorten", "unused"]

EMPTY_NAME = "_empty"
"""The name of an empty key, as the reference has it."""

_LEFTOVER = "x"  # of a key of which the convention leaves nothing

_CACHED_NAMES = 65536
_CACHED_CONVENTIONS = 64
_SETTLE_PASSES = 2
_LEGACY_PREFIXES = ("dlt.common.normalizers.naming.", "dlt.common.normalizers.names.")
_CUSTOM_ATTRIBUTES = ("NamingConvention", "identifier", "normalize_identifier")


@dataclass(frozen=True, slots=True)
class Naming:
    """A naming convention as a value: equal, hashable, and picklable when built in.

    Attributes:
        name: what the schema stores: a built-in name, or the import path of a custom convention.
        separator: stands between the levels of a path, e.g. `__` in `users__pets`.
        case_sensitive: whether two names may differ by case only.
        rule: makes one identifier of columns.
        table_rule: makes one identifier of tables and datasets; the same rule in most conventions.
        breaks_paths: whether keys and table names are taken as paths; schemas that dlt made before 1.5 take
            each as one identifier.
    """

    name: str
    separator: str
    case_sensitive: bool
    rule: Rule = field(repr=False)
    table_rule: Rule = field(repr=False)
    breaks_paths: bool = True

    def identifier(self, text: str) -> str:
        """Normalise one identifier, separators in it included.

        Raises:
            UsageError: `text` is empty or white space only.
        """
        return _identifier(text, self.rule)

    def path(self, text: str) -> str:
        """Normalise a data key or table name fragment by fragment; never empty, idempotent.

        `path(path(x)) == path(x)`, so that what was loaded keeps its names when it is loaded again.
        """
        if not self.breaks_paths:
            return _identifier(text if text.strip() else EMPTY_NAME, self.rule)
        return _path(text, self.separator, self.rule)

    def join(self, *parts: str) -> str:
        """Normalise each part as a path and join them: a nested column or a child table.

        Raises:
            UsageError: no parts.
        """
        if not parts:
            raise UsageError("a name needs at least one part", expected="join(parent, key, ...)")
        return self._joined([self.path(part) for part in parts])

    def table(self, text: str) -> str:
        """Normalise a table name as a path, by the rule for tables."""
        return _path(text, self.separator, self.table_rule)

    def dataset(self, text: str) -> str:
        """Normalise a dataset name as one identifier, by the rule for tables.

        Raises:
            UsageError: `text` is empty or white space only.
        """
        return _identifier(text, self.table_rule)

    def fit(self, *parts: str, max_length: int | None) -> str:
        """Return `join(*parts)` within `max_length` characters, spelled as dlt spells it.

        A single part is tagged by its source spelling. Of several, each is first shortened by itself,
        and the tag of the whole is that of the joined, already normalised name.

        Raises:
            UsageError: no parts, or a limit too small for `shorten`.
        """
        if len(parts) == 1:
            # dlt strips the spelling of one identifier before it makes the tag, not that of a path
            source = parts[0] if self.separator in parts[0] else parts[0].strip()
            return shorten(self.path(parts[0]), source, max_length)
        if not parts:
            return self.join()
        joined = self._joined([self.fit(part, max_length=max_length) for part in parts])
        return shorten(joined, joined, max_length)

    def _joined(self, paths: list[str]) -> str:
        fragments = [f for path in paths for f in path.split(self.separator)]
        return _settled(fragments, self.separator, self.rule)


@lru_cache(maxsize=_CACHED_NAMES)
def _identifier(text: str, rule: Rule) -> str:
    if not (stripped := text.strip()):
        raise UsageError("a name can't be empty", value=repr(text), expected="at least one visible character")
    return _applied(stripped, rule) or _LEFTOVER


@lru_cache(maxsize=_CACHED_NAMES)
def _path(text: str, separator: str, rule: Rule) -> str:
    return _settled(_fragments(text, separator, rule), separator, rule)


def _fragments(text: str, separator: str, rule: Rule) -> list[str]:
    stripped = (part.strip() for part in text.split(separator))
    named = [name for part in stripped if part and (name := _applied(part, rule))]
    return named or [_identifier(text if text.strip() else EMPTY_NAME, rule)]


def _settled(fragments: list[str], separator: str, rule: Rule) -> str:
    """Join so that the result reads back as its fragments.

    A fragment with an underscore at its end (`"` becomes `_`) would melt with the separator and be
    another name the next time; such a name is normalised again until it stays.
    """
    joined = separator.join(fragments)
    for _ in range(_SETTLE_PASSES):
        if joined.split(separator) == fragments:
            break
        fragments = _fragments(joined, separator, rule)
        joined = separator.join(fragments)
    return joined


def _applied(text: str, rule: Rule) -> str:
    name = rule(text)
    if not isinstance(name, str):
        raise UsageError(
            f"naming convention returned {type(name).__name__} for `{text}`", expected="a str, never None"
        )
    return name


_BUILT_IN = {
    n.name: n
    for n in (
        Naming("snake_case", "__", False, snake, snake),
        Naming("duck_case", "__", True, duck, duck),
        Naming("direct", "▶", True, direct, direct),
        Naming("sql_cs_v1", "__", True, sql_cs, sql_cs),
        Naming("sql_ci_v1", "__", False, sql_ci, sql_ci),
        Naming("s3_tables", "__", False, snake, snake_table),
    )
}


@lru_cache(maxsize=_CACHED_CONVENTIONS)
def naming(name: str) -> Naming:
    """Return the convention of that name: built in, or custom by import path.

    A custom path names a module with a class `NamingConvention` or a function `identifier` (or
    `normalize_identifier`), or names such a class or function itself; see `custom_naming`.

    Raises:
        UsageError: nothing has that name, or what has it is no naming convention.
    """
    known = name
    for prefix in _LEGACY_PREFIXES:
        known = known.removeprefix(prefix)
    return _BUILT_IN.get(known) or custom_naming(name, _find(name))


def custom_naming(name: str, convention: Any) -> Naming:
    """Make a convention of any function `(str) -> str`, or of any object or class that has one.

    Read from the object: `identifier` or `normalize_identifier` (called with a stripped, non-empty text;
    must be idempotent and keep the separator out), `separator` or `PATH_SEPARATOR` (default `__`),
    `case_sensitive` or `is_case_sensitive` (default True), and, where tables are named by another rule,
    `table_identifier` or `normalize_table_identifier`. A class is instantiated without arguments.

    Args:
        name: import path under which the schema finds it again.
        convention: the function, object or class.

    Raises:
        UsageError: `convention` has no such method, or its separator is not a non-empty text.
    """
    found = convention() if isinstance(convention, type) else convention
    whole = found if callable(found) else None
    rule = _attribute(found, "identifier", "normalize_identifier", default=whole)
    if not callable(rule):
        raise UsageError(
            f"`{name}` is no naming convention",
            expected="a class NamingConvention with a method `identifier(text) -> str`, or such a function",
        )
    separator = _attribute(found, "separator", "PATH_SEPARATOR", default="__")
    if not isinstance(separator, str) or not separator:
        raise UsageError(
            f"naming convention `{name}` has separator {separator!r}", expected="a text like `__`"
        )
    case_sensitive = _attribute(found, "case_sensitive", "is_case_sensitive", default=True)
    table_rule = _attribute(found, "table_identifier", "normalize_table_identifier", default=rule)
    return Naming(name, separator, bool(case_sensitive), rule, table_rule)


def _attribute(found: object, *names: str, default: Any) -> Any:
    return next((value for n in names if (value := getattr(found, n, None)) is not None), default)


def _find(name: str) -> Any:
    module = _module(name)
    if module is not None:
        return _attribute(module, *_CUSTOM_ATTRIBUTES, default=module)
    parent, _, attribute = name.rpartition(".")
    owner = _module(parent)
    found = getattr(owner, attribute, None) if owner else None
    if found is None:
        raise UsageError.unknown_choice("naming convention", name, (*_BUILT_IN, "an import path"))
    return found


def _module(path: str) -> ModuleType | None:
    """Import `path`; None where there is no such module. What fails inside a module is an error."""
    if not all(part.isidentifier() for part in path.split(".")):
        return None
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (path == exc.name or path.startswith(exc.name + ".")):
            return None
        raise UsageError(f"cannot import naming convention `{path}`", hint=f"install `{exc.name}`") from exc


def unused(name: str, columns: Collection[str]) -> str:
    """Return the name, longer by as much as it takes that no column has it."""
    taken = {column.lower() for column in columns}
    while name in taken:
        name += "_"
    return name
