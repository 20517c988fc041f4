"""AWS Secrets Manager and Parameter Store: their client, boto3, against moto in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.errors import ConfigError, UsageError

boto3: Any = pytest.importorskip("boto3", reason="the client is an extra: ladle[aws]")
moto: Any = pytest.importorskip("moto", reason="moto stands in for AWS")

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(params=["secretsmanager", "ssm"])
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    write(
        "config",
        f"[providers]\nenable_aws_secrets = true\n[providers.aws_secrets]\nservice = '{request.param}'",
    )
    with moto.mock_aws():
        client = boto3.client(request.param)

        def put(name: str, value: str) -> None:
            if request.param == "ssm":
                client.put_parameter(Name=f"/{name}", Value=value, Type="SecureString")
            else:
                client.create_secret(Name=name, SecretString=value)

        put("dlt/dlt_secrets_toml", "[sources.a]\ntok = 'document'")
        put("dlt/sources/b", "[sources.b]\ntok = 'fragment'")
        put("dlt/sources/c/tok", "single")
        put("other/sources", "[sources.a]\ntok = 'of somebody else'")
        yield put


def test_documents(aws: Any) -> None:
    assert ladle.secrets["sources.a.tok"] == "document"
    assert ladle.secrets["sources.b.tok"] == "fragment"
    assert ladle.secrets.get("sources.c.tok") is None


def test_single_values(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS__AWS_SECRETS__ONLY_TOML_FRAGMENTS", "false")
    assert ladle.secrets["sources.c.tok"] == "single"


def test_a_list(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS__AWS_SECRETS__LIST_SECRETS", "true")
    assert ladle.secrets["sources.b.tok"] == "fragment"
    assert ladle.secrets.get("sources.d.tok") is None


def test_bytes_are_text(aws: Any, request: pytest.FixtureRequest) -> None:
    if "ssm" in request.node.name:
        return
    boto3.client("secretsmanager").create_secret(
        Name="dlt/sources", SecretBinary=b"[sources.e]\ntok = 'bytes'"
    )
    assert ladle.secrets["sources.e.tok"] == "bytes"


def test_an_answer_that_is_none_of_these_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def get_secret_value(self, **_: Any) -> Any:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "canary"}}, "x")

    from ladle.config.vaults.aws import AwsSecretsProvider
    from ladle.config.vaults.settings import AwsSettings

    made = AwsSecretsProvider(AwsSettings(), Refusing())
    with pytest.raises(ConfigError, match="ExpiredTokenException"):
        made.get_value("x", ladle.TSecretStrValue, None)
    with pytest.raises(UsageError, match="did you mean `ssm`"):
        AwsSecretsProvider(AwsSettings(service="ssn"), Refusing())
