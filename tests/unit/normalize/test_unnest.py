"""Nested arrays split into flat pieces."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ladle.extract.arrow import Where, to_array
from ladle.normalize.unnest import Piece, unnest
from ladle.package.raw import hoist_deep

WHERE = Where("r", "t")


def pieces_of(rows: list[Any]) -> list[Piece]:
    return unnest(to_array(rows, where=WHERE))


def leaves(piece: Piece) -> dict[tuple[str, ...], dict[str, list[Any]]]:
    return {leaf.path: {kind: values.to_pylist() for kind, values in leaf.kinds} for leaf in piece.leaves}


def listed(array: pa.Array | None) -> list[Any] | None:
    return None if array is None else array.to_pylist()


def test_structs_become_leaves_by_path() -> None:
    (root,) = pieces_of([{"a": 1, "d": {"x": {"y": "q"}}}, {"d": {"x": None}}, {}])
    assert leaves(root) == {("a",): {"bigint": [1, None, None]}, ("d", "x", "y"): {"text": ["q", None, None]}}
    assert (root.path, root.parent, root.rows, root.parent_rows) == ((), -1, 3, None)


def test_lists_become_pieces_that_know_their_rows() -> None:
    root, items = pieces_of([{"l": [10, 20]}, {}, {"l": []}, {"l": [30]}])
    assert (items.path, items.parent, items.rows) == (("l",), 0, 3)
    assert leaves(items) == {("value",): {"bigint": [10, 20, 30]}}
    assert (listed(items.parent_rows), listed(items.positions)) == ([0, 0, 3], [0, 1, 0])


def test_lists_below_lists_point_to_the_row_of_their_parent_piece() -> None:
    _, outer, inner = pieces_of([{"l": [{"m": [1]}, {"m": [2, 3]}]}, {"l": [{"m": [4]}]}])
    assert (inner.path, inner.parent) == (("m",), 1)
    assert (listed(inner.parent_rows), listed(inner.positions)) == ([0, 1, 1, 2], [0, 0, 1, 0])
    assert leaves(outer) == {}


def test_a_list_in_a_list_is_named_so() -> None:
    pieces = pieces_of([{"m": [[1, 2], [3]]}])
    assert [(p.path, p.rows) for p in pieces] == [((), 1), (("m",), 2), (("list",), 3)]


def test_kinds_of_one_path_stay_apart() -> None:
    pieces = pieces_of([{"v": 1}, {"v": "x"}, {"v": {"a": True}}, {"v": [2.5]}])
    assert leaves(pieces[0]) == {
        ("v",): {"bigint": [1, None, None, None], "text": [None, "x", None, None]},
        ("v", "a"): {"bool": [None, None, True, None]},
    }
    assert (pieces[1].path, listed(pieces[1].parent_rows)) == (("v",), [3])


def test_paths_that_saw_only_nulls_have_no_kinds() -> None:
    (root,) = pieces_of([{"n": None, "e": {}}])
    assert leaves(root) == {("n",): {}}


def test_slices_give_what_the_whole_gives() -> None:
    array = to_array([{"l": [1]}, {"l": [2, 3]}, {"l": [4]}], where=WHERE)
    _, items = unnest(array.slice(1, 1))
    assert leaves(items) == {("value",): {"bigint": [2, 3]}}
    assert (listed(items.parent_rows), listed(items.positions)) == ([0, 0], [0, 1])


def test_what_was_hoisted_out_for_storage_is_there_again() -> None:
    value: Any = 1
    for _ in range(120):
        value = {"k": value}
    (root,) = unnest(hoist_deep(to_array([value], where=WHERE)))
    assert leaves(root) == {("k",) * 120: {"bigint": [1]}}
