"""Type hints taken apart: what is secret, optional, final, a choice of specs."""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final, Literal, NewType, TypeVar, Union, get_args, get_origin

from ladle.config.markers import NotResolved, Secret


def bare(hint: Any) -> Any:
    """Return a hint without `Annotated`, `Final`, `ClassVar` and `NewType` around it."""
    while True:
        origin = get_origin(hint)
        if origin in (Annotated, Final, ClassVar):
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif isinstance(hint, TypeVar):
            hint = hint.__bound__ or Any
        elif hint is Final:
            return Any
        else:
            return hint


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, `None` left out; any other hint is the only member."""
    inner = bare(hint)
    if get_origin(inner) in (Union, types.UnionType):
        return tuple(
            member for part in get_args(inner) if part is not type(None) for member in alternatives(part)
        )
    return (inner,)


def is_optional(hint: Any) -> bool:
    """Whether `None` is a value of the hint."""
    inner = bare(hint)
    if inner is None or inner is type(None):
        return True
    if get_origin(inner) in (Union, types.UnionType):
        return any(is_optional(part) for part in get_args(inner))
    return get_origin(inner) is Literal and None in get_args(inner)


def is_final(hint: Any) -> bool:
    """Whether a field can't be configured."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint is Final or get_origin(hint) is Final


def is_class_var(hint: Any) -> bool:
    """Whether an annotation belongs to the class rather than to its instances."""
    return hint is ClassVar or get_origin(hint) is ClassVar


def is_resolvable(hint: Any) -> bool:
    """Whether a field is looked up at all."""
    return not any(isinstance(mark, NotResolved) for mark in _marks(hint))


@lru_cache(maxsize=4096)
def _secret(hint: Any) -> bool:
    if any(isinstance(mark, Secret) or mark is Secret for mark in _marks(hint)):
        return True
    inner = bare(hint)
    if get_origin(inner) in (Union, types.UnionType):
        return any(is_secret(part) for part in get_args(inner))
    return bool(getattr(inner, "__secret__", False))


def is_secret(hint: Any) -> bool:
    """Whether a value must come from a provider of secrets, and must not be shown."""
    try:
        return _secret(hint)
    except TypeError:  # a hint that can't be hashed, as `Literal[[]]`
        return False


def _marks(hint: Any) -> tuple[Any, ...]:
    marks: list[Any] = []
    while get_origin(hint) in (Annotated, Final, ClassVar):
        if get_origin(hint) is Annotated:
            marks.extend(hint.__metadata__)
        hint = get_args(hint)[0]
    return tuple(marks)


def name_of(hint: Any) -> str:
    """Return how an error names a type."""
    inner = bare(hint)
    if isinstance(inner, type) and not get_args(inner):
        return inner.__name__
    return str(inner).replace("typing.", "")
