"""The schema that an extract begins with, and the files that schemas are read from and written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ladle.config.settings import searched_all
from ladle.errors import UsageError
from ladle.events import Emit, Notice
from ladle.extract.declare import Can, check_type
from ladle.normalize.growth import undeclared
from ladle.normalize.nulls import without_mark
from ladle.package.store import Package
from ladle.schema import update
from ladle.schema.given_names import derived_form
from ladle.schema.render import FORMATS, rendered
from ladle.schema.schema import Schema
from ladle.schema.stored import IMPORTED_HASH, NO_COERCION
from ladle.schema.table import Table
from ladle.schema.upgrade import RELATIONAL
from ladle.schema.yaml import read_file
from ladle.sources.source import Source

_READABLE = ("yaml", "json")
_ALLOW = "allow_identifier_change_on_table_with_data"
_WHOLE_KEYS = "use_break_path_on_normalize"
_EACH_RUN: dict[str, type] = {"naming": str, "json_normalizer": dict}
_FIRST_RUN: dict[str, type] = {_WHOLE_KEYS: bool}
_MODULES = {"relational": RELATIONAL, "relational_no_coercion": NO_COERCION}


# -- what an extract begins with


def begun(source: Source, known: Schema | None, can: Can, imported: Schema | None) -> Schema:
    """Return the schema that resources are declared on.

    What the pipeline knows, with the source's own schema on top, then the imported one, then settings.

    All are in derived names, as extract has them.

    Args:
        source: may have a schema of its own.
        known: the pipeline's schema of that name.
        can: what the destination can do; its limits tell the naming convention of a new schema.
        imported: from a file that changed.

    Raises:
        UsageError: a column that was loaded can't have its new type, a loaded table its names, or the
            normalizer of rows is one that ladle doesn't have.
    """
    known = known and derived_form(known)
    own = source.own_schema
    if own is not None:
        # What others have loaded by it says nothing of this pipeline.
        tables = {n: t.noting(**{"seen-data": None}) for n, t in own.table_map.items()}
        own = derived_form(replace(own, name=source.name, table_map=tables, stored_hash=None))
        if own.is_new and own.naming == "snake_case":
            own = replace(own, naming=can.limits.naming)
    if known is None:
        schema = own or Schema(source.name, naming=can.limits.naming)
    else:
        schema = known if own is None else over(known, own, "the schema of the source", can)
    if imported is not None:
        schema = over(schema, derived_form(imported), "the imported schema", can)
    schema = _configured(schema, source, known is None)
    if schema.normalizer_module not in _MODULES.values():
        raise UsageError(
            f"schema `{schema.name}` wants rows normalised by `{schema.normalizer_module}`",
            expected=" or ".join(_MODULES),
            hint="set normalizers.json.module in the schema, or SCHEMA__JSON_NORMALIZER",
        )
    return schema


def over(known: Schema, given: Schema, what: str, can: Can) -> Schema:
    """Return a known schema as another declares it; what that doesn't mention stays.

    Raises:
        UsageError: a column that was loaded can't have its new type, or a loaded table its names.
    """
    known = respelt(known, given.naming, bool(given.normalizer_options.get(_ALLOW)))
    tables = update.laid_over(known.table_map, given.table_map.values())
    for name, table in known.table_map.items():
        for column in tables[name].columns.values():
            check_type(table, column, what, can)
    settings = {**given.settings, **{k: v for k, v in known.settings.items() if k.startswith("x-ladle-")}}
    frame = {**given.frame(), "settings": settings, "more": {**known.more, **given.more}}
    made = replace(known, table_map=tables, stored_hash=None, **frame)
    return known if made.content() == known.content() else made


def respelt(schema: Schema, convention: str, allowed: bool) -> Schema:
    """Return a schema with its names as another convention spells them.

    Raises:
        UsageError: that would give a loaded table or column another name, and isn't allowed.
    """
    if schema.naming == convention:
        return schema
    made = schema.renamed(convention)
    changed = update.changed_name(schema.table_map, made.table_map)
    if changed and not allowed:
        raise UsageError(
            f"naming `{convention}` would rename what was loaded as `{schema.naming}`: {changed}",
            schema=schema.name,
            expected=f"`{schema.naming}`, or {_ALLOW}=true: new tables and columns beside the old ones",
            hint=f"SCHEMA__{_ALLOW.upper()}=true, or load into another dataset",
        )
    if changed:
        # Nothing was loaded under the new names yet.
        names = {n for n in made.table_map if n not in schema.table_map}
        tables = [t.noting(**{"seen-data": None}) if n in names else t for n, t in made.table_map.items()]
        made = made.with_tables(tables)
    return made


def _configured(schema: Schema, source: Source, is_new: bool) -> Schema:
    """Apply what settings say of the normalizers: they win over what is stored.

    Whether keys are taken as paths is decided once: later it would rename columns without a word.
    """
    given = _settings(source, _EACH_RUN | (_FIRST_RUN if is_new else {}))
    options: dict[str, Any] = dict(schema.normalizer_options)
    if _WHOLE_KEYS in given:
        options[_WHOLE_KEYS] = given[_WHOLE_KEYS]
    if block := given.get("json_normalizer"):
        module = _MODULES.get(str(block.get("module")), block.get("module"))
        options["json"] = {**(options.get("json") or {}), **block, "module": module}
    convention = given.get("naming") or schema.naming
    if convention != schema.naming and _settings(source, {_ALLOW: bool}).get(_ALLOW):
        options[_ALLOW] = True
    if options != schema.normalizer_options:
        schema = replace(schema, normalizer_options=options, stored_hash=None)
    return respelt(schema, convention, bool(options.get(_ALLOW)))


def _settings(source: Source, keys: Mapping[str, type]) -> dict[str, Any]:
    """Return what settings of a source's schema say, those of `[sources.<section>.<name>.schema]` first."""
    if source.section is None:  # data without a source function
        return searched_all(keys, (), ("schema",))
    if source.section == source.name:
        return searched_all(keys, ("sources", source.name), ("schema",))
    whole = searched_all(keys, ("sources", source.section, source.name), ("schema",))
    missing = {k: t for k, t in keys.items() if k not in whole}
    return {**searched_all(missing, ("sources", source.name), ("schema",)), **whole}


# -- a package's schema beside the stored one


def is_same(schema: Schema, stored: Schema) -> bool:
    """Whether nothing has to be stored: not the content, and not which file was imported."""
    return schema.version_hash == stored.version_hash and schema.more == stored.more


def follows(package: Package, schema: Schema, stored: Schema) -> bool:
    """Whether the package was normalised on the stored schema, or is part of it already."""
    if package.manifest.base_hash == stored.version_hash:
        return True
    return schema.version_hash in (stored.version_hash, *stored.previous_hashes)


# -- files


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """Where schemas come from and go to as files, one for each, `<name>.schema.yaml`.

    Attributes:
        imports: folder of files that users edit; None for none.
        exports: folder that always has the newest schemas; None for none.
        kind: `yaml` or `json`; exports can also be `dbml`, `dot` or `mermaid`.
        remove_defaults: leave out names that keys tell already.
    """

    imports: Path | None = None
    exports: Path | None = None
    kind: str = "yaml"
    remove_defaults: bool = True

    def __post_init__(self) -> None:
        if self.kind not in FORMATS:
            raise UsageError.unknown_choice("external_schema_format", self.kind, FORMATS)

    @property
    def _import_kind(self) -> str:
        return self.kind if self.kind in _READABLE else "yaml"

    def import_file(self, name: str) -> Path | None:
        """Return the file that the schema is imported from; None where none is there."""
        if self.imports is None:
            return None
        kinds = dict.fromkeys((self._import_kind, "yaml", "yml", "json"))
        found = [self.imports / f"{name}.schema.{kind}" for kind in kinds]
        return next((path for path in found if path.is_file()), None)

    def imported(self, name: str, known: Schema | None, emit: Emit) -> Schema | None:
        """Return the schema of the import folder where its content is new.

        Args:
            name: of the schema.
            known: the pipeline's; tells what was imported last.
            emit: hears that a file is taken.

        Raises:
            UsageError: the file can't be read, or is another schema's.
        """
        path = self.import_file(name)
        if path is None:
            return None
        schema = named(Schema.from_dict(read_file(path)), name, path)
        found = replace(schema, stored_hash=None).version_hash
        if known is not None and known.more.get(IMPORTED_HASH) == found:
            return None
        emit(Notice(f"schema `{name}` is taken from `{path}`: the file changed"))
        tables = [t.with_extra(**{"x-normalizer": None}) for t in schema.table_map.values()]
        more = {**schema.more, IMPORTED_HASH: found}
        return replace(schema.with_tables(tables), more=more)

    def offer(self, declared: Schema) -> Schema:
        """Put a schema into the import folder where it isn't there: version 1, as far as it is declared.

        Returns:
            The schema, which knows what was put there.
        """
        if self.imports is None or self.import_file(declared.name) is not None:
            return declared
        tables = [_as_offered(t) for t in declared.table_map.values()]
        more = {k: v for k, v in declared.more.items() if k != IMPORTED_HASH}
        offered = replace(
            declared.with_tables(tables), version=1, previous_hashes=(), stored_hash=None, more=more
        )
        kind = self._import_kind
        path = self.imports / f"{declared.name}.schema.{kind}"
        _write(path, rendered(offered, kind, self.remove_defaults))
        # As it is read again: that is what will be compared.
        found = replace(Schema.from_dict(read_file(path)), stored_hash=None).version_hash
        return replace(declared, more={**more, IMPORTED_HASH: found})

    def export(self, schema: Schema) -> None:
        """Write a schema into the export folder where the file there isn't the same."""
        if self.exports is None:
            return
        text = rendered(schema, self.kind, self.remove_defaults)
        path = self.exports / f"{schema.name}.schema.{self.kind}"
        try:
            same = path.read_text(encoding="utf-8") == text
        except (OSError, UnicodeDecodeError):
            same = False
        if not same:
            _write(path, text)


def named(schema: Schema, name: str, path: Path) -> Schema:
    """Return the schema of a file if it is the one that is wanted.

    Raises:
        UsageError: it is another schema's.
    """
    if schema.name != name:
        raise UsageError(
            f"the schema file `{path}` has the schema `{schema.name}`, not `{name}`",
            expected=f"name: {name}",
        )
    return schema


def _as_offered(table: Table) -> Table:
    """Return a table without what only loading and this package know of it."""
    columns = [undeclared(without_mark(column)) for column in table.columns.values()]
    return table.with_columns(columns).with_extra(**{"x-normalizer": None})


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
