"""`config.toml` and `secrets.toml`: where they are, read once, read again when they changed."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from ladle.errors import ConfigFileNotFoundException, TomlProviderReadException

_FOLDERS = (".ladle", ".dlt")
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
Stamp = tuple[int, int, int] | None


def candidates(name: str) -> tuple[tuple[str, ...], ...]:
    """Return where a file may be: by the working directory, by home; of each the first that exists counts."""
    here = tuple(os.path.join(os.getcwd(), folder, name) for folder in _FOLDERS)
    home = tuple(os.path.join(os.path.expanduser("~"), folder, name) for folder in _FOLDERS)
    return (here,) if here == home else (here, home)


def stamp(path: str) -> Stamp:
    """Return what changes when a file does, None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def chosen(name: str) -> tuple[tuple[str, Stamp], ...]:
    """Return the files to read, the one of the working directory first."""
    files: list[tuple[str, Stamp]] = []
    for paths in candidates(name):
        for path in paths:
            found = stamp(path)
            if found is not None:
                files.append((path, found))
                break
    return tuple(files)


def read(path: str) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        TomlProviderReadException: it isn't TOML; names line and column, and shows nothing of the content.
        ConfigFileNotFoundException: it can't be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as exc:
        raise ConfigFileNotFoundException(
            f"a configuration file can't be read: {exc.strerror}", path=path
        ) from exc
    failed: tuple[str, int, int]
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        column = exc.start - content.rfind(b"\n", 0, exc.start)
        failed = "it isn't UTF-8", content[: exc.start].count(b"\n") + 1, column
    except tomllib.TOMLDecodeError as exc:
        place = _PLACE.search(str(exc))
        line, column = (int(place[1]), int(place[2])) if place and place[1] else _end(content)
        failed = _PLACE.sub("", str(exc)), line, column
    raise _malformed(path, *failed)  # not in the handler: the error that it would keep holds the content


def _end(content: bytes) -> tuple[int, int]:
    lines = content.decode("utf-8-sig").split("\n")
    return len(lines), len(lines[-1]) + 1


def _malformed(path: str, why: str, line: int, column: int) -> TomlProviderReadException:
    return TomlProviderReadException(
        f"a configuration file isn't valid TOML: {why[:1].lower()}{why[1:]}",
        path=path,
        line=line,
        column=column,
        hint='mend that line; text stands in quotes: key = "value"',
    )
