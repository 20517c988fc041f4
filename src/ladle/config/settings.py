"""Single settings, for the rooms that need one or two: the front of the look-up chain."""

from __future__ import annotations

import os
from pathlib import Path

from ladle.config.chain import here
from ladle.config.lookup import look
from ladle.config.markers import TSecretStrValue
from ladle.config.resolve import read
from ladle.errors import ConfigError


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


def flag(*path: str) -> bool:
    """Return a setting that is true or false; unset is false."""
    return (setting(*path) or "").strip().lower() in ("1", "true", "yes", "on")


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
