"""Pydantic models as column hints and as the check of items."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from ladle.errors import DataError, UsageError

_DATA_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "bigint"),
    (float, "double"),
    (Decimal, "decimal"),
    (datetime, "timestamp"),
    (date, "date"),
    (time, "time"),
    (bytes, "binary"),
    (str, "text"),
    (UUID, "text"),
)
_EXTRA_OF_MODE = {"evolve": "allow", "freeze": "forbid", "discard_row": "forbid", "discard_value": "ignore"}
_MODE_OF_EXTRA = {"allow": "evolve", "forbid": "freeze", "ignore": "discard_value"}


def is_model(given: Any) -> bool:
    """Whether this is a pydantic model class."""
    return isinstance(given, type) and hasattr(given, "model_fields") and hasattr(given, "model_validate")


def columns_of_model(model: Any) -> dict[str, dict[str, Any]]:
    """Return column hints by source name: types and nullability of a pydantic model's fields.

    Nested models, lists and dicts are `json`, or left to the data with
    `dlt_config = {"skip_nested_types": True}`. Fields of type Any are left to the data. A root model of a
    union has no columns of its own.
    """
    skip_nested = bool(_config(model).get("skip_nested_types"))
    columns: dict[str, dict[str, Any]] = {}
    for name, info in model.model_fields.items():
        if name == "root":
            return {}
        inner, nullable = _unwrapped(info.annotation)
        data_type = _data_type(inner)
        if data_type is None and inner is Any:
            continue
        if data_type is None and skip_nested:
            continue
        columns[info.alias or name] = {"data_type": data_type or "json", "nullable": nullable}
    return columns


def _config(model: Any) -> Mapping[str, Any]:
    config = getattr(model, "dlt_config", None) or getattr(model, "ladle_config", None)
    return config if isinstance(config, Mapping) else {}


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """Return the type of a value, and whether None is one too; of a union the first type counts."""
    nullable = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            arguments = get_args(annotation)
            nullable = nullable or type(None) in arguments
            annotation = next((a for a in arguments if a is not type(None)), Any)
        else:
            return annotation, nullable


def _data_type(annotation: Any) -> str | None:
    if get_origin(annotation) is Literal:
        return _data_type(type(get_args(annotation)[0]))
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, Enum):
        members = list(annotation)
        return _data_type(type(members[0].value)) if members else "text"
    return next((name for base, name in _DATA_TYPES if issubclass(annotation, base)), None)


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


class ModelValidator:
    """A step that checks items against a pydantic model and hands them on as dicts.

    Args:
        model: a pydantic model class.
        contract: of the resource; says what becomes of rows that don't fit, and of fields the model lacks.
        resource: name, for errors.

    Raises:
        UsageError: the contract asks to discard single values that don't fit.
    """

    def __init__(self, model: Any, contract: Any, resource: str) -> None:
        modes = contract_of_model(model, contract)
        self.model = model
        self.contract = modes
        self._columns, self._types = modes["columns"], modes["data_type"]
        if self._types == "discard_value":
            raise UsageError(
                "schema_contract for data_type can't be `discard_value` with a pydantic model",
                expected="evolve, freeze or discard_row",
                resource=resource,
            )
        self._keep_models = bool(_config(model).get("return_validated_models"))
        self._resource = resource
        self._checked = _with_extra(model, _EXTRA_OF_MODE[self._columns])

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return the item or page as validated; None where nothing of it is kept.

        Raises:
            DataError: it doesn't fit, and the contract is to freeze.
        """
        if isinstance(item, list):
            return [made for row in item if (made := self._validated(row)) is not None] or None
        return self._validated(item)

    def _validated(self, item: Any) -> Any:
        if hasattr(item, "__arrow_c_stream__"):
            return item
        if isinstance(item, self.model):
            return item if self._keep_models else item.model_dump(by_alias=True)
        try:
            made = self._checked.model_validate(item)
        except ValueError as exc:
            return self._refused(item, exc)
        if self._keep_models:
            return made
        return made.model_dump(by_alias=True)

    def _refused(self, item: Any, exc: ValueError) -> Any:
        errors = exc.errors() if hasattr(exc, "errors") else []
        extra = [e for e in errors if e.get("type") == "extra_forbidden"]
        modes = ({self._columns} if extra else set()) | ({self._types} if len(extra) < len(errors) else set())
        if "freeze" in modes:
            first = errors[0] if errors else {"loc": (), "msg": str(exc)}
            raise DataError(
                f"an item doesn't fit model `{self.model.__name__}`: {first['msg']}",
                resource=self._resource,
                column=".".join(map(str, first["loc"])) or None,
                value=item,
                hint='fix the data or the model, or set schema_contract={"data_type": "discard_row"}',
            ) from exc
        return None if "discard_row" in modes else item


def _with_extra(model: Any, extra: str) -> Any:
    if hasattr(model, "model_fields") and "root" in model.model_fields:
        return model
    if (getattr(model, "model_config", None) or {}).get("extra", "ignore") == extra:
        return model
    return type(model)(
        model.__name__, (model,), {"model_config": {"extra": extra}, "__module__": model.__module__}
    )
