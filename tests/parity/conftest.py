"""The reference's outputs for a test file: one batch, made when the first test asks, kept for the session.

What it makes of documents that others wrote is not recorded: there it runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.parity.dataset import Dataset
from tests.parity.documents import Document
from tests.parity.recorded_datasets import datasets
from tests.parity.sides import ReferenceRun, run_reference


@pytest.fixture(scope="module")
def reference(
    request: pytest.FixtureRequest, reference_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> ReferenceRun:
    """What the reference makes of every document that a selected test of the file is parametrized with."""
    return run_reference(reference_python, wanted_by(request), folder_of(request, tmp_path_factory))


@pytest.fixture(scope="module")
def reference_datasets(
    request: pytest.FixtureRequest, reference_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Dataset]:
    """The same by id, from the record where it is there."""
    return datasets(reference_python, wanted_by(request), folder_of(request, tmp_path_factory))


def wanted_by(request: pytest.FixtureRequest) -> list[Document]:
    """Return the documents that the selected tests of a file are parametrized with."""
    wanted: dict[str, Document] = {}
    for item in request.session.items:
        if item.path == request.path and hasattr(item, "callspec"):
            found = [value for value in item.callspec.params.values() if isinstance(value, Document)]
            wanted |= {document.id: document for document in found}
    return list(wanted.values())


def folder_of(request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a file's batch; workers of one session have their own below the session's."""
    base = factory.getbasetemp()
    session_folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return session_folder / f"reference-{request.path.stem}"
