"""Google Secret Manager. Names are joined with `-`: `destination-bigquery-credentials-project_id`."""

from __future__ import annotations

import importlib
import re
from typing import Any
from urllib.parse import urlsplit

from ladle.config.vaults.settings import GoogleSettings
from ladle.config.vaults.vault import VaultDocProvider
from ladle.errors import ConfigError

_DROPPED = re.compile(r"[^\w-]")


class GoogleSecretsProvider(VaultDocProvider):
    """The newest version of each secret of one project.

    Args:
        settings: `[providers.google_secrets]`.
        client: a `SecretManagerServiceClient`; None: one is made.
    """

    name = "Google Secrets"

    def __init__(self, settings: GoogleSettings, client: Any = None) -> None:
        super().__init__(settings.only_secrets, settings.only_toml_fragments, settings.list_secrets)
        self._errors = importlib.import_module("google.api_core.exceptions")
        self._auth = importlib.import_module("google.auth.exceptions")
        self._client = client or _client(settings)
        project = settings.project_id or (settings.credentials and settings.credentials.project_id)
        if not project:
            raise ConfigError(
                "the vault `google` has no project",
                hint="set PROVIDERS__GOOGLE_SECRETS__PROJECT_ID, or give credentials that name one",
            )
        self._parent = f"projects/{project}"
        self.locations = (self._parent,)

    def get_key_name(self, key: str, *sections: str) -> str:
        """Return the secret's name; what Google doesn't take in a name is left out."""
        return "-".join(_DROPPED.sub("", part) for part in (*sections, key))

    def _look_vault(self, full_key: str, hint: Any) -> str | None:
        name = f"{self._parent}/secrets/{full_key}/versions/latest"
        try:
            found = self._client.access_secret_version(name=name)
        except (self._errors.NotFound, self._errors.Forbidden, self._errors.FailedPrecondition):
            return None
        except (self._errors.GoogleAPICallError, self._auth.GoogleAuthError) as exc:
            raise ConfigError(
                f"{self.name} failed for `{full_key}`: {type(exc).__name__}",
                hint="check its credentials, or set enable_google_secrets to false",
            ) from exc
        return str(found.payload.data.decode("utf-8"))

    def _list_vault(self) -> set[str]:
        return {s.name.rpartition("/")[2] for s in self._client.list_secrets(parent=self._parent)}


def _client(settings: GoogleSettings) -> Any:
    manager = importlib.import_module("google.cloud.secretmanager_v1")
    credentials = settings.credentials.to_native_credentials() if settings.credentials else None
    if settings.endpoint_url is None:
        return manager.SecretManagerServiceClient(credentials=credentials)
    rest = importlib.import_module("google.cloud.secretmanager_v1.services.secret_manager_service.transports")
    place = urlsplit(settings.endpoint_url)
    anonymous = importlib.import_module("google.auth.credentials").AnonymousCredentials()
    transport = rest.SecretManagerServiceRestTransport(
        host=place.netloc, url_scheme=place.scheme, credentials=credentials or anonymous
    )
    return manager.SecretManagerServiceClient(transport=transport)
