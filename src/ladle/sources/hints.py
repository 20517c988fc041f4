"""Hints: what is declared of a resource's table, as a frozen value, checked as people write it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ladle.errors import DataItemRequiredForDynamicTableHints, InconsistentTableTemplate, UsageError
from ladle.schema.change import MERGES, REPLACES
from ladle.schema.contract import Contract
from ladle.schema.protection import DROP, Policy, check_column, rule_of
from ladle.schema.protection import check_keys as check_protected_keys
from ladle.schema.rule_forms import joined, rules_of
from ladle.schema.table import DATA_TYPES, WRITE_DISPOSITIONS
from ladle.schema.tags import PREFIX, PROTECT, check_tag, tag_hints
from ladle.sources.history import OPTIONS, history_hints
from ladle.sources.merge_options import MERGE_OPTIONS, merge_options
from ladle.sources.models import check_contract_of_model, columns_of_model, is_model

Columns = Mapping[str, Mapping[str, Any]]
Dynamic = Callable[[Any], Any]
FILE_FORMATS = ("parquet", "jsonl", "csv", "preferred")
TABLE_FORMATS = ("iceberg", "delta", "hive", "native")
_REFERENCE_KEYS = ("columns", "referenced_table", "referenced_columns", "label", "cardinality")
_NESTED_KEYS = (
    "columns",
    "primary_key",
    "merge_key",
    "write_disposition",
    "schema_contract",
    "references",
    "file_format",
    "table_format",
    "tags",
    "rules",
)
# fmt: off
_COLUMN_KEYS = (
    "name", "data_type", "nullable", "precision", "scale", "timezone", "description", "primary_key",
    "merge_key", "unique", "row_key", "parent_key", "root_key", "partition", "cluster",
    "sort", "hard_delete", "dedup_sort", "incremental", "variant", "tags", PROTECT,
)
# fmt: on
_TYPE_KEYS = ("data_type", "precision", "scale", "timezone")
_MERGED = ("columns", "nested_hints", "additional", "tags")
_NESTED_DISPOSITIONS = ("append", "replace")


@dataclass(frozen=True, slots=True)
class Hints:
    """What is declared of a resource's table; None leaves it to the data or to what is known already.

    A function in place of a value is called with each item; see `of_item`.
    """

    table_name: Any = None
    write_disposition: Any = None
    columns: Any = field(default_factory=dict)
    primary_key: Any = None
    merge_key: Any = None
    max_table_nesting: int | None = None
    file_format: Any = None
    table_format: Any = None
    schema_contract: Any = None
    parent_table_name: Any = None
    references: Any = None
    rules: Any = None
    nested_hints: Any = field(default_factory=dict)
    additional: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    tags: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model is not None and not callable(self.schema_contract):
            check_contract_of_model(self.model, self.schema_contract)

    @classmethod
    def of(cls, **hints: Any) -> Hints:
        """Check hints as a user writes them and return them in one form; an empty value means none.

        Raises:
            UsageError: an unknown choice, or a hint of the wrong type; names what was expected.
        """
        given = {name: value for name, value in hints.items() if value is not None}
        checked = {
            name: v if callable(v) and name != "rules" else _CHECKS[name](v)
            for name, v in given.items()
            if name in _CHECKS
        }
        if "columns" in given:
            checked.update(_columns(given["columns"]))
        if "write_disposition" in given and not callable(given["write_disposition"]):
            checked.update(_disposition(given["write_disposition"]))
        if extra := given.get("additional_table_hints"):
            checked["additional"] = {**checked.get("additional", {}), **extra}
        unknown = given.keys() - _CHECKS.keys() - set(HINT_NAMES)
        if unknown:
            raise UsageError.unknown_choice("hint", min(unknown), HINT_NAMES)
        made = cls(**checked)
        made.check_keys()
        return made

    def protected(self, policy: Policy) -> Hints:
        """Return the hints without the types of columns that are protected: those become text."""
        if not isinstance(self.columns, Mapping) or not isinstance(self.nested_hints, Mapping):
            return self
        nested = {
            path: {**given, "columns": _without_types(columns_of(given["columns"]), policy)}
            if given.get("columns") and not callable(given["columns"])
            else given
            for path, given in self.nested_hints.items()
        }
        return replace(self, columns=_without_types(self.columns, policy), nested_hints=nested)

    def check_keys(self) -> None:
        """Raise UsageError where a key is protected in a way that would lose rows."""
        keys = [k for names in (self.primary_key, self.merge_key) if isinstance(names, tuple) for k in names]
        if keys and isinstance(self.columns, Mapping):
            check_protected_keys(self.columns, keys)

    def over(self, other: Hints) -> Hints:
        """Return these hints, those of `other` where these say nothing; columns, references, rules merge."""
        merged = {name: getattr(self, name) for name in _PLAIN}
        merged = {k: v if v is not None else getattr(other, k) for k, v in merged.items()}
        if isinstance(self.references, list) and isinstance(other.references, list):
            merged["references"] = other.references + [
                r for r in self.references if r not in other.references
            ]
        merged["rules"] = joined(other.rules, self.rules)
        merged["columns"] = _joined_columns(other.columns, self.columns)
        merged["nested_hints"] = self.nested_hints or other.nested_hints
        merged["additional"] = {**other.additional, **self.additional}
        merged["tags"] = {**other.tags, **self.tags}
        return Hints(**merged)

    def applied(self, hints: Mapping[str, Any]) -> Hints:
        """Return these hints changed by `hints` as a user writes them: None leaves, an empty value removes.

        Raises:
            UsageError: as `of`.
        """
        removed: dict[str, Any] = {}
        kept = {}
        for name, value in hints.items():
            if value is None:
                continue
            if isinstance(value, (str, Collection)) and len(value) == 0:
                removed.update(_REMOVED.get(name, {name: None}))
            else:
                kept[name] = value
        return Hints.of(**kept).over(replace(self, **removed))

    @property
    def dynamic(self) -> list[str]:
        """Names of the hints that are functions of the item, `table_name` aside."""
        return [name for name in self._functions() if name != "table_name"]

    def _functions(self) -> list[str]:
        return [name for name in _BLANK if name != "model" and callable(getattr(self, name))]

    def without_functions(self) -> Hints:
        """Return the hints, those left out that are functions of the item."""
        names = self._functions()
        return replace(self, **{n: _BLANK[n] for n in names}) if names else self

    def of_item(self, item: Any) -> Hints:
        """Return the hints with each function replaced by what it gives for `item`.

        Raises:
            DataItemRequiredForDynamicTableHints: there are functions and `item` is None.
            UsageError: a function gave something that is no such hint.
        """
        names = self._functions()
        if not names:
            return self
        if item is None:
            raise DataItemRequiredForDynamicTableHints(
                f"the hints {', '.join(names)} are functions of the item", expected="an item"
            )
        made = Hints.of(**{n: getattr(self, n)(item) for n in names})
        rest = replace(self, **{n: _BLANK[n] for n in names})
        return made.over(rest)


_PLAIN = tuple(f.name for f in fields(Hints) if f.name not in _MERGED)
_BLANK: dict[str, Any] = {f.name: {} if f.name in _MERGED else None for f in fields(Hints)}
_REMOVED: dict[str, dict[str, Any]] = {
    "columns": {"columns": {}, "model": None},
    "nested_hints": {"nested_hints": {}},
    "tags": {"tags": {}},
    "additional_table_hints": {"additional": {}},
    "primary_key": {"primary_key": ()},
    "merge_key": {"merge_key": ()},
}


def _joined_columns(lower: Any, upper: Any) -> Any:
    if callable(upper) or not lower:
        return upper
    if callable(lower):
        return upper or lower
    return {**lower, **{name: {**lower.get(name, {}), **column} for name, column in upper.items()}}


def check_choice(what: str, value: Any, choices: Sequence[str]) -> Any:
    """Return the value; raise UsageError, naming the nearest, unless it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise UsageError.unknown_choice(what, value, choices)
    return value


def check_keys(what: str, given: Any, choices: Sequence[str]) -> None:
    """Raise UsageError, naming the nearest, unless `given` is a dict with none but these keys."""
    if not isinstance(given, Mapping):
        raise UsageError(f"{what} can't be `{given!r}`", expected="a dict with " + ", ".join(choices))
    for key in given:
        if key not in choices:
            near = difflib.get_close_matches(str(key), choices, n=1)
            raise UsageError(
                f"{what} can't have `{key}`",
                expected="one of " + ", ".join(choices),
                hint=f"did you mean `{near[0]}`?" if near else None,
            )


def _disposition(value: Any) -> dict[str, Any]:
    """Return the disposition, and what else a dict of it says, as hints."""
    config: Mapping[str, Any] = value if isinstance(value, Mapping) else {"disposition": value}
    name = config.get("disposition")
    check_choice("write_disposition", name, WRITE_DISPOSITIONS)
    if name == "merge":
        return _merge(config)
    check_keys(f"write_disposition `{name}`", config, ("disposition", "strategy"))
    if "strategy" not in config:
        return {"write_disposition": name}
    if name != "replace":
        raise UsageError(f"write_disposition `{name}` has no strategies", hint='give its name: "append"')
    strategy = check_choice("strategy of replace", config["strategy"], REPLACES)
    return {"write_disposition": name, "additional": {"x-replace-strategy": strategy}}


def _merge(config: Mapping[str, Any]) -> dict[str, Any]:
    names = ("disposition", "strategy", "deduplicated", *MERGE_OPTIONS, *OPTIONS)
    check_keys("write_disposition `merge`", config, names)
    strategy, unique = config.get("strategy", MERGES[0]), config.get("deduplicated", False)
    check_choice("strategy of merge", strategy, MERGES)
    if not isinstance(unique, bool):
        raise UsageError(f"deduplicated can't be `{unique!r}`", expected="True or False")
    # Both are noted, also where they are the default: they may have been others before.
    noted = {"x-merge-strategy": strategy, "x-deduplicated": True if unique else None}
    noted |= merge_options(config, strategy) | history_hints(strategy, config)
    return {"write_disposition": "merge", "additional": noted}


def _names(keys: Any) -> tuple[str, ...]:
    if isinstance(keys, str):
        return (keys,) if keys else ()
    if isinstance(keys, Sequence) and all(isinstance(k, str) for k in keys):
        return tuple(keys)
    raise UsageError(f"a key can't be `{keys!r}`", expected="a column name or a list of column names")


def columns_of(columns: Any) -> Columns:
    """Return column hints by name from a dict of dicts, a list of dicts with `name`, or a model.

    Raises:
        UsageError: any other shape, or an unknown data type.
    """
    if columns is None:
        return {}
    if is_model(columns):
        columns = _without_own_types(columns_of_model(columns))
    if isinstance(columns, Mapping) and all(isinstance(c, Mapping) for c in columns.values()):
        found = {str(n): {k: v for k, v in c.items() if k != "name"} for n, c in columns.items()}
    elif isinstance(columns, Sequence) and all(isinstance(c, Mapping) and "name" in c for c in columns):
        found = {str(c["name"]): {k: v for k, v in c.items() if k != "name"} for c in columns}
    else:
        raise UsageError(
            f"columns can't be a `{type(columns).__name__}`",
            expected='{"price": {"data_type": "decimal"}}, [{"name": "price", "data_type": "decimal"}]'
            ", a pydantic model, a dataclass or a TypedDict",
        )
    for name, hints in found.items():
        if hints.get("data_type") is not None:
            check_choice(f"data_type of column `{name}`:", hints["data_type"], DATA_TYPES)
        _check_spelling(name, hints)
    return {name: _tagged(name, hints) for name, hints in found.items()}


def _tagged(column: str, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return column hints with their tags in the stored form, checked."""
    of = f"column `{column}`"
    made = {k: v for k, v in hints.items() if k not in ("tags", PROTECT)}
    if hints.get("tags") is not None:
        made.update(tag_hints(hints["tags"], of))
    if hints.get(PROTECT) is not None:
        made[PREFIX + PROTECT] = hints[PROTECT]
    for key in made:
        if key.startswith(PREFIX):
            check_tag(key.removeprefix(PREFIX), made[key], of)
    check_column(column, made)
    return made


def _without_types(columns: Columns, policy: Policy) -> Columns:
    return {
        name: hints
        if (rule := rule_of(hints, policy)) is None or rule.action == DROP
        else {k: v for k, v in hints.items() if k not in _TYPE_KEYS}
        for name, hints in columns.items()
    }


def _without_own_types(columns: Columns) -> Columns:
    """Return a model's columns; the type of a field isn't what is stored once it is protected."""
    untyped = {name: {k: v for k, v in hints.items() if k != "data_type"} for name, hints in columns.items()}
    protected = {n for n, h in untyped.items() if _tagged(n, h).get(PREFIX + PROTECT, "none") != "none"}
    return {name: untyped[name] if name in protected else hints for name, hints in columns.items()}


def _table_tags(tags: Any) -> dict[str, Any]:
    made = tag_hints(tags, "a table")
    if PREFIX + PROTECT in made:
        raise UsageError(
            "a table can't be protected, its columns can", hint='columns={"email": {"protect": "hash"}}'
        )
    return made


def _check_spelling(column: str, hints: Mapping[str, Any]) -> None:
    """Refuse a hint that is spelled almost like one there is; others are people's own, and kept."""
    for key in hints:
        near = difflib.get_close_matches(str(key).lower(), _COLUMN_KEYS, n=1, cutoff=0.8)
        if near and key not in _COLUMN_KEYS and not str(key).startswith("x-"):
            raise UsageError(f"unknown hint `{key}` of column `{column}`", hint=f"did you mean `{near[0]}`?")


def _columns(columns: Any) -> dict[str, Any]:
    if is_model(columns):
        return {"columns": columns_of(columns), "model": columns}
    return {"columns": columns if callable(columns) else columns_of(columns)}


def _table_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise UsageError(
            f"table_name can't be `{name!r}`", expected="a name that is not empty, or a function of the item"
        )
    return name


def _nesting(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"max_table_nesting can't be `{value!r}`", expected="a whole number from 0, or None")
    return value


def check_contract(contract: Any) -> Any:
    """Return a schema contract; raise UsageError where it is none."""
    Contract.of(contract)
    return dict(contract) if isinstance(contract, Mapping) else contract


def _references(references: Any) -> list[dict[str, Any]]:
    if isinstance(references, Mapping) or not isinstance(references, Sequence):
        raise UsageError(
            "references must be a list", expected="a list of dicts with " + ", ".join(_REFERENCE_KEYS[:3])
        )
    for reference in references:
        check_keys("a reference", reference, _REFERENCE_KEYS)
        missing = [k for k in _REFERENCE_KEYS[:3] if k not in reference]
        if missing:
            raise UsageError(f"a reference has no `{missing[0]}`", expected=", ".join(_REFERENCE_KEYS[:3]))
    return [dict(reference) for reference in references]


def nested_hints_of(nested: Any) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return hints of child tables by path.

    Raises:
        UsageError: wrong hints, or a path whose parents aren't there.
    """
    if not isinstance(nested, Mapping):
        raise UsageError(f"nested_hints can't be `{nested!r}`", expected='{"items": {"columns": {...}}}')
    found = {(path,) if isinstance(path, str) else tuple(path): hints for path, hints in nested.items()}
    for path, hints in found.items():
        make_nested_hints(**hints)
        if path[:-1] and path[:-1] not in found:
            raise InconsistentTableTemplate(
                f"nested_hints of `{'.'.join(path)}` come without those of `{'.'.join(path[:-1])}`",
                hint="add the parent, with empty hints: {} ",
            )
    return found


def make_nested_hints(**hints: Any) -> dict[str, Any]:
    """Check hints of a child table and return them as a dict.

    Args:
        hints: `columns`, `primary_key`, `merge_key`, `write_disposition`, `schema_contract`, `references`,
            `rules`.

    Raises:
        UsageError: an unknown hint, or a wrong value.
    """
    check_keys("nested hints", hints, _NESTED_KEYS)
    made = Hints.of(**hints)
    if made.write_disposition is not None:
        check_choice("write_disposition of nested hints", made.write_disposition, _NESTED_DISPOSITIONS)
    return {k: v for k, v in hints.items() if v is not None}


def _additional(hints: Any) -> dict[str, Any]:
    return dict(hints)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "table_name": _table_name,
    "parent_table_name": _table_name,
    "write_disposition": lambda value: value,
    "primary_key": _names,
    "merge_key": _names,
    "max_table_nesting": _nesting,
    "file_format": lambda value: check_choice("file_format", value, FILE_FORMATS),
    "table_format": lambda value: check_choice("table_format", value, TABLE_FORMATS),
    "schema_contract": check_contract,
    "references": _references,
    "rules": rules_of,
    "nested_hints": nested_hints_of,
    "additional": _additional,
    "model": lambda value: value,
    "tags": _table_tags,
}
HINT_NAMES = tuple(
    sorted({*(n for n in _CHECKS if n not in ("additional", "model")), "columns", "additional_table_hints"})
)
