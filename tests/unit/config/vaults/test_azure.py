"""Azure Key Vault: its client against a local HTTPS server. The log-in is a stand-in: Entra ID isn't there."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.config.vaults.serving import Answer, serving

import ladle
from ladle.config.vaults.azure import AzureSecretsProvider
from ladle.config.vaults.settings import AzureSettings
from ladle.errors import ConfigError

secrets: Any = pytest.importorskip("azure.keyvault.secrets", reason="the client is an extra: ladle[azure]")
pytest.importorskip("cryptography", reason="it comes with ladle[azure]")

SECRETS = {
    "dlt-secrets-toml": "[sources.a]\ntok = 'document'",
    "sources--b-c": "[sources.b_c]\ntok = 'fragment'",
}


def certificate(folder: Path) -> Path:
    """Make a key and a certificate for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "certificate.pem"
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(text + made.public_bytes(serialization.Encoding.PEM))
    return path


class LoggedIn:
    def get_token(self, *scopes: str, **_: Any) -> Any:
        return SimpleNamespace(token="tok", expires_on=2**31)


class KeyVault:
    status = 200
    asked: list[str]

    def __init__(self) -> None:
        self.asked = []

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        self.asked.append(path)
        if "authorization" not in headers:
            challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
            return 401, {}, {"WWW-Authenticate": challenge}
        if self.status != 200:
            return self.status, {"error": {"code": "x", "message": "broken"}}, {}
        name = path.removeprefix("/secrets").partition("?")[0].strip("/")
        if not name:
            return (
                200,
                {
                    "value": [
                        {"id": f"https://{headers['host']}/secrets/{s}", "attributes": {}} for s in SECRETS
                    ]
                },
                {},
            )
        if name not in SECRETS:
            return 404, {"error": {"code": "SecretNotFound", "message": "no"}}, {}
        return (
            200,
            {"value": SECRETS[name], "id": f"https://{headers['host']}/secrets/{name}/1", "attributes": {}},
            {},
        )


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[tuple[KeyVault, Any]]:
    made, path = KeyVault(), certificate(tmp_path)
    with serving(made.answer, path) as url:
        client = secrets.SecretClient(
            url, LoggedIn(), verify_challenge_resource=False, connection_verify=str(path), retry_total=0
        )
        yield made, client
        client.close()


def test_documents(vault: tuple[KeyVault, Any]) -> None:
    server, client = vault
    ladle.config.register_provider(AzureSecretsProvider(AzureSettings(vault_url="x"), client))
    assert ladle.secrets["sources.a.tok"] == "document"
    assert ladle.secrets["sources.b_c.tok"] == "fragment"
    asked = len(server.asked)
    assert ladle.secrets["sources.b_c.tok"] == "fragment"
    assert len(server.asked) == asked
    assert ladle.secrets.get("sources.d.tok") is None


def test_a_list(vault: tuple[KeyVault, Any]) -> None:
    server, client = vault
    settings = AzureSettings(list_secrets=True, vault_url="x")
    ladle.config.register_provider(AzureSecretsProvider(settings, client))
    assert ladle.secrets["sources.b_c.tok"] == "fragment"
    assert not any("sources--d" in a for a in server.asked)


def test_failures(vault: tuple[KeyVault, Any]) -> None:
    server, client = vault
    made = AzureSecretsProvider(AzureSettings(vault_url="x"), client)
    server.status = 403
    assert made.get_value("x", ladle.TSecretStrValue, None)[0] is None
    server.status = 400
    with pytest.raises(ConfigError, match="Azure Key Vault failed for `sources`: HttpResponseError"):
        made.get_value("x", ladle.TSecretStrValue, None, "sources", "y")


def test_it_is_made_from_settings() -> None:
    settings = AzureSettings(
        vault_url="https://x.vault.azure.net", tenant_id="t", client_id="c", client_secret="s"
    )
    made = AzureSecretsProvider(settings)
    assert made.locations == ("https://x.vault.azure.net",)
    assert made.get_key_name("api_key", "sources", "my_mod") == "sources--my-mod--api-key"
