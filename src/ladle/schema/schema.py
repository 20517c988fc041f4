"""Schema: all tables of one source. A value within ladle; users change theirs in place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from ladle.errors import UsageError
from ladle.schema import diagrams, stored, update, yaml
from ladle.schema.change import Limits
from ladle.schema.content import MAX_NAME, Content
from ladle.schema.hints_by_name import merged_hints, merged_types
from ladle.schema.html import table_html
from ladle.schema.references import shown
from ladle.schema.stored import digest
from ladle.schema.system import (
    ENGINE_VERSION,
    LOADS_TABLE,
    STATE_TABLE,
    SYSTEM_TABLE_MAP,
    SYSTEM_TABLES,
    VERSION_TABLE,
)
from ladle.schema.table import Table

__all__ = [
    "ENGINE_VERSION",
    "LOADS_TABLE",
    "STATE_TABLE",
    "SYSTEM_TABLES",
    "SYSTEM_TABLE_MAP",
    "VERSION_TABLE",
    "Schema",
]

_MAX_PREVIOUS = 10


@dataclass(frozen=True, slots=True, repr=False)
class Schema(Content):
    """The tables of one source: `Schema("shop")`, or what a pipeline or a source has.

    Within ladle a schema is a value: methods named `with_...` return another one. The methods that change it
    in place are for the schema that a user made or that belongs to a source.
    """

    ENGINE_VERSION: ClassVar[int] = ENGINE_VERSION

    def __repr__(self) -> str:
        return f"<ladle.Schema {self.name} version={self.version} tables={list(self.table_map)}>"

    # -- other values

    def with_tables(self, tables: Iterable[Table]) -> Schema:
        """Return a copy in which `tables` replace those of the same name; the version stays."""
        merged = dict(self.table_map)
        merged.update((t.name, t) for t in tables)
        return replace(self, table_map=merged, stored_hash=None)

    def without_tables(self, names: Iterable[str]) -> Schema:
        """Return a copy that lacks the named tables; the version stays."""
        gone = set(names)
        kept = {n: t for n, t in self.table_map.items() if n not in gone}
        return replace(self, table_map=kept, stored_hash=None)

    def with_hints_of(self, declared: Schema, limits: Limits | None = None) -> Schema:
        """Return this schema with the hints of `declared` on top; types known here stay.

        For a package that was declared on an older schema than this one.

        Args:
            declared: of the package.
            limits: of the destination: what it can widen in place gets a wider type that is declared.
        """
        tables = []
        for table in declared.table_map.values():
            known = self.table_map.get(table.name)
            if known is None:
                tables.append(table)
                continue
            columns = [
                update.with_type_of(c, known.columns.get(c.name), limits) for c in table.columns.values()
            ]
            merged = replace(known.with_columns(columns), write_disposition=table.write_disposition)
            tables.append(replace(merged, extra={**known.extra, **table.extra}))
        return replace(self.with_tables(tables), **declared.frame())

    def frame(self) -> dict[str, Any]:
        """Return what a schema says besides its tables, as arguments of `replace`."""
        kept = ("settings", "naming", "max_nesting", "normalizer_options", "more")
        return {name: getattr(self, name) for name in kept}

    def renamed(self, convention: str) -> Schema:
        """Return the schema as another naming convention spells its tables and columns."""
        after = replace(self, naming=convention, stored_hash=None)
        return replace(after, table_map=update.renamed(self.table_map, self.convention, after.convention))

    def bumped(self, stored: Schema | None) -> Schema:
        """Return this content as the version after `stored`; the same version where nothing changed."""
        if stored is None:
            return self
        previous = stored.version_hash
        if self.version_hash == previous:
            return replace(self, version=stored.version, previous_hashes=stored.previous_hashes)
        hashes = (previous, *stored.previous_hashes)[:_MAX_PREVIOUS]
        return replace(self, version=stored.version + 1, previous_hashes=hashes)

    def clone(
        self,
        with_name: str | None = None,
        remove_processing_hints: bool = False,
        update_normalizers: bool = False,
    ) -> Schema:
        """Return a copy that shares nothing with this schema.

        Args:
            with_name: of the copy, which is then a new schema: version 1, never stored.
            remove_processing_hints: leave out what loading left in the tables.
            update_normalizers: spell all names anew.
        """
        made = Schema.from_dict(copy.deepcopy(self.to_dict()), remove_processing_hints)
        made = replace(
            made,
            stored_hash=None if remove_processing_hints else self.stored_hash,
            stored_version=self.stored_version,
            stored_version_hash=self.stored_version_hash,
        )
        if with_name is not None:
            made = replace(
                made,
                name=with_name,
                version=1,
                previous_hashes=(),
                stored_hash=None,
                stored_version=None,
                stored_version_hash=None,
            )
        return made.renamed(made.naming) if update_normalizers else made

    def unify_schemas(self, schemas: Sequence[Schema], check_naming_convention: bool = False) -> Schema:
        """Return a new schema with the tables of this one and others; settings are this one's.

        Raises:
            UsageError: a column has two data types, or, where that is to be checked, namings differ.
        """
        every = (self, *schemas)
        if check_naming_convention and len({s.naming for s in every}) > 1:
            raise UsageError(
                "the schemas have several naming conventions: " + ", ".join(s.naming for s in every),
                expected="one for all",
            )
        name = "_".join(["u", *sorted({s.name for s in every})])[:MAX_NAME]
        tables = update.unified((t for s in every for t in s.table_map.values()), name)
        made = self.clone(with_name=name)
        return replace(made, table_map=tables)

    # -- changes in place

    def _become(self, made: Schema) -> None:
        """Take over the content of another value: the one place where a schema changes.

        A stored schema has the next version then, once, however many changes follow.
        """
        before = self.version_hash
        made = replace(made, stored_hash=None)
        if digest(made.content()) == digest(self.content()):
            made = replace(made, stored_hash=self.stored_hash)
        elif made.stored_version is not None and made.version == made.stored_version:
            hashes = (made.stored_version_hash or before, *made.previous_hashes)[:_MAX_PREVIOUS]
            made = replace(made, version=made.version + 1, previous_hashes=hashes)
        for f in fields(self):
            object.__setattr__(self, f.name, getattr(made, f.name))

    def update_table(
        self,
        partial_table: Mapping[str, Any],
        normalize_identifiers: bool = True,
        merge_compound_props: bool = True,
    ) -> dict[str, Any]:
        """Add a table, or hints to a table, given in stored form; hints it doesn't mention stay.

        Args:
            partial_table: with a `name`; `columns` by name.
            normalize_identifiers: spell its names by the naming convention.
            merge_compound_props: add its keys, partitions and clusters to those there are; else they take
                their place.

        Returns:
            What was given, names normalised.

        Raises:
            UsageError: a parent that isn't there, an unknown data type.
        """
        partial = dict(partial_table)
        if normalize_identifiers:
            partial = update.normalized(partial, self.convention)
        made = update.updated(self.all_tables(), partial, merge_compound_props)
        self._become(self.with_tables([made]))
        return partial

    def update_schema(self, schema: Schema) -> None:
        """Take the tables of another schema on top of these, its settings and normalizers in their place."""
        other = schema.clone()
        frame = {**other.frame(), "more": self.more}
        self._become(
            replace(self, table_map=update.merged(self.table_map, other.table_map.values()), **frame)
        )

    def drop_tables(self, table_names: Sequence[str]) -> list[dict[str, Any]]:
        """Take tables out of the schema and return them in stored form. Tables at a destination stay.

        Raises:
            TableNotFound: one isn't there.
        """
        dropped = [self.get_table(name) for name in table_names]
        self._become(self.without_tables(table_names))
        return dropped

    def merge_hints(
        self,
        new_hints: Mapping[str, Iterable[str]],
        replace: bool = False,
        normalize_identifiers: bool = True,
    ) -> None:
        """Add rules by which new columns get hints because of their names.

        Args:
            new_hints: by hint, such as `not_null` or `partition`, names, or `re:` and an expression.
            replace: put them in the place of the hint's other rules.
            normalize_identifiers: spell names by the naming convention.

        Raises:
            UsageError: an unknown hint, or a rule that is none.
        """
        spell = self.convention.path if normalize_identifiers else None
        rules = merged_hints(self.settings.get("default_hints") or {}, new_hints, replace, spell)
        self._set(default_hints=rules)

    def update_preferred_types(
        self, new_preferred_types: Mapping[str, str], normalize_identifiers: bool = True
    ) -> None:
        """Add rules by which new columns get data types because of their names.

        Args:
            new_preferred_types: data type by name, or by `re:` and an expression; the first one holds.
            normalize_identifiers: spell names by the naming convention.

        Raises:
            UsageError: an unknown data type, or a rule that is none.
        """
        spell = self.convention.path if normalize_identifiers else None
        known = self.settings.get("preferred_types") or {}
        self._set(preferred_types=merged_types(known, new_preferred_types, spell))

    def add_type_detection(self, detection: str) -> None:
        """Switch a detector on: `iso_timestamp`, `timestamp`, `iso_date`, `large_integer`, ...

        Raises:
            UsageError: there is no such detector.
        """
        if detection not in stored.DETECTIONS:
            raise UsageError.unknown_choice("detection", detection, stored.DETECTIONS)
        known = list(self.settings.get("detections") or ())
        self._set(detections=[*known, *([] if detection in known else [detection])])

    def remove_type_detection(self, detection: str) -> None:
        """Switch a detector off; nothing happens where it isn't on."""
        self._set(detections=[d for d in self.settings.get("detections") or () if d != detection])

    def set_schema_contract(self, settings: Any) -> None:
        """Say what may change in the tables: a mode for all, modes by entity, or None for anything."""
        self._set(schema_contract=settings)

    def update_normalizers(self) -> None:
        """Spell all names anew by the naming convention."""
        self._become(self.renamed(self.naming))

    def _set(self, **changed: Any) -> None:
        settings = {k: v for k, v in {**self.settings, **changed}.items() if v is not None}
        self._become(replace(self, settings=settings))

    # -- in and out

    def to_dict(
        self,
        remove_defaults: bool = False,
        remove_processing_hints: bool = False,
        bump_version: bool = True,
    ) -> dict[str, Any]:
        """Return the stored form, ready for JSON or YAML.

        Args:
            remove_defaults: leave out names that keys tell already.
            remove_processing_hints: leave out what loading left in the tables.
            bump_version: tell the version that the content has; else the one it was stored with.
        """
        content = self.content()
        tables = content.pop("tables")
        if remove_processing_hints:
            tables = {n: stored.without_notes(t) for n, t in tables.items()}
        if remove_defaults:
            tables = stored.without_names(tables)
        kept = not bump_version and self.stored_version is not None
        return {
            "version": self.stored_version if kept else self.version,
            "version_hash": self.stored_version_hash if kept else self.version_hash,
            "engine_version": content.pop("engine_version"),
            "name": content.pop("name"),
            "tables": tables,
            "settings": content.pop("settings"),
            "normalizers": content.pop("normalizers"),
            "previous_hashes": list(self.previous_hashes),
            **self.more,
        }

    def to_pretty_json(self, remove_defaults: bool = True, remove_processing_hints: bool = False) -> str:
        """Return the stored form as indented JSON; arguments as for `to_dict`."""
        return yaml.to_json(self.to_dict(remove_defaults, remove_processing_hints))

    def to_pretty_yaml(self, remove_defaults: bool = True, remove_processing_hints: bool = False) -> str:
        """Return the stored form as YAML; arguments as for `to_dict`."""
        return yaml.to_yaml(self.to_dict(remove_defaults, remove_processing_hints))

    @classmethod
    def from_dict(
        cls,
        d: Mapping[str, Any],
        remove_processing_hints: bool = False,
        bump_version: bool = True,
        validate_schema: bool = True,
    ) -> Schema:
        """Build from the stored form, ours or the reference's, of this engine version or an earlier one.

        Args:
            d: the stored form.
            remove_processing_hints: leave out what loading left in the tables.
            bump_version: accepted and not needed: a version is told by the stored form.
            validate_schema: accepted and not needed: what is wrong is refused, what is unknown is kept.

        Raises:
            UsageError: an unknown data type, no name, or a later engine version.
        """
        if remove_processing_hints:
            tables = {n: stored.without_notes(t) for n, t in (d.get("tables") or {}).items()}
            d = {**d, "tables": tables}
        return cls(**stored.parts_of(d))

    @classmethod
    def from_stored_schema(cls, stored_schema: Mapping[str, Any]) -> Schema:
        """Build from the stored form; see `from_dict`."""
        return cls.from_dict(stored_schema)

    def to_mermaid(
        self,
        remove_processing_hints: bool = False,
        hide_columns: bool = False,
        hide_descriptions: bool = False,
        include_dlt_tables: bool = True,
    ) -> str:
        """Return a Mermaid `erDiagram`; `remove_processing_hints` is accepted, none are shown."""
        tables = self._pictured(include_dlt_tables)
        return diagrams.mermaid(
            tables,
            shown(self.references, tables),
            hide_columns=hide_columns,
            hide_descriptions=hide_descriptions,
        )

    def to_dot(
        self,
        remove_processing_hints: bool = False,
        include_dlt_tables: bool = True,
        include_internal_dlt_ref: bool = True,
        include_parent_child_ref: bool = True,
        include_root_child_ref: bool = True,
        group_by_resource: bool = False,
    ) -> str:
        """Return a Graphviz graph; `remove_processing_hints` is accepted, none are shown."""
        tables = self._pictured(include_dlt_tables)
        switches = (include_internal_dlt_ref, include_parent_child_ref, include_root_child_ref)
        links = self._links(tables, switches)
        return diagrams.dot(self.name, tables, links, grouped=group_by_resource)

    def to_dbml(
        self,
        remove_processing_hints: bool = False,
        include_dlt_tables: bool = True,
        include_internal_dlt_ref: bool = True,
        include_parent_child_ref: bool = True,
        include_root_child_ref: bool = True,
        group_by_resource: bool = False,
    ) -> str:
        """Return DBML; `remove_processing_hints` is accepted, none are shown."""
        tables = self._pictured(include_dlt_tables)
        switches = (include_internal_dlt_ref, include_parent_child_ref, include_root_child_ref)
        return diagrams.dbml(tables, self._links(tables, switches), grouped=group_by_resource)

    def _pictured(self, system: bool) -> dict[str, Table]:
        names = [*self.data_table_names(), *(self.dlt_table_names() if system else ())]
        return {name: self.table(name) for name in names}

    def _links(self, tables: Mapping[str, Table], switches: tuple[bool, bool, bool]) -> list[dict[str, Any]]:
        internal, parents, roots = switches
        return shown(self.references, tables, internal=internal, parents=parents, roots=roots)

    def _repr_html_(self) -> str:
        rows = [
            (t.name, t.parent or "", t.write_disposition or "", len(t.columns), ", ".join(t.columns))
            for t in self.table_map.values()
        ]
        title = f"Schema {self.name}, version {self.version}"
        return table_html(title, ("table", "parent", "write disposition", "columns", ""), rows)
