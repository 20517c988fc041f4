"""What is to be protected: rules by table and column, of tags, hints and the policy for personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from ladle.errors import UsageError
from ladle.schema.naming import Naming
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.schema.tags import PII, PREFIX, PROTECT

ACTIONS = ("mask", "hash", "tokenise", "encrypt", "drop", "none")
DROP = "drop"

_PII = PREFIX + PII
_PROTECT = PREFIX + PROTECT
_ANY = "*"
_TEXT_TYPES = (None, "text", "json")
_KEYS = ("primary_key", "merge_key")
_KEY_ACTIONS = ("hash", "tokenise")
_VALUE = "value"
_KEPT_PLACES = 20_000

Path = tuple[str, ...]


class Policy:
    """What is done to columns that are tagged as personal and say no action themselves.

    Args:
        actions: by class of personal data, `*` for all others; or what returns them, asked once.
        key: returns the key of actions that need one; None where there is none. Called when one is needed.

    Raises:
        UsageError: an unknown action.
    """

    def __init__(
        self,
        actions: Mapping[str, str] | Callable[[], Mapping[str, str]] = MappingProxyType({}),
        key: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._actions = actions if callable(actions) else lambda: actions
        self.key = key
        if not callable(actions):
            assert self.actions is not None

    @cached_property
    def actions(self) -> Mapping[str, str]:
        """Actions by class of personal data.

        Raises:
            UsageError: an unknown action.
        """
        found = self._actions()
        for pii, action in found.items():
            if action not in ACTIONS:
                raise UsageError.unknown_choice(f"governance.pii_policy for `{pii}`:", action, ACTIONS)
        return found


NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Rule:
    """How one column is protected.

    Attributes:
        action: one of `ACTIONS`, never `none`.
        pii: class of personal data; None where it isn't said.
        elements: it is about the elements of a list: a list there is gone into.
        rows: the elements may be dicts with columns of their own: they are gone into as well.
    """

    action: str
    pii: str | None = None
    elements: bool = False
    rows: bool = False


def rule_of(hints: Mapping[str, Any], policy: Policy = NO_POLICY) -> Rule | None:
    """Return how a column with these hints is protected; None where it isn't.

    Raises:
        UsageError: an unknown action.
    """
    pii, action = hints.get(_PII), hints.get(_PROTECT)
    if pii is None and action is None:
        return None
    name = pii if isinstance(pii, str) else None
    if action is None:
        action = policy.actions.get(name or _ANY) or policy.actions.get(_ANY)
    if action is None or action == "none":
        return None
    if action not in ACTIONS:
        raise UsageError.unknown_choice("protect:", action, ACTIONS)
    return Rule(action, name)


def check_column(name: str, hints: Mapping[str, Any]) -> None:
    """Check what a column's own hints say about its protection.

    Raises:
        UsageError: an unknown action, a type that protected values don't have, or a key that would lose rows.
    """
    action = hints.get(_PROTECT)
    if action is None:
        return
    if action not in ACTIONS:
        raise UsageError.unknown_choice(f"protect of column `{name}`:", action, ACTIONS)
    if action != "none":
        _check(Column.from_dict(name, {**hints, "nullable": True}), Rule(action))


def check_keys(columns: Mapping[str, Mapping[str, Any]], keys: Iterable[str]) -> None:
    """Check keys that are declared beside the columns.

    Raises:
        UsageError: one is protected in a way that loses rows.
    """
    for name in keys:
        rule = rule_of(columns.get(name) or {})
        if rule is not None:
            _check_key(name, rule, {"column": name})


def _check(column: Column, rule: Rule, table: Table | None = None) -> None:
    """Check a column as it is declared in one place, or as it is in a table with all that was said of it."""
    place = {"table": table.name, "column": column.name} if table else {"column": column.name}
    if any(getattr(column, key) for key in _KEYS):
        _check_key(column.name, rule, place)
    if column.hard_delete or column.dedup_sort:
        raise UsageError(
            f"the column `{column.name}` can't be protected: merges read its values",
            **place,
            hint="leave protect out, or hard_delete and dedup_sort",
        )
    if rule.action == DROP:
        return
    loaded = table is not None and table.loaded
    if loaded and column.data_type not in (None, "text"):
        hint = "protect it under another table_name: the destination keeps the type it has"
    elif table is None and column.data_type not in _TEXT_TYPES:
        hint = "leave data_type out: numbers, dates, dicts and lists are protected as the text they have"
    else:
        return
    raise UsageError(
        f"column `{column.name}` is {column.data_type}, and what `{rule.action}` makes is text",
        **place,
        expected="data_type left out, or text",
        hint=hint,
    )


def _check_key(column: str, rule: Rule, place: Mapping[str, str]) -> None:
    if rule.action not in _KEY_ACTIONS:
        raise UsageError(
            f"the key column `{column}` can't be protected by `{rule.action}`: rows could not be told apart",
            **place,
            expected=" or ".join(_KEY_ACTIONS),
        )


def with_protection(schema: Schema, policy: Policy, tables: Iterable[Table]) -> Schema:
    """Return the schema with protected columns as text, and those that aren't loaded without demands.

    Args:
        schema: as hints declare it.
        policy: for columns that say no action.
        tables: of the schema; the others stay.

    Raises:
        UsageError: a type or a key that can't be protected so.
    """
    changed = []
    for table in tables:
        columns = []
        for column in table.columns.values():
            rule = rule_of(column.extra, policy) if column.extra else None
            if rule is not None:
                _check(column, rule, table)
                columns.append(_protected(column, rule))
        if columns and (made := table.with_columns(columns)) != table:
            changed.append(made)
    return schema.with_tables(changed) if changed else schema


def _protected(column: Column, rule: Rule) -> Column:
    if rule.action == DROP:
        return replace(column, nullable=True)
    return replace(column, data_type="text", precision=None, scale=None, timezone=None)


def is_dropped(column: Column) -> bool:
    """Whether a column's own hints say that its values aren't loaded."""
    return column.extra.get(_PROTECT) == DROP


class Protection:
    """What is protected in the documents of one root table, and found again wherever a value turns up.

    A column covers all at and below its path: a dict or list in place of a text, values under a name that
    begins with its own, and the same keys inside or outside a list.

    Args:
        schema: with the table and those below it.
        root: source name of the root table.
        policy: for columns that say no action.
        naming: makes the names.
        max_lengths: of names of tables and columns at the destination.
    """

    def __init__(
        self,
        schema: Schema,
        root: str,
        policy: Policy,
        naming: Naming,
        max_lengths: tuple[int | None, int | None] = (None, None),
    ) -> None:
        self._root = root
        self._naming = naming
        self._max_table, self._max_column = max_lengths
        self._columns: dict[tuple[str, str], Rule] = {}
        self._paths: dict[str, Rule] = {}
        self._found: dict[tuple[Path, Path], tuple[Rule | None, bool]] = {}
        self._name = naming.table(naming.fit(root, max_length=self._max_table))
        for table in schema.chain(self._name):
            for column in table.columns.values():
                rule = rule_of(column.extra, policy) if column.extra else None
                if rule is not None:
                    self._add(table, column, rule)

    def _add(self, table: Table, column: Column, rule: Rule) -> None:
        separator = self._naming.separator
        below = table.name.removeprefix(self._name + separator) if table.parent is not None else ""
        if below and column.name == _VALUE:
            others = [n for n in table.columns if n != _VALUE and not n.startswith("_dlt_")]
            rule = replace(rule, elements=True, rows=bool(others))
            self._paths[below] = rule
            if rule.rows:
                self._paths[f"{below}{separator}{_VALUE}"] = replace(rule, elements=False, rows=False)
        else:
            self._paths[f"{below}{separator}{column.name}" if below else column.name] = rule
        self._columns[table.name, column.name] = rule

    @property
    def rules(self) -> list[Rule]:
        """All rules."""
        return [*self._columns.values()]

    def __bool__(self) -> bool:
        return bool(self._columns)

    def at(self, table: Path, row: Path) -> tuple[Rule | None, bool]:
        """Return the rule for a place, and whether it is about exactly that path or about one above it.

        Args:
            table: keys from the root's row to the list whose rows these are; empty for the root.
            row: keys below such a row; empty for an element itself.
        """
        place = (table, row)
        if place not in self._found:
            if len(self._found) >= _KEPT_PLACES:  # documents kept as JSON may have any number of keys
                self._found.clear()
            self._found[place] = self._look(table, row)
        return self._found[place]

    def _look(self, table: Path, row: Path) -> tuple[Rule | None, bool]:
        if not (table or row):
            return None, False
        name = self._path(table, row)
        if name in self._paths:
            return self._paths[name], True
        for path, rule in self._paths.items():
            if not rule.rows and name.startswith(path + self._naming.separator):
                return rule, False
        # Names that were cut to the destination's length don't tell their path.
        fit = self._naming.fit
        named = self._naming.table(fit(self._root, *table, max_length=self._max_table))
        column = fit(*(row or (_VALUE,)), max_length=self._max_column)
        return self._columns.get((named, column)), False

    def below(self, table: Path, row: Path) -> bool:
        """Whether anything below a place may be protected."""
        if not (table or row):
            return bool(self)
        name = self._path(table, row)
        return any(path == name or path.startswith(name + self._naming.separator) for path in self._paths)

    def _path(self, table: Path, row: Path) -> str:
        return self._naming.fit(*table, *row, max_length=None)
