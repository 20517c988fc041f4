"""Which kill test proves what a destination promises of a load by each strategy."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from types import ModuleType

from tests.e2e.killing import DATABASES, ENGINES


@dataclass(frozen=True)
class Proof:
    """Tests that kill processes: `module` has `tests`, and `story` loads by the strategy."""

    module: str
    tests: tuple[str, ...]
    story: str

    @property
    def test_module(self) -> ModuleType:
        return importlib.import_module(f"tests.e2e.{self.module}")

    @property
    def told(self) -> str:
        """The story's source."""
        return inspect.getsource(importlib.import_module(f"tests.e2e.{self.story}"))

    @property
    def link(self) -> str:
        return f"`{self.module}.py`"


_BEFORE_AND_AFTER = ("test_killed_before_and_after_each_step",)
_APPEND, _MERGE, _REPLACE, _SCD2 = (
    Proof("test_kill_strategies", _BEFORE_AND_AFTER, f"victim_{part}")
    for part in ("append", "merge", "replace", "scd2")
)
_FUNCTION = Proof(
    "test_kill_function",
    (
        "test_killed_in_a_batch_gives_that_one_again_under_the_same_id",
        "test_killed_at_any_durable_step_loses_and_repeats_nothing",
    ),
    "test_kill_function",
)
_REPLACES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")
_MERGES = ("delete-insert", "upsert", "insert-only")

PROOFS: dict[tuple[str, str], Proof] = {
    **{(kind, "append"): _APPEND for kind in ENGINES},
    **{(kind, way): _REPLACE for kind in ENGINES for way in _REPLACES},
    **{(kind, way): _MERGE for kind in DATABASES for way in _MERGES},
    **{(kind, "scd2"): _SCD2 for kind in DATABASES},
    # It gets rows, whatever their disposition is.
    **{("function", way): _FUNCTION for way in ("append", *_REPLACES)},
}
"""By type of destination and strategy. A new destination, or a new strategy of one, is added with its kill test."""
