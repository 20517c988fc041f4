"""What resources read while they are extracted: files, tables, addresses; gathered for the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from ladle.errors import UsageError
from ladle.schema.provenance import Input, masked_facets, place

MAX_INPUTS = 1000
"""Inputs kept of one resource; those beyond are counted."""

_Key = tuple[str, str, str]


class Inputs:
    """Inputs of the resources of one extract, the first of each resource.

    Attributes:
        left_out: how many more there were, by resource.
    """

    def __init__(self) -> None:
        self._found: dict[_Key, Input] = {}
        self._counts: dict[str, int] = {}
        self.left_out: dict[str, int] = {}

    def add(
        self,
        resource: str,
        name: str,
        namespace: str | None = None,
        rows: int | None = None,
        facets: Mapping[str, Any] | None = None,
    ) -> None:
        """Note one; the same one again adds to its rows, and replaces facets.

        Raises:
            UsageError: a name that is no text, or a facet that JSON can't hold.
        """
        _check(resource, name, facets)
        space, shown = place(name, namespace)
        key = (resource, space, shown)
        known = self._found.get(key)
        if known is None and self._counts.get(resource, 0) >= MAX_INPUTS:
            self.left_out[resource] = self.left_out.get(resource, 0) + 1
            return
        if known is None:
            self._counts[resource] = self._counts.get(resource, 0) + 1
            known = Input(resource, space, shown)
        total = known.rows if rows is None else rows + (known.rows or 0)
        self._found[key] = replace(known, rows=total, facets={**known.facets, **masked_facets(facets or {})})

    def add_all(self, resource: str, data: Any) -> None:
        """Note what data says of itself: a relation knows the tables that it reads."""
        tell = getattr(type(data), "__ladle_inputs__", None)
        if tell is not None:
            found: Iterable[tuple[str, str]] = tell(data)
            for namespace, name in found:
                self.add(resource, name, namespace)

    @property
    def found(self) -> tuple[Input, ...]:
        """All of them, in the order they were first noted."""
        return tuple(self._found.values())


def _check(resource: str, name: Any, facets: Mapping[str, Any] | None) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(
            f"an input of resource `{resource}` can't be named `{name!r}`",
            resource=resource,
            expected="a text: a URL, a path, or a name in the namespace given",
        )
    try:
        orjson.dumps(facets or {})
    except TypeError as exc:
        raise UsageError(
            f"what is noted of input `{place(name)[1]}` can't be stored: {exc}",
            resource=resource,
            expected="facets of text, numbers, dates, lists and dicts",
        ) from exc
