"""What people give by name: checked, with the nearest match in the error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ladle.destinations.base import Destination
from ladle.destinations.registry import resolve
from ladle.errors import InvalidPipelineName, UsageError
from ladle.schema.naming import naming

_MAX_NAME_BYTES = 255
"""What Linux, macOS and Windows take as the name of a folder, or more."""


def checked_name(name: str) -> str:
    """Return the name; raise InvalidPipelineName where it can't be a folder's."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w.\- ]+", name) or name.strip(". ") == "":
        shown = str(name).encode(errors="backslashreplace").decode()  # half a character can't be printed
        raise InvalidPipelineName(
            f"`{shown}` can't be the name of a pipeline",
            expected="letters, digits, `_`, `-`, `.` and spaces: it becomes a folder name",
        )
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise InvalidPipelineName(
            f"the name of a pipeline, `{name[:20]}...`, is too long",
            expected=f"at most {_MAX_NAME_BYTES} bytes: it becomes a folder name",
        )
    return name


def schema_name(pipeline_name: str) -> str:
    """Return the default name of a pipeline's schema."""
    name = re.sub(r"\W", "_", naming("snake_case").identifier(pipeline_name))
    return name if not name[:1].isdigit() else f"_{name}"


def check_choice(what: str, value: Any, choices: Sequence[str]) -> None:
    """Raise UsageError, naming the nearest, unless the value is one of the choices or None."""
    if value is not None and value not in choices:
        raise UsageError.unknown_choice(what, value, choices)


def checked_staging(staging: Any) -> Destination | None:
    """Return the destination that is to stage files; None where none is given.

    Raises:
        UsageError: it doesn't hold files.
    """
    if staging is None:
        return None
    found = resolve(staging)
    if found.type_name != "filesystem":
        raise UsageError(f"`{found.name}` can't be a staging", expected='files: staging="filesystem"')
    return found
