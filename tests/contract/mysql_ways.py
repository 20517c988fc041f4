"""The ways that rows go into MariaDB, of which MySQL has the last two."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ladle.destinations import mysql_bulk

WAYS = ("bulk", "LOAD DATA", "INSERT")


@contextmanager
def going_by(way: str, ask: Callable[[str], Any]) -> Iterator[None]:
    """Let rows go in by one of the ways; `ask` runs a statement as administrator."""
    if way == "bulk" and mysql_bulk.code is None:
        assert not os.environ.get("CI"), (
            "ladle.destinations._bulk was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")
    with pytest.MonkeyPatch.context() as patch:
        if way != "bulk":
            patch.setattr(mysql_bulk, "code", None)
        ask(f"SET GLOBAL local_infile = {int(way == 'LOAD DATA')}")
        try:
            yield
        finally:
            ask("SET GLOBAL local_infile = 1")
