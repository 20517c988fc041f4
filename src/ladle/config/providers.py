"""Providers of values: the environment, and documents of nested tables."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ladle.config.coerce import takes_tables
from ladle.config.hints import is_secret
from ladle.errors import ConfigError

ENVIRONMENT = "Environment Variables"
_MOUNTED = "/run/secrets"


class ConfigProvider(ABC):
    """Where values come from. Derive from it, then `ladle.config.register_provider(...)`.

    Attributes:
        name: as errors and `ladle config explain` show it.
        supports_secrets: secrets are looked for here; where not, they never are.
        supports_sections: keys have sections; where not, only the bare key is looked for.
        is_writable: `set_value` works.
        locations: files or addresses, for errors.
    """

    name: str = "provider"
    supports_secrets: bool = True
    supports_sections: bool = True
    is_writable: bool = False
    locations: Sequence[str] = ()

    @abstractmethod
    def get_value(
        self, key: str, hint: Any, pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        """Return the value, None where there is none, and the full key that was looked for."""

    def get_key_name(self, key: str, *sections: str) -> str:
        """Return the full key as this provider spells it."""
        return ".".join((*sections, key))

    def set_value(self, key: str, value: Any, pipeline_name: str | None, *sections: str) -> None:
        """Store a value for later look-ups of this process.

        Raises:
            ConfigError: the provider can only be read.
        """
        raise ConfigError(f"the provider `{self.name}` can't be written to")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


@lru_cache(maxsize=1024)
def path_of(key: str, pipeline_name: str | None, sections: tuple[str, ...]) -> tuple[str, ...]:
    """Return all parts of a key, the pipeline's name first where one is given; a key may have dots."""
    parts = (pipeline_name, *sections, key) if pipeline_name else (*sections, key)
    return parts if "." not in key else (*parts[:-1], *key.split("."))


_SYSTEM = frozenset(
    {
        "EDITOR",
        "HOME",
        "HOST",
        "HOSTNAME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "MAIL",
        "OLDPWD",
        "PATH",
        "PWD",
        "SHELL",
        "SHLVL",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "USERNAME",
        "USERPROFILE",
        "VISUAL",
    }
)
"""Variables that are there on any machine: `path: str = "data.csv"` doesn't mean $PATH."""


class EnvironProvider(ConfigProvider):
    """Environment variables `SECTION__KEY`; for secrets also mounted files `/run/secrets/section--key`.

    A variable that is empty counts as unset, and so does one of the system's own, such as `PATH`, without a
    section. `LADLE_SECRETS_DIR` names another folder of files.
    """

    name = ENVIRONMENT

    def get_value(
        self, key: str, hint: Any, pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        """Return the variable's text; for a secret, else the text of the mounted file."""
        path = path_of(key, pipeline_name, sections)
        full = "__".join(path).upper()
        value = None if full in _SYSTEM else os.environ.get(full) or None
        # Most are plain text: that isn't asked about.
        if value is None and hint is not str and is_secret(hint):
            value = mounted(path)
        return value, full

    def get_key_name(self, key: str, *sections: str) -> str:
        """Return the variable's name."""
        return "__".join(path_of(key, None, sections)).upper()


def mounted(path: Sequence[str]) -> str | None:
    """Return the text of a secret that Docker or Kubernetes mounted, without the line's end."""
    folder = os.environ.get("LADLE_SECRETS_DIR") or _MOUNTED
    name = "--".join(path).lower().replace("_", "-")
    if "/" in name or not os.path.isdir(folder):
        return None
    try:
        return Path(folder, name).read_text(encoding="utf-8").rstrip("\r\n") or None
    except (OSError, ValueError):
        return None


class DocProvider(ConfigProvider):
    """A document: tables in tables, keys with dots."""

    def __init__(
        self,
        name: str,
        document: Mapping[str, Any],
        *,
        supports_secrets: bool = True,
        locations: Sequence[str] = (),
        written: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.supports_secrets = supports_secrets
        self.locations = locations
        self._document = document
        self._written = written
        self.is_writable = written is not None

    @property
    def is_empty(self) -> bool:
        """Whether it surely holds nothing, so that nothing need be looked up there."""
        return False

    def document(self) -> Mapping[str, Any]:
        """Return the tables that are looked through."""
        return self._document

    def get_value(
        self, key: str, hint: Any, pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        """Return what stands at the path; a table only where the hint can take one."""
        path = path_of(key, pipeline_name, sections)
        value: Any = None
        if self._written:
            value = at(self._written, path, hint)
        stored = at(self.document(), path, hint)
        if isinstance(value, Mapping) and isinstance(stored, Mapping):
            value = merged((value, stored))
        return stored if value is None else value, ".".join(path)

    def set_value(self, key: str, value: Any, pipeline_name: str | None, *sections: str) -> None:
        """Store a value in memory; files are not written."""
        if self._written is None:
            raise ConfigError(f"the provider `{self.name}` can't be written to")
        table = self._written
        *tables, last = ".".join(path_of(key, pipeline_name, sections)).split(".")
        for part in tables:
            table = table.setdefault(part, {})
        table[last] = value


def at(document: Mapping[str, Any], path: Sequence[str], hint: Any) -> Any | None:
    """Return the value at a path of a document, or None."""
    found: Any = document
    for part in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
        if found is None:
            return None
    if isinstance(found, Mapping) and not takes_tables(hint):
        return None
    return found


def merged(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return documents laid over each other: the first one wins, tables are merged key by key."""
    result: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            known = result.get(key)
            if isinstance(known, Mapping) and isinstance(value, Mapping):
                result[key] = merged((known, value))
            elif key not in result:
                result[key] = value
    return result


class CustomLoaderDocProvider(DocProvider):
    """A document from a function of yours: YAML, a database, a profile.

    Args:
        name: as errors show it.
        loader: returns nested dicts; called once, when something is looked up first.
        supports_secrets: whether secrets may come from it.
        locations: where it comes from, for errors.
    """

    def __init__(
        self,
        name: str,
        loader: Callable[[], Mapping[str, Any]],
        supports_secrets: bool = True,
        locations: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, {}, supports_secrets=supports_secrets, locations=locations or (), written={})
        self._loader = loader
        self._loaded: Mapping[str, Any] | None = None

    def document(self) -> Mapping[str, Any]:
        """Return what the function returned.

        Raises:
            ConfigError: no mapping.
        """
        if self._loaded is None:
            loaded = self._loader()
            if not isinstance(loaded, Mapping):
                raise ConfigError(
                    f"the loader of the provider `{self.name}` returned a `{type(loaded).__name__}`",
                    expected="a dict of tables and values",
                )
            self._loaded = loaded
        return self._loaded
