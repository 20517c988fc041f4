"""What DuckDB says becomes what the caller should do."""

from __future__ import annotations

import duckdb
import pytest

from ladle.destinations.duckdb_errors import explained
from ladle.errors import CommitFailed


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ('Could not write file "x.wal": No space left on device', "DuckDB failed", "free disk space"),
        ('Could not write file "x.wal": Input/output error', "DuckDB failed", "the package is kept: mend"),
        ("Transaction conflict: attempting to insert into table", "another load", "run again: the"),
        ("PRIMARY KEY or UNIQUE constraint violation: duplicate key", "another load", "run again: the"),
    ],
)
def test_a_commit_that_fails(said: str, what: str, hint: str) -> None:
    error = duckdb.TransactionException(f"TransactionContext Error: Failed to commit: {said}")
    found = explained(error, "committing")
    assert isinstance(found, CommitFailed)
    assert found.hint is not None
    assert str(found).startswith(what)
    assert found.hint.startswith(hint)
