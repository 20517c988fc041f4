"""Types as people annotate fields with them, and the data types they are stored as."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)
from uuid import UUID

_DATA_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "bigint"),
    (float, "double"),
    (Decimal, "decimal"),
    (datetime, "timestamp"),
    (date, "date"),
    (time, "time"),
    (timedelta, "time"),
    (bytes, "binary"),
    (str, "text"),
    (UUID, "text"),
)
_NESTED = (Mapping, Sequence, Set)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A field's type, taken apart.

    Attributes:
        type: of its values; of a union the first type that isn't None.
        nullable: whether None is a value too, or the field may be missing.
        required: what `Required` or `NotRequired` says; None for neither.
        hints: column hints, from all dicts among the metadata of `Annotated`.
    """

    type: Any
    nullable: bool
    required: bool | None
    hints: Mapping[str, Any]


def annotation_of(annotation: Any, metadata: Sequence[Any] = ()) -> Annotation:
    """Take a type apart; `metadata` is what was taken off it before."""
    nullable, required, found = False, None, list(metadata)
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            found += annotation.__metadata__
            annotation = get_args(annotation)[0]
        elif origin in (Required, NotRequired):
            required = origin is Required
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            arguments = get_args(annotation)
            nullable = nullable or type(None) in arguments
            annotation = next((a for a in arguments if a is not type(None)), Any)
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, TypeVar):
            annotation = annotation.__bound__ or Any
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__  # `type Name = ...`
        else:
            hints: dict[str, Any] = {}
            for part in found:
                hints.update(part if isinstance(part, Mapping) else {})
            return Annotation(annotation, nullable or annotation is type(None), required, hints)


def data_type_of(annotation: Any) -> str | None:
    """Return the data type of a type without None; `json` where it is nested, None where it says nothing.

    Types that no column can hold become text: links, paths, addresses.
    """
    if annotation is Any or annotation is type(None) or annotation is object:
        return None
    origin = get_origin(annotation)
    if origin is Literal:
        return data_type_of(type(get_args(annotation)[0]))
    kind = origin or annotation
    if not isinstance(kind, type):
        return None
    if issubclass(kind, Enum):
        members = list(kind)
        return data_type_of(type(members[0].value)) if members else "text"
    plain = next((name for base, name in _DATA_TYPES if issubclass(kind, base)), None)
    if plain is not None:
        return plain
    nested = issubclass(kind, _NESTED) or hasattr(kind, "model_fields") or dataclasses.is_dataclass(kind)
    return "json" if nested or is_typeddict(kind) else "text"


def is_plain(annotation: Any) -> bool:
    """Whether values of a type are those that a column holds as they are."""
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type) or data_type_of(annotation) in (None, "json"):
        return True
    return issubclass(kind, Enum) or any(issubclass(kind, base) for base, _ in _DATA_TYPES)
