"""What all vaults have in common: which names are asked for, in which order, and the answers kept."""

from __future__ import annotations

import logging
import tomllib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any

from ladle.config.hints import is_secret
from ladle.config.providers import ConfigProvider, at, path_of
from ladle.errors import TomlProviderReadException

FRAGMENT = "dlt_secrets_toml"
_GROUPS = ("sources", "destination")
_log = logging.getLogger("ladle")


class VaultDocProvider(ConfigProvider):
    """A vault: secrets by name. Derive from it, give `name`, `_look_vault` and `_list_vault`, register it.

    Whole TOML documents are asked for first: `dlt_secrets_toml`, `sources`, `sources.<name>`,
    `destination`, `destination.<name>`, each also below the pipeline's name; the most specific one wins.
    Then, if that is allowed, the single value. Every answer is kept for the process, also that there is none.

    Args:
        only_secrets: values that aren't secret are never looked for in single.
        only_toml_fragments: only documents are asked for.
        list_secrets: ask once for the names there are, then only for those.
    """

    def __init__(self, only_secrets: bool, only_toml_fragments: bool, list_secrets: bool = False) -> None:
        self.only_secrets = only_secrets
        self.only_toml_fragments = only_toml_fragments
        self.list_secrets = list_secrets
        self._answers: dict[str, str | Mapping[str, Any] | None] = {}
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._names: frozenset[str] | None = None
        self._lock = RLock()

    @abstractmethod
    def _look_vault(self, full_key: str, hint: Any) -> str | Mapping[str, Any] | None:
        """Return the secret of that name: text, or the values below it; None where there is none."""

    def _list_vault(self) -> set[str]:
        """Return the names of all secrets; needed for `list_secrets`."""
        return set()

    def get_value(
        self, key: str, hint: Any, pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        """Return what the documents have at the path, else the single value."""
        path = path_of(key, None, sections)
        whole = (pipeline_name, *path) if pipeline_name else path
        full = self.get_key_name(whole[-1], *whole[:-1])
        with self._lock:
            value = self._in_documents(path, whole, hint, pipeline_name, exact=not sections)
            if value is None and not self.only_toml_fragments and (is_secret(hint) or not self.only_secrets):
                value = self._asked(full, hint)
        return value, full

    def _in_documents(
        self, path: Sequence[str], whole: Sequence[str], hint: Any, pipeline: str | None, exact: bool
    ) -> Any | None:
        """Return the value of the most specific document; for an exact key, of the first that has it."""
        found = None
        for name in self._fragments(path, pipeline):
            here = at(self._document(name), whole, hint)
            if here is None and pipeline and name.startswith(self.get_key_name("", pipeline)):
                here = at(self._document(name), path, hint)
            found = here if here is not None else found
            if exact and found is not None:
                break
        return found

    def _fragments(self, path: Sequence[str], pipeline: str | None) -> list[str]:
        """Return the names of the documents that may hold a path, the least specific first."""
        prefixes = ((), (pipeline,)) if pipeline else ((),)
        names = [self.get_key_name(FRAGMENT, *prefix) for prefix in prefixes]
        if len(path) > 1 and path[0] in _GROUPS:
            for prefix in prefixes:
                names.append(self.get_key_name(path[0], *prefix))
                if len(path) > 2:
                    names.append(self.get_key_name(path[1], *prefix, path[0]))
        return names

    def _document(self, name: str) -> Mapping[str, Any]:
        if name not in self._documents:
            text = self._asked(name, None)
            self._documents[name] = text if isinstance(text, Mapping) else self._parsed(name, text)
        return self._documents[name]

    def _parsed(self, name: str, text: str | None) -> Mapping[str, Any]:
        try:
            return tomllib.loads(text or "")
        except tomllib.TOMLDecodeError as exc:
            why = str(exc)
        raise TomlProviderReadException(
            f"the secret `{name}` of {self.name} isn't valid TOML: {why}",
            hint='mend it in the vault; text stands in quotes: key = "value"',
        )

    def _asked(self, name: str, hint: Any) -> Any:
        """Return a secret, asking the vault once in the life of the process."""
        if self.list_secrets:
            if self._names is None:
                self._names = frozenset(self._list_vault())
            if name not in self._names:
                return None
        if name not in self._answers:
            self._answers[name] = self._look_vault(name, hint)
            _log.debug("%s was asked for %s", self.name, name)
        return self._answers[name]
