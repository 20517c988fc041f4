"""The chain of providers of this process, and the one cache there is: files, vaults, values set in code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from ladle.config import context, notebooks
from ladle.config.files import Stamp, candidates, chosen, read
from ladle.config.lookup import Where
from ladle.config.providers import ConfigProvider, DocProvider, EnvironProvider, merged
from ladle.errors import DuplicateConfigProviderException, UsageError

SECRETS, CONFIG = "secrets.toml", "config.toml"
_FILES = (SECRETS, CONFIG)
_VAULT_SETTINGS = "PROVIDERS__"
_SWITCHES = tuple(
    f"{_VAULT_SETTINGS}ENABLE_{name}_SECRETS" for name in ("GOOGLE", "AWS", "AZURE", "HASHICORP", "AIRFLOW")
)

_held: ContextVar[tuple[ConfigProvider, ...] | None] = ContextVar("held_providers", default=None)


class TomlProvider(DocProvider):
    """One of the two files: that of the working directory laid over that of home.

    Attributes:
        files: pairs (path, whether it is there).
    """

    def __init__(
        self, name: str, document: Mapping[str, Any], written: dict[str, Any], there: tuple[str, ...]
    ) -> None:
        locations = tuple(path for paths in candidates(name) for path in paths)
        super().__init__(
            name, document, supports_secrets=name == SECRETS, locations=locations, written=written
        )
        self.files = tuple((path, path in there) for path in locations)

    @property
    def is_empty(self) -> bool:
        """Whether neither a file nor code has set anything."""
        return not self._document and not self._written


class Chain:
    """Which providers there are, in order. Files are read once, and again when they changed."""

    def __init__(self) -> None:
        self._environ = EnvironProvider()
        self._written: dict[str, dict[str, Any]] = {name: {} for name in _FILES}
        self._read: dict[str, tuple[Stamp, dict[str, Any]]] = {}
        self._notebooks: dict[str, list[Mapping[str, Any]]] = {}
        self._asks_vaults = False
        self._made: dict[Any, ConfigProvider] = {}
        self._registered: tuple[ConfigProvider, ...] = ()
        self._current: tuple[Any, tuple[ConfigProvider, ...]] = (None, ())

    def providers(self) -> tuple[ConfigProvider, ...]:
        """Return the providers as they are now: environment, secrets.toml, config.toml, vaults, own ones.

        Raises:
            TomlProviderReadException: a file isn't TOML.
        """
        if (held := _held.get()) is not None:
            return held
        files = {name: chosen(name) for name in _FILES}
        switches = self._switches()
        around = (notebooks.is_here(), "airflow" in sys.modules, repr(self._written[CONFIG].get("providers")))
        state = (os.getcwd(), files, switches, around, self._registered)
        known, current = self._current
        if state == known:
            return current
        docs = {
            name: merged([*(self._document(path, at) for path, at in files[name]), *self._notebook(name)])
            for name in _FILES
        }
        base: tuple[ConfigProvider, ...] = (
            self._environ,
            *(
                TomlProvider(name, docs[name], self._written[name], tuple(path for path, _ in files[name]))
                for name in _FILES
            ),
        )
        current = (*base, *self._vaults(base, docs, bool(switches)), *self._registered)
        self._current = (state, current)
        return current

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Look at the files once, and not again until the block ends; values set in code count at once."""
        token = _held.set(self.providers())
        try:
            yield
        finally:
            _held.reset(token)

    def _switches(self) -> tuple[Any, ...]:
        """Return what the environment says of vaults; all of it only where there may be one."""
        if not self._asks_vaults and not any(name in os.environ for name in _SWITCHES):
            return ()
        return tuple(sorted(item for item in os.environ.items() if item[0].startswith(_VAULT_SETTINGS)))

    def _document(self, path: str, at: Stamp) -> dict[str, Any]:
        known = self._read.get(path)
        if known is None or known[0] != at:
            known = self._read[path] = (at, read(path))
        return known[1]

    def _notebook(self, name: str) -> list[Mapping[str, Any]]:
        if not notebooks.is_here():
            return []
        if name not in self._notebooks:
            self._notebooks[name] = notebooks.documents(name)
        return self._notebooks[name]

    def _vaults(
        self, base: tuple[ConfigProvider, ...], docs: Mapping[str, Any], switched: bool
    ) -> tuple[ConfigProvider, ...]:
        asked = switched or any("providers" in d for d in (*docs.values(), *self._written.values()))
        self._asks_vaults = asked or "airflow" in sys.modules
        if not self._asks_vaults:
            return ()
        registry = importlib.import_module("ladle.config.vaults.registry")
        settings = registry.enabled(Where(base))
        for one in settings:
            if one not in self._made:
                self._made[one] = registry.made(one)
        return tuple(self._made[one] for one in settings)

    def register(self, provider: ConfigProvider) -> None:
        """Add a provider after all others.

        Raises:
            DuplicateConfigProviderException: there is one of that name.
            UsageError: it is no provider.
        """
        if not hasattr(provider, "get_value") or not hasattr(provider, "name"):
            raise UsageError(
                f"a provider can't be a `{type(provider).__name__}`",
                expected="a CustomLoaderDocProvider, a VaultDocProvider, or another ConfigProvider",
            )
        if any(p.name == provider.name for p in self.providers()):
            raise DuplicateConfigProviderException(
                f"a provider `{provider.name}` is registered already", hint="give it another name"
            )
        self._registered = (*self._registered, provider)

    def writable(self, name: str) -> ConfigProvider:
        """Return the provider that values set in code go to: `secrets.toml` or `config.toml`, in memory."""
        return next(p for p in self.providers() if p.name == name)


@cache
def chain() -> Chain:
    """Return the chain of this process. `chain.cache_clear()` forgets files, vaults, values set in code."""
    return Chain()


def here(sections: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> Where:
    """Return where to look now, with the pipeline at work."""
    return Where(chain().providers(), context.pipeline_name.get(), sections, required)
