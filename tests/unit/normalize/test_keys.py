"""Row ids, parents, positions."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from ladle.normalize.keys import RowIds, child_keys, key_arrays, random_ids, root_keys, with_key_columns
from ladle.normalize.unnest import Piece
from ladle.schema.table import Column, Table

ROOT = Piece((), (), 2)
CHILD = Piece(("l",), (), 3, 0, pa.array([0, 0, 1]), pa.array([0, 1, 0]))


def test_random_ids_are_unique_text_of_16_characters() -> None:
    ids = random_ids(1000)
    assert ids.type == pa.string()
    assert len(set(ids.to_pylist())) == 1000
    assert set(map(len, ids.to_pylist())) == {16}
    assert len(random_ids(0)) == 0


def test_ids_of_one_load_sort_as_they_were_made() -> None:
    made = RowIds()
    # across pages of 1024, and past 2**15, where another digit begins
    ids = [row for n in (0, 1, 1023, 5000, 1, 2**17) for row in made.make(n).to_pylist()]
    assert ids == sorted(ids) == sorted(ids, key=str.swapcase)
    assert len(set(ids)) == len(ids)
    assert {len(row) for row in ids} == {16}
    assert re.fullmatch("[A-Za-z0-9_-]{16}", ids[-1])
    assert ids[0][:10] == ids[-1][:10] != RowIds().make(1)[0].as_py()[:10]


def test_ids_begin_anew_after_their_last_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ladle.normalize.keys._PLACES", 2)
    ids = RowIds().make(3 * 1024 + 5).to_pylist()
    assert len(set(ids)) == len(ids)
    assert len({row[:14] for row in ids}) == 4


def test_own_ids_win_where_there_are_any() -> None:
    first, second = root_keys(ROOT, pa.array(["my1", None])).ids.to_pylist()
    assert (first, len(second)) == ("my1", 16)


def test_child_ids_are_parent_and_position() -> None:
    root = root_keys(ROOT, pa.array(["a", "b"]))
    child = child_keys(CHILD, root, None, "")
    assert child.ids.to_pylist() == ["a.0", "a.1", "b.0"]
    assert child.roots.to_pylist() == ["a", "a", "b"]
    assert child_keys(CHILD, root, pa.array([None, "own", None]), "").ids.to_pylist() == ["a.0", "own", "b.0"]
    assert child_keys(CHILD, root, None, "tag.").ids.to_pylist() == ["a.tag.0", "a.tag.1", "b.tag.0"]


def test_grandchildren_know_the_root() -> None:
    root = root_keys(ROOT, pa.array(["a", "b"]))
    child = child_keys(CHILD, root, None, "")
    grandchild = Piece(("m",), (), 1, 1, pa.array([2]), pa.array([0]))
    keys = child_keys(grandchild, child, None, "")
    arrays = key_arrays(grandchild, keys, child, "1.5", root_key=True)
    assert {n: a.to_pylist() for n, a in arrays.items()} == {
        "_dlt_root_id": ["b"],
        "_dlt_parent_id": ["b.0"],
        "_dlt_list_idx": [0],
        "_dlt_id": ["b.0.0"],
    }


def test_root_rows_have_the_load_id() -> None:
    arrays = key_arrays(ROOT, root_keys(ROOT, pa.array(["a", "b"])), None, "1.5", root_key=False)
    assert {n: a.to_pylist() for n, a in arrays.items()} == {
        "_dlt_load_id": ["1.5", "1.5"],
        "_dlt_id": ["a", "b"],
    }


def test_key_columns_are_added_once_with_their_hints() -> None:
    table = with_key_columns(
        Table("t").with_columns([Column("_dlt_id", data_type="text")]), ["_dlt_parent_id", "_dlt_id"]
    )
    assert list(table.columns) == ["_dlt_id", "_dlt_parent_id"]
    assert table.columns["_dlt_parent_id"].parent_key
    assert not table.columns["_dlt_parent_id"].nullable
    assert not table.columns["_dlt_id"].row_key


def test_ids_are_only_made_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr("ladle.normalize.keys.os.urandom", lambda size: made.append(size) or bytes(size))
    keys = root_keys(ROOT, None)
    assert not made
    assert keys.ids.equals(keys.roots)
    assert len(keys.ids) == ROOT.rows
    assert len(made) == 1
