"""Spec 7.5: AWS credentials. botocore, where it is needed, is a stand-in of these tests."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ladle.config.inject import resolved
from ladle.errors import ConfigFieldMissingException, InvalidBoto3Session, MissingDependency
from ladle.sources.credentials import AwsCredentials


class _Session:
    def __init__(self, profile: str | None = None, keys: bool = True) -> None:
        self.profile, self.keys = profile, keys

    def get_config_variable(self, name: str) -> str:
        return "eu-central-1"

    def get_credentials(self) -> Any:
        frozen = SimpleNamespace(access_key="ak", secret_key="v3ry-hidden", token=None)
        return SimpleNamespace(get_frozen_credentials=lambda: frozen) if self.keys else None


@pytest.fixture
def botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("botocore"), ModuleType("botocore.session")
    module.Session = _Session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "botocore", package)
    monkeypatch.setitem(sys.modules, "botocore.session", module)


@pytest.fixture
def no_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("botocore", "botocore.session"):
        monkeypatch.setitem(sys.modules, name, None)


def test_the_default_chain_is_used_where_nothing_is_configured(botocore: None) -> None:
    made = resolved(AwsCredentials)
    assert (made.aws_access_key_id, made.region_name) == ("ak", "eu-central-1")
    assert made.is_resolved()


def test_half_a_key_is_not_completed_from_elsewhere(botocore: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS__AWS_ACCESS_KEY_ID", "x")
    with pytest.raises(ConfigFieldMissingException, match="`aws_secret_access_key`"):
        resolved(AwsCredentials)


def test_without_boto3_nothing_is_a_missing_setting(no_botocore: None) -> None:
    with pytest.raises(ConfigFieldMissingException):
        resolved(AwsCredentials)
    with pytest.raises(MissingDependency, match=r"ladle\[aws\]"):
        AwsCredentials("a", "b").to_native_credentials()


def test_a_session() -> None:
    for session in (_Session(), SimpleNamespace(_session=_Session())):
        assert AwsCredentials.from_session(session).aws_secret_access_key == "v3ry-hidden"
    with pytest.raises(InvalidBoto3Session):
        AwsCredentials().parse_native_representation("junk")
    with pytest.raises(InvalidBoto3Session, match="no keys"):
        AwsCredentials().parse_native_representation(_Session(keys=False))


def test_forms_for_other_libraries() -> None:
    made = AwsCredentials("k", "s", None, None, "eu", "http://e", "path")
    s3fs = made.to_s3fs_credentials()
    assert (s3fs["key"], s3fs["secret"], s3fs["endpoint_url"]) == ("k", "s", "http://e")
    assert s3fs["client_kwargs"] == {"region_name": "eu"}
    assert s3fs["config_kwargs"]["s3"] == {"addressing_style": "path"}
    assert AwsCredentials("k", "s").to_s3fs_credentials() == {
        "key": "k", "secret": "s", "token": None, "profile": None, "endpoint_url": None,
    }  # fmt: skip
    assert made.to_object_store_rs_credentials() == {
        "aws_access_key_id": "k", "aws_secret_access_key": "s", "region": "eu", "endpoint_url": "http://e", "aws_allow_http": "true",
    }  # fmt: skip
    assert made.to_session_credentials() == {
        "aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_session_token": None,
    }  # fmt: skip
    assert made.to_native_representation()["s3_url_style"] == "path"


def test_keys_are_masked() -> None:
    assert "v3ry-hidden" not in repr(AwsCredentials("k", "v3ry-hidden", "v3ry-hidden"))
