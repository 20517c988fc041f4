"""The guards of a run: which tables have protected columns, and the key, asked for in advance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ladle.errors import UsageError
from ladle.extract.protect import Guard
from ladle.schema.change import Limits
from ladle.schema.naming import naming
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

    @cached_property
    def _sealer(self) -> Sealer:
        key = self._policy.key()
        if not key:
            raise missing_key("a column")
        return Sealer(key)

    def of(self, schema: Schema, root: str) -> Guard | None:
        """Return the guard of a root table, None where nothing is protected. Same tables, same guard."""
        name = naming(schema.naming).fit(root, max_length=self._limits.max_table_name)
        chain = schema.chain(naming(schema.naming).table(name))
        if root in self._made and self._made[root][0] == chain:
            return self._made[root][1]
        protection = self._protection(schema, root)
        keyed = any(rule.action in KEYED for rule in protection.rules)
        guard = Guard(protection, self._sealer if keyed else None) if protection else None
        self._made[root] = chain, guard
        return guard

    def _protection(self, schema: Schema, root: str) -> Protection:
        lengths = (self._limits.max_table_name, self._limits.max_column_name)
        return Protection(schema, root, self._policy, naming(schema.naming), lengths)

    def check(self, schema: Schema, resources: Sequence[Resource], over: Hints) -> None:
        """Check, before anything is read, that all that is to be protected can be.

        Raises:
            ConfigError: no key, or one that is too short.
            MissingDependency: a package that encrypts isn't there.
            UsageError: the cursor of a resource is protected.
        """
        actions: set[str] = set()
        for resource in resources:
            hints = over.over(resource.hints)
            name = hints.table_name or resource.name
            if isinstance(name, str):
                protection = self._protection(schema, name)
                actions.update(rule.action for rule in protection.rules)
                _check_cursor(resource, protection)
            actions.update(self._actions(hints))
            for variant in resource.variants.values():
                actions.update(self._actions(variant))
        if "encrypt" in actions:
            check_cipher()
        if actions & set(KEYED):
            assert self._sealer

    def _actions(self, hints: Hints) -> Iterator[str]:
        """Yield what hints ask for that may not be in the schema yet, as their tables are named by items."""
        nested = hints.nested_hints if isinstance(hints.nested_hints, Mapping) else {}
        for columns in (hints.columns, *(Hints.of(**given).columns for given in nested.values())):
            for column in columns.values() if isinstance(columns, Mapping) else ():
                rule = rule_of(column, self._policy)
                if rule is not None:
                    yield rule.action


def _check_cursor(resource: Resource, protection: Protection) -> None:
    path = getattr(resource.cursor, "cursor_path", None) if protection else None
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
