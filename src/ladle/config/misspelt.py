"""A setting that is missing, and one that is almost it: what a user most likely meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from ladle.config.lookup import Where, paths
from ladle.config.providers import DocProvider

_KEY, _SECTION = 0.75, 0.8
_Path = tuple[str, ...]


def misspelt(key: str, where: Where) -> str | None:
    """Return where a key stands that is spelled almost like one that is missing; None where none is.

    Only documents in memory are looked through, and only names are returned, never a value.

    Args:
        key: the missing one.
        where: where it was looked for.
    """
    tried = set(paths(where.sections, where.required))
    tried |= {(where.pipeline, *path) for path in tried if where.pipeline}
    for provider in where.providers:
        if not (isinstance(provider, DocProvider) and hasattr(provider, "files")):
            continue  # others may have to be asked over the network
        leaves = list(_leaves(provider.document()))
        for sections, name in leaves:
            if sections in tried and name != key and difflib.get_close_matches(name, [key], 1, _KEY):
                return f"`{'.'.join((*sections, name))}` in {provider.name}"
        spelled = [".".join(path) for path in tried]
        for sections, name in leaves:
            if name == key and difflib.get_close_matches(".".join(sections), spelled, 1, _SECTION):
                return f"`{'.'.join((*sections, name))}` in {provider.name}"
    return None


def _leaves(document: Mapping[str, Any], above: _Path = ()) -> Iterator[tuple[_Path, str]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        else:
            yield above, name
