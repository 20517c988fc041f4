"""`ladle schema rename`, `drop`, `undrop`, `diff`, `adopt`: change a schema by a plan that is shown first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

import ladle

app = typer.Typer(no_args_is_help=True, help="Look at the schema of a pipeline, and change it.")

_Name = Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)]
_Target = Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="As it is called now.")]
_Dir = Annotated[Path | None, typer.Option(help="Where working folders are; default ~/.ladle/pipelines.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
_Schema = Annotated[str | None, typer.Option(help="Default: the pipeline's default schema.")]


@app.command()
def rename(
    pipeline: _Name,
    target: _Target,
    new: Annotated[str, typer.Argument(help="What it will be called.", show_default=False)],
    pipelines_dir: _Dir = None,
    yes: _Yes = False,
    dry_run: _DryRun = False,
) -> None:
    """Rename a table or a column.

    What the source has for it goes there from then on.
    """
    found = ladle.attach(pipeline, pipelines_dir)
    table, column = _named(target, _tables(found))
    plan = found.rename_column(table, column, new) if column else found.rename_table(table, new)
    _go_on(plan, yes, dry_run)


@app.command()
def drop(
    pipeline: _Name,
    target: _Target,
    pipelines_dir: _Dir = None,
    yes: _Yes = False,
    dry_run: _DryRun = False,
) -> None:
    """Drop a table or a column.

    It is left out of all loads from then on.
    """
    found = ladle.attach(pipeline, pipelines_dir)
    table, column = _named(target, _tables(found))
    _go_on(found.drop_column(table, column) if column else found.drop_table(table), yes, dry_run)


@app.command()
def undrop(
    pipeline: _Name,
    target: _Target,
    pipelines_dir: _Dir = None,
    yes: _Yes = False,
    dry_run: _DryRun = False,
) -> None:
    """Load a dropped table or column again.

    It comes back with the next rows that have it.
    """
    found = ladle.attach(pipeline, pipelines_dir)
    _go_on(found.undrop(*_named(target, _tables(found))), yes, dry_run)


@app.command()
def diff(pipeline: _Name, pipelines_dir: _Dir = None, schema: _Schema = None) -> None:
    """Show what was made or dropped at the destination by hand."""
    typer.echo(str(ladle.attach(pipeline, pipelines_dir).schema_diff(schema)))


@app.command()
def adopt(
    pipeline: _Name,
    pipelines_dir: _Dir = None,
    schema: _Schema = None,
    yes: _Yes = False,
    dry_run: _DryRun = False,
) -> None:
    """Take over what was made or dropped there by hand.

    Loads leave it like that.
    """
    _go_on(ladle.attach(pipeline, pipelines_dir).adopt_schema(schema), yes, dry_run)


def _tables(pipeline: Any) -> set[str]:
    return {name for schema in pipeline.schemas.values() for name in schema.table_map}


def _named(target: str, tables: Iterable[str]) -> tuple[str, str | None]:
    """Take a target apart; a table's own name may have dots."""
    above = [t for t in tables if target.startswith(f"{t}.")]
    if target in tables or (not above and "." not in target):
        return target, None
    table = max(above, key=len, default=target.partition(".")[0])
    return table, target[len(table) + 1 :]


def _go_on(plan: Any, yes: bool, dry_run: bool) -> None:
    """Show a plan; do it, unless it is empty, only to be shown, or refused."""
    typer.echo(str(plan))
    if dry_run or plan.is_empty:
        return
    if not yes and not typer.confirm("go on?"):
        typer.echo("nothing was changed")
        raise typer.Exit(1)
    info = plan.apply(confirm=True)
    typer.echo(f"done by load {info.loads_ids[-1]}")
