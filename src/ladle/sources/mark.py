"""Instructions that travel with an item: `ladle.mark.*`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from ladle.errors import FileImportNotFound
from ladle.sources.hints import Hints, check_choice, make_nested_hints

__all__ = [
    "make_hints",
    "make_nested_hints",
    "materialize_table_schema",
    "with_file_import",
    "with_hints",
    "with_table_name",
]

IMPORT_FORMATS = ("parquet", "jsonl", "csv")


class Marked:
    """An item with an instruction. Made by the functions of `ladle.mark`.

    Attributes:
        item: the row, page or frame; None to only send hints.
        meta: handed to steps that ask for `meta`.
    """

    __slots__ = ("item", "meta")

    def __init__(self, item: Any, meta: Any) -> None:
        self.item = item
        self.meta = meta


class TableName:
    """Instruction: this item goes to that table."""

    __slots__ = ("table_name",)

    def __init__(self, table_name: str) -> None:
        self.table_name = table_name


class NewHints:
    """Instruction: from this item on the resource, or one table of it, has other hints."""

    __slots__ = ("create_table_variant", "hints")

    def __init__(self, hints: dict[str, Any], create_table_variant: bool) -> None:
        self.hints = hints
        self.create_table_variant = create_table_variant


class FileImport:
    """An item that stands for the rows of a file."""

    __slots__ = ("file_format", "path")

    def __init__(self, path: str, file_format: str) -> None:
        self.path = path
        self.file_format = file_format


class MaterializedEmptyList(list[Any]):
    """An item without rows that asks for its table to be created."""


def with_table_name(item: Any, table_name: str) -> Marked:
    """Send `item`, a row, page or frame, to the table `table_name`."""
    return Marked(item, TableName(table_name))


def with_hints(item: Any, hints: dict[str, Any] | None = None, create_table_variant: bool = False) -> Marked:
    """Change hints at the moment `item` passes; they hold for the rest of the run.

    Args:
        item: a row, page or frame; None to only change hints.
        hints: as `make_hints` returns them. With a `table_name` the item goes to that table.
        create_table_variant: keep these hints for the table they name, and leave those of the resource.
    """
    return Marked(item, NewHints(hints or {}, create_table_variant))


def make_hints(
    table_name: Any = None,
    parent_table_name: Any = None,
    write_disposition: Any = None,
    columns: Any = None,
    primary_key: Any = None,
    merge_key: Any = None,
    schema_contract: Any = None,
    table_format: Any = None,
    file_format: Any = None,
    additional_table_hints: dict[str, Any] | None = None,
    references: Any = None,
    incremental: Any = None,
    nested_hints: Any = None,
    tags: Any = None,
    rules: Any = None,
) -> dict[str, Any]:
    """Check hints and return those given as a dict, for `with_hints` and `apply_hints`.

    Raises:
        UsageError: a hint is wrong.
    """
    hints = {name: value for name, value in locals().items() if value is not None}
    Hints.of(**{name: value for name, value in hints.items() if name != "incremental"})
    return hints


def materialize_table_schema() -> MaterializedEmptyList:
    """Return an item without rows that has its table created, with the columns known from hints."""
    return MaterializedEmptyList()


def with_file_import(
    file_path: str | os.PathLike[str],
    file_format: Literal["parquet", "jsonl", "csv"],
    items_count: int = 0,
    hints: Any = None,
) -> Marked:
    """Load the rows of a file.

    The file is read by Arrow, in batches, and takes the way of all frames: names and types are those any
    frame gets, whatever format the destination takes.

    Args:
        file_path: an existing local file.
        file_format: parquet, jsonl or csv.
        items_count: accepted and not needed: rows are counted.
        hints: as `make_hints` returns them.

    Raises:
        FileImportNotFound: there is no such file.
        UsageError: an unknown format.
    """
    check_choice("file_format", file_format, IMPORT_FORMATS)
    if not Path(file_path).is_file():
        raise FileImportNotFound("the file to import isn't there", path=str(file_path))
    item = FileImport(str(file_path), file_format)
    return Marked(item, NewHints(hints if isinstance(hints, dict) else {}, create_table_variant=False))
