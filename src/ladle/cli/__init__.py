"""The command line: look at a pipeline, finish or discard what it left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import ladle
from ladle.cli import config, lineage, pii, rejects, schema
from ladle.errors import LadleError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Load data from anywhere, typed and relational.",
    rich_markup_mode=None,  # plain text: to import rich for its frames takes longer than all else
)
app.add_typer(config.app, name="config")
app.add_typer(rejects.app, name="rejects")
app.add_typer(pii.app, name="pii")
app.add_typer(schema.app, name="schema", cls=schema.Group)

_Name = Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)]
_Dir = Annotated[Path | None, typer.Option(help="Where working folders are; default ~/.ladle/pipelines.")]


def _attached(name: str, pipelines_dir: Path | None) -> Any:
    return ladle.attach(name, pipelines_dir)


@app.command()
def version() -> None:
    """Print ladle's version."""
    typer.echo(ladle.__version__)


@app.command()
def status(pipeline: _Name, pipelines_dir: _Dir = None) -> None:
    """Show a pipeline: destination, dataset, tables, packages."""
    found = _attached(pipeline, pipelines_dir)
    typer.echo(f"pipeline      {found.pipeline_name}")
    typer.echo(f"working dir   {found.working_dir}")
    if found.destination is not None:
        typer.echo(f"destination   {found.destination.name} at {found.destination.displayable()}")
        typer.echo(f"guarantee     {found.destination.guarantee}")
    typer.echo(f"dataset       {found.dataset_name}")
    for name, known in found.schemas.items():
        tables = ", ".join(known.data_table_names()) or "none"
        typer.echo(f"schema        {name} version {known.version}: {tables}")
    typer.echo(f"extracted     {_listed(found.list_extracted_load_packages())}")
    typer.echo(f"normalized    {_listed(found.list_normalized_load_packages())}")
    typer.echo(f"loaded        {_listed(found.list_completed_load_packages()[-5:])}")


def _listed(load_ids: list[str]) -> str:
    return ", ".join(load_ids) or "none"


@app.command()
def guarantee(
    pipeline: _Name,
    pipelines_dir: _Dir = None,
    at_least: Annotated[
        str | None, typer.Option(help="Fail unless each way of writing has this grade.")
    ] = None,
) -> None:
    """Show what is promised of a load, G4 (exactly once) to G0.

    The destination promises it, for each way of writing.
    """
    found = _attached(pipeline, pipelines_dir)
    limits = found.destination.limits if found.destination else None
    ways = (
        ("append", "replace")
        if limits is None
        else ("append", *(limits.replaces or ("replace",)), *limits.merges)
    )
    promised = [found.guarantee(way) for way in ways]
    for one in promised:
        typer.echo(f"{one.strategy:<19} {one.grade} {one.text}")
    for line in dict.fromkeys(line for one in promised for line in one.rests_on):
        typer.echo(f"rests on            {line}")
    if at_least is not None and not all(one.reaches(at_least) for one in promised):
        raise typer.Exit(1)


@app.command()
def resume(pipeline: _Name, pipelines_dir: _Dir = None) -> None:
    """Finish the packages that an earlier run left.

    They are normalised and loaded.
    """
    typer.echo(str(_attached(pipeline, pipelines_dir).run()))


@app.command()
def discard(
    pipeline: _Name,
    pipelines_dir: _Dir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Forget the packages that an earlier run left.

    Their data is lost; the destination stays as it is.
    """
    found = _attached(pipeline, pipelines_dir)
    pending = found.list_extracted_load_packages() + found.list_normalized_load_packages()
    if not pending:
        typer.echo("nothing to discard")
        return
    typer.echo(f"will discard: {', '.join(pending)}")
    if yes or typer.confirm("go on?"):
        found.drop_pending_packages()


app.command("lineage")(lineage.show)


def main() -> None:
    """Run the command line; errors of ladle are shown without a stack."""
    try:
        app()
    except LadleError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
