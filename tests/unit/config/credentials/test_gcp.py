"""Spec 7.5: Google credentials. google-auth, where it is needed, is a stand-in of these tests."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import pytest

import ladle
from ladle.config.inject import resolved
from ladle.errors import (
    ConfigError,
    ConfigFieldMissingException,
    InvalidGoogleOauth2Json,
    InvalidGoogleServicesJson,
    OAuth2ScopesRequired,
)
from ladle.sources.credentials import GcpOAuthCredentials, GcpServiceAccountCredentials, OAuth2Credentials

KEY = "-----BEGIN PRIVATE KEY-----\\nv3ry-hidden\\n-----END PRIVATE KEY-----"
SERVICE = {"type": "service_account", "project_id": "p", "private_key": KEY, "client_email": "e@x", "private_key_id": "z", "extra": 1}  # fmt: skip
CLIENT = {"client_id": "ci", "client_secret": "v3ry-hidden", "project_id": "pp", "redirect_uris": ["x"]}


class _FakeCredentials:
    project_id = "machine"

    def refresh(self, request: object) -> None: ...


_FakeCredentials.__module__ = "google.oauth2.fake"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is logged in to Google, as far as google-auth says."""
    google, auth, errors = (ModuleType(n) for n in ("google", "google.auth", "google.auth.exceptions"))
    errors.GoogleAuthError = ValueError  # type: ignore[attr-defined]
    auth.exceptions = errors  # type: ignore[attr-defined]
    auth.default = lambda scopes: (_FakeCredentials(), "machine")  # type: ignore[attr-defined]
    google.auth = auth  # type: ignore[attr-defined]
    for module in (google, auth, errors):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return


@pytest.fixture
def no_google(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("google", "google.auth"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("given", [json.dumps(SERVICE), SERVICE])
def test_a_service_account(given: Any, no_google: None) -> None:
    ladle.secrets["credentials"] = given if isinstance(given, str) else json.dumps(given)
    for made in (
        GcpServiceAccountCredentials.from_init_value(given),
        ladle.secrets.get("credentials", GcpServiceAccountCredentials),
    ):
        assert made is not None
        assert (made.project_id, made.client_email, made.private_key_id) == ("p", "e@x", "z")
        assert made.private_key.splitlines() == KEY.split("\\n")
        assert made.private_key.endswith("\n")
        assert str(made) == "e@x@p"
        assert "v3ry-hidden" not in repr(made) + str(made)
        assert json.loads(made.to_native_representation())["type"] == "service_account"
        assert made.to_gcs_credentials()["token"]["client_email"] == "e@x"


@pytest.mark.parametrize("given", ["v3ry-hidden", '{"x": "v3ry-hidden"}', 5, "[1]"])
def test_what_is_no_service_account(given: Any) -> None:
    with pytest.raises(InvalidGoogleServicesJson, match="can't be read") as caught:
        GcpServiceAccountCredentials.from_init_value(given)
    assert "v3ry-hidden" not in str(caught.value)


def test_the_machines_login_is_used_where_nothing_is_configured(machine: None) -> None:
    made = resolved(GcpServiceAccountCredentials)
    assert made.project_id == "machine"
    assert made.has_default_credentials()
    assert isinstance(made.to_native_credentials(), _FakeCredentials)
    assert resolved(GcpOAuthCredentials).has_default_credentials()


def test_without_google_auth_nothing_is_a_missing_setting(no_google: None) -> None:
    with pytest.raises(ConfigFieldMissingException, match="`project_id`, `private_key`, `client_email`"):
        resolved(GcpServiceAccountCredentials)


def test_an_object_of_google_auth() -> None:
    made = GcpServiceAccountCredentials()
    made.parse_native_representation(_FakeCredentials())
    assert made.project_id == "machine"
    assert made.to_native_credentials() is made.default_credentials()


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: {"installed": c}, lambda c: {"web": c}])
def test_client_secrets(wrap: Any) -> None:
    made = GcpOAuthCredentials()
    made.parse_native_representation(json.dumps(wrap(CLIENT)))
    assert (made.client_id, made.client_secret, made.project_id) == ("ci", "v3ry-hidden", "pp")
    assert str(made) == "ci@pp"
    assert "v3ry-hidden" not in repr(made)
    assert json.loads(made.to_native_representation())["client_id"] == "ci"
    with pytest.raises(InvalidGoogleOauth2Json):
        GcpOAuthCredentials().parse_native_representation('{"x": {}}')


@pytest.fixture
def token_server() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append(form)
            good = form["refresh_token"] == ["r"]
            body = b'{"access_token": "t"}' if good else b"{}"
            self.send_response(200 if good else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_token_for_a_refresh_token(token_server: tuple[str, list[dict[str, list[str]]]]) -> None:
    url, asked = token_server
    made = GcpOAuthCredentials("a", "b", "r")
    made.token_uri = url  # type: ignore[misc]
    made.auth("scope")
    assert made.token == "t"
    assert made.scopes == ["scope"]
    assert asked[0]["grant_type"] == ["refresh_token"]
    made.refresh_token = "wrong-canary"
    with pytest.raises(ConfigError, match="400") as caught:
        made.auth()
    assert "wrong-canary" not in str(caught.value)


def test_a_log_in_needs_scopes() -> None:
    with pytest.raises(OAuth2ScopesRequired):
        GcpOAuthCredentials("a", "b").auth()


def test_plain_oauth() -> None:
    made = OAuth2Credentials("i", "v3ry-hidden", "r", ["a"])
    made.add_scopes("b")
    made.add_scopes(["a", "c"])
    assert made.scopes == ["a", "b", "c"]
    assert "v3ry-hidden" not in repr(made) + str(made)
    with pytest.raises(ladle.errors.UsageError, match="knows no service"):
        made.auth()
