"""Single settings, for the rooms that need one or two: the front of the look-up chain."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ladle.config.chain import here
from ladle.config.lookup import look
from ladle.config.markers import TSecretStrValue
from ladle.config.resolve import Gap, missing, read
from ladle.errors import ConfigError, ConfigFieldMissingException


def setting(*path: str, default: str | None = None, secret: bool = False) -> str | None:
    """Return a setting as text; an unset or empty one gives `default`.

    `setting("destination", "duckdb", "credentials")` reads `DESTINATION__DUCKDB__CREDENTIALS`, then
    `[destination.duckdb] credentials` of the files; below the name of the pipeline at work first.

    Args:
        path: sections and key, exactly.
        default: what to return where there is none.
        secret: look among secrets only.
    """
    *sections, name = path
    hint = TSecretStrValue if secret else str
    found = look(name, hint, here((), tuple(sections)))
    return default if found is None else str(read(found, hint)) or default


def several(*sections: str, names: Sequence[str]) -> dict[str, str | None]:
    """Return settings of one section as text, looked up at once; None for those unset or empty."""
    where = here((), sections)
    found = {name: look(name, str, where) for name in names}
    return {name: None if one is None else str(read(one, str)) or None for name, one in found.items()}


def searched(
    key: str, sections: tuple[str, ...], required: tuple[str, ...] = (), *, secret: bool = False
) -> str | None:
    """Return a setting as text, None where there is none.

    Args:
        key: its name.
        sections: dropped from the right, one by one, as long as nothing is found.
        required: sections right before the key, never dropped.
        secret: look among secrets only.
    """
    hint = TSecretStrValue if secret else str
    found = look(key, hint, here(sections, required))
    return None if found is None else str(read(found, hint)) or None


def searched_all(
    keys: Mapping[str, type], sections: tuple[str, ...], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return those of several settings that there are.

    Args:
        keys: their names and types; a dict is a table, or JSON in an environment variable.
        sections: as for `searched`.
        required: as for `searched`.
    """
    where = here(sections, required)
    found = {name: look(name, hint, where) for name, hint in keys.items()}
    return {name: read(f, keys[name]) for name, f in found.items() if f is not None}


def not_found(
    owner: str, keys: Mapping[str, bool], sections: tuple[str, ...], required: tuple[str, ...] = ()
) -> ConfigFieldMissingException:
    """Return the error for settings that `searched` didn't find.

    Args:
        owner: whose they are.
        keys: their names, and whether each is secret.
        sections: as for `searched`.
        required: as for `searched`.
    """
    where = here(sections, required)
    gaps = [Gap(key, key, TSecretStrValue if secret else str, where) for key, secret in keys.items()]
    return missing(owner, gaps, where.providers)


def flag(*path: str, default: bool = False) -> bool:
    """Return a setting that is true or false; unset is `default`."""
    found = (setting(*path) or "").strip().lower()
    return found in ("1", "true", "yes", "on") if found else default


def number(*path: str, default: int) -> int:
    """Return a setting that is a whole number; unset is `default`.

    Raises:
        ConfigError: it isn't one.
    """
    found = setting(*path)
    try:
        return default if found is None else int(found)
    except ValueError:
        key = "__".join(path).upper()
        raise ConfigError(f"the setting `{key}` can't be `{found}`", expected="a whole number") from None


def data_dir() -> Path:
    """Return where pipelines keep their working folders: `$LADLE_DATA_DIR`, else `~/.ladle`."""
    root = os.environ.get("LADLE_DATA_DIR")
    return Path(root) if root else Path.home() / ".ladle"
