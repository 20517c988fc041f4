"""What a reader sees of a dataset of files: its tables, and the files that are committed at one moment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ladle.destinations.file_catalog import FileCatalog
from ladle.destinations.file_session import FileSession
from ladle.destinations.files import Files, errors
from ladle.schema.schema import SYSTEM_TABLE_MAP
from ladle.schema.table import Table

_LOOKS = 5
"""How often the files are listed anew because a load was committed meanwhile."""


class FileFolder:
    """A dataset's folder.

    Args:
        files: of the folder.
        session: over the same files; nothing is loaded with it.
        where: the folder as errors show it.
        prefix: what makes a path below the folder one that DuckDB finds.
        filesystem: fsspec's, None for the local disk.
    """

    def __init__(
        self, files: Files, session: FileSession, where: str, prefix: str, filesystem: Any = None
    ) -> None:
        self._catalog = FileCatalog(files)
        self._session = session
        self._where = where
        self._prefix = prefix
        self.filesystem = filesystem

    def exists(self) -> bool:
        """Whether the dataset is there."""
        return self._session.exists()

    @cached_property
    def _stored(self) -> list[tuple[str, Table]]:
        with errors("reading the schemas", self._where):
            return self._catalog.stored_tables()

    def tables(self) -> Mapping[str, Table]:
        """Return the tables that were loaded, and those of the system."""
        found: dict[str, Table] = {}
        for _, table in self._stored:
            there = found.get(table.name)
            found[table.name] = table if there is None else there.with_columns(table.columns.values())
        return {**found, **SYSTEM_TABLE_MAP}

    def files(self, tables: Sequence[Table]) -> Mapping[str, Sequence[str]]:
        """Return the files of tables that count, all of one moment."""
        with errors("listing the files", self._where):
            committed = self._catalog.committed()
            for _ in range(_LOOKS):
                found = {table.name: self._files(table.name) for table in tables}
                before, committed = committed, self._catalog.committed()
                if before == committed:
                    break
        return {name: [_literal(self._prefix + path) for path in paths] for name, paths in found.items()}

    def _files(self, table: str) -> list[str]:
        if table in SYSTEM_TABLE_MAP:
            return self._catalog.system_files(table)
        schemas = dict.fromkeys(schema for schema, stored in self._stored if stored.name == table)
        found = (path for schema in schemas for path in self._session.data_files(schema, table))
        return list(dict.fromkeys(found))


def _literal(path: str) -> str:
    """Return the pattern that matches one path: DuckDB takes `*`, `?` and `[` for those of a glob."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)
