"""Keep chosen paths whole, as JSON text: columns declared `json`, and all below the nesting limit."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

from ladle.errors import DataError
from ladle.extract.arrow import Where, to_array
from ladle.extract.plain import plain
from ladle.package.raw import kinds_of, make_variant
from ladle.schema.naming import Naming

_LISTS = (list, tuple, set, frozenset)
_NESTED = (dict, *_LISTS)


@dataclass(frozen=True, slots=True)
class JsonPlan:
    """Which paths stay whole.

    Attributes:
        naming: how keys become column and table names.
        columns: `(table, column)` names declared as JSON.
        max_nesting: levels that become columns and tables; None for all.
    """

    naming: Naming
    columns: frozenset[tuple[str, str]] = frozenset()
    max_nesting: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept whole, so that the fast path can serve."""
        return not self.columns and self.max_nesting is None


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place in the document: its table, the column prefix below the table's row, and the depth."""

    table: str
    prefix: tuple[str, ...]
    depth: int


def to_array_keeping_json(rows: Sequence[Mapping[str, Any]], plan: JsonPlan, where: Where) -> pa.Array:
    """Convert rows to a struct array in the raw format, chosen paths as the kind `json`.

    A value that is no dict or list stays what it is. Explicit nulls inside the JSON text are kept.

    Raises:
        DataError: a value can't be stored.
    """
    return _struct(list(rows), plan, where, _Spot(plan.naming.table(where.table), (), 0))


def _struct(rows: list[Any], plan: JsonPlan, where: Where, spot: _Spot) -> pa.Array:
    keys = dict.fromkeys(key for row in rows if row is not None for key in row)
    mask = pa.array([row is None for row in rows]) if None in rows else None
    arrays = []
    for key in keys:
        values = [None if row is None else row.get(key) for row in rows]
        arrays.append(_column(values, plan, where, _Spot(spot.table, (*spot.prefix, str(key)), spot.depth)))
    fields = [pa.field(str(key), a.type) for key, a in zip(keys, arrays, strict=True)]
    if not arrays:
        return to_array(rows, where=where)
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=mask)


def _column(values: list[Any], plan: JsonPlan, where: Where, spot: _Spot, element: bool = False) -> pa.Array:
    values = [plain(v) for v in values]
    dicts = [v if isinstance(v, dict) else None for v in values]
    lists = [v if isinstance(v, _LISTS) else None for v in values]
    scalars = [None if isinstance(v, _NESTED) else v for v in values]
    name = plan.naming.join(*spot.prefix) if spot.prefix else "value"
    declared = (spot.table, name) in plan.columns
    deep = plan.max_nesting is not None and spot.depth >= plan.max_nesting
    kinds: dict[str, pa.Array] = {}
    whole: list[Any] = [None] * len(values)
    inner = _Spot(spot.table, spot.prefix, spot.depth + 1)
    # The dicts of a list are rows, not values: they flatten one level later than the list.
    for nested, kind, build, keep in (
        (dicts, "dict", _struct, declared or (deep and not element)),
        (lists, "list", _list, declared or deep),
    ):
        if keep:
            whole = [n if n is not None else w for n, w in zip(nested, whole, strict=True)]
        elif any(v is not None for v in nested):
            at = _Spot(spot.table, spot.prefix, spot.depth) if element and kind == "dict" else inner
            kinds[kind] = build(nested, plan, where, at)
    if any(v is not None for v in whole):
        kinds["json"] = pa.array([None if v is None else json_text(v, where) for v in whole], pa.string())
    if any(v is not None for v in scalars):
        kinds.update(kinds_of(to_array(scalars, where=where)))
    if not kinds:
        return pa.nulls(len(values))
    if len(kinds) == 1 and "json" not in kinds:
        return next(iter(kinds.values()))
    return make_variant(kinds)


def _list(lists: list[Any], plan: JsonPlan, where: Where, spot: _Spot) -> pa.Array:
    offsets = [0]
    flat: list[Any] = []
    for value in lists:
        flat.extend(value or ())
        offsets.append(len(flat))
    path = spot.prefix or ("list",)
    inner = _Spot(plan.naming.join(spot.table, *path), (), spot.depth)
    values = _column(flat, plan, where, inner, element=True) if flat else pa.nulls(0)
    mask = pa.array([v is None for v in lists])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=mask)


def json_text(value: Any, where: Where) -> str:
    """Return `value` as compact JSON; what JSON has no form for becomes text, bytes base64, NaN null.

    Raises:
        DataError: an object that can't be stored.
    """
    try:
        return orjson.dumps(value, default=_plain, option=_ORJSON).decode()
    except TypeError:
        pass
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as exc:
        raise DataError(
            f"cannot store a value of type `{type(value).__name__}` as JSON: {exc}",
            resource=where.resource,
            table=where.table,
            expected="null, bool, number, text, bytes, date, time, list or dict",
        ) from exc


_ORJSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Decimal):
        return str(value)
    mapped = plain(value)
    if mapped is not value:
        return mapped
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"no JSON form for `{type(value).__name__}`")
