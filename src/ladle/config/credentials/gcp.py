"""Google Cloud: service accounts, OAuth clients, and what the machine is logged in with."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, Final

import orjson
import requests

from ladle.config.credentials.oauth import OAuth2Credentials
from ladle.config.markers import TSecretStrValue
from ladle.config.spec import CredentialsConfiguration, configspec
from ladle.errors import (
    ConfigError,
    InvalidGoogleOauth2Json,
    InvalidGoogleServicesJson,
    InvalidNativeValue,
    MissingDependency,
    OAuth2ScopesRequired,
)

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_AUTH_URI = "https://accounts.google.com/o/oauth2/auth"
_CLOUD = "https://www.googleapis.com/auth/cloud-platform"


@cache
def default_credentials() -> tuple[Any, str | None] | None:
    """Return what this machine is logged in with, and its project; None without google-auth or a login.

    Asked once in the life of the process: where there is no login, google-auth takes seconds to say so.
    """
    try:
        auth = importlib.import_module("google.auth")
    except ImportError:
        return None
    try:
        found, project = auth.default(scopes=[_CLOUD])
    except auth.exceptions.GoogleAuthError:
        return None
    return found, project


def _is_google(value: Any) -> bool:
    return type(value).__module__.startswith("google.") and hasattr(value, "refresh")


@configspec
class GcpCredentials(CredentialsConfiguration):
    """Base of Google credentials: the project, and a native object where there is one."""

    __reads_dicts__: ClassVar[bool] = True

    token_uri: Final[str] = _TOKEN_URI
    auth_uri: Final[str] = _AUTH_URI
    project_id: str = None  # type: ignore[assignment]

    def on_partial(self) -> None:
        """Take what the machine is logged in with."""
        use_default(self)

    def has_default_credentials(self) -> bool:
        """Whether a native object is used instead of the fields."""
        return self.__dict__.get("_native") is not None

    def default_credentials(self) -> Any:
        """Return that object."""
        return self.__dict__.get("_native")

    def to_native_credentials(self) -> Any:
        """Return credentials for Google's client libraries."""
        return self.default_credentials()

    def to_gcs_credentials(self) -> dict[str, Any]:
        """Return arguments for `gcsfs`."""
        token: Any = self.default_credentials()
        return {"project": self.project_id, "token": token if token is not None else dict(self)}

    def __str__(self) -> str:
        return f"{type(self).__name__}@{self.project_id}"


def use_default(config: Any) -> None:
    """Fill Google credentials from the machine's login, where there is one."""
    if config.__dict__.get("_native") is None:
        found = default_credentials()
        if found is None:
            return
        config.__dict__["_native"] = found[0]
        config.project_id = config.project_id or found[1]
    if config.project_id is not None:
        config.resolve()


def use_native(config: Any, value: Any) -> None:
    """Fill Google credentials from an object of google-auth."""
    config.__dict__["_native"] = value
    config.project_id = (
        getattr(value, "project_id", None) or getattr(value, "quota_project_id", None) or config.project_id
    )


def _json(value: Any, error: type[InvalidNativeValue], expected: str) -> Mapping[str, Any]:
    """Return an object from text or a mapping; what it holds is never shown."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = None
    if not isinstance(value, Mapping):
        raise error("the Google credentials can't be read", expected=expected)
    return value


@configspec
class GcpServiceAccountCredentials(GcpCredentials):
    """A service account: from the text of its `service.json`, a dict, an object of google-auth, or fields."""

    private_key: TSecretStrValue = None  # type: ignore[assignment]
    private_key_id: str | None = None
    client_email: str = None  # type: ignore[assignment]
    type: Final[str] = "service_account"

    def parse_native_representation(self, native_value: Any) -> None:
        """Set the fields.

        Raises:
            InvalidGoogleServicesJson: neither of the forms.
        """
        if _is_google(native_value):
            use_native(self, native_value)
            return
        expected = "the JSON of a service account, with project_id, private_key and client_email"
        found = _json(native_value, InvalidGoogleServicesJson, expected)
        if not {"project_id", "private_key", "client_email"} & found.keys():
            raise InvalidGoogleServicesJson("the Google credentials can't be read", expected=expected)
        for name in ("project_id", "private_key", "private_key_id", "client_email"):
            if found.get(name) is not None:
                setattr(self, name, found[name])

    def on_resolved(self) -> None:
        """Mend a key whose line ends became a backslash and an n on the way."""
        if self.private_key and "\\n" in self.private_key:
            self.private_key = self.private_key.replace("\\n", "\n")
        if self.private_key and "-----BEGIN" in self.private_key and not self.private_key.endswith("\n"):
            self.private_key += "\n"

    def to_native_representation(self) -> str:
        """Return the JSON of the account, key included."""
        return orjson.dumps(dict(self)).decode()

    def to_native_credentials(self) -> Any:
        """Return credentials of google-auth.

        Raises:
            MissingDependency: google-auth isn't installed.
        """
        if self.has_default_credentials():
            return self.default_credentials()
        account = _google("google.oauth2.service_account")
        return account.Credentials.from_service_account_info(dict(self), scopes=[_CLOUD])

    def __str__(self) -> str:
        return f"{self.client_email}@{self.project_id}"


@configspec
class GcpOAuthCredentials(OAuth2Credentials):
    """A client that acts for a Google user: from the JSON of its client secrets, or fields."""

    __reads_dicts__: ClassVar[bool] = True

    refresh_token: TSecretStrValue = None  # type: ignore[assignment]
    token_uri: Final[str] = _TOKEN_URI
    auth_uri: Final[str] = _AUTH_URI
    project_id: str = None  # type: ignore[assignment]
    client_type: Final[str] = "installed"

    def parse_native_representation(self, native_value: Any) -> None:
        """Set the fields.

        Raises:
            InvalidGoogleOauth2Json: not the JSON of client secrets.
        """
        if _is_google(native_value):
            use_native(self, native_value)
            return
        expected = "the JSON of client secrets, with client_id, client_secret and project_id"
        found = _json(native_value, InvalidGoogleOauth2Json, expected)
        found = found.get("installed") or found.get("web") or found
        names = ("client_id", "client_secret", "refresh_token", "scopes", "token", "project_id")
        if "client_id" not in found and "client_secret" not in found:
            raise InvalidGoogleOauth2Json("the Google client secrets can't be read", expected=expected)
        for name in names:
            if found.get(name) is not None:
                setattr(self, name, found[name])

    def on_partial(self) -> None:
        """Take what the machine is logged in with, unless a client is configured."""
        if self.client_id is None:
            use_default(self)

    def has_default_credentials(self) -> bool:
        """Whether a native object is used instead of the fields."""
        return self.__dict__.get("_native") is not None

    def default_credentials(self) -> Any:
        """Return that object."""
        return self.__dict__.get("_native")

    def auth(self, scopes: str | Iterable[str] | None = None, redirect_url: str | None = None) -> None:
        """Get an access token: with the refresh token, or, without one, by letting the user log in.

        Raises:
            OAuth2ScopesRequired: a log-in needs scopes.
            MissingDependency: a log-in needs the package google-auth-oauthlib.
            ConfigError: Google refuses.
        """
        if scopes:
            self.add_scopes(scopes)
        if self.refresh_token:
            self.token = _refreshed(self)
            return
        if not self.scopes:
            raise OAuth2ScopesRequired(
                "a log-in needs scopes", hint="pass scopes; `openid` is the smallest there is"
            )
        flow = _google("google_auth_oauthlib.flow").InstalledAppFlow.from_client_config(
            {self.client_type: {**dict(self), "redirect_uris": [redirect_url or "http://localhost"]}},
            self.scopes,
        )
        found = flow.run_local_server(port=0)
        self.refresh_token, self.token = found.refresh_token, found.token

    def to_native_representation(self) -> str:
        """Return the fields as JSON, secrets included."""
        return orjson.dumps({**dict(self), "redirect_uris": ["http://localhost"]}).decode()

    def to_native_credentials(self) -> Any:
        """Return credentials of google-auth.

        Raises:
            MissingDependency: google-auth isn't installed.
        """
        if self.has_default_credentials():
            return self.default_credentials()
        made = _google("google.oauth2.credentials").Credentials
        return made.from_authorized_user_info(info=dict(self))

    def to_gcs_credentials(self) -> dict[str, Any]:
        """Return arguments for `gcsfs`."""
        return {"project": self.project_id, "token": self.to_native_credentials()}

    def __str__(self) -> str:
        return f"{self.client_id}@{self.project_id}"


def _refreshed(client: GcpOAuthCredentials) -> str:
    form = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": client.refresh_token,
        "grant_type": "refresh_token",
    }
    answer = requests.post(client.token_uri, data=form, timeout=60)
    if answer.status_code != 200:
        raise ConfigError(
            f"Google gave no access token: HTTP status {answer.status_code}",
            hint="check client_id, client_secret and refresh_token",
        )
    return str(answer.json()["access_token"])


def _google(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        package = "google-auth-oauthlib" if "oauthlib" in module else "google-auth"
        raise MissingDependency(
            f"Google credentials need the package `{package}`", hint=f"pip install {package}"
        ) from exc
