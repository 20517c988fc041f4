"""Models as contracts: pydantic models, dataclasses and TypedDicts as column hints."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints, is_typeddict

from ladle.errors import UsageError
from ladle.schema.naming import naming
from ladle.sources.model_types import Annotation, annotation_of, data_type_of

_SPELLING = naming("snake_case")
_MODE_OF_EXTRA = {"allow": "evolve", "forbid": "freeze", "ignore": "discard_value"}


def is_model(given: Any) -> bool:
    """Whether this is a class of rows: a pydantic model, a dataclass or a TypedDict."""
    return isinstance(given, type) and (
        is_pydantic(given) or dataclasses.is_dataclass(given) or is_typeddict(given)
    )


def is_pydantic(model: Any) -> bool:
    """Whether a class is a pydantic model."""
    return hasattr(model, "model_fields") and hasattr(model, "model_validate")


def is_root_model(model: Any) -> bool:
    """Whether a class is a pydantic model of something that is no model itself, such as a union."""
    return is_pydantic(model) and "root" in model.model_fields


def config_of(model: Any) -> Mapping[str, Any]:
    """Return `dlt_config` or `ladle_config` of a model."""
    config = getattr(model, "dlt_config", None) or getattr(model, "ladle_config", None)
    return config if isinstance(config, Mapping) else {}


def is_frame(item: Any) -> bool:
    """Whether an item is a frame that can be looked at as Arrow."""
    return (
        hasattr(item, "__arrow_c_stream__")
        or hasattr(item, "__arrow_c_array__")
        or hasattr(item, "collect_schema")
        or (type(item).__module__.partition(".")[0] == "pandas" and hasattr(item, "columns"))
    )


def columns_of_model(model: Any) -> dict[str, dict[str, Any]]:
    """Return column hints by source name: types, nullability, and what `Annotated` says in dicts.

    Nested models, lists and dicts are `json`, or left to the data with `skip_nested_types` in the model's
    config. Fields of type Any are left to the data but for their hints. A root model of a union has no
    columns of its own.
    """
    skip_nested = bool(config_of(model).get("skip_nested_types"))
    columns: dict[str, dict[str, Any]] = {}
    for name, field, description in _fields(model):
        data_type = data_type_of(field.type)
        if data_type == "json" and skip_nested:
            data_type = None
        typed = {} if data_type is None else {"data_type": data_type, "nullable": field.nullable}
        hints = {**typed, **({"description": description} if description else {}), **field.hints}
        if typed or field.hints:
            columns[name] = hints
    return columns


def _fields(model: Any) -> Iterator[tuple[str, Annotation, str | None]]:
    """Yield source name, annotation and description of each field."""
    if is_root_model(model):
        return
    if is_pydantic(model):
        for name, info in model.model_fields.items():
            yield info.alias or name, annotation_of(info.annotation, info.metadata), info.description
        return
    annotations = get_type_hints(model, include_extras=True)
    if not is_typeddict(model):
        for field in dataclasses.fields(model):
            yield field.name, annotation_of(annotations[field.name]), None
        return
    for name, annotation in annotations.items():
        found = annotation_of(annotation)
        required = name in model.__required_keys__ if found.required is None else found.required
        yield name, dataclasses.replace(found, nullable=found.nullable or not required), None


def field_names(model: Any) -> frozenset[str]:
    """Return the source names of a model's fields; none of a root model."""
    return frozenset(name for name, _, _ in _fields(model))


def flat_names(model: Any) -> frozenset[str] | None:
    """Return the names that fields have in rows, where a row can lack or exceed them at the top only.

    None for models with models within, and for those whose fields go by several names.
    """
    if is_root_model(model):
        return None
    config = getattr(model, "model_config", None) or {}
    several = config.get("populate_by_name") or config.get("validate_by_name")
    infos = model.model_fields.values() if is_pydantic(model) else ()
    if several or any(i.validation_alias not in (None, i.alias) for i in infos):
        return None
    fields = {name: field.type for name, field, _ in _fields(model)}
    return None if any(data_type_of(t) in (None, "json") for t in fields.values()) else frozenset(fields)


def protected_fields(columns: Any) -> frozenset[str]:
    """Return the names of columns whose values must not be shown, as `spelt` has them."""
    if not isinstance(columns, Mapping):
        return frozenset()
    return frozenset(spelt(name) for name, hints in columns.items() if _is_protected(hints))


def spelt(name: str) -> str:
    """Return a name in one spelling: `eMail`, `E-Mail` and `e_mail` are one column."""
    return _SPELLING.path(name)


def _is_protected(hints: Mapping[str, Any]) -> bool:
    tags = hints.get("tags")
    tagged = isinstance(tags, Mapping) and tags.get("pii")
    return bool(
        tagged or hints.get("protect") or hints.get("x-annotation-pii") or hints.get("x-annotation-protect")
    )


def contract_of_model(model: Any, contract: Any) -> dict[str, str]:
    """Return the contract of a resource whose columns are a model: that given, filled up by the model's."""
    extra = (getattr(model, "model_config", None) or {}).get("extra")
    default = {
        "tables": "evolve",
        "columns": _MODE_OF_EXTRA.get(str(extra), "discard_value"),
        "data_type": "freeze",
    }
    if isinstance(contract, str):
        return dict.fromkeys(default, contract)
    return {**default, **(contract or {})}


def asked_mode(contract: Any, entity: str) -> str | None:
    """Return the mode that a contract says for an entity; None where it says nothing."""
    found = contract.get(entity) if isinstance(contract, Mapping) else contract
    return found if isinstance(found, str) else None


def is_authoritative(model: Any) -> bool:
    """Whether a model may bring new columns whatever the contract of its table says."""
    return bool(config_of(model).get("is_authoritative_model"))


def check_contract_of_model(model: Any, contract: Any) -> None:
    """Check, where a model is declared, that its contract can be kept.

    Raises:
        UsageError: values that don't fit are to become null, and a field can't be null.
    """
    if contract_of_model(model, contract)["data_type"] != "discard_value":
        return
    fixed = [name for name, field, _ in _fields(model) if not field.nullable and field.type is not Any]
    if is_root_model(model):
        fixed = ["root"]
    if fixed:
        raise UsageError(
            f"a value that doesn't fit can't be discarded: field `{fixed[0]}` of model `{model.__name__}` "
            "can't be null",
            expected="schema_contract for data_type: evolve, freeze or discard_row",
            hint="make all fields Optional, or discard whole rows",
        )
