"""What is recorded of the reference's answers is what it says: all of them asked again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.parity import (
    cursors,
    recorded,
    recorded_datasets,
    schemas,
    test_compare,
    test_contracts,
    test_differences,
    test_incremental,
    test_merges,
    test_scd2,
    test_schemas,
)
from tests.parity.compare import Case, compare, report
from tests.parity.recorded import Batch
from tests.parity.shapes import shapes
from tests.parity.sides import run_reference

RECORDS = "RECORD_REFERENCE" in os.environ  # set by `make recorded`
BATCHES: dict[str, Callable[[], Batch]] = {
    "contracts": test_contracts.batch,
    "incremental": test_incremental.batch,
    "merges": test_merges.batch,
    "scd2": test_scd2.batch,
    "schemas": lambda: test_schemas.batch(test_schemas.made_of(schemas.generated())),
}


@pytest.mark.slow
def test_recorded_histories_are_drawn_by_the_program_that_is_there() -> None:
    if RECORDS:
        recorded.record(cursors.NAME, cursors.key(), cursors.drawn())
    assert len(recorded.recorded(cursors.NAME, cursors.key(), list)) == cursors.COUNT, "`make recorded`"


@pytest.mark.slow
@pytest.mark.needs_reference
@pytest.mark.parametrize("name", list(BATCHES))
def test_the_reference_still_says_what_is_recorded(name: str, reference_python: Path, tmp_path: Path) -> None:
    batch = BATCHES[name]()
    assert batch.name == name
    answer = batch.live(reference_python, tmp_path)
    if RECORDS:
        recorded.record(name, batch.key, answer)
    assert recorded.recorded(name, batch.key, lambda: "nothing of these questions: `make recorded`") == answer


@pytest.mark.slow
@pytest.mark.needs_reference
def test_the_reference_still_makes_of_documents_what_is_recorded(
    reference_python: Path, tmp_path: Path
) -> None:
    again = [twin for _, twin in test_compare.TWINS]
    documents = [*shapes(), *again, *(document for _, document in test_differences.examples())]
    run = run_reference(reference_python, documents, tmp_path)
    made = {document.id: run.dataset(document) for document in documents}
    if RECORDS:
        plain = {recorded_datasets.key(d): recorded_datasets.plain(made[d.id]) for d in documents}
        recorded.record(recorded_datasets.NAME, recorded_datasets.VERSION, plain)
    found = recorded.recorded(recorded_datasets.NAME, recorded_datasets.VERSION, dict)
    for document in documents:
        there = recorded_datasets.dataset_of(found[recorded_datasets.key(document)])
        differences = compare(Case(document.sample(), made[document.id], there))
        assert not differences, f"`make recorded`? {report(differences)}"


def test_a_record_is_for_its_question_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    script = tmp_path / "script.py"
    script.write_text("one")
    batch = Batch("x", script, [1])
    recorded.record("x", batch.key, {1: ("a", None)})
    assert recorded.recorded("x", batch.key, dict) == {1: ("a", None)}
    assert recorded.recorded("x", Batch("x", script, [2]).key, dict) == {}
    assert recorded.recorded("y", batch.key, dict) == {}
    script.write_text("two")
    assert recorded.recorded("x", batch.key, dict) == {}
