"""Insert-from-staging: rows wait in tables of the load's own; then tables are emptied and filled at once.

Other writers wait only while SQL copies the rows, not while they are coming.
"""

from __future__ import annotations

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.staged import Staged, Steps


def statements(staged: Staged) -> Steps:
    """Yield the statements, in order; a table without new rows ends up empty."""
    for table in (staged.root, *staged.children):
        yield exp.Delete(this=staged.there(table))
        if table.name in staged.columns:
            yield staged.insert(table, staged.all(table))


insert_from_staging = Strategy(statements=statements)
