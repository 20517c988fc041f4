"""The shapes written by hand, an example of the specification each: the same through both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.parity.compare import Case, compare, report, unexplained
from tests.parity.dataset import Dataset
from tests.parity.differences import KNOWN_DIFFERENCES
from tests.parity.documents import Document
from tests.parity.shapes import shapes
from tests.parity.sides import load_with_ladle

pytestmark = pytest.mark.needs_reference


@pytest.mark.parametrize("document", list(shapes()), ids=lambda document: document.id)
def test_shape_is_the_same_through_both(
    document: Document, reference_datasets: Mapping[str, Dataset], tmp_path: Path
) -> None:
    records = document.sample()
    case = Case(records, reference_datasets[document.id], load_with_ladle(document, records, tmp_path))
    left = unexplained(compare(case), case, KNOWN_DIFFERENCES)
    assert not left, report(left, records)
