"""Cursors as arguments: settings complete the default, the call completes both. Spec 5.8."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Optional

import pytest
from tests.unit.config.places import write

import ladle
from ladle.errors import ConfigFieldMissingException, ConfigValueCannotBeCoercedException, UsageError

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def empty_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows() -> Any:
    for n in (5, 10, 15):
        yield {"n": n, "idAfter": n}


@ladle.resource
def asked(id_after: ladle.sources.incremental = ladle.config.value) -> Any:  # type: ignore[valid-type]
    yield from rows()


@ladle.resource
def declared(id_after: ladle.sources.incremental[int] = ladle.sources.incremental("idAfter", 1)) -> Any:
    yield from rows()


@ladle.resource
def maybe(id_after: Optional[ladle.sources.incremental[int]] = None) -> Any:  # noqa: UP045 - as people write
    yield {"given": id_after is not None, "idAfter": 1}


def kept(resource: Any) -> list[int]:
    return [row["n"] for row in resource]


def test_a_cursor_comes_from_a_table() -> None:
    write("config", '[shop.sources.id_after]\ncursor_path = "idAfter"\ninitial_value = 10\n')
    ladle.pipeline("shop")
    assert kept(asked()) == [10, 15]


def test_a_cursor_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__ID_AFTER__CURSOR_PATH", "idAfter")
    assert kept(asked()) == [5, 10, 15]
    monkeypatch.setenv("SOURCES__TEST_CURSORS__ASKED__ID_AFTER__INITIAL_VALUE", "15")
    assert kept(asked()) == [15]
    monkeypatch.setenv("ID_AFTER", '{"cursor_path": "idAfter", "end_value": 10, "initial_value": 0}')
    assert kept(asked()) == [5]


def test_variables_of_the_shell_are_not_about_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_", "/usr/bin/python")
    monkeypatch.setenv("SINCE", "[1]")

    @ladle.resource
    def unnamed(_: Any = ladle.sources.incremental("idAfter", initial_value=10)) -> Any:
        yield from rows()

    @ladle.resource
    def named(since: Any = ladle.sources.incremental("idAfter", initial_value=10)) -> Any:
        yield from rows()

    assert kept(unnamed()) == kept(named()) == [10, 15]


def test_settings_complete_a_default_and_the_call_both(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(declared()) == [5, 10, 15]
    monkeypatch.setenv("SOURCES__TEST_CURSORS__DECLARED__ID_AFTER__INITIAL_VALUE", "6")
    monkeypatch.setenv("SOURCES__TEST_CURSORS__DECLARED__ID_AFTER__RANGE_END", "closed")
    assert kept(declared()) == [10, 15]
    assert kept(declared(ladle.sources.incremental(initial_value=11))) == [15]
    assert kept(declared(id_after=ladle.sources.incremental(end_value=15, initial_value=11))) == [15]


def test_text_becomes_what_the_cursor_is(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)

    @ladle.resource
    def events(at: Any = ladle.sources.incremental("at", initial_value=start)) -> Any:
        yield [{"at": datetime(2024, month, 1, tzinfo=UTC), "n": month} for month in (1, 2, 3)]

    monkeypatch.setenv("AT__INITIAL_VALUE", "2024-02-01T00:00:00Z")
    assert kept(events()) == [2, 3]

    @ladle.resource
    def texts(code: Any = ladle.sources.incremental("code", initial_value="1")) -> Any:
        yield [{"code": str(month), "n": month} for month in (1, 2, 3)]

    monkeypatch.setenv("CODE__INITIAL_VALUE", "2")
    assert kept(texts()) == [2, 3]


def test_none_means_no_cursor_unless_there_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(maybe()) == [{"given": False, "idAfter": 1}]
    monkeypatch.setenv("ID_AFTER__CURSOR_PATH", "idAfter")
    assert list(maybe()) == [{"given": True, "idAfter": 1}]


def test_a_cursor_that_has_to_come_from_settings_is_missed() -> None:
    with pytest.raises(ConfigFieldMissingException, match=r"ASKED__ID_AFTER__CURSOR_PATH"):
        list(asked())


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write("config", '[id_after]\ncursor_path = "idAfter"\ninitial_vale = 10\n')
    with pytest.raises(UsageError, match=r"(?s)initial_vale.*key=`id_after`.*did you mean `initial_value`"):
        list(asked())
    write("config", '[id_after]\ncursor_path = "idAfter"\nrow_order = "up"\n')
    with pytest.raises(UsageError, match=r"(?s)row_order `up`.*key=`id_after`"):
        list(asked())
    monkeypatch.setenv("ID_AFTER__LAG", "soon")
    with pytest.raises(ConfigValueCannotBeCoercedException, match="ID_AFTER__LAG"):
        list(asked())


def test_a_table_of_that_name_about_something_else_is_left_alone() -> None:
    write("config", '[id_after]\ncolour = "red"\n')
    assert kept(declared()) == [5, 10, 15]
