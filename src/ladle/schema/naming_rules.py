"""What built-in conventions do to one identifier, and the cut to a length; found with dlt as a black box."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

from ladle.errors import UsageError

Rule = Callable[[str], str]
"""Turns one stripped, non-empty identifier into its normalised form; "" where nothing is left of it."""

_TAG_CHARS = 6
_SPELLED_OUT = str.maketrans("+*-@|", "xx_al")
_OTHER_RUN = re.compile(r"[^A-Za-z\d_]+")  # \d on purpose: decimal digits of any script stay, as in dlt
_CAMEL_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[^_])(?=[A-Z][a-z])")
_LEADING_DIGIT = re.compile(r"^(?=\d)")
_UNDERSCORES = re.compile(r"_{2,}")
_NEVER_QUOTED = str.maketrans('"\n\r\0', "____")
_NEVER_QUOTED_DIRECT = str.maketrans("\"'\n\r\0▶", "______")


def snake(text: str) -> str:
    """`HTTPServer` to `http_server`; each underscore at the end becomes an `x`."""
    spelled = _OTHER_RUN.sub("_", text.translate(_SPELLED_OUT))
    lower = _LEADING_DIGIT.sub("_", _CAMEL_BREAK.sub("_", spelled).lower())
    body = lower.rstrip("_")
    return _UNDERSCORES.sub("_", body) + "x" * (len(lower) - len(body))


def snake_table(text: str) -> str:
    """`snake` without underscores at the start, which S3 Tables forbids."""
    return snake(text).lstrip("_")


def duck(text: str) -> str:
    """Keep any character but double quotes and line ends; runs of `_` become one."""
    return _UNDERSCORES.sub("_", text.translate(_NEVER_QUOTED))


def direct(text: str) -> str:
    """Keep any character but quotes, line ends and the separator `▶`."""
    return text.translate(_NEVER_QUOTED_DIRECT)


def sql_cs(text: str) -> str:
    """Letters, digits and `_` in their case, none at the end; only a name of one `_` stays it."""
    clean = _LEADING_DIGIT.sub("_", _OTHER_RUN.sub("_", text))
    return clean if clean == "_" else _UNDERSCORES.sub("_", clean.rstrip("_"))


def sql_ci(text: str) -> str:
    """`sql_cs` in lower case."""
    return sql_cs(text).lower()


class ByteLength(int):
    """A limit on names that counts the bytes of UTF-8, as Postgres and file systems do, not characters."""


def fits(name: str, limit: int | None) -> bool:
    """Whether a name is within a limit."""
    if limit is None:
        return True
    return (len(name.encode()) if isinstance(limit, ByteLength) else len(name)) <= limit


def shorten(name: str, source: str, max_length: int | None) -> str:
    """Return `name` within `max_length`, with a tag in its middle that keeps it apart.

    The tag is made of the source spelling, so that names which only look alike at their ends, or were
    spelled differently at the source, stay different. The formula is dlt's: datasets it started go on.

    Args:
        name: normalised name.
        source: what `name` was made from; for a compound name the joined name itself.
        max_length: limit of the destination, in characters or as `ByteLength`; None for no limit.

    Raises:
        UsageError: `name` is too long and the limit has no room for the tag (6 characters).
    """
    if max_length is None or fits(name, max_length):
        return name
    if max_length < _TAG_CHARS:
        raise UsageError(
            f"cannot shorten `{name}` to {max_length} characters",
            expected=f"a limit of at least {_TAG_CHARS} characters",
        )
    keep = min(max_length - _TAG_CHARS, len(name))
    while True:
        tail = keep // 2
        short = name[: keep - tail] + _tag(source) + name[len(name) - tail :]
        if fits(short, max_length):
            return short
        keep -= 1


def _tag(source: str) -> str:
    digest = hashlib.shake_128(source.encode("utf-8", "surrogatepass")).digest(4)
    return base64.b64encode(digest, altchars=b"ba").rstrip(b"=").decode("ascii").lower()
