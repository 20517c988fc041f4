"""What a look-up does, told: every key that is tried, and where the value came from. Secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ladle.config.chain import here
from ladle.config.lookup import Found, Where, look, tried
from ladle.config.markers import TSecretValue
from ladle.config.providers import ENVIRONMENT
from ladle.config.resolve import looked_at
from ladle.config.spec import MASK

_SECRET_NAME = re.compile(r"pass|secret|token|key|credential|private|auth|dsn|hook|cert|sas", re.IGNORECASE)
_NEVER_DROPPED = "credentials"


def place(key: str, pipeline: str | None = None, sections: str | None = None) -> tuple[Where, str]:
    """Return where to look for a key as a user writes it, and its name.

    Args:
        key: with dots: what stands before the last one are sections, dropped one by one as a source or a
            destination does; `credentials` and what follows are never dropped.
        pipeline: keys below its name go first.
        sections: with dots: the sections to drop; then none of `key` is dropped.
    """
    *before, name = key.split(".")
    required: list[str] = []
    if sections is not None:
        before, required = sections.split("."), before
    elif _NEVER_DROPPED in before:
        at = before.index(_NEVER_DROPPED)
        before, required = before[:at], before[at:]
    return replace(here(tuple(part for part in before if part), tuple(required)), pipeline=pipeline), name


def explained(name: str, where: Where, *, secret: bool = False) -> tuple[list[str], bool]:
    """Return lines that tell a look-up, and whether it found a value.

    Args:
        name: the key's last part.
        where: where to look.
        secret: as for a secret: not in `config.toml`.
    """
    hint: Any = TSecretValue if secret else Any
    found = look(name, hint, where)
    lines = list(_steps(tried(name, hint, where), found))
    if found is None:
        lines.append("not found")
    else:
        lines.append(f"value: {_shown(name, found, secret)}")
        lines.append(f"from: {found.provider}, {found.key}")
    for path, there in looked_at(where.providers):
        lines.append(f"file: {path}{'' if there else ' (not there)'}")
    return lines, found is not None


def _steps(traces: tuple[tuple[str, str], ...], found: Found | None) -> Iterator[str]:
    for provider, key in traces:
        hit = found is not None and (provider, key) == (found.provider, found.key)
        yield f"({provider}, {key}){' <- found' if hit else ''}"
        if hit:
            return


def _shown(name: str, found: Found, secret: bool) -> str:
    """Return the value, masked where it is or may be a secret: by where it was found, or by its name."""
    open_places = (ENVIRONMENT, "config.toml")
    hidden = secret or found.provider not in open_places or _SECRET_NAME.search(found.key) is not None
    is_table = isinstance(found.value, dict)
    if is_table:
        return "a table with " + ", ".join(found.value)
    if hidden or "://" in str(found.value):
        return MASK
    return str(found.value)
