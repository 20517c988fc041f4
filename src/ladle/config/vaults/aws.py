"""AWS Secrets Manager, or the Parameter Store of SSM. Names are joined with `/`, below a prefix."""

from __future__ import annotations

import importlib
import re
from typing import Any

from ladle.config.vaults.settings import AwsSettings
from ladle.config.vaults.vault import VaultDocProvider
from ladle.errors import ConfigError, UsageError

_DROPPED = re.compile(r"[^\w-]")
_ABSENT = (
    "ResourceNotFoundException",
    "ParameterNotFound",
    "AccessDeniedException",
    "InvalidRequestException",
)
_SERVICES = ("secretsmanager", "ssm")


class AwsSecretsProvider(VaultDocProvider):
    """Secrets `dlt/sources/<name>/<key>`; in the Parameter Store with a slash before them.

    Args:
        settings: `[providers.aws_secrets]`.
        client: a client of boto3; None: one is made.
    """

    def __init__(self, settings: AwsSettings, client: Any = None) -> None:
        super().__init__(settings.only_secrets, settings.only_toml_fragments, settings.list_secrets)
        if settings.service not in _SERVICES:
            raise UsageError.unknown_choice("service of aws_secrets", settings.service, _SERVICES)
        self._errors = importlib.import_module("botocore.exceptions")
        self._is_ssm = settings.service == "ssm"
        self._prefix = settings.secret_name_prefix
        if self._is_ssm and not self._prefix.startswith("/"):
            self._prefix = f"/{self._prefix}"
        self.name = "AWS Parameter Store" if self._is_ssm else "AWS Secrets Manager"
        self.locations = (f"{settings.service}:{self._prefix}",)
        self._client = client or _client(settings)

    def get_key_name(self, key: str, *sections: str) -> str:
        """Return the name below the prefix; what AWS doesn't take in a name is left out."""
        return "/".join(_DROPPED.sub("", part) for part in (*sections, key))

    def _look_vault(self, full_key: str, hint: Any) -> str | None:
        name = self._prefix + full_key
        try:
            if self._is_ssm:
                found = self._client.get_parameter(Name=name, WithDecryption=True)
                return str(found["Parameter"]["Value"])
            found = self._client.get_secret_value(SecretId=name)
        except self._errors.ClientError as exc:
            code = exc.response.get("Error", {}).get("Code")
            if code in _ABSENT:
                return None
            raise self._failed(full_key, code) from exc
        except self._errors.BotoCoreError as exc:
            raise self._failed(full_key, type(exc).__name__) from exc
        text = found.get("SecretString")
        return str(text) if text is not None else bytes(found["SecretBinary"]).decode("utf-8")

    def _failed(self, full_key: str, why: str | None) -> ConfigError:
        return ConfigError(
            f"{self.name} failed for `{full_key}`: {why}",
            hint="check its credentials and region, or set enable_aws_secrets to false",
        )

    def _list_vault(self) -> set[str]:
        if self._is_ssm:
            pages = self._client.get_paginator("describe_parameters").paginate()
            names = [p["Name"] for page in pages for p in page["Parameters"]]
        else:
            pages = self._client.get_paginator("list_secrets").paginate()
            names = [s["Name"] for page in pages for s in page["SecretList"]]
        return {name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)}


def _client(settings: AwsSettings) -> Any:
    session = importlib.import_module("boto3.session")
    keys = settings.credentials
    if keys is None:
        return session.Session().client(settings.service)
    return session.Session(region_name=keys.region_name, **keys.to_session_credentials()).client(
        settings.service, endpoint_url=keys.endpoint_url
    )
