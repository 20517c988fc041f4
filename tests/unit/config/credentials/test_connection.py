"""Spec 7.5: connection strings. The rows are what the reference 1.31 gives."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ladle.config.credentials.connection import ConnectionUrl
from ladle.errors import InvalidConnectionString
from ladle.sources.credentials import ConnectionStringCredentials

CASES: dict[str, tuple[Any, ...]] = {
    "postgres://u:p%40ss@h:5432/db?opt=1": ("postgres", "db", "p@ss", "u", "h", 5432, {"opt": "1"}),
    "mysql+pymysql://u@h/db": ("mysql+pymysql", "db", None, "u", "h", None, {}),
    "postgres://h": ("postgres", None, None, None, "h", None, {}),
    "postgres:///db": ("postgres", "db", None, None, None, None, {}),
    "x://u:p@[::1]:5/db?a=1&b=2": ("x", "db", "p", "u", "::1", 5, {"a": "1", "b": "2"}),
    "postgres://u:a%3Ab@h/d": ("postgres", "d", "a:b", "u", "h", None, {}),
    "sqlite:////tmp/x.db": ("sqlite", "/tmp/x.db", None, None, None, None, {}),
    "postgres://u:@h/d": ("postgres", "d", "", "u", "h", None, {}),
}


@pytest.mark.parametrize("url", CASES)
def test_a_url_and_its_parts(url: str) -> None:
    made = ConnectionStringCredentials(url)
    names = ("drivername", "database", "password", "username", "host", "port", "query")
    assert tuple(made[name] for name in names) == CASES[url]
    assert made.to_native_representation() == url
    assert ConnectionStringCredentials(dict(made)).to_native_representation() == url


def test_the_password_is_masked() -> None:
    made = ConnectionStringCredentials("postgres://u:p%40ss@h:5432/db?sslpassword=other")
    assert str(made) == "postgres://u:***@h:5432/db"
    shown = repr(made) + str(made) + str(made.to_url()) + repr([made])
    assert "p@ss" not in shown
    assert "p%40ss" not in shown
    assert "other" not in repr(made)


@pytest.mark.parametrize("installed", [False, True])
def test_a_url_object(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if installed:
        pytest.importorskip("sqlalchemy")
    else:
        monkeypatch.setitem(sys.modules, "sqlalchemy.engine", None)
    made = ConnectionStringCredentials("postgres://u:p@h/db?a=1").to_url()
    assert isinstance(made, ConnectionUrl) is not installed
    assert made.render_as_string(hide_password=False) == "postgres://u:p@h/db?a=1"
    assert made.render_as_string() == str(made) == "postgres://u:***@h/db?a=1"


def test_a_password_that_was_pasted_as_it_is() -> None:
    assert ConnectionStringCredentials("a://u:x@y/z@h/d").password == "x@y/z"


@pytest.mark.parametrize("text", ["v3ry-hidden", "://u:v3ry-hidden@h", "", 5])
def test_what_is_no_url_is_not_shown(text: Any) -> None:
    with pytest.raises(InvalidConnectionString) as caught:
        ConnectionStringCredentials(text)
    assert "v3ry-hidden" not in str(caught.value)
    assert "driver://" in str(caught.value)
