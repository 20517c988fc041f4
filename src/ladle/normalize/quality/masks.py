"""Rules about one column, over an Arrow array: which rows break them. A null breaks none but `not_null`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.quality.typed import Misfit, Side, equal_to, on_grid
from ladle.schema.rule import Accepted, Between, Length, Matches, NotNull, Rule


def broken_rows(rule: Rule, values: pa.Array, kind: str) -> pa.Array:
    """Return a boolean array without nulls, true where a row breaks the rule.

    Args:
        rule: one of those with a column.
        values: of the column.
        kind: its data type, as a json column has the Arrow type of text.

    Raises:
        Misfit: the rule can't be applied to a column of this type.
    """
    return pc.fill_null(_RULES[type(rule)](rule, values, kind), False)


def column_rule(rule: Rule) -> bool:
    """Whether `broken_rows` knows the rule."""
    return type(rule) in _RULES


def _not_null(rule: NotNull, values: pa.Array, kind: str) -> pa.Array:
    return values.is_null()


def _accepted(rule: Accepted, values: pa.Array, kind: str) -> pa.Array:
    if kind in ("json", "binary"):
        raise Misfit
    found = pc.is_in(values, value_set=equal_to(rule.values, values.type))
    return pc.and_(values.is_valid(), pc.invert(found))


def _between(rule: Between, values: pa.Array, kind: str) -> pa.Array:
    if kind in ("json", "binary", "bool"):
        raise Misfit
    broken = pa.repeat(pa.scalar(False), len(values))
    sides: tuple[tuple[Side, Any, tuple[str, str]], ...] = (
        ("low", rule.low, ("greater_equal", "greater")),
        ("high", rule.high, ("less_equal", "less")),
    )
    for side, plain, compare in sides:
        if plain is None:
            continue
        strict = rule.inclusive not in ("both", side)
        limit, strict, none = on_grid(plain, values.type, side, strict)
        if none:
            return values.is_valid()
        if limit is not None:
            kept = pc.call_function(compare[strict], [values, limit])
            broken = pc.or_kleene(broken, pc.invert(kept))
    return broken


def _matches(rule: Matches, values: pa.Array, kind: str) -> pa.Array:
    if kind != "text":
        raise Misfit
    return pc.invert(pc.match_substring_regex(values, rf"\A(?:{rule.regex})\z"))


def _length(rule: Length, values: pa.Array, kind: str) -> pa.Array:
    if kind not in ("text", "binary"):
        raise Misfit
    count = pc.utf8_length(values) if kind == "text" else pc.binary_length(values)
    broken = pa.repeat(pa.scalar(False), len(values))
    if rule.low is not None:
        broken = pc.or_kleene(broken, pc.less(count, rule.low))
    if rule.high is not None:
        broken = pc.or_kleene(broken, pc.greater(count, rule.high))
    return broken


_RULES: Mapping[type[Rule], Callable[[Any, pa.Array, str], pa.Array]] = {
    NotNull: _not_null,
    Accepted: _accepted,
    Between: _between,
    Matches: _matches,
    Length: _length,
}
