"""The differences that are meant: each is real, is written down, and explains nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from tests.parity.compare import Case, Known, compare, report, unexplained
from tests.parity.dataset import Dataset
from tests.parity.differences import KNOWN_DIFFERENCES
from tests.parity.documents import REPO, Document, select
from tests.parity.sides import load_with_ladle

NAMES = [known.name for known in KNOWN_DIFFERENCES]


def examples() -> list[tuple[Known, Document]]:
    """Each difference with its example as a document."""
    return [
        (known, Document(f"difference {known.name}", partial(select, list(known.example))))
        for known in KNOWN_DIFFERENCES
    ]


@pytest.mark.needs_reference
@pytest.mark.parametrize(("known", "document"), examples(), ids=NAMES)
def test_a_known_difference_is_seen_in_its_example(
    known: Known, document: Document, reference_datasets: Mapping[str, Dataset], tmp_path: Path
) -> None:
    records = document.sample()
    case = Case(records, reference_datasets[document.id], load_with_ladle(document, records, tmp_path))
    found = compare(case)
    assert any(known.explains(difference, case) for difference in found), f"dead entry: {report(found)}"
    left = unexplained(found, case, [known])
    assert not left, report(left)


@pytest.mark.parametrize("known", KNOWN_DIFFERENCES, ids=NAMES)
def test_a_known_difference_is_documented(known: Known) -> None:
    assert f"`{known.name}`" in (REPO / "docs" / "differences.md").read_text(encoding="utf-8")


def test_names_of_known_differences_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
