"""`ladle schema show`: look at schemas, of files and of pipelines."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import ladle
from ladle.cli import schema_changes
from ladle.errors import UsageError
from ladle.schema.render import FORMATS, rendered
from ladle.schema.yaml import read_file

Format = Enum("Format", {name: name for name in FORMATS}, type=str)  # type: ignore[misc]


class Group(TyperGroup):
    """Takes `ladle schema FILE` for `ladle schema show FILE`, as the reference does."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command; a first argument that is none is what to show."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


app = schema_changes.app


@app.command()
def show(
    what: Annotated[str, typer.Argument(help="A schema file, YAML or JSON, or the name of a pipeline.")],
    kind: Annotated[Format, typer.Option("--format", help="Of the output.")] = Format.yaml,  # type: ignore[attr-defined]
    remove_defaults: Annotated[
        bool, typer.Option("--remove-defaults", help="Leave out names that keys tell already.")
    ] = False,
    schema: Annotated[str | None, typer.Option(help="Of a pipeline: which schema, by name.")] = None,
    pipelines_dir: Annotated[
        Path | None, typer.Option(help="Where working folders are; default ~/.ladle/pipelines.")
    ] = None,
) -> None:
    """Print a schema as YAML, JSON, DBML, DOT or Mermaid.

    It is checked, and brought to the present form.
    """
    path = Path(what)
    if path.is_file():
        found = ladle.Schema.from_dict(read_file(path))
    elif path.suffix in (".yaml", ".yml", ".json"):
        raise UsageError(f"there is no schema file `{what}`")
    else:
        found = _of_pipeline(what, pipelines_dir, schema)
    typer.echo(rendered(found, str(kind.value), remove_defaults).rstrip())


def _of_pipeline(name: str, pipelines_dir: Path | None, schema: str | None) -> Any:
    pipeline = ladle.attach(name, pipelines_dir)
    if schema is None:
        return pipeline.default_schema
    known = pipeline.schemas
    if schema not in known:
        raise UsageError.unknown_choice(f"schema of pipeline `{name}`:", schema, list(known))
    return known[schema]
