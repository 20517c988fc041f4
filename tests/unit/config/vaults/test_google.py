"""Google Secret Manager: its client, over its REST transport, against a local server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.unit.config.places import write
from tests.unit.config.vaults.serving import Answer, serving

import ladle
from ladle.config.vaults.google import GoogleSecretsProvider
from ladle.config.vaults.settings import GoogleSettings
from ladle.errors import ConfigError

pytest.importorskip("google.cloud.secretmanager_v1", reason="the client is an extra: ladle[google]")

SECRETS = {
    "dlt_secrets_toml": "[sources.a]\ntok = 'document'",
    "sources-b_c": "[sources.b_c]\ntok = 'fragment'",
    "destination-bigquery-credentials-project_id": "single",
}


def crc32c(data: bytes) -> int:
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Google:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        path = urlsplit(path).path
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"error": {"code": self.status, "message": "broken", "status": "x"}}, {}
        if path == "/v1/projects/p/secrets":
            return 200, {"secrets": [{"name": f"projects/p/secrets/{s}"} for s in SECRETS]}, {}
        name = path.removeprefix("/v1/projects/p/secrets/").removesuffix("/versions/latest:access")
        if name not in SECRETS:
            return 404, {"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}, {}
        data = SECRETS[name].encode()
        return (
            200,
            {
                "name": path,
                "payload": {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc32c(data))},
            },
            {},
        )


@pytest.fixture
def google() -> Iterator[Google]:
    made = Google()
    with serving(made.answer) as url:
        write(
            "config",
            "[providers]\nenable_google_secrets = true\n[providers.google_secrets]\n"
            f"project_id = 'p'\nendpoint_url = '{url}'",
        )
        yield made


def test_documents(google: Google) -> None:
    assert ladle.secrets["sources.a.tok"] == "document"
    assert ladle.secrets["sources.b_c.tok"] == "fragment"
    assert ladle.secrets.get("sources.d.tok") is None
    assert len(google.asked) == len(set(google.asked))


def test_single_values(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS__GOOGLE_SECRETS__ONLY_TOML_FRAGMENTS", "false")
    assert ladle.secrets["destination.bigquery.credentials.project_id"] == "single"


def test_a_list(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS__GOOGLE_SECRETS__LIST_SECRETS", "true")
    assert ladle.secrets["sources.b_c.tok"] == "fragment"
    assert google.asked[0] == "/v1/projects/p/secrets"


def test_a_failure_is_an_error(google: Google) -> None:
    google.status = 401
    with pytest.raises(ConfigError, match="Google Secrets failed for `dlt_secrets_toml`"):
        ladle.secrets.get("sources.a.tok")
    google.status = 403
    assert ladle.secrets.get("sources.b.other") is None


def test_names_are_those_of_the_reference() -> None:
    made = GoogleSecretsProvider(GoogleSettings(project_id="p"), client=object())
    assert made.get_key_name("api_key", "sources", "my_mod.x") == "sources-my_modx-api_key"
    assert made.get_key_name("k", "my pipe", "ä") == "mypipe-ä-k"
    with pytest.raises(ConfigError, match="no project"):
        GoogleSecretsProvider(GoogleSettings(), client=object())
