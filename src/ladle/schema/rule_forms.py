"""Rules as people write them: checked, in plain form for YAML and the schema, and several joined."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from ladle.errors import UsageError, shorten
from ladle.schema.rule import (
    SPELLED,
    Accepted,
    Between,
    Check,
    Condition,
    ExistsIn,
    Fresh,
    Length,
    Matches,
    NotNull,
    RowCount,
    Rule,
    Unique,
)
from ladle.schema.rule_sql import condition_sql
from ladle.schema.rule_values import (
    check_bounds,
    function_path,
    one_of,
    pattern,
    plain_value,
    plain_values,
    seconds,
    text,
    texts,
    whole_number,
)

SEVERITIES = ("warn", "reject", "fail")
_INCLUSIVE = ("both", "low", "high", "neither")
_BY_CODE = "in_code"

KINDS: Mapping[str, type[Rule]] = {
    c.kind: c
    for c in (
        NotNull,
        Unique,
        Accepted,
        Between,
        Matches,
        Length,
        Condition,
        Check,
        ExistsIn,
        Fresh,
        RowCount,
    )
}

_PLAIN: Mapping[str, Callable[[str, Any], Any]] = {
    "column_name": text,
    "columns": texts,
    "table": text,
    "referenced_columns": texts,
    "values": plain_values,
    "low": plain_value,
    "high": plain_value,
    "inclusive": one_of(_INCLUSIVE),
    "regex": pattern,
    "sql": lambda what, value: condition_sql(text(what, value)),
    "function": function_path,
    "each": one_of(("batch", "row")),
    "within_s": seconds,
    "severity": one_of(SEVERITIES),
    "name": text,
    "description": text,
}
_COUNTED = (Length, RowCount)


def make(kind: str, **given: Any) -> Any:
    """Return a rule of what a user wrote; None means that it wasn't given.

    Raises:
        UsageError: a value is wrong.
    """
    made: type[Rule] = KINDS[kind]
    plain: dict[str, Any] = {}
    for f in fields(made):
        if f.default is MISSING and given.get(f.name) is None:
            raise UsageError(f"rule `{kind}` has no `{SPELLED.get(f.name, f.name)}`", expected="one")
    for name, value in given.items():
        what = f"`{SPELLED.get(name, name)}` of rule `{kind}`"
        if value is not None:
            counted = name in ("low", "high") and made in _COUNTED
            plain[name] = whole_number(what, value) if counted else _PLAIN[name](what, value)
    if not made.of_rows and plain.get("severity") == "reject":
        raise UsageError(
            f"rule `{kind}` can't have severity `reject`",
            expected="warn or fail",
            hint="it judges the table as a whole, there is no row to leave out",
        )
    if made in (Between, *_COUNTED):
        check_bounds(kind, plain.get("low"), plain.get("high"))
    if made is ExistsIn and len(plain["columns"]) != len(plain["referenced_columns"]):
        raise UsageError(
            f"rule `exists_in` compares {len(plain['columns'])} columns with "
            f"{len(plain['referenced_columns'])} of `{plain['table']}`",
            expected="as many of one as of the other",
        )
    return made(**plain)


def from_dict(stored: Any) -> Rule:
    """Return the rule of a plain form.

    Raises:
        UsageError: an unknown kind or key; names the nearest. Or a value is wrong.
    """
    if not isinstance(stored, Mapping) or "rule" not in stored:
        raise UsageError(
            f"a rule can't be `{shorten(stored)}`",
            expected='a rule of ladle.rules, or a dict such as {"rule": "not_null", "column": "id"}',
        )
    kind = stored["rule"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise UsageError.unknown_choice("rule", kind, tuple(KINDS))
    known = {SPELLED.get(f.name, f.name): f for f in fields(KINDS[kind])}
    given = {k: v for k, v in stored.items() if k not in ("rule", _BY_CODE)}
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise UsageError(
                f"rule `{kind}` has no `{key}`",
                expected=", ".join(known),
                hint=f"did you mean `{near[0]}`?" if near else None,
            )
    return make(kind, **{known[k].name: v for k, v in given.items()})  # type: ignore[no-any-return]


def rules_of(given: Any) -> tuple[Rule, ...]:
    """Return rules as a user gives them: one or a list, as values or in plain form; names differ.

    Raises:
        UsageError: what isn't a rule, or two of one name.
    """
    listed = [given] if isinstance(given, (Rule, Mapping)) else given
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise UsageError(
            f"rules can't be `{shorten(given)}`", expected='a list: [ladle.rules.not_null("id")]'
        )
    found: dict[str, Rule] = {}
    for rule in (r if isinstance(r, Rule) else from_dict(r) for r in listed):
        if found.setdefault(rule.label, rule) != rule:
            raise UsageError(
                f"two rules of one table are called `{rule.label}`",
                expected="a name for each",
                hint='give one a name: ladle.rules.not_null("id", name="ids")',
            )
    return tuple(found.values())


def joined(lower: Iterable[Rule] | None, upper: Iterable[Rule] | None) -> tuple[Rule, ...] | None:
    """Return the rules of both; of two with one name the upper. None where neither says anything."""
    if lower is None or upper is None:
        made = upper if lower is None else lower
        return None if made is None else tuple(made)
    return tuple({r.label: r for r in (*lower, *upper)}.values())


def declared(stored: Iterable[Any], given: Iterable[Rule]) -> list[dict[str, Any]]:
    """Return a table's stored rules with those of the code added, which replace their namesakes."""
    kept = {from_dict(s).label: dict(s) for s in stored}
    kept.update((r.label, {**r.to_dict(), _BY_CODE: True}) for r in given)
    return list(kept.values())


def without_code(stored: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the stored rules that came from elsewhere, such as a file: the code says its own anew."""
    return [s for s in stored if not s.get(_BY_CODE)]
