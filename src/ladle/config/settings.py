"""Settings from the environment, resolved once at the edge."""

from __future__ import annotations

import os
from pathlib import Path

from ladle.errors import ConfigError


def setting(*path: str, default: str | None = None) -> str | None:
    """Return a setting from the environment; an unset or empty one gives `default`.

    `setting("destination", "duckdb", "credentials")` reads `DESTINATION__DUCKDB__CREDENTIALS`.
    """
    return os.environ.get("__".join(path).upper()) or default


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
