"""Row ids that are made of a key, and how they wait: rows of one key are told apart until one is left.

A waiting root row's id is `<digest><MARK><random>`, a child row's `<digest><MARK><random>.<position>`. Once
one row of each key is left, mark and random part go.
"""

from __future__ import annotations

from ladle.schema.table import Table

DIGEST = 16
"""Characters of a digest: 96 bits."""
MARK = "~ladle~"
RANDOM = 8
"""Characters that tell waiting rows of one key apart."""
TAIL = DIGEST + len(MARK) + RANDOM
"""Characters after which a child row's place follows."""

VERSION = 22
"""Characters of the id of a row in a history, which is a hash of what the row holds: 132 bits in Base64."""

WAITING = rf"^(.{{{DIGEST}}}){MARK}.{{{RANDOM}}}"
"""The beginning of a waiting id, as a pattern; its group is what stays."""

_KEYED = ("upsert", "insert-only")


def is_keyed(table: Table) -> bool:
    """Whether the ids of a root table's rows are made of its primary key."""
    merges = table.parent is None and table.write_disposition == "merge"
    return merges and table.extra.get("x-merge-strategy") in _KEYED and bool(table.keys("primary_key"))


def final_id(row_id: str) -> str:
    """Return a row's id as it will be at the destination."""
    waits = row_id[DIGEST : DIGEST + len(MARK)] == MARK
    return row_id[:DIGEST] + row_id[TAIL:] if waits else row_id
