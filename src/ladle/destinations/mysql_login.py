"""Where a MySQL server is and who logs in: from a URL, a dict or the environment. Shows no password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from ladle.config.settings import searched
from ladle.destinations import login_settings
from ladle.errors import ConfigFieldMissingException, UsageError

_FORMS = "mysql://user:password@host:3306/database, or a dict with host, port, username, password, database"
_PLACE = (
    r"(?P<host>\[[^\]]*\]|[^@/?#:]*)(?::(?P<port>\d+))?(?:/(?P<database>[^@?#]*))?(?:\?(?P<query>[^@]*))?"
)
_SCHEME = re.compile(r"(?:mysql|mariadb)(?:\+\w+)?://")
_STRICT = re.compile(rf"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?{_PLACE}")
# A password is often pasted as it is: then it ends at the last `@`.
_LENIENT = re.compile(rf"(?P<user>[^:]*):(?P<password>.*)@{_PLACE}")
_PARTS = ("host", "port", "username", "password", "database")
_ALIASES = {"user": "username", "passwd": "password", "db": "database", "dbname": "database"}
_TEXTS = (
    "unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password", "read_default_file",
    "read_default_group", "bind_address", "program_name", "server_public_key",
)  # fmt: skip
_FLAGS = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")
_NUMBERS = ("connect_timeout", "read_timeout", "write_timeout")
# For drivers that send and read text in other ways; and what a session of ours sets itself.
_IGNORED = ("drivername", "charset", "use_unicode", "collation", "local_infile", "autocommit", "query")
_DEFAULTS: Mapping[str, Any] = {"connect_timeout": 15, "program_name": "ladle"}
_PORT = 3306


@dataclass(frozen=True, slots=True)
class Login:
    """How to connect.

    Attributes:
        arguments: for the driver, password included; not part of the repr.
        shown: as a URL without password and options.
        secrets: texts to mask wherever they turn up.
    """

    arguments: Mapping[str, Any] = field(repr=False, hash=False)
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
        UsageError: not a MySQL URL, or an option that the driver hasn't.
    """
    if credentials is None:
        credentials = searched("credentials", ("destination", name), secret=True)
    if credentials is None:
        parts = login_settings.configured(name, _PARTS)
        return _login(parts) if parts else None
    if isinstance(credentials, str):
        text = credentials.strip()
        given = login_settings.from_json(text, "MySQL", _FORMS) if text.startswith("{") else _parts_of(text)
    elif isinstance(credentials, Mapping):
        given = dict(credentials)
    else:
        raise UsageError(f"MySQL credentials can't be a `{type(credentials).__name__}`", expected=_FORMS)
    query = given.get("query") or {}
    options = dict(parse_qsl(str(query)) if not isinstance(query, Mapping) else query)
    given = {_ALIASES.get(str(k), str(k)): v for k, v in {**options, **given}.items() if v not in (None, "")}
    lacking = [part for part in _PARTS if part not in given]
    return _login({**login_settings.configured(name, lacking), **given})


def missing(name: str) -> ConfigFieldMissingException:
    """Return the error for a destination without credentials."""
    return login_settings.missing(name, "mysql", _FORMS)


def _parts_of(text: str) -> dict[str, Any]:
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else ""
    found = (_STRICT.fullmatch(rest) or _LENIENT.fullmatch(rest)) if scheme else None
    if found is None:
        # the text isn't shown: it may be a URL with a password that was mistyped
        raise UsageError("the MySQL credentials aren't a MySQL URL", expected=_FORMS)
    given: dict[str, Any] = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    given |= {"host": found["host"].strip("[]"), "port": found["port"]}
    for ours, theirs in (("username", "user"), ("password", "password"), ("database", "database")):
        if found[theirs]:
            given[ours] = unquote(found[theirs])
    return given


def _login(given: Mapping[str, Any]) -> Login:
    host, port = str(given.get("host") or "localhost"), _number("port", given.get("port") or _PORT)
    user, password = str(given.get("username") or ""), given.get("password")
    database = str(given.get("database") or "")
    arguments = {"host": host, "port": port, "user": user, "password": str(password or "")}
    if database:
        arguments["database"] = database
    arguments |= _options({k: v for k, v in given.items() if k not in (*_PARTS, *_IGNORED)})
    hidden = [str(password or ""), str(given.get("ssl_key_password") or "")]
    # longest first: one may be part of another
    spellings = sorted({s for h in hidden if h for s in (h, quote(h, safe=""))}, key=len, reverse=True)
    who = f"{quote(user, safe='')}{':***' if password else ''}@" if user or password else ""
    place = f"[{host}]" if ":" in host else host
    return Login({**_DEFAULTS, **arguments}, f"mysql://{who}{place}:{port}/{database}", tuple(spellings))


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in _FLAGS:
            found[name] = str(value).strip().lower() in ("1", "true", "yes", "on")
        elif name in _NUMBERS:
            found[name] = _number(name, value)
        elif name in _TEXTS:
            found[name] = str(value)
        else:
            raise UsageError.unknown_choice(
                "option of MySQL credentials:", name, [*_FLAGS, *_NUMBERS, *_TEXTS]
            )
    return found


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} of the MySQL credentials can't be `{value}`", expected="a number") from None
