"""Azure Key Vault. Names take letters, digits and `-` only: parts are joined with `--`, `_` becomes `-`."""

from __future__ import annotations

import importlib
import re
from typing import Any

from ladle.config.vaults.settings import AzureSettings
from ladle.config.vaults.vault import VaultDocProvider
from ladle.errors import ConfigError

_DROPPED = re.compile(r"[^0-9a-zA-Z-]")


class AzureSecretsProvider(VaultDocProvider):
    """The newest version of each secret of one vault.

    Args:
        settings: `[providers.azure_secrets]`.
        client: a `SecretClient`; None: one is made.
    """

    name = "Azure Key Vault"

    def __init__(self, settings: AzureSettings, client: Any = None) -> None:
        super().__init__(settings.only_secrets, settings.only_toml_fragments, settings.list_secrets)
        self._errors = importlib.import_module("azure.core.exceptions")
        self._client = client or _client(settings)
        self.locations = (settings.vault_url,)

    def get_key_name(self, key: str, *sections: str) -> str:
        """Return the secret's name."""
        return "--".join(_DROPPED.sub("", part.replace("_", "-")) for part in (*sections, key))

    def _look_vault(self, full_key: str, hint: Any) -> str | None:
        try:
            value: str | None = self._client.get_secret(full_key).value
        except self._errors.ResourceNotFoundError:
            return None
        except self._errors.HttpResponseError as exc:
            if exc.status_code == 403:
                return None
            raise self._failed(full_key, exc) from exc
        except self._errors.AzureError as exc:
            raise self._failed(full_key, exc) from exc
        return value

    def _failed(self, full_key: str, exc: Exception) -> ConfigError:
        return ConfigError(
            f"{self.name} failed for `{full_key}`: {type(exc).__name__}",
            hint="check vault_url and the log-in, or set enable_azure_secrets to false",
        )

    def _list_vault(self) -> set[str]:
        return {str(found.name) for found in self._client.list_properties_of_secrets()}


def _client(settings: AzureSettings) -> Any:
    secrets = importlib.import_module("azure.keyvault.secrets")
    identity = importlib.import_module("azure.identity")
    if settings.client_id and settings.client_secret:
        log_in = identity.ClientSecretCredential(
            settings.tenant_id, settings.client_id, settings.client_secret
        )
    else:
        log_in = identity.DefaultAzureCredential()
    return secrets.SecretClient(
        settings.vault_url, log_in, verify_challenge_resource=settings.verify_challenge_resource
    )
