"""Settings of the vaults: `[providers]` and its tables."""

from __future__ import annotations

from typing import ClassVar

from ladle.config.credentials.aws import AwsCredentials
from ladle.config.credentials.gcp import GcpOAuthCredentials, GcpServiceAccountCredentials
from ladle.config.markers import TSecretStrValue
from ladle.config.spec import BaseConfiguration, configspec


@configspec
class VaultSettings(BaseConfiguration):
    """What is asked for in a vault; see `VaultDocProvider`."""

    only_secrets: bool = True
    only_toml_fragments: bool = True
    list_secrets: bool = False


@configspec
class GoogleSettings(VaultSettings):
    """`[providers.google_secrets]`. `endpoint_url`: another address, for tests."""

    credentials: GcpServiceAccountCredentials | GcpOAuthCredentials | None = None
    project_id: str | None = None
    endpoint_url: str | None = None


@configspec
class AwsSettings(VaultSettings):
    """`[providers.aws_secrets]`. `service`: `secretsmanager`, or `ssm` for the Parameter Store."""

    secret_name_prefix: str = "dlt/"  # noqa: S105 - a prefix
    service: str = "secretsmanager"
    credentials: AwsCredentials | None = None


@configspec
class AzureSettings(VaultSettings):
    """`[providers.azure_secrets]`. Without client: what the machine is logged in with."""

    vault_url: str = None  # type: ignore[assignment]
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None
    verify_challenge_resource: bool = True


@configspec
class HashicorpSettings(VaultSettings):
    """`[providers.hashicorp_secrets]`. Log in with `token`, or with `role_id` and `secret_id` (AppRole)."""

    url: str = None  # type: ignore[assignment]
    token: TSecretStrValue | None = None
    role_id: str | None = None
    secret_id: TSecretStrValue | None = None
    namespace: str | None = None
    mount_point: str = "secret"
    path_prefix: str = "ladle"


@configspec
class ProvidersSettings(BaseConfiguration):
    """`[providers]`: which vaults are asked, in this order. Airflow: None is on where Airflow runs it."""

    __section__: ClassVar[str | None] = "providers"

    enable_google_secrets: bool = False
    enable_aws_secrets: bool = False
    enable_azure_secrets: bool = False
    enable_hashicorp_secrets: bool = False
    enable_airflow_secrets: bool | None = None
