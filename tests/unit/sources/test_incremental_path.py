"""Cursor paths: names and dotted names read without JSONPath, and alike."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
from collections import OrderedDict
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.sources.incremental_path import MISSING, cursor_path


@pytest.mark.parametrize(
    "row", [{"c": 1}, OrderedDict(c=1), MappingProxyType({"c": 1}), SimpleNamespace(c=1)]
)
@pytest.mark.parametrize("path", ["c", "$.c", "a"])
def test_fields_of_rows(path: str, row: Any) -> None:
    assert cursor_path(path).values([row, row]) == ([1, 1] if path != "a" else [MISSING, MISSING])


def test_rows_of_a_database() -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("select 1 as c").fetchall()
    connection.close()
    assert cursor_path("c").values(rows) == [1]
    assert cursor_path("d").values(rows) == [MISSING]


@pytest.mark.parametrize("row", [None, 5, "text", [1], b"x", {"a": None}, {"a": {"c": 1}}, {}])
def test_nothing_is_there(row: Any) -> None:
    assert cursor_path("a.b").values([row]) == [MISSING]
    assert cursor_path("a[*].b").values([row]) == [MISSING]


def test_a_row_without_it_among_others() -> None:
    assert cursor_path("a.b").values([{"a": {"b": 1}}, {}, {"a": {"b": None}}]) == [1, MISSING, None]


@pytest.mark.parametrize(
    ("path", "names", "column"),
    [
        ("c", ("c",), "c"),
        ("$.c", ("c",), "c"),
        ("_c-1", ("_c-1",), "_c-1"),
        ("größe", ("größe",), "größe"),
        ("a.b", ("a", "b"), None),
        ("$", (), None),
        ("a[0]", (), None),
        ("a..b", (), None),
        ("'a.b'", (), None),
    ],
)
def test_what_needs_no_json_path(path: str, names: tuple[str, ...], column: str | None) -> None:
    found = cursor_path(path)
    assert (found.names, found.column, found.is_whole) == (names, column, path == "$")


@pytest.mark.parametrize("path", ["a[", "$[", "a b", "..", "a.", "1x"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(UsageError, match="is not a JSONPath"):
        cursor_path(path)


def test_paths_are_compiled_once_and_pickle() -> None:
    assert cursor_path("a.b") is cursor_path("a.b")
    assert pickle.loads(pickle.dumps(cursor_path("a.b"))) is cursor_path("a.b")


def test_a_declaration_imports_neither_json_path_nor_arrow() -> None:
    code = "import sys, ladle; ladle.sources.incremental('a.b'); print({'jsonpath_ng', 'pyarrow'} & {*sys.modules} != set())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
