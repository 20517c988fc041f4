"""OAuth 2.0: a client, and the tokens it got."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ladle.config.markers import TSecretStrValue
from ladle.config.spec import CredentialsConfiguration, configspec
from ladle.errors import UsageError


@configspec
class OAuth2Credentials(CredentialsConfiguration):
    """A client that acts for a user. Derive from it and override `auth` for a service."""

    client_id: str = None  # type: ignore[assignment]
    client_secret: TSecretStrValue = None  # type: ignore[assignment]
    refresh_token: TSecretStrValue | None = None
    scopes: list[str] | None = None
    token: TSecretStrValue | None = None

    def auth(self, scopes: str | Iterable[str] | None = None, redirect_url: str | None = None) -> None:
        """Get an access token and store it in `token`.

        Raises:
            UsageError: the class knows no service to ask.
        """
        raise UsageError(
            f"`{type(self).__name__}` knows no service to get a token from",
            hint="derive from it and override auth(), or use GcpOAuthCredentials",
        )

    def add_scopes(self, scopes: str | Iterable[str] | None) -> None:
        """Add scopes that aren't there yet."""
        added = [scopes] if isinstance(scopes, str) else list(scopes or ())
        self.scopes = list(dict.fromkeys([*(self.scopes or ()), *added]))

    def __str__(self) -> str:
        return str(self.client_id)

    def to_native_representation(self) -> Any:
        """Return the fields as a dict, secrets included."""
        return dict(self)
