"""`ladle lineage`: where tables, columns and rows come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer

import ladle

_Format = Literal["table", "json", "openlineage"]
_COLUMNS = ("table_name", "column_name", "data_type", "load_id", "introduced_at", "from", "code")


def show(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)],
    what: Annotated[str | None, typer.Argument(help="TABLE or TABLE.COLUMN; default: all tables.")] = None,
    row: Annotated[str | None, typer.Option(help="`_dlt_id` of a row of the table.")] = None,
    form: Annotated[_Format, typer.Option("--format", help="How to show it.")] = "table",
    pipelines_dir: Annotated[
        Path | None, typer.Option(help="Where working folders are; default ~/.ladle/pipelines.")
    ] = None,
) -> None:
    """Show where tables, columns and rows come from.

    Load, source, path, code and inputs.
    """
    found = ladle.attach(pipeline, pipelines_dir)
    table, _, column = (what or "").partition(".")
    if row is not None and not table:
        raise typer.BadParameter("name the table of the row", param_hint="--row")
    if form == "openlineage":
        _lines(found.lineage_events(table or None))
    elif row is not None:
        _one(asdict(found.lineage().row(table, row)), form)
    elif column:
        _one(asdict(found.lineage().column(table, column)), form)
    else:
        records = found.lineage().columns(table or None).to_pylist()
        _lines(_json(r) for r in records) if form == "json" else _table(records)


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _one(record: dict[str, Any], form: _Format) -> None:
    """Print one record: a line for each field that says something."""
    if form == "json":
        typer.echo(_json(record))
        return
    width = max(map(len, record))
    for name, value in record.items():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            shown = _json(part) if isinstance(part, dict) else str(part)
            if part not in (None, {}):
                typer.echo(f"{name:<{width}}  {shown}")


def _table(records: Sequence[dict[str, Any]]) -> None:
    rows = [_COLUMNS, *([str(_told(r, name) or "-") for name in _COLUMNS] for r in records)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _told(record: dict[str, Any], name: str) -> Any:
    if name == "from":
        return ".".join(str(record[k]) for k in ("source", "resource", "path") if record[k] is not None)
    if name == "code":
        place = ":".join(record[k] for k in ("module", "function") if record[k] is not None)
        return f"{place} {(record['code_version'] or '')[:12]}".rstrip()
    if name == "introduced_at" and record[name] is not None:
        return f"{record[name]:%Y-%m-%d %H:%M:%S}"
    return record[name]
