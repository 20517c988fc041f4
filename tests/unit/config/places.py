"""Settings for tests: TOML files in the working directory or at home."""

from __future__ import annotations

from pathlib import Path


def write(name: str, text: str, folder: Path | None = None, settings: str = ".ladle") -> Path:
    """Write `config.toml` or `secrets.toml`; the working directory's unless a folder is given."""
    path = (folder or Path.cwd()) / settings / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
