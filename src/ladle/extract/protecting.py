"""The guards of a run: which tables have protected columns, and the key, asked for in advance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ladle.errors import UsageError
from ladle.extract.protect import Guard
from ladle.schema.change import Limits
from ladle.schema.protection import Policy, Protection, rule_of
from ladle.schema.schema import Schema
from ladle.schema.secrecy import KEYED, Sealer, check_cipher, missing_key
from ladle.sources.hints import Hints
from ladle.sources.resource import Resource

_CURSOR_NAMES = re.compile(r"[^.\[\]'\"$*]+")


class Guards:
    """Makes the guard of each root table.

    Args:
        policy: for columns that say no action, and the key.
        limits: of the destination, for the lengths of names.
    """

    def __init__(self, policy: Policy, limits: Limits) -> None:
        self._policy = policy
        self._limits = limits
        self._made: dict[str, tuple[Any, Guard | None]] = {}
        self._sealer: Sealer | None = None

    def of(self, schema: Schema, root: str) -> Guard | None:
        """Return the guard of a root table, None where nothing is protected. Same tables, same guard.

        Raises:
            ConfigError: no key, or one that is too short.
            MissingDependency: a package that encrypts isn't there.
        """
        names = schema.convention
        chain = schema.chain(names.table(names.fit(root, max_length=self._limits.max_table_name)))
        if not any(column.extra for table in chain for column in table.columns.values()):
            return None
        if root in self._made and self._made[root][0] == chain:
            return self._made[root][1]
        lengths = (self._limits.max_table_name, self._limits.max_column_name)
        protection = Protection(schema, root, self._policy, names, lengths)
        sealer = self._sealer_for({rule.action for rule in protection.rules}, root)
        self._made[root] = chain, Guard(protection, sealer) if protection else None
        return self._made[root][1]

    def _sealer_for(self, actions: set[str], root: str) -> Sealer | None:
        """Return what has the key, where one of the actions needs it."""
        if not actions & set(KEYED):
            return None
        if "encrypt" in actions:
            check_cipher()
        if self._sealer is None:
            key = self._policy.key()
            if not key:
                raise missing_key(f"a column of table `{root}`")
            self._sealer = Sealer(key)
        return self._sealer

    def check(self, schema: Schema, resources: Sequence[Resource], over: Hints) -> None:
        """Check, before anything is read, that all that is to be protected can be.

        Raises:
            ConfigError: no key, or one that is too short.
            MissingDependency: a package that encrypts isn't there.
            UsageError: the cursor of a resource is protected.
        """
        for resource in resources:
            hints = over.over(resource.hints)
            name = hints.table_name or resource.name
            guard = self.of(schema, name) if isinstance(name, str) else None
            if guard is not None:
                _check_cursor(resource, guard.protection)
            for given in (hints, *resource.variants.values()):
                self._sealer_for(set(self._actions(given)), name if isinstance(name, str) else resource.name)

    def _actions(self, hints: Hints) -> Iterator[str]:
        """Yield what hints ask for that may not be in the schema yet, as their tables are named by items."""
        nested = hints.nested_hints if isinstance(hints.nested_hints, Mapping) else {}
        for columns in (hints.columns, *(Hints.of(**given).columns for given in nested.values())):
            for column in columns.values() if isinstance(columns, Mapping) else ():
                rule = rule_of(column, self._policy)
                if rule is not None:
                    yield rule.action


def _check_cursor(resource: Resource, protection: Protection) -> None:
    path = getattr(resource.cursor, "cursor_path", None)
    if not isinstance(path, str):
        return
    names = tuple(n for n in _CURSOR_NAMES.findall(path) if n.strip() and not n.isdigit())
    if protection.at((), names)[0] is not None or protection.below((), names):
        raise UsageError(
            f"the cursor `{path}` can't be a protected column: its last value is kept in the state as is",
            resource=resource.name,
            column=path,
            hint="take a cursor that isn't personal, such as the time of the last change",
        )
