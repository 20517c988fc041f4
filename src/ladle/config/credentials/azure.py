"""Azure: storage accounts by key, token or service principal, or what the machine is logged in with."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from ladle.config.markers import TSecretStrValue
from ladle.config.spec import CredentialsConfiguration, configspec
from ladle.errors import InvalidAzureCredential, MissingDependency, UsageError


def default_credential() -> Any | None:
    """Return azure-identity's default credential, None where the package isn't installed."""
    try:
        return importlib.import_module("azure.identity").DefaultAzureCredential()
    except ImportError:
        return None


@configspec
class AzureCredentialsBase(CredentialsConfiguration):
    """Base of Azure credentials: the account, and a native credential where there is one."""

    __defaults__: ClassVar[bool] = False

    azure_storage_account_name: str = None  # type: ignore[assignment]
    azure_account_host: str | None = None

    def parse_native_representation(self, native_value: Any) -> None:
        """Take a credential of azure-identity.

        Raises:
            InvalidAzureCredential: it is none.
        """
        if not hasattr(native_value, "get_token"):
            raise InvalidAzureCredential(
                f"`{type(self).__name__}` can't be read from a `{type(native_value).__name__}`",
                expected="a credential of azure-identity, or a dict with " + ", ".join(self),
            )
        self.__dict__["_native"] = native_value

    def on_partial(self) -> None:
        """Take what the machine is logged in with, for an account that is named."""
        if self.azure_storage_account_name is None:
            return
        if self.__dict__.get("_native") is None and self.__defaults__ and self._is_untouched():
            self.__dict__["_native"] = default_credential()
        if self.has_default_credentials():
            self.resolve()

    def _is_untouched(self) -> bool:
        """Whether only the account is configured."""
        names = {"azure_storage_account_name", "azure_account_host"}
        return names.issuperset(self.as_dict_nondefault())

    def has_default_credentials(self) -> bool:
        """Whether a native credential is used instead of the fields."""
        return self.__dict__.get("_native") is not None

    def default_credentials(self) -> Any:
        """Return that credential."""
        return self.__dict__.get("_native")

    def to_native_representation(self) -> dict[str, Any]:
        """Return the fields as a dict, secrets included."""
        return dict(self)


@configspec
class AzureCredentialsWithoutDefaults(AzureCredentialsBase):
    """A storage account, with its key or a token."""

    azure_storage_account_key: TSecretStrValue | None = None
    azure_storage_sas_token: TSecretStrValue = None  # type: ignore[assignment]
    azure_sas_token_permissions: str = "racwdl"  # noqa: S105 - letters
    azure_sas_token_expiration_hours: float = 24.0

    def on_partial(self) -> None:
        """Be content with a key instead of a token."""
        if self.azure_storage_account_name is not None and self.azure_storage_account_key is not None:
            self.resolve()

    def create_sas_token(self) -> None:
        """Make a token from the key and store it.

        Raises:
            UsageError: there is no key.
            MissingDependency: azure-storage-blob isn't installed.
        """
        if self.azure_storage_account_key is None:
            raise UsageError("a token needs `azure_storage_account_key`")
        try:
            blob = importlib.import_module("azure.storage.blob")
        except ImportError as exc:
            raise MissingDependency(
                "a token needs the package `azure-storage-blob`", hint="pip install azure-storage-blob"
            ) from exc
        self.azure_storage_sas_token = blob.generate_account_sas(
            account_name=self.azure_storage_account_name,
            account_key=self.azure_storage_account_key,
            resource_types=blob.ResourceTypes(container=True, object=True),
            permission=self.azure_sas_token_permissions,
            expiry=datetime.now(UTC) + timedelta(hours=self.azure_sas_token_expiration_hours),
        )

    def to_adlfs_credentials(self) -> dict[str, Any]:
        """Return arguments for `adlfs`."""
        found: dict[str, Any] = {
            "account_name": self.azure_storage_account_name,
            "account_key": self.azure_storage_account_key,
            "sas_token": self.azure_storage_sas_token,
            "account_host": self.azure_account_host,
        }
        return {**found, "anon": False} if self.has_default_credentials() else found

    def to_object_store_rs_credentials(self) -> dict[str, str]:
        """Return options for libraries built on Rust's object_store, as delta-rs."""
        found = self.to_adlfs_credentials()
        return {k: found[k] for k in ("account_name", "account_key", "sas_token") if found[k] is not None}


@configspec
class AzureServicePrincipalCredentialsWithoutDefaults(AzureCredentialsBase):
    """A storage account, with an application that is registered at Azure."""

    azure_tenant_id: str = None  # type: ignore[assignment]
    azure_client_id: str = None  # type: ignore[assignment]
    azure_client_secret: TSecretStrValue = None  # type: ignore[assignment]

    def to_adlfs_credentials(self) -> dict[str, Any]:
        """Return arguments for `adlfs`."""
        return {
            "account_name": self.azure_storage_account_name,
            "account_host": self.azure_account_host,
            "tenant_id": self.azure_tenant_id,
            "client_id": self.azure_client_id,
            "client_secret": self.azure_client_secret,
        }

    def to_object_store_rs_credentials(self) -> dict[str, str]:
        """Return options for libraries built on Rust's object_store, as delta-rs."""
        found = self.to_adlfs_credentials()
        return {k: v for k, v in found.items() if v is not None and k != "account_host"}

    def to_native_credentials(self) -> Any:
        """Return a credential of azure-identity.

        Raises:
            MissingDependency: it isn't installed.
        """
        if self.has_default_credentials():
            return self.default_credentials()
        try:
            identity = importlib.import_module("azure.identity")
        except ImportError as exc:
            raise MissingDependency(
                "Azure credentials need the package `azure-identity`", hint='pip install "ladle[azure]"'
            ) from exc
        return identity.ClientSecretCredential(
            self.azure_tenant_id, self.azure_client_id, self.azure_client_secret
        )


@configspec
class AzureCredentials(AzureCredentialsWithoutDefaults):
    """A storage account, with its key or a token, else with what the machine is logged in with."""

    __defaults__: ClassVar[bool] = True


@configspec
class AzureServicePrincipalCredentials(AzureServicePrincipalCredentialsWithoutDefaults):
    """A storage account, with a registered application, else with what the machine is logged in with."""

    __defaults__: ClassVar[bool] = True
