"""Tags: what is said about sources, tables and columns; checked as written, kept as `x-annotation-<name>`."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Mapping
from typing import Any

from ladle.errors import UsageError

PREFIX = "x-annotation-"
PII = "pii"
PROTECT = "protect"

_LOG = logging.getLogger("ladle")
_TEXT: tuple[type, ...] = (str,)
_KNOWN: Mapping[str, tuple[type, ...]] = {
    "entity": _TEXT,
    "key": (str, bool),
    "description": _TEXT,
    "owner": _TEXT,
    "domain": _TEXT,
    PII: (str, bool),
    "sensitivity": _TEXT,
    "retention": (str, int),
    PROTECT: _TEXT,
}


def tag(**tags: Any) -> dict[str, Any]:
    """Return tags as column hints, for `Annotated[str, ladle.tag(pii="email", protect="hash")]`.

    Args:
        tags: `entity`, `key`, `description`, `owner`, `domain`, `pii` (a class such as `email`),
            `sensitivity`, `retention`, own ones; `protect`: what is done to values before they are written.

    Raises:
        UsageError: a value isn't plain JSON, or not of the tag's type.
    """
    return tag_hints(tags, "column")


def tag_hints(tags: Any, of: str) -> dict[str, Any]:
    """Return tags as hints as they are stored: `description` as such, others as `x-annotation-<name>`.

    Args:
        tags: names to values.
        of: what is tagged, for errors.

    Raises:
        UsageError: no dict, a name that is no text, a value that isn't plain JSON or of the tag's type.
    """
    if not isinstance(tags, Mapping):
        raise UsageError(f"tags of {of} can't be `{tags!r}`", expected='a dict such as {"owner": "crm"}')
    for name, value in tags.items():
        check_tag(name, value, of)
    return {name if name == "description" else PREFIX + name: value for name, value in tags.items()}


def source_tags(tags: Any) -> dict[str, Any]:
    """Return the tags of a source as keys of its schema's settings, all `x-annotation-<name>`.

    The reference keeps unknown keys of settings, and drops those beside the settings.
    """
    return {k if k.startswith(PREFIX) else PREFIX + k: v for k, v in tag_hints(tags, "a source").items()}


def check_tag(name: Any, value: Any, of: str) -> None:
    """Raise UsageError for a tag that can't be kept; tell of a name that looks misspelt.

    Own names are allowed, so one that only looks like a known one is kept.
    """
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a tag of {of} can't be named `{name!r}`", expected="a text")
    allowed = _KNOWN.get(name)
    if allowed is not None and (not isinstance(value, allowed) or (value is False and name == PII)):
        kinds = " or ".join("text" if t is str else "True" if t is bool else "a number" for t in allowed)
        raise UsageError(f"the tag `{name}` of {of} can't be `{value!r}`", expected=kinds)
    if allowed is None:
        near = difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=0.75)
        if near:
            _LOG.warning("the tag `%s` of %s is kept as an own one; was `%s` meant?", name, of, near[0])
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise UsageError(
            f"the tag `{name}` of {of} can't be a `{type(value).__name__}`",
            expected="plain JSON: text, numbers, true, false, null, lists, dicts with text as keys",
        ) from exc


def tags_of(hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags among hints of a column, a table or a schema's settings, by name."""
    return {k.removeprefix(PREFIX): v for k, v in hints.items() if k.startswith(PREFIX)}


def comment(description: str | None, hints: Mapping[str, Any]) -> str | None:
    """Return description and tags as one readable line; None where there are none.

    `Where to write to [owner: crm; pii: email]`
    """
    tags = "; ".join(f"{name}: {_shown(value)}" for name, value in sorted(tags_of(hints).items()))
    parts = [description or "", f"[{tags}]" if tags else ""]
    line = " ".join(" ".join(parts).replace("\0", " ").split())
    return line or None


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
