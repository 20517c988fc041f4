"""Who may come in to Postgres, and that no password is shown on the way."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

import ladle
from ladle.destinations.base import LoadRecord
from ladle.errors import ConfigError, DestinationError
from ladle.schema.schema import Schema

Query = Callable[..., list[tuple[Any, ...]]]


_CANARY = "s3cr3t-c@nary/#?%é"


@dataclass(frozen=True)
class Account:
    """A role that has to give its password and may not make schemas."""

    role: str
    password: str
    host: str

    @property
    def url(self) -> str:
        return f"postgresql://{self.role}:{self.password}@{self.host}/postgres"


@pytest.fixture
def account(postgres_url: str, query: Query) -> Iterator[Account]:
    role = f"role_{uuid.uuid4().hex[:8]}"
    quoted = _CANARY.replace("'", "''")
    query(f"CREATE ROLE {role} LOGIN PASSWORD '{quoted}'")
    query("REVOKE CREATE ON DATABASE postgres FROM PUBLIC")
    path = Path(query("SHOW hba_file")[0][0])
    before = path.read_text()
    path.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{before}")
    query("SELECT pg_reload_conf()")
    parts = urlsplit(postgres_url)
    yield Account(role, quote(_CANARY, safe=""), f"{parts.hostname}:{parts.port}")
    path.write_text(before)
    query("SELECT pg_reload_conf()")


def _shown(error: BaseException) -> str:
    """Return all that a log could have of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(getattr(error, "facts", ""))


def _has_canary(text: str) -> bool:
    return any(form in text for form in (_CANARY, quote(_CANARY, safe=""), "c@nary", "c%40nary"))


def test_the_password_lets_in_and_is_never_shown(
    account: Account, query: Query, dataset: str, tmp_path: Path
) -> None:
    query(f"CREATE SCHEMA {dataset} AUTHORIZATION {account.role}")
    destination = ladle.destinations.postgres(account.url)
    info = ladle.pipeline("p", tmp_path, destination=destination, dataset_name=dataset).run(
        [{"a": 1}], table_name="t"
    )
    assert destination.displayable() == f"postgresql://{account.role}:***@{account.host}/postgres"
    for text in (str(info), repr(info), repr(destination), str(destination.login)):
        assert not _has_canary(text)
    written = (path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(_has_canary(content.decode("latin-1")) for content in written)


def test_who_may_not_make_schemas_gets_the_grant_to_ask_for(
    account: Account, dataset: str, tmp_path: Path
) -> None:
    destination = ladle.destinations.postgres(account.url)
    pipeline = ladle.pipeline("p", tmp_path, destination=destination, dataset_name=dataset)
    with pytest.raises(DestinationError, match="permission denied for database") as caught:
        pipeline.run([{"a": 1}], table_name="t")
    assert "GRANT CREATE ON DATABASE" in str(caught.value.hint)
    assert not _has_canary(_shown(caught.value))


_LOGINS: dict[str, tuple[str, str, str]] = {
    "wrong password": ("{a.role}:{a.password}x@{a.host}/postgres", "authentication failed", "check username"),
    "no password": ("{a.role}@{a.host}/postgres", "no password supplied", "add one"),
    "unknown database": ("{a.role}:{a.password}@{a.host}/nope", "does not exist", "check the names"),
    "unknown host": ("{a.role}:{a.password}@nohost.invalid/x", "failed to resolve host", "check the host"),
    "nobody listens": ("{a.role}:{a.password}@127.0.0.1:1/x", "Connection refused", "listens"),
    "unknown option": (
        "{a.role}:{a.password}@{a.host}/x?bogus=1",
        "invalid URI query parameter",
        "take the option",
    ),
    "no encryption": ("{a.role}:{a.password}@{a.host}/postgres?sslmode=require", "SSL", "sslmode"),
}


@pytest.mark.parametrize("name", _LOGINS)
def test_a_login_that_fails_says_what_to_check(name: str, account: Account, dataset: str) -> None:
    url, message, hint = _LOGINS[name]
    with pytest.raises(DestinationError, match=message) as caught:
        ladle.destinations.postgres("postgresql://" + url.format(a=account)).open(dataset)
    assert hint in str(caught.value.hint)
    assert caught.value.retryable == (name == "nobody listens")
    assert not _has_canary(_shown(caught.value))


def test_a_password_in_an_error_of_the_driver_is_masked(account: Account, dataset: str, query: Query) -> None:
    query(f"CREATE SCHEMA {dataset} AUTHORIZATION {account.role}")
    session = ladle.destinations.postgres(account.url).open(_CANARY[:20])
    named = ladle.destinations.postgres(account.url).open(_CANARY)
    for opened in (session, named):
        with pytest.raises(DestinationError) as caught:
            opened.begin(LoadRecord("1", Schema("s").to_dict(), "p", None, 1.5))
        assert not _has_canary(str(caught.value))
        opened.close()


def test_without_credentials_the_error_lists_what_was_looked_for(dataset: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ladle.destinations.postgres().open(dataset)
    assert "DESTINATION__POSTGRES__CREDENTIALS" in str(caught.value)
