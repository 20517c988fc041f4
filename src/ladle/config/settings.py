"""Settings from the environment, resolved once at the edge."""

from __future__ import annotations

import os
from pathlib import Path


def setting(*path: str, default: str | None = None) -> str | None:
    """Return a setting from the environment; an unset or empty one gives `default`.

    `setting("destination", "duckdb", "credentials")` reads `DESTINATION__DUCKDB__CREDENTIALS`.
    """
    return os.environ.get("__".join(path).upper()) or default


def flag(*path: str) -> bool:
    """Return a setting that is true or false; unset is false."""
    return (setting(*path) or "").strip().lower() in ("1", "true", "yes", "on")


def data_dir() -> Path:
    """Return where pipelines keep their working folders: `$LADLE_DATA_DIR`, else `~/.ladle`."""
    root = os.environ.get("LADLE_DATA_DIR")
    return Path(root) if root else Path.home() / ".ladle"
