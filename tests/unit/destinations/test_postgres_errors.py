from __future__ import annotations

from typing import Any

import psycopg
import pytest

from ladle.destinations.postgres_errors import cause, explained, is_lost, refused
from ladle.destinations.postgres_login import Login
from ladle.errors import CommitFailed, DataError, DestinationError

_LOGIN = Login("postgresql://u:s3cret@h/d", "postgresql://u:***@h/d", ("s3cret",))


class _Told:
    """What the driver has of an answer of the server."""

    def __init__(self, **fields: str) -> None:
        self._fields = {psycopg.pq.DiagnosticField[name]: text.encode() for name, text in fields.items()}

    def error_field(self, field: psycopg.pq.DiagnosticField) -> bytes | None:
        return self._fields.get(field)


def _error(code: str | None, text: str = "what the server says", **details: str) -> Any:
    if code is None:
        return psycopg.OperationalError(text)
    told: Any = _Told(SQLSTATE=code, MESSAGE_PRIMARY=text, **details)
    try:
        kind = psycopg.errors.lookup(code)
    except KeyError:
        kind = psycopg.DatabaseError
    return kind(text, info=told)


_KINDS: list[tuple[str | None, type[Exception], bool]] = [
    ("40001", CommitFailed, True),
    ("40P01", CommitFailed, True),
    ("55P03", CommitFailed, True),
    ("57P01", CommitFailed, True),
    ("08006", CommitFailed, True),
    ("42P01", CommitFailed, True),
    ("42P07", CommitFailed, True),
    (None, CommitFailed, True),
    ("53300", DestinationError, True),
    ("53100", DestinationError, False),
    ("57014", DestinationError, False),
    ("42501", DestinationError, False),
    ("42601", DestinationError, False),
    ("54000", DestinationError, False),
    ("22001", DataError, False),
    ("22P99", DataError, False),
    ("23505", DataError, False),
    ("23514", DataError, False),
]


@pytest.mark.parametrize(("code", "kind", "retryable"), _KINDS)
def test_each_code_has_its_class_and_a_hint(code: str | None, kind: type[Exception], retryable: bool) -> None:
    found = explained(_error(code), "writing table `t`", _LOGIN)
    assert type(found) is kind
    assert getattr(found, "retryable", False) is retryable
    assert "what the server says" in found.what
    assert "writing table `t`" in found.what
    assert found.hint


@pytest.mark.parametrize(
    ("code", "lost"),
    [(None, True), ("08006", True), ("57P01", True), ("XX000", True), ("40001", False), ("23505", False)],
)
def test_only_a_verdict_of_the_server_makes_sure_that_nothing_was_committed(
    code: str | None, lost: bool
) -> None:
    assert is_lost(_error(code)) is lost


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("COPY t, line 5, column a", {"table": "t", "column": "a", "row": 5}),
        ('COPY t, line 5, column a b: "x: y"', {"table": "t", "column": "a b", "row": 5}),
        ("COPY my table, line 5", {"table": "my table", "row": 5}),
        ("PL/pgSQL function f() line 3 at RAISE", {}),
    ],
)
def test_the_row_at_fault_is_named(context: str, expected: dict[str, Any]) -> None:
    assert explained(_error("22003", CONTEXT=context), "writing", _LOGIN).facts == expected


def test_the_detail_is_part_of_the_message() -> None:
    found = explained(_error("23505", MESSAGE_DETAIL="Key (a)=(1) already exists."), "writing", _LOGIN)
    assert "what the server says (Key (a)=(1) already exists.)" in found.what


def test_long_messages_are_cut_and_put_on_one_line() -> None:
    found = explained(_error("42601", "a\n\tb " * 500), "writing", _LOGIN)
    assert "a b a b" in found.what
    assert len(found.what) < 400


def test_secrets_are_masked_and_errors_that_show_one_are_not_chained() -> None:
    shows = _error("22003", "the value s3cret", CONTEXT="COPY s3cret, line 1")
    for found in (explained(shows, "writing", _LOGIN), refused(shows, _LOGIN)):
        assert "s3cret" not in f"{found} {found.facts}"
    assert cause(shows, _LOGIN) is None
    assert cause(plain := _error(None), _LOGIN) is plain


_LOGINS = [
    (
        "connection to server failed: FATAL:  password authentication failed",
        "check username and password",
        False,
    ),
    ("could not translate host name", "check the host", False),
    ("connection failed: Connection refused", "listens", True),
    ("timeout expired", "firewalls", True),
    ("FATAL:  sorry, too many clients already", "max_connections", True),
    ("FATAL:  the database system is starting up", "that the server runs", True),
    ("les carottes sont cuites", "check the credentials", False),
]


@pytest.mark.parametrize(("text", "hint", "retryable"), _LOGINS)
def test_a_refused_login_says_where_and_what_to_check(text: str, hint: str, retryable: bool) -> None:
    found = refused(_error(None, text), _LOGIN)
    assert found.what.startswith("cannot connect to postgresql://u:***@h/d: ")
    assert hint in str(found.hint)
    assert found.retryable is retryable


def test_a_column_that_every_table_has_is_no_conflict() -> None:
    text = 'column name "ctid" conflicts with a system column name'
    error = explained(_error("42701", text), "creating table `t`", _LOGIN)
    assert type(error) is DestinationError
    assert "give it another" in str(error)
