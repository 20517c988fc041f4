"""Connection strings: `driver://username:password@host:port/database?option=value`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from ladle.config.markers import TSecretStrValue
from ladle.config.spec import MASK, CredentialsConfiguration, configspec, fields_of, set_from
from ladle.errors import InvalidConnectionString

_HOST = r"(?P<host>\[[^\]]*\]|[^@/?#:]*)(?::(?P<port>\d+))?"
_END = r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
# A password is often pasted as it is: then it ends at the last `@`.
_URL = re.compile(
    rf"(?P<driver>[A-Za-z][\w+.-]*)://(?:(?P<user>[^:@/]*)(?::(?P<password>.*))?@)?{_HOST}{_END}", re.DOTALL
)
_FORM = "driver://username:password@host:port/database"


@dataclass(frozen=True, slots=True)
class ConnectionUrl:
    """A connection string. `str()` hides the password."""

    text: str = field(repr=False)
    shown: str

    def render_as_string(self, hide_password: bool = True) -> str:
        """Return the text, with `***` for the password unless it is asked for."""
        return self.shown if hide_password else self.text

    def __str__(self) -> str:
        return self.shown


@configspec(init=False)
class ConnectionStringCredentials(CredentialsConfiguration):
    """A database login, from a connection string or from its parts.

    Args:
        connection_string: the URL, or a dict of the fields. A URL may leave parts out: they are looked up.
    """

    drivername: str = None  # type: ignore[assignment]
    database: str | None = None
    password: TSecretStrValue | None = None
    username: str | None = None
    host: str | None = None
    port: int | None = None
    query: dict[str, Any] | None = None

    def __init__(self, connection_string: str | Mapping[str, Any] | None = None) -> None:
        set_from(self, connection_string)

    def parse_native_representation(self, native_value: Any) -> None:
        """Set the fields from a connection string.

        Raises:
            InvalidConnectionString: it isn't one; the text isn't shown, as it may hold a password.
        """
        found = _URL.fullmatch(native_value.strip()) if isinstance(native_value, str) else None
        if found is None:
            raise InvalidConnectionString(
                f"`{type(self).__name__}` can't be read: not a connection string", expected=_FORM
            )
        if not self._is_final("drivername"):
            self.drivername = found["driver"]
        parts = {
            "username": _plain(found["user"]),
            "password": _plain(found["password"]),
            "host": (found["host"] or "").strip("[]") or None,
            "port": int(found["port"]) if found["port"] else None,
            "database": _plain(found["database"]) or None,
        }
        for name, value in parts.items():
            if value is not None:
                setattr(self, name, value)
        self.query = dict(parse_qsl(found["query"] or "", keep_blank_values=True))

    def _is_final(self, name: str) -> bool:
        return any(f.final for f in fields_of(type(self)) if f.name == name)

    def to_native_representation(self) -> str:
        """Return the connection string, password included."""
        return self._url(self.password)

    def get_query(self) -> dict[str, Any]:
        """Return the options of the connection string."""
        return dict(self.query or {})

    def to_url(self) -> Any:
        """Return a URL object: of SQLAlchemy where it is installed, else a `ConnectionUrl`."""
        try:
            engine = importlib.import_module("sqlalchemy.engine")
        except ImportError:
            return ConnectionUrl(self._url(self.password), self._url(MASK if self.password else None))
        return engine.URL.create(
            self.drivername, self.username, self.password, self.host, self.port, self.database,
            {k: str(v) for k, v in self.get_query().items()},
        )  # fmt: skip

    def _url(self, password: str | None, options: bool = True) -> str:
        secret = "" if password is None else f":{password if password == MASK else quote(password, safe='')}"
        user = quote(self.username or "", safe="") + secret
        host = self.host or ""
        host = f"[{host}]" if ":" in host else host
        text = f"{self.drivername}://{user}{'@' if user else ''}{host}"
        text += f":{self.port}" if self.port is not None else ""
        text += f"/{quote(self.database, safe='/')}" if self.database is not None else ""
        query = self.get_query() if options else {}
        return text + (f"?{urlencode(query)}" if query else "")

    def __str__(self) -> str:
        return self._url(MASK if self.password else None, options=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def _plain(text: str | None) -> str | None:
    return None if text is None else unquote(text)
