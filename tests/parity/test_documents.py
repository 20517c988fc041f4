"""Every JSON file of the shared data: the same through the reference and ladle."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parity.compare import Case, compare, report, unexplained
from tests.parity.differences import KNOWN_DIFFERENCES
from tests.parity.documents import Document, data_folder, documents
from tests.parity.sides import ReferenceRun, load_with_ladle

if not data_folder().is_dir():
    pytest.skip(f"no test data at {data_folder()}; set LADLE_TEST_DATA", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.needs_reference]


@pytest.mark.parametrize("document", list(documents()), ids=lambda document: document.id)
def test_document_is_the_same_through_both(
    document: Document, reference: ReferenceRun, tmp_path: Path
) -> None:
    records = document.sample()
    case = Case(records, reference.dataset(document), load_with_ladle(document, records, tmp_path))
    left = unexplained(compare(case), case, KNOWN_DIFFERENCES)
    assert not left, report(left)
