"""The reference's outputs for a test file: one batch, made when the first test asks, kept for the session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.parity.documents import Document
from tests.parity.sides import ReferenceRun, run_reference


@pytest.fixture(scope="module")
def reference(
    request: pytest.FixtureRequest, reference_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> ReferenceRun:
    """What the reference makes of every document that a selected test of the file is parametrized with."""
    wanted: dict[str, Document] = {}
    for item in request.session.items:
        if item.path == request.path and hasattr(item, "callspec"):
            found = [value for value in item.callspec.params.values() if isinstance(value, Document)]
            wanted |= {document.id: document for document in found}
    base = tmp_path_factory.getbasetemp()
    # Workers of one session have their own folders below the session's.
    session_folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return run_reference(reference_python, wanted.values(), session_folder / f"reference-{request.path.stem}")
