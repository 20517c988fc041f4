"""Models as pydantic checks them: what is to become of fields they lack is set from outside."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from functools import partial
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ladle.errors import MissingDependency
from ladle.sources.model_types import is_plain
from ladle.sources.models import is_pydantic, is_root_model

EXTRA_ERRORS = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls a field that a model lacks: of models and TypedDicts, and of dataclasses."""


_SAY_VALUES = ("value_error", "assertion_error", "union_tag_invalid")


def says_values(problem: str) -> bool:
    """Whether the message of an error of this type may repeat the value: those of the user's own code do."""
    from pydantic_core import core_schema

    return problem in _SAY_VALUES or problem not in get_args(core_schema.ErrorType)


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """A check of one item.

    Attributes:
        check: returns the item as the model's instance, or as a dict; raises pydantic's ValidationError.
        dump: returns that as a dict, by alias.
    """

    check: Callable[[Any], Any]
    dump: Callable[[Any], dict[str, Any]]


def shape_of(model: Any, extra: str) -> Shape:
    """Return the check of a model.

    Args:
        model: a pydantic model, dataclass or TypedDict.
        extra: what becomes of fields that it lacks, and those that models within it lack: `allow`,
            `forbid` or `ignore`.

    Raises:
        MissingDependency: pydantic isn't installed.
    """
    try:
        from pydantic import TypeAdapter
    except ImportError as exc:
        raise MissingDependency(
            f"checking items against `{model.__name__}` needs pydantic",
            hint='pip install "ladle[pydantic]"',
        ) from exc
    # A subclass with another `extra` would be no instance of the model, and its annotations read anew.
    adapter: Any = TypeAdapter(_portable(model))
    check = partial(adapter.validator.validate_python, extra=extra)
    plain = partial(adapter.serializer.to_python, by_alias=True)
    texts = _text_fields(model)

    def dump(made: Any) -> dict[str, Any]:
        row: dict[str, Any] = plain(made)
        for name in texts:
            if row.get(name) is not None:
                row[name] = str(row[name])
        return row

    return Shape(check, dump if texts else plain)


def _text_fields(model: Any) -> list[str]:
    """Return fields whose values are objects that a column holds as text: links, paths, secrets."""
    if not is_pydantic(model) or is_root_model(model):
        return []
    return [i.alias or n for n, i in model.model_fields.items() if _is_text_object(i.annotation)]


def _is_text_object(annotation: Any) -> bool:
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return any(part is not type(None) and not is_plain(part) for part in parts)


def _portable(given: Any) -> Any:
    """Return a type with TypedDicts that pydantic takes: none of `typing` before Python 3.12."""
    origin, arguments = get_origin(given), get_args(given)
    if origin is None or origin is Literal:
        return _typed_dict(given) if is_typeddict(given) else given
    if origin is Annotated:
        return given.copy_with((_portable(arguments[0]),))
    swapped = tuple(map(_portable, arguments))
    if all(new is old for new, old in zip(swapped, arguments, strict=True)):
        return given
    if origin is types.UnionType:
        return Union[swapped]  # noqa: UP007 - made of a tuple
    return given.copy_with(swapped) if hasattr(given, "copy_with") else origin[swapped]


def _typed_dict(given: Any) -> Any:
    from typing_extensions import TypedDict

    fields = {}
    for name, annotation in get_type_hints(given, include_extras=True).items():
        wanted = Required if name in given.__required_keys__ else NotRequired
        marked = get_origin(annotation) in (Required, NotRequired)
        swapped = _portable(annotation)
        fields[name] = swapped if marked else wanted[swapped]
    make: Any = TypedDict
    made = make(given.__name__, fields)
    made.__module__ = given.__module__
    return made
