"""Which key columns a table gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ladle.normalize.keys import LOAD_ID, PARENT_ID, POSITION, ROOT_ID, ROW_ID, with_key_columns
from ladle.normalize.options import Options
from ladle.schema.scd2 import has_history
from ladle.schema.stored import Propagation
from ladle.schema.table import Table


@dataclass(frozen=True, slots=True)
class WantedKeys:
    """What decides it.

    Attributes:
        options: those of frames.
        propagation: what child rows get from the rows above them.
        tables: all that there are, by name, as they are now.
    """

    options: Options
    propagation: Propagation
    tables: Mapping[str, Table]

    def of_child(self, table: Table, made: Mapping[str, Table]) -> list[str]:
        """Return those of a table whose rows came with rows above them; `made`: tables of this batch."""
        root = [ROOT_ID] if self._wants_root_key(table, made) else []
        return [*root, PARENT_ID, POSITION, ROW_ID]

    def of_root(self, table: Table, keyed: bool, present: set[str]) -> list[str]:
        """Return those of a table whose rows stand by themselves.

        Args:
            table: as it is.
            keyed: whether rows have them always; those of a frame only where asked for, or where the table
                has them or the frame brings them.
            present: names of the columns that came.
        """
        if table.parent is not None:
            return [ROW_ID]  # replayed: its place in the parent comes with the row
        if keyed or has_history(table):
            return [LOAD_ID, ROW_ID]
        wanted = []
        if self.options.add_dlt_load_id or LOAD_ID in table.columns or LOAD_ID in present:
            wanted.append(LOAD_ID)
        if self.options.add_dlt_id or ROW_ID in table.columns or ROW_ID in present:
            wanted.append(ROW_ID)
        return wanted

    def completed(self, table: Table) -> Table:
        """Return a child table with its root key: one that is merged from now on may bring no rows for it."""
        lacks = table.parent is not None and ROOT_ID not in table.columns
        if not lacks or ROW_ID not in table.columns or not self._wants_root_key(table, {}):
            return table
        return with_key_columns(table, [ROOT_ID])

    def _wants_root_key(self, table: Table, made: Mapping[str, Table]) -> bool:
        if ROOT_ID in table.columns or self.propagation.root_ids is None:
            return True
        while table.parent is not None and (above := made.get(table.parent) or self.tables.get(table.parent)):
            table = above
        if table.name in self.propagation.root_ids:
            return True
        return table.write_disposition == "merge" or bool(table.extra.get("x-root-key"))
