"""Sort what was given to `run` into sources."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from ladle.sources.hints import Hints
from ladle.sources.names import name_of
from ladle.sources.pull import pull
from ladle.sources.resource import Resource
from ladle.sources.source import Source, SourceFactory

_ROWS = frozenset({dict, list, tuple, str})
"""Types of what is no source, nor a part of one."""


def sources_of(data: Any, default_name: str, hints: Hints) -> list[Source]:
    """Sort what was given to `run` into sources: bare data and resources go to one named `default_name`.

    Raises:
        ResourceNameMissing: bare data came without a name.
    """
    if isinstance(data, Source):
        return [data]
    if isinstance(data, SourceFactory):
        return sources_of(data(), default_name, hints)
    if inspect.iscoroutine(data):
        return sources_of(_awaited(data), default_name, hints)
    if isinstance(data, (list, tuple)) and not set(map(type, data)) <= _ROWS and any(map(_is_part, data)):
        return _merged([source for d in data for source in sources_of(d, default_name, hints)])
    if isinstance(data, Resource):
        return [Source(default_name, (data,))]
    name = hints.table_name if isinstance(hints.table_name, str) else name_of(data)
    return [Source(default_name, (Resource(name, data),))]


def _awaited(coroutine: Any) -> Any:
    """Await an async source function on the event loop of the sources."""

    async def boxed() -> tuple[Any]:
        return (await coroutine,)

    return next(got.item[0] for got in pull([Resource("source", boxed())]))


def _merged(parts: list[Source]) -> list[Source]:
    """Join what goes to one source; two of one name that keep a cursor are loaded one after the other."""
    merged: list[Source] = []
    for part in parts:
        at = next((i for i, known in enumerate(merged) if _can_join(known, part)), None)
        if at is None:
            merged.append(part)
        else:
            known = merged[at]
            schema = known.own_schema or part.given_schema
            merged[at] = replace(known, listed=known.listed + part.listed, given_schema=schema)
    return merged


def _can_join(known: Source, part: Source) -> bool:
    """Whether no cursor of one overwrites that of the other: it is stored by the resource's name."""
    cursors = {(r.name, id(r)) for r in (*known.listed, *part.listed) if r.cursor is not None}
    names = {(r.name, id(r)) for r in (*known.listed, *part.listed)}
    apart = all(name != other or mine == its for name, mine in cursors for other, its in names)
    return known.name == part.name and apart


def _is_part(data: Any) -> bool:
    known = isinstance(data, (Resource, Source, SourceFactory))
    return known or inspect.isfunction(data) or inspect.isgenerator(data) or inspect.iscoroutine(data)
