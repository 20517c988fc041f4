"""Random histories of a cursor through pipelines of the reference and of ladle: the same rows, the same state.

What may differ is named in `DIFFERENCES`, with the reason that docs/differences.md gives.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site
from tests.parity.cursors import COUNT, generated
from tests.parity.recorded import Batch
from tests.parity.reference_incremental import as_form, resource

import ladle
from ladle.errors import LadleError

pytestmark = pytest.mark.needs_reference


def arrow_without_cursor(history: dict[str, Any]) -> bool:
    """A table without the column, or with nulls only, fails in the reference, whatever is to be done with gaps."""
    pages = [page for pages in history["runs"] for page in pages if page]
    # A table has the columns of its first row.
    return history["form"] == "arrow" and any(
        "c" not in page[0] or all(row.get("c") is None for row in page) for page in pages
    )


def arrow_decimals(history: dict[str, Any]) -> bool:
    """The reference fails where decimals of a column have other digits than the bound has."""
    return history["form"] == "arrow" and history["kind"] == "decimal"


DIFFERENCES = {"arrow-without-cursor": arrow_without_cursor, "arrow-decimals": arrow_decimals}


def batch() -> Batch:
    """What the reference is asked: the outcomes of all histories."""
    return Batch("incremental", Path(__file__).with_name("reference_incremental.py"), generated())


@pytest.fixture(scope="module")
def reference(reference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return batch().answer(reference_python, tmp_path_factory.mktemp("incremental"))


@lru_cache(maxsize=COUNT)
def ours(number: int) -> list[Any]:
    """Run a history, each run of its resource by `pipeline.run`."""
    history = generated()[number]
    disposition = history["write_disposition"]
    outcomes: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="ladle-") as folder:
        site = Site.in_memory(Path(folder))
        pipeline = site.pipeline()
        before: Counter[int] = Counter()
        for pages in history["runs"]:
            made = [as_form(page, history["form"]) for page in pages]
            try:
                pipeline.run(resource(ladle, made, history["options"], disposition, history["way"]))
            except LadleError as error:
                return [*outcomes, type(error).__name__]
            there = Counter(site.table("r").values("n") if "r" in site.names() else [])
            loaded = there if disposition == "replace" else there - before
            before = there
            resources = pipeline.state.get("sources", {}).get("p", {}).get("resources", {})
            found = resources.get("r", {}).get("incremental", {}).get("c")
            state = found and {k: found[k] for k in ("last_value", "unique_hashes")}
            outcomes.append((sorted(loaded.elements()), state))
    return outcomes


def comparable(outcomes: list[Any]) -> list[Any]:
    return [
        (run[0], run[1] and {**run[1], "unique_hashes": sorted(run[1]["unique_hashes"])})
        if isinstance(run, tuple)
        else run
        for run in outcomes
    ]


@pytest.mark.parametrize("number", range(COUNT))
def test_a_history_has_the_references_outcome(number: int, reference: dict[str, Any]) -> None:
    history = generated()[number]
    expected, found = comparable(reference[history["id"]]), comparable(ours(number))
    if found == expected:
        return
    reasons = [name for name, applies in DIFFERENCES.items() if applies(history)]
    assert reasons, f"{history}\nreference: {expected}\nladle:     {found}"


def test_histories_are_worth_comparing(reference: dict[str, Any]) -> None:
    """Most of them load something in more than one run, and few end with an error."""
    outcomes = [reference[history["id"]] for history in generated()]
    assert (
        sum(sum(isinstance(run, tuple) and bool(run[0]) for run in runs) > 1 for runs in outcomes) > COUNT / 3
    )
    assert sum(any(isinstance(run, str) for run in runs) for runs in outcomes) < COUNT / 3
    same = [number for number, runs in enumerate(outcomes) if comparable(runs) == comparable(ours(number))]
    assert len(same) >= 0.9 * COUNT
    assert {generated()[number]["way"] for number in same} == {"argument", "hint", "call"}
