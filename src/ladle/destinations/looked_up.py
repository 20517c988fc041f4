"""The keys by which merges look for rows, where an engine has an index for them."""

from __future__ import annotations

from ladle.schema.scd2 import has_history, history_of
from ladle.schema.table import Table


def looked_up(table: Table) -> list[list[str]]:
    """Return the columns of each key: primary key, merge key, root key, and the version of a history."""
    keys = [table.keys("primary_key"), table.keys("merge_key"), table.keys("root_key")]
    if has_history(table) and (history := history_of(table)) is not None:
        keys.append([history.version])
    return [list(key) for key in dict.fromkeys(tuple(k) for k in keys if k)]
