"""Models as pydantic checks them: what is to become of fields they lack is set from outside."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
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


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """A check of one item.

    Attributes:
        check: returns the item as the model's instance, or as a dict; raises pydantic's ValidationError.
        dump: returns that as a dict, by alias.
    """

    check: Callable[[Any], Any]
    dump: Callable[[Any], dict[str, Any]]


def shape_of(model: Any, extra: str | None, hide_input: bool = False) -> Shape:
    """Return the check of a model.

    Args:
        model: a pydantic model, dataclass or TypedDict.
        extra: what becomes of fields that it lacks, and those that models within it lack: `allow`,
            `forbid` or `ignore`; None leaves the model as it is.
        hide_input: whether errors are to say nothing of the values.

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
    adapter = TypeAdapter(model if extra is None else _Swap(extra, hide_input).type(model))
    texts = _text_fields(model)

    def dump(made: Any) -> dict[str, Any]:
        row: dict[str, Any] = adapter.dump_python(made, by_alias=True)
        for name in texts:
            if row.get(name) is not None:
                row[name] = str(row[name])
        return row

    return Shape(adapter.validate_python, dump)


def _text_fields(model: Any) -> list[str]:
    """Return fields whose values are objects that a column holds as text: links, paths, secrets."""
    if not is_pydantic(model) or is_root_model(model):
        return []
    return [i.alias or n for n, i in model.model_fields.items() if _is_text_object(i.annotation)]


def _is_text_object(annotation: Any) -> bool:
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return any(part is not type(None) and not is_plain(part) for part in parts)


class _Swap:
    """Rebuilds models, and the models in their fields, with another policy for fields that they lack."""

    def __init__(self, extra: str, hide_input: bool) -> None:
        self._extra = extra
        self._config = {"extra": extra, **({"hide_input_in_errors": True} if hide_input else {})}
        self._made: dict[Any, Any] = {}

    def type(self, given: Any) -> Any:
        """Return a type whose models are rebuilt; the same one where there is none."""
        origin, arguments = get_origin(given), get_args(given)
        if origin is None or origin is Literal:
            return self._class(given) if isinstance(given, type) else given
        if origin is Annotated:
            inner = self.type(arguments[0])
            return given if inner is arguments[0] else given.copy_with((inner,))
        swapped = tuple(map(self.type, arguments))
        if all(new is old for new, old in zip(swapped, arguments, strict=True)):
            return given
        if origin is types.UnionType:
            return Union[swapped]  # noqa: UP007 - made of a tuple
        if hasattr(given, "copy_with"):
            return given.copy_with(swapped)
        return origin[swapped]

    def _class(self, given: Any) -> Any:
        if given in self._made:
            return self._made[given]
        self._made[given] = given  # a model within itself stays as it is
        if is_pydantic(given):
            made = self._model(given)
        elif is_typeddict(given):
            made = self._typed_dict(given)
        elif dataclasses.is_dataclass(given):
            made = self._dataclass(given)
        else:
            made = given
        self._made[given] = made
        return made

    def _model(self, given: Any) -> Any:
        fields = {n: i for n, i in given.model_fields.items() if self.type(i.annotation) is not i.annotation}
        same = (given.model_config or {}).get("extra", "ignore") == self._extra
        if is_root_model(given):
            config = {k: v for k, v in self._config.items() if k != "extra"}
            same = not config
        else:
            config = self._config
        if same and not fields and len(config) < 2:
            return given
        namespace: dict[str, Any] = {"model_config": config, "__module__": given.__module__}
        namespace["__annotations__"] = {n: self.type(i.annotation) for n, i in fields.items()}
        namespace.update(fields)
        return type(given)(given.__name__, (given,), namespace)

    def _typed_dict(self, given: Any) -> Any:
        # Also for one without models: pydantic takes none of `typing` itself before Python 3.12.
        from typing_extensions import TypedDict

        fields = {}
        for name, annotation in get_type_hints(given, include_extras=True).items():
            wanted = Required if name in given.__required_keys__ else NotRequired
            marked = get_origin(annotation) in (Required, NotRequired)
            swapped = self.type(annotation)
            fields[name] = swapped if marked else wanted[swapped]
        make: Any = TypedDict
        made = make(given.__name__, fields)
        made.__module__ = given.__module__
        made.__pydantic_config__ = self._config
        return made

    def _dataclass(self, given: Any) -> Any:
        annotations = get_type_hints(given, include_extras=True)
        swapped = {n: self.type(a) for n, a in annotations.items()}
        changed = {n: t for n, t in swapped.items() if t is not annotations[n]}
        known = {f.name: f for f in dataclasses.fields(given)}
        namespace: dict[str, Any] = {
            "__module__": given.__module__,
            "__annotations__": {n: t for n, t in changed.items() if n in known},
            "__pydantic_config__": self._config,
        }
        namespace.update((n, known[n]) for n in namespace["__annotations__"])
        made = type(given)(given.__name__, (given,), namespace)
        parameters = given.__dataclass_params__
        return dataclasses.dataclass(made, frozen=parameters.frozen, kw_only=True) if changed else made
