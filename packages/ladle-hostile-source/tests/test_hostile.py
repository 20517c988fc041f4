"""What ladle does with a source that does everything wrong, and how `ladle.testing` names each fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import ladle
import ladle_hostile_source
from ladle.errors import DataError, LadleError, ResourceExtractionError
from ladle.testing import SourceSuite, faults, never
from ladle.testing.source_faults import Trust
from ladle_hostile_source import RESOURCES, SECRET, hostile

FAULTS = {
    "raises": "raises: resource `raises` raised ResourceExtractionError after 2 rows",
    "nothing": "nothing: resource `nothing` yields None at row 1",
    "changes": "changes: resource `changes` changed row 0 after it was yielded",
    "types": "types: resource `types` has `str` in `v` at row 1, `int` before",
    "hangs": "hangs: resource `hangs` gave nothing for too long, after 1 rows",
    "ignores_close": "ignores close: resource `ignores_close` goes on when it is closed",
    "huge": "huge: resource `huge` has a row of 20,000,018 bytes, row 0",
    "keys": "key: resource `keys` has several rows with id = [1]",
    "nulls": "null: resource `nulls` has nothing in `name` at row 1",
    "unstable": "unstable: resource `unstable` gave 1 rows, and then 1 or others",
    "deep": "values: resource `deep` cannot store a value of type `dict` in column `me.me.me.me`",
    "objects": "values: resource `objects` cannot store a value of type `object` in column `v`",
    "leaks": None,  # only a run shows it: see TestLeaks
}
"""The one fault of each resource."""

ROWS = {
    "nothing": [{"id": 1}, {"id": 2}],
    # the dict is one and the same: what was yielded before is gone when ladle takes the rows in
    "changes": [{"id": 2}, {"id": 2}, {"id": 2}],
    "types": [{"id": 1, "v": 1}, {"id": 2, "v__v_text": "two"}, {"id": 3}, {"id": 4, "v__four": 4}],
    "ignores_close": [{"id": 0}, {"id": 1}, {"id": 2}],
    "huge": [{"id": 1, "v": "x" * 20_000_000}],
    "keys": [{"id": 1, "v": "first"}, {"id": 1, "v": "second"}],
    "leaks": [{"id": 1}],
}
"""What ladle loads all the same."""

ERRORS: dict[str, tuple[type[LadleError], str]] = {
    "raises": (ResourceExtractionError, "ConnectionError: the server went away"),
    "nulls": (DataError, "cannot store null in column `name`"),
    "deep": (DataError, "it contains itself"),
    "objects": (DataError, "cannot store a value of type `object` in column `v`"),
}
"""What ladle refuses: nothing of the run is loaded."""

TRUST = Trust(patience_s=1.0)


@pytest.fixture(scope="module", autouse=True)
def let_go() -> Iterator[None]:
    yield
    ladle_hostile_source.RELEASE.set()


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    destination = ladle.destinations.duckdb(duckdb.connect())
    return ladle.pipeline("hostile", tmp_path / "work", destination=destination, dataset_name="ds")


def test_every_fault_has_its_place() -> None:
    names = {function.__name__ for function in RESOURCES}
    assert names == FAULTS.keys()
    assert names == ROWS.keys() | ERRORS.keys() | {"hangs", "unstable"}


@pytest.mark.parametrize("name", FAULTS)
def test_the_suite_names_the_fault(name: str) -> None:
    found = [str(fault) for fault in faults(lambda: hostile(only=name), TRUST)]
    if FAULTS[name] is None:
        assert found == []
    else:
        assert len(found) == 1, found
        assert found[0].startswith(FAULTS[name])


def test_the_suite_names_a_source_that_fetches_when_it_is_made() -> None:
    found = faults(lambda: hostile(only="leaks", connect=True), TRUST)
    assert [fault.kind for fault in found] == ["eager"]
    assert "socket.connect(('127.0.0.1', " in found[0].what


@pytest.mark.parametrize("name", ROWS)
def test_ladle_loads(pipeline: Any, name: str) -> None:
    pipeline.run(hostile(only=name))
    found = pipeline.dataset()[name].arrow().to_pylist()
    rows = [{k: v for k, v in row.items() if v is not None and not k.startswith("_dlt")} for row in found]
    assert rows == ROWS[name]


@pytest.mark.parametrize("name", ERRORS)
def test_ladle_refuses(pipeline: Any, name: str) -> None:
    kind, text = ERRORS[name]
    with pytest.raises(kind, match=f"`{name}`") as caught:
        pipeline.run(hostile(only=name))
    assert text in str(caught.value)
    assert not pipeline.dataset().destination_client.open("ds").exists()


def test_a_reader_that_has_enough_of_one_that_hangs_can_leave(pipeline: Any) -> None:
    pipeline.run(hostile(only="hangs").add_limit(1))
    assert pipeline.dataset()["hangs"].fetchall()[0][0] == 1


class TestLeaks(SourceSuite):
    """The suite over one resource, with its fault marked: a mark on a test that passes would fail."""

    secrets = (SECRET,)
    module = "ladle_hostile_source"
    marks = {"test_secrets_stay_secret": never("it keeps its token in the state, on purpose")}

    def source(self) -> Any:
        return hostile(only="leaks")
