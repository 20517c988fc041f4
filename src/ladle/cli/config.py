"""`ladle config`: look at settings."""

from __future__ import annotations

from typing import Annotated

import typer

from ladle.config.explain import explained, place

app = typer.Typer(no_args_is_help=True, help="Look at settings and secrets.")


@app.callback()
def commands() -> None:
    """Look at settings and secrets."""


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="Such as destination.postgres.credentials.password.")],
    pipeline: Annotated[str | None, typer.Option(help="Keys below its name go first.")] = None,
    sections: Annotated[
        str | None, typer.Option(help="Sections to drop one by one, such as sources.shop.orders.")
    ] = None,
    secret: Annotated[bool, typer.Option("--secret", help="Look among secrets only.")] = False,
) -> None:
    """Show where a setting is looked for and where it was found.

    In order; secrets are masked.
    """
    where, name = place(key, pipeline, sections)
    lines, found = explained(name, where, secret=secret)
    for line in lines:
        typer.echo(line)
    if not found:
        raise typer.Exit(1)
