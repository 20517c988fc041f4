"""The path of a look-up: which keys are tried, in which order, in which providers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ladle.config.hints import is_secret
from ladle.config.providers import ConfigProvider, DocProvider
from ladle.errors import ValueNotSecretException

Trace = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Where:
    """Where settings are looked for.

    Attributes:
        providers: in their order.
        pipeline: name of the pipeline at work; keys below its name go first, in all providers.
        sections: dropped from the right, one by one, as long as nothing is found.
        required: sections that are never dropped; they stand right before the key.
    """

    providers: Sequence[ConfigProvider]
    pipeline: str | None = None
    sections: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def below(self, section: str) -> Where:
        """Return the place of the settings of a group."""
        return replace(self, required=(*self.required, *section.split(".")))


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it was found."""

    value: Any
    provider: str
    key: str


@lru_cache(maxsize=1024)
def paths(sections: tuple[str, ...], required: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the sections to try, the longest first.

    Of `sources.<module>.<name>` the short form `sources.<name>` is tried too, after `sources.<module>`.
    """
    kept = [sections[:count] for count in range(len(sections), -1, -1)]
    if len(sections) == 3 and sections[0] == "sources" and sections[1] != sections[2]:
        kept.insert(2, (sections[0], sections[2]))
    return tuple((*head, *required) for head in kept)


def _attempts(
    hint: Any, where: Where, providers: Sequence[ConfigProvider]
) -> list[tuple[ConfigProvider, str | None, tuple[str, ...]]]:
    # A list: this is called often, and a generator would be called again for each.
    tried = paths(where.sections, where.required)
    secret = hint is not str and is_secret(hint)
    found: list[tuple[ConfigProvider, str | None, tuple[str, ...]]] = []
    for prefix in (where.pipeline, None) if where.pipeline else (None,):
        for provider in providers:
            if secret and not provider.supports_secrets and not isinstance(provider, DocProvider):
                continue
            if provider.supports_sections:
                for path in tried:
                    found.append((provider, prefix, path))  # noqa: PERF401 - a comprehension is a call, too
            elif prefix is None:
                found.append((provider, None, ()))
    return found


def look(name: str, hint: Any, where: Where) -> Found | None:
    """Return the first value for a key, None where there is none.

    Raises:
        ValueNotSecretException: a secret stands in a provider that isn't for secrets.
    """
    secret = hint is not str and is_secret(hint)
    filled: list[ConfigProvider] = []
    for each in where.providers:
        if not (isinstance(each, DocProvider) and each.is_empty):
            filled.append(each)  # noqa: PERF401 - see above
    for provider, prefix, path in _attempts(hint, where, filled):
        value, key = provider.get_value(name, hint, prefix, *path)
        if value is None:
            continue
        if secret and not provider.supports_secrets:
            raise ValueNotSecretException(
                f"the secret `{key}` stands in {provider.name}, where secrets are not read",
                hint="move it to secrets.toml beside it, which is not committed, or to the environment",
            )
        return Found(value, provider.name, key)
    return None


def tried(name: str, hint: Any, where: Where) -> tuple[Trace, ...]:
    """Return all keys that a look-up tries, in order, as pairs (provider, key)."""
    found = []
    secret = hint is not str and is_secret(hint)
    for provider, prefix, path in _attempts(hint, where, where.providers):
        if secret and not provider.supports_secrets:
            continue
        sections = (prefix, *path) if prefix else path
        found.append((provider.name, provider.get_key_name(name, *sections)))
    return tuple(dict.fromkeys(found))
