"""The content of a schema as a value, and what it says of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.errors import TableNotFound, UsageError
from ladle.schema import stored
from ladle.schema.hints_by_name import NameRules
from ladle.schema.naming import Naming, naming
from ladle.schema.records import is_record, stored_record
from ladle.schema.references import references
from ladle.schema.stored import IMPORTED_HASH, Propagation, default_settings, digest
from ladle.schema.system import ENGINE_VERSION, SYSTEM_TABLE_MAP, SYSTEM_TABLES, stored_system_tables
from ladle.schema.table import Table
from ladle.schema.upgrade import RELATIONAL

MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Content:
    """What a schema holds.

    Attributes:
        name: letters, digits and `_`; the source's name.
        table_map: user tables by normalised name, parents before children.
        settings: `detections`, `default_hints`, `preferred_types`, `schema_contract`.
        naming: naming convention.
        max_nesting: levels of nesting that become tables and columns; None for all.
        version: grows by one with each stored change.
        previous_hashes: hashes of earlier versions, newest first, at most ten.
        stored_hash: the hash it was stored with, by us or the reference; None once the content changed.
        normalizer_options: all else that the block `normalizers` of the stored form says.
        more: other keys of the stored form, such as `description`; kept as they are.
        stored_version: the version it was read with; None for a schema that was never stored.
        stored_version_hash: the hash it was read with.
    """

    name: str
    table_map: Mapping[str, Table] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=default_settings)
    naming: str = "snake_case"
    max_nesting: int | None = None
    version: int = 1
    previous_hashes: tuple[str, ...] = ()
    stored_hash: str | None = None
    normalizer_options: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    stored_version: int | None = field(default=None, compare=False)
    stored_version_hash: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name or "") or len(self.name) > MAX_NAME:
            raise UsageError(
                f"`{self.name}` can't be the name of a schema",
                expected=f"at most {MAX_NAME} letters, digits and `_`, not beginning with a digit",
            )

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """All tables in stored form, system tables included; a copy."""
        own = {n: stored_record(t) or t.to_dict() for n, t in self.table_map.items()}
        return {**stored_system_tables(), **own}

    def all_tables(self) -> dict[str, Table]:
        """Return all tables by name, system tables first."""
        return {**SYSTEM_TABLE_MAP, **self.table_map}

    @property
    def convention(self) -> Naming:
        """The naming convention, with what the schema says of paths.

        Raises:
            UsageError: it can't be found.
        """
        found = naming(self.naming)
        whole = self.normalizer_options.get("use_break_path_on_normalize") is False
        return replace(found, breaks_paths=False) if whole else found

    @property
    def rules(self) -> NameRules:
        """What columns get because of their names."""
        return NameRules.of(self.settings)

    @property
    def propagation(self) -> Propagation:
        """What rows of child tables get from the rows above them."""
        return Propagation.of(self.normalizer_options)

    @property
    def normalizer_module(self) -> str:
        """Name of the normalizer of rows."""
        found = (self.normalizer_options.get("json") or {}).get("module") or RELATIONAL
        return str(found)

    @property
    def references(self) -> list[dict[str, Any]]:
        """References between tables, each with its `table`: declared ones, and those that nesting makes."""
        return references(self.all_tables())

    @property
    def version_hash(self) -> str:
        """Digest of the content: tables, settings and normalizers; 44 characters."""
        return self.stored_hash or digest(self.content())

    @property
    def is_new(self) -> bool:
        """Whether it was never stored."""
        return self.stored_version is None

    @property
    def is_modified(self) -> bool:
        """Whether its content is another than the stored one."""
        return self.version_hash != self.stored_version_hash

    def content(self) -> dict[str, Any]:
        """Return what the hash is made of, in stored form."""
        content: dict[str, Any] = {
            "engine_version": ENGINE_VERSION,
            "name": self.name,
            "tables": self.tables,
            "settings": dict(self.settings),
            "normalizers": stored.normalizers(self.naming, self.max_nesting, self.normalizer_options),
        }
        content.update(self.more)
        content.pop(IMPORTED_HASH, None)
        return content

    def data_tables(
        self, seen_data_only: bool = False, include_incomplete: bool = False
    ) -> list[dict[str, Any]]:
        """Return user tables in stored form.

        Args:
            seen_data_only: only those that were loaded.
            include_incomplete: also those in which no column has a type yet.
        """
        return [t.to_dict() for t in self._data_tables(seen_data_only, include_incomplete)]

    def data_table_names(self, seen_data_only: bool = False, include_incomplete: bool = False) -> list[str]:
        """Return names of the user tables; arguments as for `data_tables`."""
        return [t.name for t in self._data_tables(seen_data_only, include_incomplete)]

    def _data_tables(self, seen_only: bool, incomplete: bool) -> list[Table]:
        return [
            t
            for n, t in self.table_map.items()
            if not is_record(n) and (t.loaded or not seen_only) and (incomplete or t.typed_columns())
        ]

    def dlt_tables(self) -> list[dict[str, Any]]:
        """Return the tables that are kept beside the data, in stored form."""
        return [self.get_table(name) for name in self.dlt_table_names()]

    def dlt_table_names(self) -> list[str]:
        """Return names of the tables that are kept beside the data."""
        return [*SYSTEM_TABLES, *(n for n in self.table_map if is_record(n))]

    def get_table(self, table_name: str) -> dict[str, Any]:
        """Return one table in stored form; a copy.

        Raises:
            TableNotFound: names the nearest.
        """
        return self.table(table_name).to_dict()

    def table(self, name: str) -> Table:
        """Return one table.

        Raises:
            TableNotFound: names the nearest.
        """
        tables = self.all_tables()
        if name not in tables:
            raise TableNotFound.unknown_choice(f"table of schema `{self.name}`:", name, list(tables))
        return tables[name]

    def get_table_columns(self, table_name: str, include_incomplete: bool = False) -> dict[str, Any]:
        """Return the columns of one table in stored form; those without a type only where asked for.

        Raises:
            TableNotFound: names the nearest.
        """
        columns = self.table(table_name).columns.values()
        return {c.name: c.to_dict() for c in columns if c.data_type is not None or include_incomplete}

    def get_preferred_type(self, col_name: str) -> str | None:
        """Return the data type that a column of this name is to have; None where no rule says."""
        return self.rules.data_type(col_name)

    def is_new_table(self, table_name: str) -> bool:
        """Whether the table isn't there, or has no column with a type yet."""
        found = self.table_map.get(table_name) or SYSTEM_TABLE_MAP.get(table_name)
        return found is None or not found.typed_columns()

    def chain(self, root: str) -> list[Table]:
        """Return the table named `root` and all tables below it, parents first."""
        found: list[Table] = []
        names = {root}
        for table in self.table_map.values():
            if table.name == root or table.parent in names:
                names.add(table.name)
                found.append(table)
        return found
