"""The outcome depends on the rows alone: not on cuts, forms, key order, or who works beside whom."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import polars
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.documents import SCALARS, documents, documents_that_share, flat_documents
from tests.properties.outcome import outcome

DOCUMENTS = documents() | flat_documents() | documents_that_share()
FORMS = ["generator", "page", "pages", "tuple", "ordered"]


def in_form(rows: list[dict[str, Any]], form: str) -> Any:
    def generator() -> Iterator[Any]:
        yield from rows

    return {
        "generator": generator,
        "page": iter([rows]),
        "pages": iter([rows[i : i + 2] for i in range(0, len(rows), 2)]),
        "tuple": tuple(rows),
        "ordered": [dict(sorted(row.items())) for row in rows],
    }[form]


def long(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Repeat rows beyond the first batch, the rare ones last."""
    return [{"n": i} for i in range(60)] + rows


@given(rows=DOCUMENTS, before=st.integers(55, 70))
def test_cuts(rows: list[Any], before: int) -> None:
    data = [{"n": i} for i in range(before)] + rows
    assert outcome(data, batch_bytes=1) == outcome(data)


@given(rows=DOCUMENTS, data=st.data())
def test_the_form_of_the_input(rows: list[Any], data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(FORMS))
    assert outcome(in_form(rows, form)) == outcome(rows)


@given(rows=DOCUMENTS, seed=st.integers())
def test_the_order_of_keys(rows: list[Any], seed: int) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random.Random(seed).shuffle(items)
            return {k: shuffled(v) for k, v in items}
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    first, second = outcome(rows), outcome([shuffled(row) for row in rows])
    assert {n: types for n, (types, _) in first.items()} == {n: types for n, (types, _) in second.items()}
    assert {n: found for n, (_, found) in first.items()} == {n: found for n, (_, found) in second.items()}


@given(rows=DOCUMENTS)
def test_normalising_beside_extract(rows: list[Any]) -> None:
    data = long(rows)
    assert outcome(data, batch_bytes=1, overlap=True) == outcome(data)


@given(rows=DOCUMENTS, nesting=st.sampled_from([0, 1, 2]))
@settings(max_examples=8)
def test_cuts_with_paths_kept_whole(rows: list[Any], nesting: int) -> None:
    data = long(rows)
    assert outcome(data, batch_bytes=1, max_table_nesting=nesting) == outcome(data, max_table_nesting=nesting)


ARROW = {
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "text": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    kinds = draw(st.lists(st.sampled_from(sorted(ARROW)), min_size=1, max_size=4))
    size = draw(st.integers(1, 5))
    columns = {}
    for number, kind in enumerate(kinds):
        rest = draw(st.lists(st.none() | SCALARS[kind], min_size=size - 1, max_size=size - 1))
        columns[f"c{number}"] = pa.array([draw(SCALARS[kind]), *rest], ARROW[kind])
    return pa.table(columns)


def content(data: Any) -> Any:
    types, rows = outcome(data)["t"]
    return types, rows


@given(table=tables(), cut=st.integers(0, 5))
def test_frames_of_every_kind_give_what_rows_give(table: pa.Table, cut: int) -> None:
    expected = content(table.to_pylist())
    assert content(table) == expected
    assert content(table.to_reader()) == expected
    assert content([table.slice(0, cut), table.slice(cut)]) == expected
    assert content(polars.from_arrow(table)) == expected
    if not any(column.null_count for column in table.columns):
        # pandas has no null for most types
        assert content(table.to_pandas(date_as_object=True)) == expected
