"""What became of the rows of each table: extracted = loaded + rejected, always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ladle.errors import LadleError
from ladle.normalize.rows import Part


class Accounts:
    """Counts rows of tables as they come, and as they are written."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, int]] = {}

    def add(self, parts: Sequence[Part], passed: Mapping[str, int], out: Mapping[str, int]) -> None:
        """Note a batch.

        Args:
            parts: as it came.
            passed: rows that go on, by table.
            out: rows that were refused, by table.
        """
        for part in parts:
            table = self._tables.setdefault(part.table, {"extracted": 0, "loaded": 0, "rejected": 0})
            table["extracted"] += part.piece.rows
        for name, count in passed.items():
            self._tables[name]["loaded"] += count
        for name, count in out.items():
            self._tables[name]["rejected"] += count

    def leave_out(self, rows: Mapping[str, int]) -> None:
        """Note rows, by table, that were refused after they were written."""
        for name, count in rows.items():
            self._tables[name]["loaded"] -= count
            self._tables[name]["rejected"] += count

    def check(self, written: Mapping[str, int]) -> None:
        """Make sure that every row is accounted for.

        Args:
            written: rows by table.

        Raises:
            LadleError: it isn't: a fault of ladle.
        """
        for name, table in self._tables.items():
            loaded, rejected = table["loaded"], table["rejected"]
            if table["extracted"] != loaded + rejected or written.get(name, 0) != loaded:
                raise LadleError(
                    f"the rows of table `{name}` don't add up: nothing is loaded",
                    **table,
                    written=written.get(name, 0),
                    expected="extracted = loaded + rejected",
                    hint="this is a fault of ladle: please report it with these figures",
                )

    def by_table(self) -> dict[str, dict[str, int]]:
        """Return the figures."""
        return {name: dict(table) for name, table in self._tables.items()}
