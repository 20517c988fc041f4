"""ibis: asked for where it isn't installed, and used through a stand-in."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ladle.dataset.dataset import Dataset
from ladle.errors import MissingDependency


def test_without_ibis_the_error_says_what_to_install(ds: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ibis", None)
    for ask in (ds.ibis, ds["users"].to_ibis):
        with pytest.raises(MissingDependency, match=r"ladle\[ibis\]"):
            ask()


def test_ibis_gets_the_connection_and_the_query(ds: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ibis: Any = ModuleType("ibis")
    ibis.duckdb = SimpleNamespace(from_connection=lambda c: SimpleNamespace(connection=c, sql=lambda q: q))
    ibis.to_sql = lambda expression, dialect: f"select id from users -- {dialect}"
    monkeypatch.setitem(sys.modules, "ibis", ibis)
    backend = ds.ibis()
    assert backend.connection.sql("select count(*) from users").fetchall() == [(4,)]
    assert ds["users"].select("id").to_ibis() == ds["users"].select("id").to_sql()
    expression = type("Table", (), {"__module__": "ibis.expr.types"})()
    assert ds(expression).columns == ["id"]
    backend.connection.close()


def test_without_pandas_frames_say_what_to_install(ds: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependency, match=r"ladle\[pandas\]"):
        ds["users"].df()
