"""Amazon Web Services: access keys, or what boto3 finds on the machine."""

from __future__ import annotations

import importlib
from typing import Any

from ladle.config.markers import TSecretStrValue
from ladle.config.spec import CredentialsConfiguration, configspec
from ladle.errors import InvalidBoto3Session, MissingDependency

# Stores that only speak S3's language don't know the newer checksums.
_PLAIN_CHECKSUMS = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


@configspec
class AwsCredentials(CredentialsConfiguration):
    """Keys, or a session of boto3. Nothing configured: boto3's own chain (environment, profile, machine)."""

    aws_access_key_id: str = None  # type: ignore[assignment]
    aws_secret_access_key: TSecretStrValue = None  # type: ignore[assignment]
    aws_session_token: TSecretStrValue | None = None
    profile_name: str | None = None
    region_name: str | None = None
    endpoint_url: str | None = None
    s3_url_style: str | None = None
    aws_sts_token_expiration_hours: float = 24.0

    def on_partial(self) -> None:
        """Take what boto3 finds."""
        if self.aws_access_key_id is not None:
            return  # half a key is a mistake, not a reason to use another
        try:
            botocore = importlib.import_module("botocore.session")
        except ImportError:
            return
        self._from_session(botocore.Session(profile=self.profile_name))
        if not self.is_partial():
            self.resolve()

    def parse_native_representation(self, native_value: Any) -> None:
        """Set the fields from a session of boto3 or botocore.

        Raises:
            InvalidBoto3Session: it is none, or holds no keys.
        """
        session = getattr(native_value, "_session", native_value)  # boto3's wraps botocore's
        if not hasattr(session, "get_credentials") or not hasattr(session, "get_config_variable"):
            raise InvalidBoto3Session(
                f"`AwsCredentials` can't be read from a `{type(native_value).__name__}`",
                expected="a session of boto3, or a dict with aws_access_key_id and aws_secret_access_key",
            )
        self._from_session(session)
        if self.is_partial():
            raise InvalidBoto3Session(
                "the session of boto3 has no keys", expected="a session that is logged in"
            )

    @classmethod
    def from_session(cls, session: Any) -> AwsCredentials:
        """Return the keys of a session of boto3 or botocore."""
        return cls.from_init_value(session)

    def _from_session(self, session: Any) -> None:
        self.region_name = self.region_name or session.get_config_variable("region")
        found = session.get_credentials()
        if found is not None:
            frozen = found.get_frozen_credentials()
            self.aws_access_key_id, self.aws_secret_access_key = frozen.access_key, frozen.secret_key
            self.aws_session_token = frozen.token

    def to_native_representation(self) -> dict[str, Any]:
        """Return the fields as a dict, secrets included."""
        return dict(self)

    def to_session_credentials(self) -> dict[str, Any]:
        """Return the keys as arguments of a boto3 session or client."""
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return {name: self[name] for name in names}

    def to_native_credentials(self) -> Any:
        """Return a session of botocore.

        Raises:
            MissingDependency: it isn't installed.
        """
        try:
            session = importlib.import_module("botocore.session").Session(profile=self.profile_name)
        except ImportError as exc:
            raise MissingDependency(
                "a session needs the package `boto3`", hint='pip install "ladle[aws]"'
            ) from exc
        session.set_credentials(self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token)
        if self.region_name:
            session.set_config_variable("region", self.region_name)
        return session

    def to_s3fs_credentials(self) -> dict[str, Any]:
        """Return arguments for `s3fs`."""
        found: dict[str, Any] = {
            "key": self.aws_access_key_id,
            "secret": self.aws_secret_access_key,
            "token": self.aws_session_token,
            "profile": self.profile_name,
            "endpoint_url": self.endpoint_url,
        }
        if self.region_name:
            found["client_kwargs"] = {"region_name": self.region_name}
        options: dict[str, Any] = dict(_PLAIN_CHECKSUMS) if self.endpoint_url else {}
        if self.s3_url_style:
            options["s3"] = {"addressing_style": self.s3_url_style}
        return {**found, "config_kwargs": options} if options else found

    def to_object_store_rs_credentials(self) -> dict[str, str]:
        """Return options for libraries built on Rust's object_store, as delta-rs."""
        found = {
            **self.to_session_credentials(),
            "region": self.region_name,
            "endpoint_url": self.endpoint_url,
        }
        if self.endpoint_url and self.endpoint_url.startswith("http://"):
            found["aws_allow_http"] = "true"
        return {k: v for k, v in found.items() if v is not None}
