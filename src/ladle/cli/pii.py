"""`ladle pii`: look for personal data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import ladle

app = typer.Typer(no_args_is_help=True, help="Look for personal data.")


@app.callback()
def commands() -> None:
    """Look for personal data."""


@app.command()
def suggest(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)],
    pipelines_dir: Annotated[
        Path | None, typer.Option(help="Where working folders are; default ~/.ladle/pipelines.")
    ] = None,
    sample_rows: Annotated[int, typer.Option(help="Rows of each table to look at.")] = 1000,
) -> None:
    """Suggest tags for columns that look personal.

    By their names or values, as YAML to paste. Changes nothing.
    """
    report = ladle.governance.suggest_tags(ladle.attach(pipeline, pipelines_dir), sample_rows=sample_rows)
    for line in str(report).splitlines():
        typer.echo(f"# {line}")
    typer.echo(report.yaml(), nl=False)
