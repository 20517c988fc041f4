"""A schema as text, in each format there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line knows the formats without it
    from ladle.schema.schema import Schema

FORMATS = ("yaml", "json", "dbml", "dot", "mermaid")


def rendered(schema: Schema, kind: str, remove_defaults: bool = True) -> str:
    """Return a schema as text.

    Args:
        schema: any.
        kind: one of `FORMATS`.
        remove_defaults: in YAML and JSON leave out names that keys tell already.
    """
    if kind == "yaml":
        return schema.to_pretty_yaml(remove_defaults)
    if kind == "json":
        return schema.to_pretty_json(remove_defaults)
    if kind == "dbml":
        return schema.to_dbml()
    return schema.to_dot() if kind == "dot" else schema.to_mermaid()
