"""Pictures of a schema as text: Mermaid, Graphviz DOT and DBML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ladle.schema.references import root_of
from ladle.schema.system import SYSTEM_PREFIX
from ladle.schema.table import Column, Table

References = Sequence[Mapping[str, Any]]
_LEFT = {"zero": "|o", "one": "||", "many": "}|"}
_RIGHT = {"zero": "o|", "one": "||", "many": "|{"}
_DBML = {("one", "many"): "<", ("many", "one"): ">", ("one", "one"): "-", ("many", "many"): "<>"}


def _ends(reference: Mapping[str, Any], default: str) -> tuple[str, str]:
    left, _, right = str(reference.get("cardinality") or default).partition("_to_")
    return left, right


# -- Mermaid


def mermaid(
    tables: Mapping[str, Table], links: References, *, hide_columns: bool, hide_descriptions: bool
) -> str:
    """Return an `erDiagram` of tables with columns and references."""
    lines = ["erDiagram"]
    for table in tables.values():
        lines.append(f"    {_mermaid_name(table.name)}{{")
        if not hide_columns:
            lines += [f"    {_mermaid_column(c, hide_descriptions)}" for c in table.typed_columns()]
        lines.append("}")
    for link in links:
        left, right = _ends(link, "one_to_many")
        edge = f"{_LEFT.get(left, '||')}--{_RIGHT.get(right, '|{')}"
        label = str(link.get("label") or "").replace('"', "'")
        ends = (_mermaid_name(link["table"]), _mermaid_name(link["referenced_table"]))
        lines.append(f'    {ends[0]} {edge} {ends[1]} : "{label}"')
    return "\n".join(lines) + "\n"


def _mermaid_name(name: str) -> str:
    plain = all(ch.isascii() and (ch.isalnum() or ch in "_-") for ch in name)
    return name if plain else '"' + name.replace('"', "'") + '"'


def _mermaid_column(column: Column, hide_description: bool) -> str:
    # a name with other characters would end the diagram: it can't be quoted there
    name = "".join(ch if ch.isascii() and (ch.isalnum() or ch in "_-") else "_" for ch in column.name)
    text = f"{column.data_type} {name}"
    if column.primary_key:
        text += " PK"
    elif column.unique:
        text += " UK"
    if column.description and not hide_description:
        description = " ".join(column.description.replace('"', "'").split())
        text += f' "{description}"'
    return text


# -- DBML


def dbml(tables: Mapping[str, Table], links: References, *, grouped: bool) -> str:
    """Return tables, references and, where wanted, groups by resource as DBML."""
    blocks = [_dbml_table(t) for t in tables.values()]
    for link in links:
        sign = _DBML.get(_ends(link, "many_to_many"), "<>")
        ends = (
            _dbml_end(link["table"], link["columns"]),
            _dbml_end(link["referenced_table"], link["referenced_columns"]),
        )
        blocks.append(f"Ref {{\n    {ends[0]} {sign} {ends[1]}\n}}")
    if grouped:
        for name, members in by_resource(tables).items():
            inner = "".join(f"    {_quoted(m)}\n" for m in members)
            blocks.append(f"TableGroup {_quoted(name)} {{\n{inner}}}")
    return "\n\n".join(blocks) + "\n"


def _dbml_table(table: Table) -> str:
    lines = [f"Table {_quoted(table.name)} {{"]
    lines += [f"    {_quoted(c.name)} {c.data_type}{_dbml_settings(c)}" for c in table.typed_columns()]
    if table.extra.get("description"):
        lines.append(f"    Note {{\n        {_dbml_text(table.extra['description'])}\n    }}")
    return "\n".join([*lines, "}"])


def _dbml_settings(column: Column) -> str:
    given = []
    if column.primary_key:
        given.append("pk")
    if column.unique:
        given.append("unique")
    if not column.nullable:
        given.append("not null")
    if column.description:
        given.append(f"note: {_dbml_text(column.description)}")
    return f" [{', '.join(given)}]" if given else ""


def _dbml_end(table: str, columns: Sequence[str]) -> str:
    names = [_quoted(c) for c in columns]
    return f"{_quoted(table)}.{names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'}"


def _dbml_text(text: str) -> str:
    plain = " ".join(str(text).split()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{plain}'"


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def by_resource(tables: Mapping[str, Table]) -> dict[str, list[str]]:
    """Return names of tables by the resource that their root belongs to; system tables are `_dlt`."""
    groups: dict[str, list[str]] = {}
    for table in tables.values():
        root = root_of(table, tables)
        owner = "_dlt" if table.name.startswith(SYSTEM_PREFIX) else root.resource or root.name
        groups.setdefault(owner, []).append(table.name)
    return groups


# -- Graphviz

_HEAD = """digraph {name} {{
    graph [rankdir="LR", fontname="helvetica"];
    node [shape=plain, fontname="helvetica"];
    edge [dir=both, fontname="helvetica"];
"""
_TAILS = {"one": "tee", "many": "crow", "zero": "odot"}


def dot(name: str, tables: Mapping[str, Table], links: References, *, grouped: bool) -> str:
    """Return a graph: a box for each table with its columns, an edge for each reference."""
    nodes = {t.name: _node(t) for t in tables.values()}
    text = _HEAD.format(name=_quoted(name))
    if grouped:
        for number, (owner, members) in enumerate(by_resource(tables).items()):
            inner = "".join(nodes[m] for m in members)
            text += f"subgraph cluster_{number} {{\n    label={_quoted(owner)};\n{inner}}}\n"
    else:
        text += "".join(nodes.values())
    return text + "".join(_edge(link, tables) for link in links) + "}\n"


def _node(table: Table) -> str:
    rows = [f'<tr><td port="p0" bgcolor="#d9d9d9" colspan="2"><b>{escape(table.name)}</b></td></tr>']
    for number, column in enumerate(table.typed_columns(), 1):
        name = f"<b>{escape(column.name)}</b>" if column.primary_key else escape(column.name)
        kind = f"{column.data_type}{'' if column.nullable else ' not null'}"
        rows.append(f'<tr><td align="left" port="f{number}">{name}</td><td align="right">{kind}</td></tr>')
    table_html = f'<table border="0" cellborder="1" cellspacing="0" cellpadding="4">{"".join(rows)}</table>'
    tip = table.extra.get("description")
    tooltip = f" tooltip={_quoted(str(tip))};" if tip else ""
    return f"    {_quoted(table.name)} [id={_quoted(table.name)};{tooltip} label=<{table_html}>];\n"


def _edge(link: Mapping[str, Any], tables: Mapping[str, Table]) -> str:
    left, right = _ends(link, "one_to_many")
    start = _port(tables[link["table"]], link["columns"])
    end = _port(tables[link["referenced_table"]], link["referenced_columns"])
    arrows = f"arrowtail={_TAILS.get(left, 'tee')}, arrowhead={_TAILS.get(right, 'crow')}"
    label = f", label={_quoted(link['label'])}" if link.get("label") else ""
    return f"    {start} -> {end} [{arrows}{label}];\n"


def _port(table: Table, columns: Iterable[str]) -> str:
    names = [c.name for c in table.typed_columns()]
    first = next((names.index(c) + 1 for c in columns if c in names), None)
    return f"{_quoted(table.name)}:{'p0' if first is None else f'f{first}'}"
