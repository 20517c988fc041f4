"""Column and Table: what a table looks like, as frozen values; dict form as in the stored schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from ladle.errors import UsageError

DATA_TYPES = (
    "text",
    "bigint",
    "double",
    "bool",
    "timestamp",
    "date",
    "time",
    "decimal",
    "wei",
    "binary",
    "json",
)
WRITE_DISPOSITIONS = ("append", "replace", "merge", "skip")
DECLARED = "x-declared"
"""Column hint of packages, not stored: the resource declares the type, so values don't change it."""
MARKED = "x-named-by-marks"
"""Table hint: items of the resource named the table, by `ladle.mark`; others go to the resource's own."""
_EMPTY: Mapping[str, Any] = MappingProxyType({})


LISTING, WITHIN, DELETED_AT = "x-delete-missing", "x-missing-within", "x-deleted-at"
"""Hints of deletes by comparison: of a table, what is asked for; of columns, that they are the scope of a
listing, or hold when a row was missed first."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `data_type` is None while no value was seen and no type was declared.

    `precision`: bits for bigint, total digits for decimal and wei, fraction digits of a second for
    timestamp and time, maximum length for text and binary. `scale`: fraction digits of a decimal.
    `timezone`: False for naive timestamps; None means aware (UTC).
    """

    name: str
    data_type: str | None = None
    nullable: bool = True
    precision: int | None = None
    scale: int | None = None
    timezone: bool | None = None
    description: str | None = None
    primary_key: bool = False
    merge_key: bool = False
    unique: bool = False
    row_key: bool = False
    parent_key: bool = False
    root_key: bool = False
    partition: bool = False
    cluster: bool = False
    sort: bool = False
    hard_delete: bool = False
    dedup_sort: str | None = None
    incremental: bool = False
    variant: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)

    @classmethod
    def from_dict(cls, name: str, hints: Mapping[str, Any]) -> Column:
        """Build from the stored form; keys of no standard hint go to `extra`.

        Raises:
            UsageError: unknown `data_type`.
        """
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in hints.items():  # the most called loop of a small run
            if key in _COLUMN_FIELDS:
                if value is not None:
                    known[key] = value
            elif key != "name":
                extra[key] = value
        data_type = known.get("data_type")
        if data_type is not None and data_type not in DATA_TYPES:
            raise UsageError.unknown_choice(f"data_type of column `{name}`:", data_type, DATA_TYPES)
        if (known.get("primary_key") or known.get("merge_key")) and "nullable" not in known:
            known["nullable"] = False
        return cls(name=name, extra=MappingProxyType(extra) if extra else _EMPTY, **known)

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form: hints that are set, `nullable` always."""
        out: dict[str, Any] = {"name": self.name, "nullable": self.nullable}
        for key in COLUMN_KEYS:
            value = getattr(self, key)
            if key != "nullable" and value is not None and value is not False:
                out[key] = value
        if self.timezone is False:
            out["timezone"] = False
        out.update(self.extra)
        return out


COLUMN_KEYS = tuple(f.name for f in fields(Column) if f.name not in ("name", "extra"))
"""Hints of a column that are fields of their own."""
_COLUMN_FIELDS = frozenset(COLUMN_KEYS)


@dataclass(frozen=True, slots=True)
class Table:
    """One table. Root tables carry `resource`, child tables carry `parent`, never both.

    `extra` holds all other table hints (`x-...`, description, references, schema_contract, file_format).
    """

    name: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    parent: str | None = None
    resource: str | None = None
    write_disposition: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)

    @classmethod
    def from_dict(cls, name: str, hints: Mapping[str, Any]) -> Table:
        """Build from the stored form."""
        columns = {n: Column.from_dict(n, c) for n, c in (hints.get("columns") or {}).items()}
        extra = {
            k: v
            for k, v in hints.items()
            if k not in ("name", "columns", "parent", "resource", "write_disposition")
        }
        return cls(
            name=name,
            columns=columns,
            parent=hints.get("parent"),
            resource=hints.get("resource"),
            write_disposition=hints.get("write_disposition"),
            extra=MappingProxyType(extra) if extra else _EMPTY,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form."""
        out: dict[str, Any] = {
            "name": self.name,
            "columns": {n: c.to_dict() for n, c in self.columns.items()},
        }
        for key in ("parent", "resource", "write_disposition"):
            if (value := getattr(self, key)) is not None:
                out[key] = value
        out.update(self.extra)
        return out

    def with_columns(self, columns: Iterable[Column]) -> Table:
        """Return a copy in which `columns` replace those of the same name, new ones at the end."""
        merged = dict(self.columns)
        merged.update((c.name, c) for c in columns)
        return replace(self, columns=merged)

    def without_columns(self, names: Iterable[str]) -> Table:
        """Return a copy that lacks the named columns."""
        gone = set(names)
        return replace(self, columns={n: c for n, c in self.columns.items() if n not in gone})

    def with_extra(self, **hints: Any) -> Table:
        """Return a copy with table hints added; None removes one."""
        merged = {k: v for k, v in {**self.extra, **hints}.items() if v is not None}
        return replace(self, extra=MappingProxyType(merged))

    @property
    def loaded(self) -> bool:
        """Whether rows of the table were loaded, or are on their way."""
        return bool((self.extra.get("x-normalizer") or {}).get("seen-data"))

    @property
    def max_nesting(self) -> int | None:
        """Levels of nesting that become tables and columns, where the table says."""
        found: int | None = (self.extra.get("x-normalizer") or {}).get("max_nesting")
        return found

    def noting(self, **notes: Any) -> Table:
        """Return a copy with notes of the normalizer added; None removes one."""
        merged = {**(self.extra.get("x-normalizer") or {}), **notes}
        return self.with_extra(**{"x-normalizer": {k: v for k, v in merged.items() if v is not None} or None})

    def typed_columns(self) -> list[Column]:
        """Columns that exist at a destination: those with a type."""
        return [c for c in self.columns.values() if c.data_type is not None]

    def keys(self, hint: str) -> list[str]:
        """Names of the columns that carry `hint`, e.g. `primary_key`."""
        return [c.name for c in self.columns.values() if getattr(c, hint)]
