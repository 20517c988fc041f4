"""The schema file beside a source's module: `<source name>.schema.yaml`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ladle.errors import UsageError
from ladle.schema.schema import Schema
from ladle.schema.yaml import read_file

_ENDINGS = (".schema.yaml", ".schema.yml", ".schema.json")


def beside(func: Callable[..., Any], name: str) -> Schema | None:
    """Return the schema in the file beside a function's module; None where there is no such file.

    Args:
        func: of a source.
        name: of the source; the file has it, and so has the schema in it.

    Raises:
        UsageError: the file can't be read, or is another schema's.
    """
    try:
        folder = Path(inspect.getfile(inspect.unwrap(func))).parent
    except (TypeError, OSError):  # built in, or typed into a shell
        return None
    for ending in _ENDINGS:
        path = folder / f"{name}{ending}"
        if path.is_file():
            return _read(path, name, path.stat().st_mtime_ns).clone()
    return None


@lru_cache(maxsize=64)
def _read(path: Path, name: str, changed_ns: int) -> Schema:
    """Read the file once for each time it was written."""
    schema = Schema.from_dict(read_file(path))
    if schema.name != name:
        raise UsageError(
            f"the schema file `{path}` has the schema `{schema.name}`, not `{name}`",
            expected=f"name: {name}",
        )
    return schema
