"""HashiCorp Vault, key-value engine of version 2. Names are paths: `ladle/sources/<name>`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ladle.config.vaults.settings import HashicorpSettings
from ladle.config.vaults.vault import FRAGMENT, VaultDocProvider
from ladle.errors import ConfigError


class HashicorpSecretsProvider(VaultDocProvider):
    """Each secret of this engine is a table: its field `value` is the text, else its fields are the values.

    So the fields of the secret `ladle/sources/shop` are the settings below `sources.shop`.

    Args:
        settings: `[providers.hashicorp_secrets]`.
        client: an `hvac.Client` that is logged in; None: one is made.
    """

    name = "HashiCorp Vault"

    def __init__(self, settings: HashicorpSettings, client: Any = None) -> None:
        super().__init__(settings.only_secrets, settings.only_toml_fragments, settings.list_secrets)
        self._errors = importlib.import_module("hvac.exceptions")
        self._offline = importlib.import_module("requests").exceptions.RequestException
        self._mount, self._prefix = settings.mount_point, settings.path_prefix.strip("/")
        self.locations = (f"{settings.url}/{self._mount}/{self._prefix}",)
        self._client = client or self._logged_in(settings)

    def get_key_name(self, key: str, *sections: str) -> str:
        """Return the path below the prefix."""
        return "/".join((*sections, key))

    def _logged_in(self, settings: HashicorpSettings) -> Any:
        client = importlib.import_module("hvac").Client(
            url=settings.url, token=settings.token, namespace=settings.namespace
        )
        if settings.role_id:
            try:
                client.auth.approle.login(role_id=settings.role_id, secret_id=settings.secret_id)
            except (self._errors.VaultError, self._offline) as exc:
                raise self._failed("the log-in", exc) from exc
        return client

    def _look_vault(self, full_key: str, hint: Any) -> str | Mapping[str, Any] | None:
        path = f"{self._prefix}/{full_key}" if self._prefix else full_key
        try:
            found = self._client.secrets.kv.v2.read_secret_version(
                path=path, mount_point=self._mount, raise_on_deleted_version=True
            )
        except (self._errors.InvalidPath, self._errors.Forbidden):
            return None
        except (self._errors.VaultError, self._offline) as exc:
            raise self._failed(f"`{full_key}`", exc) from exc
        fields: Mapping[str, Any] = found["data"]["data"]
        if "value" in fields:
            return str(fields["value"])
        return fields if full_key.endswith(FRAGMENT) else _nested(full_key.split("/"), fields)

    def _failed(self, what: str, exc: Exception) -> ConfigError:
        return ConfigError(
            f"{self.name} failed for {what}: {type(exc).__name__}",
            hint="check url and token, or set enable_hashicorp_secrets to false",
        )

    def _list_vault(self) -> set[str]:
        return {path.removeprefix(f"{self._prefix}/") for path in self._below(f"{self._prefix}/")}

    def _below(self, folder: str) -> set[str]:
        try:
            found = self._client.secrets.kv.v2.list_secrets(path=folder, mount_point=self._mount)
        except self._errors.InvalidPath:
            return set()
        names: set[str] = set()
        for key in found["data"]["keys"]:
            names |= self._below(folder + key) if key.endswith("/") else {folder + key}
        return names


def _nested(path: list[str], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    for part in reversed(path):
        fields = {part: fields}
    return fields
