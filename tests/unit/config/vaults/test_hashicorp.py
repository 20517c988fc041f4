"""HashiCorp Vault: its client, `hvac`, against a local server that answers like a KV engine of version 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.config.places import write
from tests.unit.config.vaults.serving import Answer, serving

import ladle
from ladle.errors import ConfigError

pytest.importorskip("hvac", reason="the client is an extra: ladle[hashicorp]")

SECRETS: dict[str, dict[str, Any]] = {
    "ladle/dlt_secrets_toml": {"value": "[sources.a]\ntok = 'document'"},
    "ladle/sources/b": {"tok": "fields", "nested": {"x": 1}},
    "ladle/sources/c/tok": {"value": "single"},
}


class Vault:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        self.asked.append(f"{method} {path}")
        if path == "/v1/auth/approle/login":
            good = body == {"role_id": "r", "secret_id": "s"}
            return (200, {"auth": {"client_token": "tok"}}, {}) if good else (400, {"errors": ["no"]}, {})
        if self.status != 200:
            return self.status, {"errors": ["broken"]}, {}
        if headers.get("x-vault-token") != "tok":
            return 403, {"errors": ["permission denied"]}, {}
        kind, _, name = path.removeprefix("/v1/secret/").partition("/")
        name = name.partition("?")[0]
        if kind == "metadata":
            prefix = name.rstrip("/") + "/"
            below = {s.removeprefix(prefix) for s in SECRETS if s.startswith(prefix)}
            keys = sorted({b.partition("/")[0] + ("/" if "/" in b else "") for b in below})
            return (200, {"data": {"keys": keys}}, {}) if keys else (404, {"errors": []}, {})
        if name not in SECRETS:
            return 404, {"errors": []}, {}
        return 200, {"data": {"data": SECRETS[name], "metadata": {"version": 1}}}, {}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    made = Vault()
    with serving(made.answer) as url:
        write(
            "config",
            f"[providers]\nenable_hashicorp_secrets = true\n[providers.hashicorp_secrets]\nurl = '{url}'",
        )
        monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__TOKEN", "tok")
        yield made


def test_documents_and_fields(vault: Vault) -> None:
    assert ladle.secrets["sources.a.tok"] == "document"
    assert ladle.secrets["sources.b.tok"] == "fields"
    assert ladle.secrets["sources.b.nested.x"] == 1
    assert ladle.secrets.get("sources.c.tok") is None
    assert len(vault.asked) == len(set(vault.asked))


def test_single_values(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__ONLY_TOML_FRAGMENTS", "false")
    assert ladle.secrets["sources.c.tok"] == "single"


def test_a_list_spares_questions(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__LIST_SECRETS", "true")
    monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__ONLY_TOML_FRAGMENTS", "false")
    assert ladle.secrets["sources.c.tok"] == "single"
    assert ladle.secrets.get("sources.nowhere.tok") is None
    reads = [a for a in vault.asked if "/data/" in a]
    assert len(reads) == 2, "the document, and the value"


def test_log_in_with_approle(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVIDERS__HASHICORP_SECRETS__TOKEN")
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__ROLE_ID", "r")
    monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__SECRET_ID", "s")
    assert ladle.secrets["sources.a.tok"] == "document"
    monkeypatch.setenv("PROVIDERS__HASHICORP_SECRETS__SECRET_ID", "wrong-canary")
    with pytest.raises(ConfigError, match="failed for the log-in") as caught:
        ladle.secrets.get("x")
    assert "wrong-canary" not in str(caught.value)


def test_a_vault_that_fails_is_an_error_not_a_missing_value(vault: Vault) -> None:
    vault.status = 500
    with pytest.raises(
        ConfigError, match="HashiCorp Vault failed for `dlt_secrets_toml`: InternalServerError"
    ):
        ladle.secrets.get("sources.a.tok")
