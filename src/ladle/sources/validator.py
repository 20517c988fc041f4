"""The step that checks items against a model, as far as the contract says."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ladle.errors import DataError
from ladle.sources.accounts import Account, Refusal, Refuse
from ladle.sources.model_shapes import EXTRA_ERRORS, Shape, says_values, shape_of
from ladle.sources.models import (
    check_contract_of_model,
    config_of,
    contract_of_model,
    field_names,
    flat_names,
    is_frame,
    is_pydantic,
    is_root_model,
    protected_fields,
    spelt,
)

if TYPE_CHECKING:
    from ladle.sources.model_frames import FrameCheck

_LOG = logging.getLogger("ladle")
_EXTRA_OF_MODE = {"evolve": "allow", "freeze": "forbid", "discard_row": "forbid", "discard_value": "forbid"}
_EXTRA = "Extra inputs are not permitted"
_NOT_A_FIELD = "no field of the model"
_MISSING: Any = object()
Path = tuple[str | int, ...]


class ModelValidator:
    """A step that checks items against a model and hands them on as dicts.

    Frames are checked by column: types and nulls, without the model's own rules.

    Args:
        model: a pydantic model, dataclass or TypedDict.
        contract: of the resource; says what becomes of rows that don't fit, and of fields the model lacks.
        resource: whose items come.
        columns: hints by source name; say which values must not be shown.

    Raises:
        UsageError: the contract asks to discard single values, and there are fields that can't be null.
        MissingDependency: pydantic isn't installed.
    """

    def __init__(self, model: Any, contract: Any, resource: Any, columns: Any = None) -> None:
        check_contract_of_model(model, contract)
        self.model = model
        self.contract = contract_of_model(model, contract)
        self._columns, self._types = self.contract["columns"], self.contract["data_type"]
        self._keep_models = bool(config_of(model).get("return_validated_models"))
        self._resource = resource
        self._hints: Mapping[str, Any] = columns if isinstance(columns, Mapping) else {}
        self._protected = protected_fields(columns)
        self._account = Account()
        self._refuse: Refuse | None = None
        self._seen = 0
        self._told = False

    def bound(self, account: Account, refuse: Refuse | None) -> ModelValidator:
        """Return the same step for one run: it counts in `account`, and hands over what it refuses."""
        made = copy.copy(self)
        made.__dict__.update(_account=account, _refuse=refuse)
        return made

    @cached_property
    def _names(self) -> frozenset[str] | None:
        """Names of the fields, where looking at them tells of all that is left out."""
        return flat_names(self.model) if self._columns == "discard_value" else None

    @cached_property
    def _first(self) -> Shape:
        """The first check: it finds fields that the model lacks, where nothing else does."""
        return self._lenient if self._names is not None else self._strict

    @cached_property
    def _strict(self) -> Shape:
        return shape_of(self.model, _EXTRA_OF_MODE[self._columns])

    @cached_property
    def _lenient(self) -> Shape:
        return shape_of(self.model, "ignore")

    @cached_property
    def _frames(self) -> FrameCheck:
        # Arrow is imported when a frame comes, not where a model is declared.
        from ladle.sources.model_frames import FrameCheck

        return FrameCheck(
            self.model.__name__, self._hints, field_names(self.model), self.contract, self._name
        )

    @property
    def _name(self) -> str:
        return str(getattr(self._resource, "name", self._resource))

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return the item or page as validated; None where nothing of it is kept.

        Raises:
            DataError: it doesn't fit, and the contract is to freeze.
        """
        if type(item) is list:
            return [made for row in item if (made := self._checked(row, meta)) is not None] or None
        return self._checked(item, meta)

    def _checked(self, item: Any, meta: Any) -> Any:
        if type(item) is not dict:
            if is_frame(item):
                return self._checked_frame(item, meta)
            if is_pydantic(self.model) and isinstance(item, self.model):
                self._seen += 1
                return item if self._keep_models else item.model_dump(by_alias=True)
            if dataclasses.is_dataclass(item) and not isinstance(item, type):
                item = dataclasses.asdict(item)
        position = self._seen
        self._seen += 1
        try:
            made = self._first.check(item)
        except ValueError as exc:
            failed = exc
        else:
            return self._handed_on(item, made, position, meta)
        # Not within `except`: the error would drag along that of pydantic, which shows the values.
        return self._unfit(item, failed, position, meta)

    def _handed_on(self, item: Any, made: Any, position: int, meta: Any) -> Any:
        names = self._names
        if names is not None and type(item) is dict and not names.issuperset(item):
            self._refuse_values(_extra_of(item, names), item, position, meta)
        if self._keep_models:
            return made
        row = self._first.dump(made)
        if self._columns != "evolve":
            return row
        # Pydantic takes what a model lacks, and doesn't give it back.
        return _with_extra(made, row) if is_pydantic(self.model) else _joined(item, row)

    def _checked_frame(self, frame: Any, meta: Any) -> Any:
        def refuse(rows: int, **told: Any) -> None:
            if told["whole"]:
                self._account.rejected += rows
            self._hand_over(Refusal(self._resource, meta=meta, item=told["row"], **told))

        check = self._frames.of(frame, self._seen, refuse)
        self._seen += check.rows
        return check.kept

    # -- what doesn't fit

    def _unfit(self, item: Any, exc: ValueError, position: int, meta: Any) -> Any:
        problems, dropped = _problems(exc), []
        if self._columns == "discard_value":
            names, known = self._names, isinstance(item, Mapping)
            if names is not None:
                dropped = _extra_of(item, names) if known else []
            else:
                dropped = [p for p in problems if p["type"] in EXTRA_ERRORS]
                made, still = _tried(self._lenient, item)
                if still is None:
                    return self._without_extra(item, made, dropped, position, meta)
                problems, exc = _problems(still), still
        for problem in problems:
            if self._mode(problem) == "freeze":
                raise self._error(problem, item, position) from (None if self._protected else exc)
        for problem in problems:
            if self._mode(problem) == "discard_row":
                return self._refuse_row(problem, item, position, meta)
        if self._types == "evolve":
            self._refuse_values(dropped, item, position, meta)
            return _without(item, [p["loc"] for p in dropped])
        made, still = _tried(self._lenient, self._nulled(item, problems))
        if still is not None:
            # A rule about several fields: no single value is to blame.
            return self._refuse_row(_problems(still)[0], item, position, meta)
        self._refuse_values(problems, item, position, meta)
        return self._without_extra(item, made, dropped, position, meta)

    def _without_extra(self, item: Any, made: Any, dropped: list[Any], position: int, meta: Any) -> Any:
        row = self._lenient.dump(made)
        # Of a union only the extra fields of the model that it is.
        gone = [p for p in dropped if _at(row, _path(p["loc"], item), _MISSING) is _MISSING]
        self._refuse_values(gone, item, position, meta)
        return made if self._keep_models else row

    def _mode(self, problem: Mapping[str, Any]) -> str:
        return self._columns if problem["type"] in EXTRA_ERRORS else self._types

    def _nulled(self, item: Any, problems: list[Any]) -> Any:
        if not problems or not isinstance(item, Mapping):
            return item
        return {**item, **{_path(p["loc"], item)[0]: None for p in problems if p["loc"]}}

    def _refuse_row(self, problem: Mapping[str, Any], item: Any, position: int, meta: Any) -> None:
        self._account.rejected += 1
        self._hand_over(self._refusal(problem, item, item, position, meta, whole=True))

    def _refuse_values(self, problems: list[Any], item: Any, position: int, meta: Any) -> None:
        for problem in problems:
            path = _path(problem["loc"], item)
            row = {path[0]: item[path[0]]} if path and isinstance(item, Mapping) and path[0] in item else {}
            self._hand_over(self._refusal(problem, item, row, position, meta, whole=False))

    def _refusal(
        self, problem: Mapping[str, Any], item: Any, row: Any, position: int, meta: Any, *, whole: bool
    ) -> Refusal:
        path = _path(problem["loc"], item)
        extra = problem["type"] in EXTRA_ERRORS
        wanted = _NOT_A_FIELD if extra else self._hints.get(str(path[0]) if path else "", {}).get("data_type")
        rule = f"model {self.model.__name__}: {problem['type']}"
        return Refusal(
            self._resource,
            rule,
            self._reason(problem, path),
            row,
            path,
            wanted,
            position,
            whole,
            meta,
            extra=extra and not whole,
            item=item,
        )

    def _hand_over(self, refusal: Refusal) -> None:
        if self._refuse is not None:
            self._refuse(refusal)
        elif not self._told:
            self._told = True
            _LOG.warning(
                "resource `%s`: model `%s` refuses items (the first: %s); read outside of a pipeline, "
                "they are dropped",
                self._name,
                self.model.__name__,
                refusal.reason,
            )

    def _hides(self, path: Path) -> bool:
        return bool(self._protected) and (not path or spelt(str(path[0])) in self._protected)

    def _reason(self, problem: Mapping[str, Any], path: Path) -> str:
        # The model's own words may repeat the value.
        if self._hides(path) and says_values(problem["type"]):
            return "the model's own check failed"
        return str(problem["msg"])

    def _error(self, problem: Mapping[str, Any], item: Any, position: int) -> DataError:
        path = _path(problem["loc"], item)
        column = ".".join(map(str, path)) or None
        value = _at(item, path, _MISSING) if path else _MISSING
        facts = {} if value is _MISSING else {"value": "***" if self._hides(path) else value}
        extra = problem["type"] in EXTRA_ERRORS
        entity = "columns" if extra else "data_type"
        return DataError(
            f"an item doesn't fit model `{self.model.__name__}`: {self._reason(problem, path)}",
            resource=self._name,
            column=column,
            row=position,
            **facts,
            hint=f'fix the data or the model, or set schema_contract={{"{entity}": "discard_row"}}',
        )


def _extra_of(item: Mapping[str, Any], names: frozenset[str]) -> list[Any]:
    """Return fields that a model lacks, as pydantic tells of them."""
    return [{"type": EXTRA_ERRORS[0], "loc": (n,), "msg": _EXTRA} for n in item if n not in names]


def _tried(shape: Shape, item: Any) -> tuple[Any, ValueError | None]:
    try:
        return shape.check(item), None
    except ValueError as exc:
        return None, exc


def _problems(exc: ValueError) -> list[Any]:
    if not hasattr(exc, "errors"):
        return [{"type": "value_error", "loc": (), "msg": str(exc)}]
    found: list[Any] = exc.errors(include_url=False, include_context=False, include_input=False)
    return found


def _path(loc: Path, item: Any) -> Path:
    """Return where pydantic found a problem, without the names of union members that it puts in between."""
    return tuple(_steps(loc, item))


def _steps(loc: Path, item: Any) -> Iterator[str | int]:
    for number, part in enumerate(loc):
        there = _at(item, (part,), _MISSING) if isinstance(item, (dict, list)) else _MISSING
        if there is not _MISSING:
            item = there
        elif number < len(loc) - 1 or not isinstance(item, Mapping):
            continue
        yield part


def _at(item: Any, path: Path, missing: Any) -> Any:
    for part in path:
        try:
            item = item[part]
        except (KeyError, IndexError, TypeError):
            return missing
    return item


def _with_extra(made: Any, row: Any) -> Any:
    """Return what was dumped of a model with the fields that it took and doesn't know."""
    if is_root_model(type(made)):
        return _with_extra(made.root, row)
    if isinstance(row, dict) and is_pydantic(type(made)):
        for name, info in type(made).model_fields.items():
            key = info.alias or name
            if isinstance(row.get(key), (dict, list)):
                row[key] = _with_extra(getattr(made, name), row[key])
        return {**row, **(made.__pydantic_extra__ or {})}
    if isinstance(row, dict) and isinstance(made, Mapping):
        return {key: _with_extra(made.get(key), value) for key, value in row.items()}
    if isinstance(row, list) and isinstance(made, (list, tuple)):
        return [_with_extra(m, r) for m, r in zip(made, row, strict=True)]
    return row


def _joined(item: Any, made: Any) -> Any:
    """Return what was made of an item, with the fields that it has and no dataclass knows."""
    if isinstance(item, Mapping) and isinstance(made, dict):
        known = {k: _joined(item[k], v) if k in item else v for k, v in made.items()}
        return {**known, **{k: v for k, v in item.items() if k not in made}}
    if isinstance(item, list) and isinstance(made, list):
        return [_joined(old, new) for old, new in zip(item, made, strict=True)]
    return made


def _without(item: Any, paths: list[Path]) -> Any:
    """Return an item without the fields at these paths."""
    if not paths:
        return item
    kept = copy.deepcopy(item)
    for loc in paths:
        path = _path(loc, kept)
        above = _at(kept, path[:-1], None)
        if path and isinstance(above, dict):
            above.pop(path[-1], None)
    return kept
