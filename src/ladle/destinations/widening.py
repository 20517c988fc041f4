"""What a stored value becomes when its column's type widens in place: the same as if it were loaded anew."""

from __future__ import annotations

from sqlglot import exp

from ladle.destinations.dialect import Dialect, column_ref
from ladle.schema.lattice import digits
from ladle.schema.table import Column

_WHOLE_DOUBLES = 10**16
_TEXT = exp.DataType.build("text")


def converted(known: Column, wanted: Column, dialect: Dialect) -> exp.Expression | None:
    """Return the expression that turns what a column holds into its wider type; None for a plain cast.

    Text is spelled as normalize spells it: `True`, `1.5`, `2024-01-02T03:04:05+00:00`. Doubles with a
    fraction beyond 10**15 are spelled as the engine does: they read back as the same double.

    Args:
        known: the column as it is.
        wanted: as it will be.
        dialect: of the engine.
    """
    if dialect.converted is not None:
        return dialect.converted(known, wanted)
    value = column_ref(known.name)
    if (known.data_type, wanted.data_type) == ("date", "timestamp"):
        return _dated(value, wanted)
    if wanted.data_type != "text" or known.data_type == "text":
        return None
    if known.data_type == "bool":
        no = exp.Not(this=value.copy())
        return exp.Case().when(value, exp.Literal.string("True")).when(no, exp.Literal.string("False"))
    if known.data_type == "double":
        return _double_text(value)
    text = exp.Cast(this=value, to=_TEXT.copy())
    if known.data_type in ("decimal", "wei"):
        has_point = known.data_type == "wei" or digits(known)[1] > 0
        return _without_zeros(text) if has_point else text
    if known.data_type == "time":
        return _whole_fraction(text, 8)
    return _timestamp_text(value, known) if known.data_type == "timestamp" else text


def _call(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _utc(value: exp.Expression) -> exp.Expression:
    return _call("timezone", exp.Literal.string("UTC"), value)


def _dated(value: exp.Expression, wanted: Column) -> exp.Expression:
    midnight = exp.Cast(this=value, to=exp.DataType.build("timestamp"))
    return midnight if wanted.timezone is False else _utc(midnight)


def _double_text(value: exp.Expression) -> exp.Expression:
    """Whole numbers end in `.0` and have no exponent below 10**16, as in Python."""
    text = exp.Cast(this=value.copy(), to=_TEXT.copy())
    zero = exp.EQ(this=value.copy(), expression=exp.Literal.number(0))
    small = exp.LT(this=_call("abs", value.copy()), expression=exp.Literal.number(_WHOLE_DOUBLES))
    whole = exp.EQ(this=_call("trunc", value.copy()), expression=value.copy())
    plain = exp.Cast(this=value.copy(), to=exp.DataType.build("bigint"))
    # minus zero keeps its sign, which a whole number hasn't
    signed = _call("replace", text.copy(), exp.Literal.string(".0"), exp.Literal.string(""))
    ended = [
        exp.DPipe(this=digits, expression=exp.Literal.string(".0"))
        for digits in (signed, exp.Cast(this=plain, to=_TEXT.copy()))
    ]
    return exp.Case().when(zero, ended[0]).when(exp.and_(small, whole), ended[1]).else_(text)


def _without_zeros(text: exp.Expression) -> exp.Expression:
    """Drop zeros at the end of a fraction, and the point where nothing is left of it."""
    point = exp.GT(
        this=_call("strpos", text.copy(), exp.Literal.string(".")), expression=exp.Literal.number(0)
    )
    short = _call("rtrim", _call("rtrim", text.copy(), exp.Literal.string("0")), exp.Literal.string("."))
    return exp.Case().when(point, short).else_(text)


def _whole_fraction(text: exp.Expression, seconds_end: int) -> exp.Expression:
    """Give a fraction of a second all six digits; none where it is zero, as it comes."""
    longer = exp.GT(this=_call("length", text.copy()), expression=exp.Literal.number(seconds_end))
    filled = _call("rpad", text.copy(), exp.Literal.number(seconds_end + 7), exp.Literal.string("0"))
    return exp.Case().when(longer, filled).else_(text)


def _timestamp_text(value: exp.Expression, known: Column) -> exp.Expression:
    naive = value if known.timezone is False else _utc(value)
    text = exp.Cast(this=naive, to=_TEXT.copy())
    spelled = _call("replace", text, exp.Literal.string(" "), exp.Literal.string("T"))
    full = _whole_fraction(spelled, 19)
    return full if known.timezone is False else exp.DPipe(this=full, expression=exp.Literal.string("+00:00"))
