"""FACTS.json.gz: each list's elements, counted without a loader, are the rows of its child table in ladle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.parity.documents import TABLE, Document, data_folder, documents, facts
from tests.parity.sides import load_with_ladle

from ladle.schema.naming import naming

if not data_folder().is_dir():
    pytest.skip(f"no test data at {data_folder()}; set LADLE_TEST_DATA", allow_module_level=True)

FOLDED = "*"
"""Stands in FACTS for the keys of a dict with more than 400 of them."""
MOST_LISTS = 300
"""List paths that FACTS has of one file at most, the first ones."""
FACTS = facts()
LEFT_OUT = {"json/emoji_by_emoji.json": "11,000 columns, as all names come out equal, and no list to count"}
COUNTED = [document for document in documents() if document.id in FACTS.keys() - LEFT_OUT.keys()]


def list_paths(
    value: Any, path: str = "$", keys: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every list below a value: its path as in FACTS, and its keys; `list` is that of a list in a list."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from list_paths(below, f"{path}.{key}", (*keys, key))
    elif isinstance(value, list):
        yield path, keys
        for below in value:
            inner = (*keys, "list") if isinstance(below, list) else keys
            yield from list_paths(below, f"{path}[]", inner)


def expected_rows(records: list[Any], list_elements: Mapping[str, int]) -> Counter[str]:
    """Rows by table name: lists whose names come out equal share a table."""
    names = naming("snake_case")
    paths = {found for record in records for found in list_paths(record)}
    rows: Counter[str] = Counter()
    for path, keys in paths:
        if keys:
            rows[names.join(TABLE, *keys)] += list_elements.get(path, 0)
    return rows


@pytest.mark.parametrize("document", COUNTED, ids=lambda document: document.id)
def test_every_list_element_is_a_row_of_its_child_table(document: Document, tmp_path: Path) -> None:
    records = document.records()
    counted = FACTS[document.id]
    dataset = load_with_ladle(document, records, tmp_path)
    assert dataset.error is None
    expected = expected_rows(records, counted["list_elements"])
    # A record that is a list itself is a page: its elements are the root rows.
    expected[TABLE] = counted["list_elements"].get("$", counted["records"])
    found = {name: len(table.rows) for name, table in dataset.tables.items()}
    if len(counted["list_elements"]) == MOST_LISTS:
        assert found == {**found, **dict(+expected)}
    elif any(FOLDED in path for path in counted["list_elements"]):
        assert sum(found.values()) == expected[TABLE] + sum(counted["list_elements"].values())
    else:
        assert found == dict(+expected)
