"""SFTP servers: how to log in, as paramiko takes it."""

from __future__ import annotations

from typing import Annotated, Any

from ladle.config.markers import NotResolved, TSecretStrValue
from ladle.config.spec import CredentialsConfiguration, configspec

_Object = Annotated[Any, NotResolved()]


@configspec
class SFTPCredentials(CredentialsConfiguration):
    """A login to an SFTP server. Times are in seconds. Objects of paramiko are passed in code only."""

    sftp_port: int | None = 22
    sftp_username: str | None = None
    sftp_password: TSecretStrValue | None = None
    sftp_pkey: _Object = None
    sftp_key_filename: str | None = None
    sftp_key_passphrase: TSecretStrValue | None = None
    sftp_timeout: float | None = None
    sftp_banner_timeout: float | None = None
    sftp_auth_timeout: float | None = None
    sftp_channel_timeout: float | None = None
    sftp_allow_agent: bool | None = True
    sftp_look_for_keys: bool | None = True
    sftp_compress: bool | None = False
    sftp_sock: _Object = None
    sftp_gss_auth: bool | None = False
    sftp_gss_kex: bool | None = False
    sftp_gss_deleg_creds: bool | None = True
    sftp_gss_host: str | None = None
    sftp_gss_trust_dns: bool | None = True
    sftp_disabled_algorithms: _Object = None
    sftp_transport_factory: _Object = None
    sftp_auth_strategy: _Object = None

    def to_fsspec_credentials(self) -> dict[str, Any]:
        """Return arguments for fsspec's SFTP."""
        names = (*self, "sftp_pkey", "sftp_sock", "sftp_disabled_algorithms")
        names = (*names, "sftp_transport_factory", "sftp_auth_strategy")
        found = {name.removeprefix("sftp_"): getattr(self, name) for name in names}
        found["passphrase"] = found.pop("key_passphrase")
        return found

    def __str__(self) -> str:
        return f"{self.sftp_username}@{self.sftp_port}"
