"""Arguments and names that don't exist: what was meant is in the error."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import ladle
from ladle.errors import UsageError
from ladle.sources.explained import explained


@ladle.resource
def issues(url: str = "", token: str = "") -> Any:
    yield {"url": url}


@ladle.source
def tracker() -> Any:
    return issues


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ladle.resource(primary_ke="id"), "did you mean 'primary_key'?"),
        (lambda: ladle.transformer(data_frm=issues), "did you mean 'data_from'?"),
        (lambda: ladle.source(nam="x"), "did you mean 'name'?"),
        (lambda: ladle.pipeline("x", destinaton="duckdb"), "did you mean 'destination'?"),
        (lambda: ladle.sources.incremental("at", initial=1), "did you mean 'initial_value'?"),
        (lambda: issues(tokn="x"), "resource `issues`: .*did you mean 'token'?"),
        (lambda: issues(1, 2, 3), "resource `issues`: .*it takes url, token"),
        (lambda: issues(zzz=1), "resource `issues`: .*'zzz'; it takes url, token"),
    ],
)
def test_a_wrong_argument_names_the_nearest(call: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        call()


def test_errors_of_the_functions_own_code_pass() -> None:
    @explained
    def works(a: int, *, b: int = 1) -> int:
        """Doc."""
        return a + len(b)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match=r"object of type 'int' has no len\(\)$"):
        works(1)
    assert works.__doc__ == "Doc."
    assert str(inspect.signature(works)) == "(a: 'int', *, b: 'int' = 1) -> 'int'"


@pytest.mark.parametrize("key", ["datatype", "nulable", "Primary_key"])
def test_a_column_hint_that_is_misspelt_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"unknown hint `{key}` of column `a`\n  hint: did you mean `"):
        ladle.resource(columns={"a": {key: True}})


def test_column_hints_of_ones_own_are_kept() -> None:
    made = ladle.resource([1], name="r", columns={"a": {"x-sort": 1, "owner": "me", "sort": True}})
    assert made.columns["a"] == {"x-sort": 1, "owner": "me", "sort": True, "name": "a"}


def test_a_resource_that_a_source_lacks() -> None:
    with pytest.raises(KeyError, match="source `tracker` has no resource `isues`; it has issues"):
        tracker().resources["isues"]
    assert tracker().resources.get("isues") is None
    assert "isues" not in tracker().resources


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("ladle.resourc", "resource"),
        ("ladle.sources.incrementl", "incremental"),
        ("ladle.source(name='s')(lambda: ladle.resource([1], name='issues'))().isues", "issues"),
    ],
)
def test_python_says_what_name_was_meant(code: str, meant: str) -> None:
    ran = subprocess.run([sys.executable, "-c", f"import ladle; {code}"], capture_output=True, text=True)
    assert f"Did you mean: '{meant}'?" in ran.stderr
