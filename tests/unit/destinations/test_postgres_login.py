from __future__ import annotations

import copy
import pickle
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ladle.destinations.postgres import postgres_destination
from ladle.destinations.postgres_login import login
from ladle.errors import ConfigError, UsageError

_WHOLE = ("u", "p", "h", 5433, "/d")
_GIVEN: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "url": ("postgresql://u:p@h:5433/d", _WHOLE, "postgresql://u:***@h:5433/d"),
    "short scheme": ("postgres://u:p@h:5433/d", _WHOLE, "postgresql://u:***@h:5433/d"),
    "sqlalchemy's scheme": ("postgresql+psycopg2://u:p@h:5433/d", _WHOLE, "postgresql://u:***@h:5433/d"),
    "spaces around": ("  postgresql://u:p@h:5433/d\n", _WHOLE, "postgresql://u:***@h:5433/d"),
    "mapping": (
        {"username": "u", "password": "p", "host": "h", "port": 5433, "database": "d", "drivername": "x"},
        _WHOLE,
        "postgresql://u:***@h:5433/d",
    ),
    "libpq's names": (
        {"user": "u", "password": "p", "host": "h", "port": "5433", "dbname": "d"},
        _WHOLE,
        "postgresql://u:***@h:5433/d",
    ),
    "json": (
        '{"username":"u","password":"p","host":"h","port":5433,"database":"d"}',
        _WHOLE,
        "postgresql://u:***@h:5433/d",
    ),
    "escaped password": (
        "postgresql://u:a%40b%2Fc@h/d", ("u", "a@b/c", "h", None, "/d"), "postgresql://u:***@h/d",
    ),
    "password as it is": (
        "postgresql://u:a@b/c?d#e%zz@h:1/d", ("u", "a@b/c?d#e%zz", "h", 1, "/d"), "postgresql://u:***@h:1/d",
    ),
    "no password": ("postgresql://u@h/d", ("u", None, "h", None, "/d"), "postgresql://u@h/d"),
    "nobody": ("postgresql://h/d", (None, None, "h", None, "/d"), "postgresql://h/d"),
    "no database": ("postgresql://u:p@h", ("u", "p", "h", None, "/"), "postgresql://u:***@h/"),
    "odd names": (
        {"username": "ü@x", "password": "p", "host": "h", "database": "a b/c"},
        ("ü@x", "p", "h", None, "/a b/c"),
        "postgresql://%C3%BC%40x:***@h/a%20b%2Fc",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _GIVEN)
def test_all_forms_lead_to_the_same_place(name: str) -> None:
    given, (user, password, host, port, path), shown = _GIVEN[name]
    found = login(given, "postgres")
    assert found is not None
    parts = urlsplit(found.url)
    assert (parts.username and unquote(parts.username)) == user
    assert (parts.password and unquote(parts.password)) == password
    assert (parts.hostname, parts.port, unquote(parts.path)) == (host, port, path)
    assert found.shown == shown


def test_options_are_handed_on_and_win_over_ours() -> None:
    for given in (
        "postgresql://h/d?sslmode=require&connect_timeout=3&application_name=me@x",
        {
            "host": "h",
            "database": "d",
            "sslmode": "require",
            "connect_timeout": 3,
            "application_name": "me@x",
        },
        {
            "host": "h",
            "database": "d",
            "connect_timeout": 3,
            "query": {"sslmode": "require", "application_name": "me@x"},
        },
    ):
        found = login(given, "postgres")
        assert found is not None
        options = parse_qs(urlsplit(found.url).query)
        assert options["sslmode"] == ["require"]
        assert options["connect_timeout"] == ["3"]
        assert options["application_name"] == ["me@x"]
        assert options["client_encoding"] == ["UTF8"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h1:5432,h2:5433/d",
        "postgresql://u:p@[::1]:5432/d",
        "postgresql://u:p@%2Fvar%2Frun/d",
        "postgresql://u:p@/d?host=/var/run",
    ],
)
def test_places_that_only_libpq_understands_stay_as_they_are(url: str) -> None:
    found = login(url, "postgres")
    assert found is not None
    assert found.url.split("?")[0] == url.split("?")[0]


def test_a_folder_of_a_socket_is_a_host() -> None:
    found = login({"host": "/var/run", "database": "d"}, "postgres")
    assert found is not None
    assert found.url.startswith("postgresql://%2Fvar%2Frun/d?")


@pytest.mark.parametrize(
    "given", ["mysql://u:s3cret@h/d", "u:s3cret@h", "{s3cret", '["s3cret"]', "", 5, ["s3cret"]]
)
def test_other_things_are_refused_without_showing_them(given: Any) -> None:
    with pytest.raises(UsageError) as caught:
        login(given, "postgres")
    assert "s3cret" not in str(caught.value)
    assert "postgresql://" in str(caught.value)


_HIDDEN = "pa ss/@w"


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql://u:{_HIDDEN}@h/d",
        "postgresql://u:pa%20ss%2F%40w@h/d",
        {"username": "u", "password": _HIDDEN, "host": "h"},
        {"username": "u", "sslpassword": _HIDDEN, "host": "h"},
        "postgresql://h/d?user=u&password=pa%20ss%2F%40w",
    ],
)
def test_the_password_is_never_shown(given: Any) -> None:
    destination = postgres_destination(given)
    assert destination.login is not None
    text = f"{destination!r} {destination.login} {destination.displayable()}"
    assert _HIDDEN not in text
    assert "pa%20ss" not in text
    assert destination.login.masked(f"<{_HIDDEN}> <pa%20ss%2F%40w>") == "<***> <***>"


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://u:p@h/d")
    assert postgres_destination().displayable() == "postgresql://u:***@h/d"
    monkeypatch.setenv("DESTINATION__OTHER__CREDENTIALS", "postgresql://u:p@h2/d")
    assert postgres_destination(destination_name="other").displayable() == "postgresql://u:***@h2/d"
    assert postgres_destination("postgresql://h3/d").displayable() == "postgresql://h3/d"


def test_credentials_come_in_parts_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for part, value in {"HOST": "h", "USERNAME": "u", "DATABASE": "d", "PORT": "7"}.items():
        monkeypatch.setenv(f"DESTINATION__POSTGRES__CREDENTIALS__{part}", value)
    monkeypatch.setenv("CREDENTIALS__PASSWORD", "p")
    assert postgres_destination().displayable() == "postgresql://u:***@h:7/d"


def test_missing_credentials_are_an_error_only_when_opened() -> None:
    destination = postgres_destination(destination_name="there")
    assert destination.displayable() == "no credentials"
    with pytest.raises(ConfigError, match="`there` has no credentials") as caught:
        destination.open("ds")
    tried = caught.value.facts["traces"]["password"]
    assert ("Environment Variables", "DESTINATION__THERE__CREDENTIALS__PASSWORD") in tried
    assert ("secrets.toml", "destination.there.credentials.password") in tried
    assert not any(provider == "config.toml" for provider, _ in tried)


def test_a_destination_can_be_copied_and_sent_to_another_process() -> None:
    destination = postgres_destination("postgresql://u:p@h/d", create_indexes=False)
    assert pickle.loads(pickle.dumps(destination)) == destination
    assert copy.deepcopy(destination) == destination
