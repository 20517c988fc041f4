"""Where a Postgres server is and who logs in: from a URL, a dict or the environment. Shows no password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from ladle.config.settings import searched
from ladle.destinations import login_settings
from ladle.errors import ConfigFieldMissingException, UsageError

_FORMS = (
    "postgresql://user:password@host:5432/database, or a dict with host, port, username, password, database"
)
_HOST = r"(?:\[[^\]]*\]|[^@/?#:,\[\]]*)(?::\d+)?"
_PLACE = rf"(?P<place>{_HOST}(?:,{_HOST})*)(?P<database>/[^@?#]*)?"
_QUERY = r"(?:\?(?P<query>[^&=]+=[^&]*(?:&[^&=]+=[^&]*)*)?)?"
_STRICT = rf"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?{_PLACE}{_QUERY}"
# A password is often pasted as it is: then it ends at the last `@`.
_LENIENT = rf"(?P<user>[^:]*):(?P<password>.*)@{_PLACE}(?:\?(?P<query>[^@]*))?"
_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
_SECRET_OPTIONS = ("password", "sslpassword", "oauth_client_secret")
_ALIASES = {"username": "user", "database": "dbname", "db": "dbname"}
_PARTS = ("host", "port", "username", "password", "database")
_ALSO = {"username": "user", "database": "dbname"}
# For clients that send and read text; values go to the server in binary form.
_IGNORED = ("drivername", "client_encoding", "session_timezone")
_DEFAULTS = {
    "connect_timeout": "15",
    "application_name": "ladle",
    "client_encoding": "UTF8",
    # a server that vanished is noticed after a minute instead of a quarter of an hour
    "keepalives_idle": "30",
    "tcp_user_timeout": "60000",
}


@dataclass(frozen=True, slots=True)
class Login:
    """How to connect.

    Attributes:
        url: for libpq, password included; not part of the repr.
        shown: the same without password and options.
        secrets: texts to mask wherever they turn up.
    """

    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def masked(self, text: str) -> str:
        """Return `text` without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def login(credentials: Any, name: str) -> Login | None:
    """Return the login that `credentials` describe, completed from the configuration.

    Args:
        credentials: URL, JSON text or mapping; None: `credentials` of the destination's section.
        name: of the destination, as in `DESTINATION__<NAME>__CREDENTIALS` and
            `[destination.<name>.credentials]`.

    Returns:
        None where neither says anything.

    Raises:
        UsageError: not a Postgres URL, or a key of another type than it should have.
    """
    if credentials is None:
        credentials = searched("credentials", ("destination", name), secret=True)
    if credentials is None:
        parts = login_settings.configured(name, _PARTS)
        return _from_dict(parts) if parts else None
    if isinstance(credentials, str):
        text = credentials.strip()
        return (
            _from_dict(login_settings.from_json(text, "Postgres", _FORMS), name)
            if text.startswith("{")
            else _from_url(text, name)
        )
    if isinstance(credentials, Mapping):
        return _from_dict(credentials, name)
    raise UsageError(f"Postgres credentials can't be a `{type(credentials).__name__}`", expected=_FORMS)


def missing(name: str) -> ConfigFieldMissingException:
    """Return the error for a destination without credentials."""
    return login_settings.missing(name, "postgres", _FORMS)


def _from_dict(given: Mapping[str, Any], name: str | None = None) -> Login:
    options = {str(k): v for k, v in given.items() if v is not None and k not in (*_IGNORED, "query")}
    query = given.get("query") or {}
    if not isinstance(query, Mapping):
        query = dict(parse_qsl(str(query)))
    options = {_ALIASES.get(k, k): str(v) for k, v in {**query, **options}.items()}
    options = _completed(options, name)
    user, password = options.pop("user", ""), options.pop("password", None)
    place = _place(options.pop("host", ""), options.pop("port", None))
    return _login(user, password, place, options.pop("dbname", ""), options)


def _completed(options: dict[str, str], name: str | None) -> dict[str, str]:
    """Return a login with the parts it lacks, as far as the destination's section has them."""
    if name is None:
        return options
    lacking = [part for part in _PARTS if not options.get(_ALSO.get(part, part))]
    found = login_settings.configured(name, lacking)
    return {**options, **{_ALSO.get(part, part): value for part, value in found.items()}}


def _from_url(text: str, name: str) -> Login:
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else ""
    found = (re.fullmatch(_STRICT, rest) or re.fullmatch(_LENIENT, rest)) if scheme else None
    if found is None:
        # the text isn't shown: it may be a URL with a password that was mistyped
        raise UsageError("the Postgres credentials aren't a Postgres URL", expected=_FORMS)
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    password = unquote(found["password"]) if found["password"] is not None else None
    options = {k: v for k, v in options.items() if k not in _IGNORED}
    user, database, place = (
        unquote(found["user"] or ""),
        unquote((found["database"] or "")[1:]),
        found["place"],
    )
    given = {"username": user, "password": password or options.get("password"), "database": database}
    given |= {"host": place or options.get("host"), "port": place or options.get("port")}
    more = login_settings.configured(name, [part for part, value in given.items() if not value])
    if not place:
        place = _place(more.get("host", ""), more.get("port"))
    return _login(
        user or more.get("username", ""), password or more.get("password", password), place,
        database or more.get("database", ""), options,
    )  # fmt: skip


def _place(host: str, port: str | None) -> str:
    place = quote(host, safe=",:[]").replace("/", "%2F")
    return f"{place}:{port}" if port else place


def _login(user: str, password: str | None, place: str, database: str, options: Mapping[str, str]) -> Login:
    where = quote(user, safe="")
    secret = "" if password is None else ":" + quote(password, safe="")
    end = f"{place}/{quote(database, safe='')}"
    query = urlencode({**_DEFAULTS, **options}, quote_via=quote)
    hidden = [password or "", *(options.get(k, "") for k in _SECRET_OPTIONS)]
    # longest first: one may be part of another
    spellings = sorted({s for h in hidden if h for s in (h, quote(h, safe=""))}, key=len, reverse=True)
    at = "@" if where or secret else ""
    return Login(
        url=f"postgresql://{where}{secret}{at}{end}?{query}",
        shown=f"postgresql://{where}{':***' if secret else ''}{at}{end}",
        secrets=tuple(spellings),
    )
