"""What ISO 8601 text means: a grammar for dates, times and date-times, in plain Python, value by value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

FIRST_SECOND = -62135596800
"""Epoch second at which year 1 begins."""
LAST_SECOND = 253402300799
"""Epoch second with which year 9999 ends."""

_DAY = 86400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_ZONE = r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?"
_FRACTION = r"(?:[.,](?P<fraction>\d+))?"
_DATES: Mapping[str, tuple[re.Pattern[str], ...]] = {
    style: tuple(re.compile(p, re.ASCII) for p in patterns)
    for style, patterns in {
        "extended": (
            r"(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d))?",
            r"(?P<year>\d{4})-(?P<yearday>\d{3})",
            r"(?P<year>\d{4})-W(?P<week>\d\d)(?:-(?P<weekday>[1-7]))?",
        ),
        "basic": (
            r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
            r"(?P<year>\d{4})(?P<yearday>\d{3})",
            r"(?P<year>\d{4})W(?P<week>\d\d)(?P<weekday>[1-7])?",
        ),
        "common": (r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)", r"(?P<year>\d{4})"),
    }.items()
}
_TIMES: Mapping[str, re.Pattern[str]] = {
    style: re.compile(p + _ZONE, re.ASCII)
    for style, p in {
        "extended": rf"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d){_FRACTION})?",
        "basic": rf"(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d){_FRACTION})?",
        "hour": r"(?P<hour>\d\d)",
    }.items()
}
_LOOSE_TIME = re.compile(
    rf" ?(?P<hour>\d\d?):(?P<minute>\d\d?)(?::(?P<second>\d\d?){_FRACTION})?(?P<zone>)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day as written: whole seconds since midnight, fraction digits, offset in seconds."""

    seconds: int
    fraction: str
    offset: int | None

    def count(self, digits: int) -> int:
        """Return the time in units of 10**-digits seconds, further digits cut, offset not applied."""
        scale: int = 10**digits
        return self.seconds * scale + int(self.fraction[:digits].ljust(digits, "0") or 0)


def is_iso_timestamp(value: str) -> bool:
    """Tell whether text is a date with a time, as detector `iso_timestamp` takes it.

    Taken: extended and basic form, calendar, ordinal and week dates, `T` or one space between, hour alone,
    fraction with point or comma, offsets `Z`, `+02`, `+0200`, `+02:00`. Not taken: a date alone, 24:00,
    second 60, one-digit fields, space around, years outside 1 to 9999 once in UTC.
    """
    return parse_datetime(value, 0) is not None


def parse_datetime(text: str, digits: int) -> int | None:
    """Return the instant that a date with a time names, or None.

    Args:
        text: as `is_iso_timestamp` takes it; without offset it is UTC.
        digits: fraction digits of a second to keep; further digits are cut.

    Returns:
        Units of 10**-digits seconds since the epoch.
    """
    day_text, separator, clock_text = text.partition("T" if "T" in text else " ")
    if not separator:
        return None
    style, day = _read_date(day_text)
    clock_style, clock = _read_clock(clock_text)
    if day is None or clock is None:
        return None
    # as the reference: with a space and no offset the two forms may be mixed
    mixed = separator == " " and clock_style == "extended" and clock.offset is None and style != "extended"
    if not mixed and (style == "common" or clock_style not in (style, "hour")):
        return None
    return _instant(day, clock, digits)


def parse_date(text: str) -> date | None:
    """Return the day that text names, or None.

    Taken: `2024-01-02`, `20240102`, `2024-W01-1`, `2024W011`, `2024-002`, `2024002`, `2024/01/02`; month,
    week or year alone are their first day.
    """
    return _read_date(text)[1]


def parse_time(text: str, digits: int) -> int | None:
    """Return the time of day that text names, or None.

    Args:
        text: `03:04:05.5`, with an offset too (then the time in UTC), one-digit fields, `T030405`.
        digits: fraction digits of a second to keep; further digits are cut.

    Returns:
        Units of 10**-digits seconds since midnight.
    """
    style, clock = _read_clock(text.removeprefix("T"))
    if style in ("basic", "hour") and not text.startswith("T"):
        return None
    if clock is None and (loose := _LOOSE_TIME.fullmatch(text)):
        clock = _clock(loose.groupdict())
    if clock is None:
        return None
    scale: int = 10**digits
    return (clock.count(digits) - (clock.offset or 0) * scale) % (_DAY * scale)


def day_instant(day: date, digits: int) -> int:
    """Return the midnight (UTC) with which `day` begins, in units of 10**-digits seconds since the epoch."""
    scale: int = 10**digits
    return (day.toordinal() - _EPOCH_DAY) * _DAY * scale


def _instant(day: date, clock: Clock, digits: int) -> int | None:
    scale: int = 10**digits
    instant = day_instant(day, digits) + clock.count(digits) - (clock.offset or 0) * scale
    return instant if FIRST_SECOND * scale <= instant < (LAST_SECOND + 1) * scale else None


def _read_date(text: str) -> tuple[str, date | None]:
    for style, patterns in _DATES.items():
        for pattern in patterns:
            if found := pattern.fullmatch(text):
                return style, _day(found.groupdict())
    return "", None


def _day(fields: Mapping[str, str | None]) -> date | None:
    year = int(fields["year"] or 0)
    try:
        if week := fields.get("week"):
            return date.fromisocalendar(year, int(week), int(fields["weekday"] or 1))
        if yearday := fields.get("yearday"):
            day = date.fromordinal(date(year, 1, 1).toordinal() + int(yearday) - 1)
            return day if day.year == year else None
        return date(year, int(fields.get("month") or 1), int(fields.get("day") or 1))
    except ValueError:
        return None


def _read_clock(text: str) -> tuple[str, Clock | None]:
    for style, pattern in _TIMES.items():
        if found := pattern.fullmatch(text):
            return style, _clock(found.groupdict())
    return "", None


def _clock(fields: Mapping[str, str | None]) -> Clock | None:
    hour, minute, second = (int(fields.get(name) or 0) for name in ("hour", "minute", "second"))
    offset = _offset(fields["zone"])
    if hour > 23 or minute > 59 or second > 59 or abs(offset or 0) >= _DAY:
        return None
    return Clock(hour * 3600 + minute * 60 + second, fields.get("fraction") or "", offset)


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
