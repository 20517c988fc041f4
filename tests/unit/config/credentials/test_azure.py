"""Spec 7.5: Azure credentials. azure-identity, where it is needed, is a stand-in of these tests."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, get_args

import pytest

from ladle.config.coerce import coerce
from ladle.config.inject import resolved, with_config
from ladle.errors import ConfigFieldMissingException, InvalidAzureCredential, MissingDependency, UsageError
from ladle.sources.credentials import (
    AzureCredentials,
    AzureServicePrincipalCredentials,
    FileSystemCredentials,
    SFTPCredentials,
)


class _Default:
    def __init__(self, *given: str) -> None:
        self.given = given

    def get_token(self, *scopes: str) -> None: ...


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("azure"), ModuleType("azure.identity")
    module.DefaultAzureCredential = _Default  # type: ignore[attr-defined]
    module.ClientSecretCredential = _Default  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "azure", package)
    monkeypatch.setitem(sys.modules, "azure.identity", module)


@pytest.fixture
def no_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "azure",
        "azure.identity",
        "azure.storage.blob",
        "botocore",
        "botocore.session",
        "google",
        "google.auth",
    ):
        monkeypatch.setitem(sys.modules, name, None)


def configured(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"CREDENTIALS__AZURE_{name.upper()}", value)


def test_a_key_is_enough(monkeypatch: pytest.MonkeyPatch, no_azure: None) -> None:
    configured(monkeypatch, storage_account_name="acc", storage_account_key="v3ry-hidden")
    made = resolved(AzureCredentials)
    assert made.to_adlfs_credentials() == {
        "account_name": "acc", "account_key": "v3ry-hidden", "sas_token": None, "account_host": None,
    }  # fmt: skip
    assert made.to_object_store_rs_credentials() == {"account_name": "acc", "account_key": "v3ry-hidden"}
    assert "v3ry-hidden" not in repr(made)
    with pytest.raises(MissingDependency, match="azure-storage-blob"):
        made.create_sas_token()
    with pytest.raises(UsageError):
        AzureCredentials("acc").create_sas_token()


def test_the_machines_login_is_used_for_an_account(monkeypatch: pytest.MonkeyPatch, identity: None) -> None:
    with pytest.raises(ConfigFieldMissingException):
        resolved(AzureCredentials)
    configured(monkeypatch, storage_account_name="acc")
    made = resolved(AzureCredentials)
    assert isinstance(made.default_credentials(), _Default)
    assert made.to_adlfs_credentials()["anon"] is False
    assert resolved(AzureServicePrincipalCredentials).has_default_credentials()


def test_half_a_service_principal_is_not_completed(monkeypatch: pytest.MonkeyPatch, identity: None) -> None:
    configured(monkeypatch, storage_account_name="acc", tenant_id="t")
    with pytest.raises(ConfigFieldMissingException, match="`azure_client_id`, `azure_client_secret`"):
        resolved(AzureServicePrincipalCredentials)


def test_an_object_of_azure_identity() -> None:
    made = AzureCredentials()
    made.parse_native_representation(_Default())
    assert made.has_default_credentials()
    with pytest.raises(InvalidAzureCredential):
        AzureCredentials().parse_native_representation("text")


def test_a_service_principal(identity: None) -> None:
    made = AzureServicePrincipalCredentials("acc", None, "t", "c", "s")
    assert made.to_adlfs_credentials() == {
        "account_name": "acc", "account_host": None, "tenant_id": "t", "client_id": "c", "client_secret": "s",
    }  # fmt: skip
    assert made.to_native_credentials().given == ("t", "c", "s")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "k"}, "AzureCredentialsWithoutDefaults"),
        (
            {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"},
            "AzureServicePrincipalCredentialsWithoutDefaults",
        ),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}, "AwsCredentials"),
        ({"SFTP_USERNAME": "u"}, "SFTPCredentials"),
    ],
)  # fmt: skip
def test_the_kind_of_files_credentials_follows_from_what_is_configured(
    values: dict[str, str], kind: str, monkeypatch: pytest.MonkeyPatch, no_azure: None
) -> None:
    @with_config(sections=("sources", "filesystem"))
    def f(credentials: FileSystemCredentials | None = None) -> Any:
        return credentials

    for name, value in values.items():
        monkeypatch.setenv(f"SOURCES__FILESYSTEM__CREDENTIALS__{name}", value)
    assert type(f()).__name__ == kind
    assert coerce(None, FileSystemCredentials | None) is None
    assert len(get_args(FileSystemCredentials)) == 8


def test_sftp() -> None:
    made = SFTPCredentials(sftp_username="u", sftp_password="v3ry-hidden", sftp_key_passphrase="k")
    found = made.to_fsspec_credentials()
    assert (found["username"], found["password"], found["port"], found["passphrase"]) == (
        "u",
        "v3ry-hidden",
        22,
        "k",
    )
    assert "sftp_pkey" not in dict(made)
    assert "v3ry-hidden" not in repr(made)
