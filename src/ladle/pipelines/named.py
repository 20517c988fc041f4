"""Packages between derived names, which extract and normalize use, and given ones, which loading uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ladle.events import Notice
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.given_names import SETTING, GivenNames, derived_form, given_form
from ladle.schema.schema import Schema


def in_given_names(package: Package) -> Package:
    """Return an extracted package as one that is to be loaded: tables called as at the destination."""
    if SETTING not in package.manifest.schema["settings"]:
        return package
    schema = Schema.from_dict(package.manifest.schema)
    names = GivenNames.of(schema)
    resources = tuple(replace(r, table=names.table(r.table)) for r in package.manifest.resources)
    return package.with_manifest(schema=given_form(schema, names).to_dict(), resources=resources)


def in_derived_names(package: Package) -> dict[str, Any]:
    """Return what makes a normalised package an extracted one: tables called as the source calls them.

    Types that normalize inferred are forgotten: on another schema other values come first, and a type that
    only one package inferred would change columns as if it had been declared.
    """
    manifest = package.manifest
    schema = Schema.from_dict(manifest.schema)
    names = GivenNames.of(schema)
    resources = tuple(replace(r, table=names.source_table(r.table)) for r in manifest.resources)
    # Nothing is declared where no rows were extracted.
    declared = manifest.declared or derived_form(schema).to_dict()
    return {"schema": declared, "declared": {}, "resources": resources}


def renamed(package: Package, load_id: str, why: str) -> Package:
    """Store a normalised package under another load id, as it was extracted: its rows name the one it had."""
    package.emit(Notice(f"{why}: the package is loaded as `{load_id}`"))
    # Edits have no rows, and no names but given ones.
    anew = {} if package.manifest.edits else in_derived_names(package)
    return package.save(load_id=load_id, stage="extracted", ready=(), counts={}, **anew)


def on_top(package: Package, stored: Schema, limits: Limits) -> Package:
    """Return an extracted package on another stored schema than it was declared on."""
    manifest = package.manifest
    declared = Schema.from_dict(manifest.schema)
    before, given = GivenNames.of(declared), GivenNames.of(stored)
    known = declared if manifest.drop_tables else derived_form(stored).with_hints_of(declared, limits)
    dropped, emptied = (
        tuple(given.table(before.source_table(name)) for name in tables)
        for tables in (manifest.drop_tables, manifest.empty_tables)
    )
    return package.with_manifest(
        schema=given.noted(known).to_dict(), drop_tables=dropped, empty_tables=emptied
    )
