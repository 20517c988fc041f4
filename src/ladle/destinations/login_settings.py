"""What logins of servers have in common: parts from the configuration, and the error where there are none."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from ladle.config.settings import not_found, searched
from ladle.errors import ConfigFieldMissingException, UsageError


def missing(name: str, factory: str, forms: str) -> ConfigFieldMissingException:
    """Return the error for a destination without credentials; it lists what was tried for each part.

    Args:
        name: of the destination.
        factory: that makes it, below `ladle.destinations`.
        forms: that credentials may have.
    """
    keys = {part: part == "password" for part in ("host", "database", "username", "password")}
    error = not_found(name, keys, ("destination", name), ("credentials",))
    key = f"DESTINATION__{name.upper()}__CREDENTIALS"
    error.what = f"the destination `{name}` has no credentials"
    error.expected = forms
    error.hint = (
        f"pass them to ladle.destinations.{factory}(...), set {key}, or [destination.{name}.credentials]"
        " in .ladle/secrets.toml"
    )
    return error


def configured(name: str, parts: Iterable[str]) -> dict[str, str]:
    """Return the parts of a login that the configuration has."""
    found = {
        part: searched(part, ("destination", name), ("credentials",), secret=part == "password")
        for part in parts
    }
    return {part: value for part, value in found.items() if value is not None}


def from_json(text: str, engine: str, forms: str) -> dict[str, object]:
    """Return the parts that JSON has.

    Raises:
        UsageError: it is no object; the text isn't shown.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"the {engine} credentials begin like JSON but aren't an object", expected=forms)
    return found
