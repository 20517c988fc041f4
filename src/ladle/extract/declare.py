"""Hints of resources to tables of the schema, before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ladle.errors import UsageError
from ladle.extract.history import with_history
from ladle.extract.listing import check_listing, with_listing
from ladle.package.manifest import ResourceInfo
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.lattice import HOLDERS, Exact, in_place, needs_proof, widens
from ladle.schema.protection import NO_POLICY, Policy, with_protection
from ladle.schema.records import is_record
from ladle.schema.rule import Rule
from ladle.schema.rule_forms import declared, from_dict, without_code
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import DECLARED, MARKED, Column, Table
from ladle.schema.types import same_type, type_text
from ladle.sources.hints import Hints
from ladle.sources.models import asked_mode, contract_of_model, is_authoritative
from ladle.sources.provenance import code_of
from ladle.sources.resource import Resource
from ladle.sources.source import Source
from ladle.sources.tables import key_columns, nested_tables, noted_hints

_UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Can:
    """What the destination can do with the columns that it has: `exact` tells whether doubles hold one."""

    limits: Limits = _UNLIMITED
    exact: Exact | None = None


def table_name(schema: Schema, source: str, limits: Limits) -> str:
    """Return the name of a root table as it will be at the destination."""
    names = schema.convention
    return names.table(names.fit(source, max_length=limits.max_table_name))


def apply_hints(
    schema: Schema,
    resource: Resource,
    hints: Hints,
    limits: Limits = _UNLIMITED,
    exact: Exact | None = None,
) -> tuple[Schema, Table]:
    """Return the schema with the resource's root table as declared, and that table.

    Hints win over what the schema knows; column hints are merged one by one; a primary or merge key
    replaces an earlier one, and so do `dedup_sort` and `hard_delete`. Another type than a loaded column has
    is taken where it holds every value of the one that it has, and the destination can change it.

    Raises:
        UsageError: the table is a child table, or a column can't have the type.
    """
    can = Can(limits, exact)
    name = table_name(schema, hints.table_name or resource.name, limits)
    if name in SYSTEM_TABLES or is_record(name):
        raise UsageError(
            f"the table name `{name}` is taken: ladle keeps its own records there",
            resource=resource.name,
            hint="choose another table_name",
        )
    table = schema.table_map.get(name) or Table(name, resource=resource.name, write_disposition="append")
    if table.parent is not None:
        raise UsageError(
            f"resource `{resource.name}` can't write to `{name}`: it holds a list of table `{table.parent}`",
            table=name,
            hint="choose another table_name",
        )
    fit = partial(schema.convention.fit, max_length=limits.max_column_name)
    columns = {
        fit(n): _merged(table, fit(n), c)
        for n, c in hints.columns.items()
        if fit(n) in table.columns or _may_add(table, hints)
    }
    for hint, keys in (("primary_key", hints.primary_key), ("merge_key", hints.merge_key)):
        if keys is not None:
            for known in table.columns.values():
                if getattr(known, hint):
                    columns.setdefault(known.name, _known(table, known.name))[hint] = False
            for key in keys:
                column = columns.setdefault(fit(key), _known(table, fit(key)))
                column[hint] = True
                column.setdefault("nullable", False)
    for hint in ("dedup_sort", "hard_delete"):
        for left in _left(table, hint, hints, fit):
            columns.setdefault(left, _known(table, left)).pop(hint)
    hinted = [Column.from_dict(n, c) for n, c in columns.items()]
    for column_hints in hinted:
        check_type(table, column_hints, resource.name, can)
    table = table.with_columns(hinted)
    table = replace(table, write_disposition=hints.write_disposition or "append")
    table = with_listing(table.with_extra(**_noted(resource, hints), **{MARKED: None}), fit)
    check_listing(table, resource)
    table = with_history(table, fit, resource.name)
    if hints.max_table_nesting is not None:
        table = table.noting(max_nesting=hints.max_table_nesting)
    table = _with_rules(table, hints, schema, limits)
    return schema.with_tables([table, *_nested(schema, table, resource, hints, can)]), table


def _left(table: Table, hint: str, hints: Hints, fit: Callable[[str], str]) -> list[str]:
    """Return the columns that had a hint so far, where the hints give it to others now."""
    said = {fit(n): c[hint] for n, c in hints.columns.items() if hint in c}
    if not any(said.values()):
        return []
    known = (c for c in table.columns.values() if getattr(c, hint) and not c.variant)
    return [c.name for c in known if c.name not in said]


def _may_add(table: Table, hints: Hints) -> bool:
    """Whether columns of the hints may be new: not those of a model where a contract says what may be.

    They count as columns that rows bring then, unless the model is authoritative.
    """
    if hints.model is None or not table.loaded:
        return True
    return is_authoritative(hints.model) or asked_mode(hints.schema_contract, "columns") in (None, "evolve")


def _noted(resource: Resource, hints: Hints) -> dict[str, Any]:
    noted = {k: v for k, v in noted_hints(replace(hints, rules=None)).items() if k != "x-normalizer"}
    if hints.model is not None:
        noted["schema_contract"] = contract_of_model(hints.model, hints.schema_contract)
    return noted


def _nested(schema: Schema, root: Table, resource: Resource, hints: Hints, can: Can) -> Iterator[Table]:
    """Yield the child tables as nested hints declare them."""
    limits = can.limits
    names = schema.convention
    fit = partial(names.fit, max_length=limits.max_column_name)
    source_name = hints.table_name or resource.name
    for name, parent, given in nested_tables(source_name, names, hints.nested_hints, limits.max_table_name):
        nested = Hints.of(**given)
        table = schema.table_map.get(name) or Table(name, parent=parent)
        columns = [
            Column.from_dict(fit(n), _merged(table, fit(n), c)) for n, c in key_columns(nested).items()
        ]
        for column in columns:
            check_type(table, column, resource.name, can)
        if nested.write_disposition is not None:
            table = replace(table, write_disposition=nested.write_disposition)
        noted = noted_hints(replace(nested, rules=None))
        notes = noted.pop("x-normalizer", {})
        table = table.with_columns(columns).with_extra(**noted).noting(**notes)
        yield _with_rules(table, nested, schema, limits)


def _with_rules(table: Table, hints: Hints, schema: Schema, limits: Limits) -> Table:
    """Return the table with the rules added, in the names of the schema."""
    if hints.rules is None:
        return table
    rules = _in_names(hints.rules, schema, limits)
    return table.with_extra(**{"x-rules": declared(table.extra.get("x-rules", ()), rules)})


def _without_rules(schema: Schema, resources: Sequence[Resource], limits: Limits) -> Schema:
    """Return the schema without the rules that the code of resources brought earlier: it says them anew.

    Rules from elsewhere, such as a file, stay; their names become those of the schema.
    """
    tables, names = schema.table_map, {r.name for r in resources}
    made = []
    for table in (t for t in tables.values() if "x-rules" in t.extra):
        root = table
        while root.parent is not None and root.parent in tables:
            root = tables[root.parent]
        if root.resource not in names:
            continue
        kept = _in_names([from_dict(r) for r in without_code(table.extra["x-rules"])], schema, limits)
        made.append(table.with_extra(**{"x-rules": [r.to_dict() for r in kept] or None}))
    return schema.with_tables(made)


def _in_names(rules: Iterable[Rule], schema: Schema, limits: Limits) -> list[Rule]:
    column = partial(schema.convention.fit, max_length=limits.max_column_name)
    return [rule.named(column, lambda name: table_name(schema, name, limits)) for rule in rules]


def check_type(table: Table, column: Column, resource: str, can: Can) -> None:
    """Refuse a hint that gives a column with data a type which doesn't hold all of it."""
    known = table.columns.get(column.name)
    if known is None or known.data_type is None or not table.loaded:
        return
    if same_type(known, column):
        return
    held = widens(known, column) or (
        needs_proof(known, column) and (can.exact is None or can.exact(table.name, column.name))
    )
    if not (held and in_place(known, column, can.limits)):
        raise _type_error(table.name, known, column, resource, can.limits)


def _type_error(table: str, known: Column, column: Column, resource: str, limits: Limits) -> UsageError:
    was, wanted = type_text(known), type_text(column)
    held = [k for k in HOLDERS.get(str(known.data_type), ()) if k != known.data_type]
    wider = [k for k in held if in_place(known, Column(known.name, k), limits)]
    choice = f"{was}, or what holds every value of it: {', '.join(wider)}" if wider else was
    if needs_proof(known, column) and "double" in wider:
        choice = f"{was}: numbers are there that a double doesn't hold exactly"
    return UsageError(
        f"column `{column.name}` of table `{table}` is {was}, a hint asks for {wanted}",
        resource=resource,
        table=table,
        column=column.name,
        expected=choice,
        hint=f'declare it as {was}, load into another column or table, or refresh="drop_resources"',
    )


def _known(table: Table, column: str) -> dict[str, Any]:
    known = table.columns.get(column)
    if known is None:
        return {}
    stored = known.to_dict()
    # Nullability by default isn't a declaration: a key hint may still set it.
    return {k: v for k, v in stored.items() if k != "name" and not (k == "nullable" and v is True)}


def _merged(table: Table, column: str, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints of a column over what is known of it; digits belong to the type they came with."""
    known = _known(table, column)
    if hints.get("data_type") not in (None, known.get("data_type")):
        known = {k: v for k, v in known.items() if k not in ("precision", "scale", "timezone")}
    if not hints.get("data_type"):
        return {**known, **hints}
    known.pop("x-normalizer", None)  # it isn't a column of nulls alone any more
    return {**known, **hints, DECLARED: True}


def wanted(source: Source, hints: Hints) -> list[Resource]:
    """Return the resources whose rows are to be loaded."""
    return [r for r in source.listed if r.selected and hints.over(r.hints).write_disposition != "skip"]


def declare(
    source: Source,
    package: Package,
    schema: Schema,
    hints: Hints,
    limits: Limits = _UNLIMITED,
    exact: Exact | None = None,
    policy: Policy = NO_POLICY,
) -> Package:
    """Return the package with the schema as all selected resources declare it, and what they are.

    Args:
        source: its resources aren't read yet.
        package: new.
        schema: what is known of the source's tables.
        hints: given to `run`; they win over the resources'.
        limits: of the destination, for the lengths of names.
        exact: tells whether doubles hold what a column has; None where nothing is there.
        policy: what is done to columns that are tagged as personal and say no action.

    Raises:
        UsageError: two resources of one table ask for different write dispositions, or a column can't be
            protected as it is asked for.
    """
    infos: list[ResourceInfo] = []
    asked: dict[str, tuple[str, str]] = {}
    schema = _without_rules(schema, wanted(source, hints), limits)
    for resource in wanted(source, hints):
        merged = hints.over(resource.hints)
        if callable(merged.table_name):
            continue  # its tables are declared when the first item for each comes
        merged = merged.without_functions().protected(policy)
        schema, table = apply_hints(schema, resource, merged, limits, exact)
        if merged.write_disposition is not None:
            first = asked.setdefault(table.name, (merged.write_disposition, resource.name))
            _check_agreed(first, merged, resource)
        parts = {str(len(infos)): merged.table_name or resource.name}
        code = code_of(resource.data)
        infos.append(ResourceInfo(resource.name, table.name, "append", parts=parts, code=code))
    infos = [replace(i, write_disposition=asked.get(i.table, ("append", ""))[0]) for i in infos]
    schema = schema.with_tables(
        replace(schema.table_map[i.table], write_disposition=i.write_disposition) for i in infos
    )
    schema = with_root_key(schema, source)
    if source.max_table_nesting is not None and source.max_table_nesting != schema.max_nesting:
        schema = replace(schema, max_nesting=source.max_table_nesting, stored_hash=None)
    # What the run is given holds for tables that come later, too.
    given = (hints.schema_contract, source.schema_contract)
    contract = next((c for c in given if c is not None and not callable(c)), None)
    if contract is not None:
        schema = replace(schema, settings={**schema.settings, "schema_contract": contract})
    if source.tags:
        schema = replace(schema, settings={**schema.settings, **source.tags}, stored_hash=None)
    used = {t.name: t for info in infos for t in schema.chain(info.table)}
    schema = with_protection(schema, policy, used.values())
    return package.with_manifest(schema=schema.to_dict(), resources=tuple(infos))


def _check_agreed(first: tuple[str, str], hints: Hints, resource: Resource) -> None:
    disposition, name = first
    if disposition == hints.write_disposition:
        return
    raise UsageError(
        f"resources `{name}` and `{resource.name}` feed one table with different write dispositions",
        table=hints.table_name or resource.name,
        expected=f"one for both: `{disposition}` or `{hints.write_disposition}`",
        hint="give one of them another table_name, or pass write_disposition to run",
    )


def with_root_key(schema: Schema, source: Source) -> Schema:
    """Return the schema with the source's wish for root keys noted on each root table."""
    if source.root_key is None:
        return schema
    roots = [t for t in schema.table_map.values() if t.parent is None]
    return schema.with_tables(t.with_extra(**{"x-root-key": source.root_key or None}) for t in roots)
