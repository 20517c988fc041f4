"""Cursors among the arguments of a resource's function: the default, over it settings, over them the call."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from ladle.config.chain import here
from ladle.config.coerce import Mismatch, parsed
from ladle.config.hints import alternatives
from ladle.config.lookup import Where, look
from ladle.config.markers import Awaiting
from ladle.config.resolve import Gap, missing, read
from ladle.errors import UsageError
from ladle.sources.pipe import Call
from ladle.sources.steps import is_cursor

_TYPES: Mapping[str, Any] = {"initial_value": Any, "end_value": Any, "lag": float, "primary_key": Any}


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One that takes a cursor. `kind`: the class; `value_type`: of its values, as far as it is declared."""

    name: str
    default: Any
    kind: Any
    value_type: Any


def takes_cursor(hint: Any) -> bool:
    """Whether a type hint is that of a cursor: `ladle.sources.incremental`, `...incremental[int]`."""
    return any(_is_cursor_class(get_origin(one) or one) for one in alternatives(hint))


def with_cursors(
    call: Call, signature: inspect.Signature, hints: Mapping[str, Any], sections: tuple[str, ...], owner: str
) -> Call:
    """Put cursors among the arguments of a call.

    Args:
        call: the arguments given; a cursor among them completes the default and the settings.
        signature: of the function.
        hints: its type hints, by parameter.
        sections: where settings are: `<sections>.<parameter>.initial_value` and so on.
        owner: the function's name, for errors.

    Raises:
        ConfigFieldMissingException: a cursor has to come from settings, and there is none.
        UsageError: an option can't be.
    """
    found = (_parameter(p, hints) for p in signature.parameters.values())
    wanted = [p for p in found if p is not None]
    if not wanted:
        return call
    given = signature.bind_partial(*call.args, **call.kwargs).arguments
    for parameter in wanted:
        cursor = _cursor(parameter, given.get(parameter.name), sections, owner)
        if cursor is not None:
            given[parameter.name] = cursor
    bound = inspect.BoundArguments(signature, given)
    return Call(bound.args, bound.kwargs)


def _cursor(parameter: _Parameter, given: Any, sections: tuple[str, ...], owner: str) -> Any:
    passed = given if is_cursor(given) else None
    if given is not None and passed is None and not isinstance(given, Awaiting):
        return given  # something else was passed: the function's own affair
    where = here(sections)
    found = _configured(parameter, where)
    default = parameter.default if is_cursor(parameter.default) else None
    parts = [part for part in (default, found, passed) if part is not None]
    if not parts:
        if isinstance(parameter.default, Awaiting) or isinstance(given, Awaiting):
            key = f"{parameter.name}.cursor_path"
            raise missing(owner, [Gap(key, "cursor_path", str, where.below(parameter.name))], where.providers)
        return None
    cursor = parts[0]
    for part in parts[1:]:
        cursor = cursor.merge(part) if hasattr(cursor, "merge") else part
    return cursor


def _configured(parameter: _Parameter, where: Where) -> Any:
    """Return the cursor that settings describe, None where there are none."""
    if not hasattr(parameter.kind, "from_mapping"):
        return None
    whole = look(parameter.name, dict, where)
    values: dict[str, Any] = {}
    if whole is not None and not isinstance(whole.value, Mapping):
        values = _from_text(str(whole.value))
    elif whole is not None or any(f"{parameter.name.upper()}__" in key for key in os.environ):
        values = _by_option(parameter, where, whole.value if whole is not None else {})
    if not values:
        return None
    try:
        return parameter.kind.from_mapping(values, parameter.value_type)
    except UsageError as error:
        raise error.with_facts(key=parameter.name) from None


def _by_option(parameter: _Parameter, where: Where, table: Mapping[str, Any]) -> dict[str, Any]:
    options = list(parameter.kind().options())
    below = where.below(parameter.name)
    values: dict[str, Any] = {}
    for option in options:
        hint = str if parameter.value_type is str else _TYPES.get(option, str)
        hint = bool if option == "allow_external_schedulers" else hint
        found = look(option, hint, below)
        if found is not None:
            values[option] = read(found, hint)
    # A table of that name may be about something else; where it isn't, a wrong name in it is a mistake.
    unknown = {k: v for k, v in table.items() if k not in options} if values else {}
    return {**values, **unknown}


def _from_text(text: str) -> dict[str, Any]:
    """Return the options in JSON text; other text is not about cursors: shells set `_`, `PATH` and others."""
    try:
        found = parsed(text)
    except Mismatch:
        return {}
    return dict(found) if isinstance(found, Mapping) else {}


def _parameter(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> _Parameter | None:
    default = parameter.default
    hint = next((a for a in alternatives(hints.get(parameter.name)) if takes_cursor(a)), None)
    if not is_cursor(default) and hint is None:
        return None
    kind = type(default) if is_cursor(default) else get_origin(hint) or hint
    declared = get_args(hint)[0] if get_args(hint) else None
    if is_cursor(default) and hasattr(default, "get_incremental_value_type"):
        known = default.get_incremental_value_type()
        declared = declared or (None if known is Any else known)
    return _Parameter(parameter.name, default, kind, declared)


def _is_cursor_class(kind: Any) -> bool:
    names = ("can_close", "bound", "get_state")
    return isinstance(kind, type) and all(hasattr(kind, name) for name in names)
