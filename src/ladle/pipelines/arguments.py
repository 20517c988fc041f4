"""What people give by name: checked, with the nearest match in the error."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ladle.config.settings import setting
from ladle.destinations.base import Destination
from ladle.destinations.registry import resolve
from ladle.errors import ConfigError, InvalidPipelineName, UsageError
from ladle.normalize.rejects import Budget
from ladle.schema.contract import Contract
from ladle.schema.naming import naming


def checked_name(name: str) -> str:
    """Return the name; raise InvalidPipelineName where it can't be a folder's."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w.\- ]+", name) or name.strip(". ") == "":
        raise InvalidPipelineName(
            f"`{name}` can't be the name of a pipeline",
            expected="letters, digits, `_`, `-`, `.` and spaces: it becomes a folder name",
        )
    return name


def schema_name(pipeline_name: str) -> str:
    """Return the default name of a pipeline's schema."""
    name = re.sub(r"\W", "_", naming("snake_case").identifier(pipeline_name))
    return name if not name[:1].isdigit() else f"_{name}"


def default_contract() -> Contract:
    """Return the contract of the setting `schema.contract`: a mode, or JSON of modes by entity.

    Raises:
        ConfigError: it is none.
    """
    found = setting("schema", "contract")
    if found is None:
        return Contract()
    try:
        return Contract.of(json.loads(found) if found.lstrip().startswith("{") else found)
    except ValueError as error:
        raise ConfigError(
            f"the setting `SCHEMA__CONTRACT` can't be `{found}`",
            expected='evolve, freeze, discard_row, discard_value, or JSON such as {"columns": "freeze"}',
        ) from error


def budget(given: Any) -> Budget:
    """Return how much may be refused: as given, else as the setting `normalize.max_rejects` says.

    Raises:
        UsageError, ConfigError: it is neither a count nor a share.
    """
    if given is not None:
        return Budget.of(given)
    found = setting("normalize", "max_rejects")
    try:
        return Budget.of(found)
    except UsageError as error:
        what = f"the setting `NORMALIZE__MAX_REJECTS` can't be `{found}`"
        raise ConfigError(what, expected=error.expected) from None


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
