"""Delete-insert: old rows with a key of the new ones go, with all below them; then the new rows are added.

`primary_key`: of new rows with one key a single one is loaded. `merge_key`: all old rows with that key go,
all new rows are loaded. Both: what either finds goes. Neither: rows are only added. Rows that a `hard_delete`
column marks delete, and aren't loaded.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.staged import ROOT_ID, ROW_ID, Staged


def statements(staged: Staged) -> Iterator[exp.Expression]:
    """Yield the statements, in order."""
    root, primary = staged.root, staged.key("primary_key")
    matches = [staged.matching(keys) for keys in (primary, staged.key("merge_key")) if keys]
    if staged.children and matches:
        yield staged.note_gone(matches)
        for table in staged.children:
            yield staged.delete(table, staged.of_gone(ROOT_ID))
        yield staged.delete(root, staged.of_gone(ROW_ID))
        yield staged.forget_gone()
    else:
        for match in matches:
            yield staged.delete(root, match)
    yield staged.insert(root, staged.kept(staged.columns[root.name], primary))
    if staged.filled:
        yield from staged.insert_children(staged.kept([ROW_ID], primary))


delete_insert = Strategy(statements=statements)
