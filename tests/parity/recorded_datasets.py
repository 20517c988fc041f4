"""What the reference made of documents of our own: recorded beside the tests, else loaded with it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.parity.dataset import Dataset, Row, Table, link
from tests.parity.documents import Document
from tests.parity.recorded import fingerprint, packages, recorded
from tests.parity.sides import SCRIPT, run_reference

NAME = "documents"
VERSION = "1"
"""Of `plain`."""


def datasets(python: Path, documents: Iterable[Document], folder: Path) -> Mapping[str, Dataset]:
    """Return by id what the reference makes of documents; whatever is not recorded is loaded with it."""
    wanted = {key(document): document for document in documents}
    found = recorded(NAME, VERSION, dict)
    there = {document.id: dataset_of(found[at]) for at, document in wanted.items() if at in found}
    left = [document for document in wanted.values() if document.id not in there]
    if left:
        run = run_reference(python, left, folder)
        there |= {document.id: run.dataset(document) for document in left}
    return there


def key(document: Document) -> str:
    """What the record of a document is found by; two of equal rows are two loads."""
    script = SCRIPT.read_text(encoding="utf-8")
    asked = repr((document.id, document.sample(), dict(document.options)))
    return fingerprint(script, packages(), asked)


def plain(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as values that a record can have: a row is its values and its links."""
    tables = {
        name: (dict(table.columns), [(row.values, row.links) for row in table.rows])
        for name, table in dataset.tables.items()
    }
    system = {name: dict(columns) for name, columns in dataset.system.items()}
    return {"error": dataset.error, "tables": tables, "system": system}


def dataset_of(made: Mapping[str, Any]) -> Dataset:
    """Return the dataset that `plain` made values of."""
    tables = {
        name: Table(name, columns, [Row(name, dict(values), dict(links)) for values, links in rows])
        for name, (columns, rows) in made["tables"].items()
    }
    roots, orphans = link(tables)
    return Dataset(tables, roots, orphans, made["system"], made["error"])
