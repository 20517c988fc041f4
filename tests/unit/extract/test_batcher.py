"""Items gathered into batches cut by bytes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ladle.errors import DataError
from ladle.extract.arrow import Where
from ladle.extract.batcher import Batcher
from ladle.extract.jsoned import JsonPlan
from ladle.schema.naming import naming

pytestmark = pytest.mark.usefixtures("way")

PLAN = JsonPlan(naming("snake_case"))


def batcher(batch_bytes: int = 1 << 20, plan: JsonPlan = PLAN) -> Batcher:
    return Batcher(Where("r", "t", 0), plan, batch_bytes)


def pages(found: Batcher, *given: list[Any]) -> list[pa.RecordBatch]:
    out = [batch for page in given for batch in found.add(page)]
    last = found.flush()
    return [*out, last] if last is not None else out


ROWS = [{"n": i, "text": "x" * 100} for i in range(5000)]


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 5000])
def test_rows_come_out_in_order_however_they_are_paged(size: int) -> None:
    found = batcher()
    out = pages(found, *[ROWS[i : i + size] for i in range(0, len(ROWS), size)])
    assert [n for b in out for n in b.column("n").to_pylist()] == list(range(5000))
    assert found.rows == 5000
    whole = batcher()
    assert [b.num_rows for b in out] == [b.num_rows for b in pages(whole, ROWS)]


def test_single_rows_and_pages_mix() -> None:
    found = batcher()
    out = [found.add_row({"n": 0}), *found.add([{"n": 1}, {"n": 2}]), found.add_row({"n": 3}), found.flush()]
    assert [b.column("n").to_pylist() for b in out if b is not None] == [[0, 1, 2, 3]]


def test_batches_aim_at_bytes_not_rows() -> None:
    out = pages(batcher(batch_bytes=50_000), ROWS)
    assert all(b.nbytes <= 60_000 for b in out)
    assert min(b.num_rows for b in out[2:-1]) > 300


def test_first_batches_are_small_to_learn_how_large_rows_are() -> None:
    huge = [{"text": "x" * 100_000} for _ in range(200)]
    out = pages(batcher(batch_bytes=1 << 20), huge)
    assert out[0].num_rows == 64
    assert max(b.num_rows for b in out[1:]) <= 11


def test_a_row_larger_than_the_aim_still_goes_through() -> None:
    assert [b.num_rows for b in pages(batcher(batch_bytes=10), ROWS[:70])] == [64, *[1] * 6]


def test_nothing_gives_nothing() -> None:
    assert pages(batcher(), []) == []
    assert pages(batcher(), [None]) == []


def test_scalars_and_nones_among_rows() -> None:
    (batch,) = pages(batcher(), [{"a": 1}, None, 5])
    assert batch.to_pylist() == [{"a": 1, "value": None}, {"a": None, "value": 5}]


def test_the_error_names_the_row_of_the_whole_stream() -> None:
    found = batcher()
    list(found.add([{"a": 1}] * 100))
    found.skip(1000)
    with pytest.raises(DataError) as caught:
        pages(found, [{"a": 1}, {"a": object()}])
    # 64 rows were sent before the frame's 1000, the rest wait
    assert caught.value.row == 64 + 1000 + 36 + 1


def test_paths_are_kept_whole_where_planned() -> None:
    (batch,) = pages(batcher(plan=JsonPlan(naming("snake_case"), max_nesting=0)), [{"d": {"x": 1}}])
    assert "json" in str(batch.schema.field("d").type)
