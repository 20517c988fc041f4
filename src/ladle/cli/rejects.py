"""`ladle rejects`: look at what was refused, and feed it back."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import ladle

app = typer.Typer(no_args_is_help=True, help="Look at refused rows and values, and feed rows back.")

_Name = Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)]
_Dir = Annotated[Path | None, typer.Option(help="Where working folders are; default ~/.ladle/pipelines.")]
_Table = Annotated[str | None, typer.Option("--table", help="Only of this table.")]
_Resource = Annotated[str | None, typer.Option("--resource", help="Only of this resource.")]
_Rule = Annotated[str | None, typer.Option("--rule", help="Only of this rule, or those it begins.")]
_Load = Annotated[str | None, typer.Option("--load-id", help="Only of this load.")]


@app.command("list")
def list_(
    pipeline: _Name,
    table: _Table = None,
    resource: _Resource = None,
    rule: _Rule = None,
    load_id: _Load = None,
    pipelines_dir: _Dir = None,
) -> None:
    """Count what waits, by table, rule and kind."""
    counts: dict[tuple[str, str, str, str], int] = {}
    for reject in ladle.attach(pipeline, pipelines_dir).rejects(table, resource, rule, load_id):
        key = (reject.table_name, reject.rule, reject.action, reject.obstacle or "can be replayed")
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        typer.echo("no open rejects")
    for (name, broken, action, obstacle), count in sorted(counts.items()):
        typer.echo(f"{count:>8,}  {action:<5}  {name}  {broken}  ({obstacle})")


@app.command()
def show(
    pipeline: _Name,
    table: _Table = None,
    resource: _Resource = None,
    rule: _Rule = None,
    load_id: _Load = None,
    limit: Annotated[int, typer.Option(help="How many at most.")] = 10,
    pipelines_dir: _Dir = None,
) -> None:
    """Show single ones: where, why, the value, the record."""
    found = ladle.attach(pipeline, pipelines_dir).rejects(table, resource, rule, load_id)
    for reject in found[:limit]:
        place = ".".join(part for part in (reject.table_name, reject.column_path) if part)
        typer.echo(f"{reject.id}  {place}  {reject.rule}: {reject.reason}")
        facts = {"value": reject.value, "position": reject.position, "record": reject.record}
        for name, value in facts.items():
            if value is not None:
                typer.echo(f"    {name:<9} {value}")
    if len(found) > limit:
        typer.echo(f"and {len(found) - limit:,} more")


@app.command()
def replay(
    pipeline: _Name,
    table: _Table = None,
    resource: _Resource = None,
    rule: _Rule = None,
    load_id: _Load = None,
    fix: Annotated[
        str | None, typer.Option(help="A function of a record, as `module:function`; returns it mended.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    pipelines_dir: _Dir = None,
) -> None:
    """Feed refused rows back into their tables, each once."""
    found = ladle.attach(pipeline, pipelines_dir)
    function = _function(fix) if fix else None
    info = found.replay(table, resource, rule, load_id, fix=function, dry_run=dry_run)
    if info is not None:
        typer.echo(str(info))
    elif not dry_run:
        typer.echo("nothing to replay")


def _function(name: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    module, _, function = name.partition(":")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as exc:
        raise typer.BadParameter(f"there is no function `{name}`: {exc}") from exc
    if not callable(found):
        raise typer.BadParameter(f"`{name}` is no function")
    return found  # type: ignore[no-any-return]
