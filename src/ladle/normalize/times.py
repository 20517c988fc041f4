"""Timestamps, dates and times of day: between each other, from numbers, and from text, on Arrow arrays.

A naive timestamp is UTC. Numbers and numeric text are seconds since the epoch. Where only whole days fit,
other instants become null; instants outside the years 1 to 9999 do too.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize import numerals
from ladle.normalize.arrays import between, by_distinct, keep, matching, missing
from ladle.normalize.decimals import count_of
from ladle.normalize.iso import FIRST_SECOND, LAST_SECOND, day_instant, parse_date, parse_datetime, parse_time

_DAY = 86400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INT64_MAX = 2**63 - 1
_TIME = pa.time64("us")
_HEAD_ROWS = 8
_YMD = (
    r"-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_HMS = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,DIGITS})?"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
# text of these shapes always casts: years in reach of the unit, no 29 February
_YEARS = {6: "[1-8][0-9]{3}", 9: "(?:1[7-9]|20|21)[0-9]{2}"}
_EPOCH = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
_BARE_YEAR_OR_DATE = r"^([0-9]{4}|[0-9]{7,8})$"
_MAYBE = r"^\W*[0-9]"
_BEYOND_MICROSECONDS = r"[.,][0-9]{6}[0-9]*[1-9]"
_CLOCK = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?$"
_MAYBE_CLOCK = r"^[ T]?[0-9]"


def to_timestamp(array: pa.Array, target: pa.DataType, cut: bool) -> pa.Array:
    """Return timestamps of another unit or zone flag.

    Args:
        array: timestamps, naive or UTC.
        target: a timestamp type, naive or UTC.
        cut: drop the digits that a coarser unit does not have (towards the past); otherwise a value that
            has such digits becomes null.
    """
    counts = array.view(pa.int64())
    have, want = _PER_SECOND[array.type.unit], _PER_SECOND[target.unit]
    if want > have:
        limit = _INT64_MAX // (want // have)
        counts = pc.multiply(keep(counts, between(counts, -limit, limit)), want // have)
    elif have > want:
        coarse = _floor_divide(counts, have // want)
        same = pc.equal(pc.multiply(coarse, have // want), counts)
        counts = coarse if cut else keep(coarse, same)
    return counts.view(target)


def _floor_divide(counts: pa.Array, by: int) -> pa.Array:
    quotient = pc.divide(counts, by)
    return pc.if_else(pc.greater(pc.multiply(quotient, by), counts), pc.subtract(quotient, 1), quotient)


def date_to_timestamp(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the midnights (UTC) with which the days begin."""
    return to_timestamp(array.cast(pa.timestamp("s")), target, cut=False)


def timestamp_to_date(array: pa.Array) -> pa.Array:
    """Return days; null where the instant is not a midnight in UTC."""
    days = array.cast(pa.date32())
    midnights = to_timestamp(days.cast(pa.timestamp("s")), array.type, cut=False)
    return keep(days, pc.equal(midnights, array))


def time_to_time(array: pa.Array) -> pa.Array:
    """Return times of day in microseconds; null where there are nanoseconds."""
    times = array.cast(_TIME, safe=False)
    return keep(times, pc.equal(times.cast(array.type, safe=False), array))


def int_to_timestamp(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the instants so many seconds after the epoch."""
    seconds = array.cast(pa.int64())
    seconds = keep(seconds, between(seconds, FIRST_SECOND, LAST_SECOND))
    return to_timestamp(seconds.view(pa.timestamp("s")), target, cut=False)


def double_to_timestamp(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the instants so many seconds after the epoch, rounded to microseconds.

    The double counts as the digits it is written with. Where `target` is in nanoseconds they are kept.
    """
    return _epoch_text(array.cast(pa.string()), target)


def text_to_timestamp(text: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the instants that text names: ISO date-times and dates, else seconds since the epoch.

    Digits of a second beyond microseconds (beyond nanoseconds for such a column) are cut, as the reference
    does. Arrays in which all values have one of the usual shapes are one Arrow cast; rarer spellings are
    parsed once per distinct value.
    """
    digits = 9 if target.unit == "ns" else 6
    work = pa.timestamp("ns" if digits == 9 else "us", "UTC")
    # Arrow 17 does not notice years out of reach of nanoseconds; by shape they are told apart
    whole = _cast_whole(text, work) if digits == 6 else None
    if whole is not None:
        return to_timestamp(whole, target, cut=True)
    done = _cast_by_shape(text, work, digits)
    numeric = matching(missing(text, done), _EPOCH)
    numeric = keep(numeric, pc.invert(pc.match_substring_regex(numeric, _BARE_YEAR_OR_DATE)))
    done = pc.coalesce(done, _epoch_text(numeric, work))
    odd = matching(missing(missing(text, done), numeric), _MAYBE)
    counts = by_distinct(odd, lambda t: _parse_timestamp(t, digits), pa.int64())
    return to_timestamp(pc.coalesce(done, counts.view(work)), target, cut=True)


def _cast_whole(text: pa.Array, work: pa.DataType) -> pa.Array | None:
    head = text.slice(0, _HEAD_ROWS)
    for shape in (work, pa.timestamp(work.unit)):
        try:
            # a cast that fails costs thirty times one that works: ask a few rows first
            head.cast(shape)
            found = text.cast(shape)
        except pa.ArrowInvalid:
            continue
        return _in_years(found).view(work)
    return None


def _in_years(array: pa.Array) -> pa.Array:
    scale = _PER_SECOND[array.type.unit]
    counts = array.view(pa.int64())
    extremes = pc.min_max(counts).as_py()
    if extremes["min"] is None:
        return array
    first, last = FIRST_SECOND * scale, (LAST_SECOND + 1) * scale - 1
    if extremes["min"] >= first and extremes["max"] <= last:
        return array
    return keep(counts, between(counts, first, last)).view(array.type)


def _cast_by_shape(text: pa.Array, work: pa.DataType, digits: int) -> pa.Array:
    cut = pc.replace_substring_regex(text, rf"^(.{{19}}\.[0-9]{{{digits}}})[0-9]+", r"\1")
    day = f"^{_YEARS[digits]}{_YMD}"
    clock = _HMS.replace("DIGITS", str(digits))
    zoned = matching(cut, f"{day}[T ]{clock}{_ZONE}$").cast(work)
    naive = matching(missing(cut, zoned), f"{day}(?:[T ]{clock})?$").cast(pa.timestamp(work.unit))
    return pc.coalesce(zoned, naive.view(work))


def _epoch_text(text: pa.Array, target: pa.DataType) -> pa.Array:
    digits = 9 if target.unit == "ns" else 6
    seconds = numerals.to_decimal(text, pa.decimal128(38, digits), rounding=True)
    limit = FIRST_SECOND, LAST_SECOND + 1
    if digits == 9:
        limit = -(_INT64_MAX // 10**9), _INT64_MAX // 10**9
    in_range = pc.and_(between(seconds, *limit), pc.less(seconds, pa.scalar(limit[1], seconds.type)))
    counts = count_of(keep(seconds, in_range))
    return to_timestamp(counts.view(pa.timestamp("ns" if digits == 9 else "us")), target, cut=True)


def _parse_timestamp(text: str, digits: int) -> int | None:
    instant = parse_datetime(text, digits)
    if instant is None:
        day = parse_date(text)
        instant = _parse_epoch(text, digits) if day is None else day_instant(day, digits)
    return instant if instant is not None and -_INT64_MAX <= instant <= _INT64_MAX else None


def _parse_epoch(text: str, digits: int) -> int | None:
    text = text.strip()
    if text.startswith("0x"):
        return None
    seconds = numerals.parse_decimal(text, pa.decimal128(38, digits), rounding=True)
    if seconds is None or not FIRST_SECOND <= seconds < LAST_SECOND + 1:
        return None
    return int(seconds.scaleb(digits))


def text_to_date(text: pa.Array) -> pa.Array:
    """Return days: ISO dates, and whatever `text_to_timestamp` takes as exactly a midnight in UTC."""
    try:
        days = text.cast(pa.timestamp("s"))
    except pa.ArrowInvalid:
        # what text_to_timestamp would cut is more than a midnight
        text = keep(text, pc.invert(pc.match_substring_regex(text, _BEYOND_MICROSECONDS)))
        days = text_to_timestamp(text, pa.timestamp("us"))
    return timestamp_to_date(_in_years(days))


def text_to_time(text: pa.Array) -> pa.Array:
    """Return times of day in microseconds, further digits cut; a time with an offset is turned to UTC."""
    usual = matching(text, _CLOCK)
    instants = pc.binary_join_element_wise("1970-01-01T", usual, "").cast(pa.timestamp("us"))
    done = instants.cast(_TIME)
    odd = matching(missing(text, done), _MAYBE_CLOCK)
    counts = by_distinct(odd, lambda t: parse_time(t, 6), pa.int64())
    return pc.coalesce(done, counts.view(_TIME))
