"""What a stored value becomes on SQLite when its column's type widens: the same as if it were loaded anew."""

from __future__ import annotations

from sqlglot import exp

from ladle.destinations.dialect import column_ref
from ladle.schema.table import Column

IN_PLACE = frozenset(
    {
        *((kind, kind) for kind in ("bigint", "decimal", "timestamp", "time", "text", "binary")),
        *(("bigint", wider) for wider in ("wei", "decimal", "double", "text")),
        *((kind, "text") for kind in ("bool", "date", "timestamp", "time")),
        ("date", "timestamp"),
    }
)
"""SQLite can't spell numbers with a fraction as Python does: those don't become text."""


def converted(known: Column, wanted: Column) -> exp.Expression | None:
    """Return the expression that makes the wider value; None where it is stored alike.

    Args:
        known: the column as it is.
        wanted: as it will be.
    """
    value = column_ref(known.name)
    if (known.data_type, wanted.data_type) == ("date", "timestamp"):
        digits = 9 if wanted.precision == 9 else 6
        return exp.DPipe(this=value, expression=_text(" 00:00:00." + "0" * digits))
    if wanted.data_type != "text":
        return None
    if known.data_type == "bool":
        return exp.Case().when(value, _text("True")).when(exp.Not(this=value.copy()), _text("False"))
    if known.data_type == "time":
        return _without_zeros(value, 9)
    if known.data_type != "timestamp":
        return None
    spelled = exp.Anonymous(this="replace", expressions=[value, _text(" "), _text("T")])
    full = _without_zeros(spelled, 20)
    return full if known.timezone is False else exp.DPipe(this=full, expression=_text("+00:00"))


def _text(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _without_zeros(text: exp.Expression, point: int) -> exp.Expression:
    """Drop a fraction of a second that is zero; `point` is where it begins, counted from 1."""

    def part(start: int, length: int) -> exp.Expression:
        numbers = [exp.Literal.number(n) for n in (start, length)]
        return exp.Anonymous(this="substr", expressions=[text.copy(), *numbers])

    zero = exp.In(this=part(point, 10), expressions=[_text("." + "0" * n) for n in (6, 9)])
    return exp.Case().when(zero, part(1, point - 1)).else_(text.copy())
