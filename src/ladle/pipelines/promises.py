"""What the loads of a run are promised, told before anything is read; and of packages that were loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ladle.config.settings import searched, setting
from ladle.destinations.base import Destination
from ladle.destinations.guarantees import Guarantee, checked_grade, guarantee_of, weakest
from ladle.errors import UsageError
from ladle.extract.declare import wanted
from ladle.package.manifest import Manifest
from ladle.schema.change import REPLACES
from ladle.sources.hints import Hints
from ladle.sources.source import Source

MERGE = "delete-insert"
"""The strategy of merge where none is named."""


def is_disposition(data: Any) -> bool:
    """Whether it names how rows are written, rather than being rows."""
    return isinstance(data, str) or (isinstance(data, Mapping) and "disposition" in data)


def promised(destination: Destination, disposition: Any) -> Guarantee:
    """Return the guarantee of a write disposition, or of a strategy of merge by its name.

    Raises:
        UsageError: there is none of that name, or the destination can't do it.
    """
    if disposition in destination.limits.merges:
        disposition = {"disposition": "merge", "strategy": disposition}
    if disposition in REPLACES:
        disposition = {"disposition": "replace", "strategy": disposition}
    return guarantee_of(destination, _strategy(Hints.of(write_disposition=disposition), destination))


def promised_of(
    destination: Destination, sources: Sequence[Source], hints: Hints
) -> dict[str, list[Guarantee]]:
    """Return the guarantees by resource: several where only its items will tell how they are written.

    Raises:
        UsageError: the destination can't do what a resource asks for.
    """
    found: dict[str, list[Guarantee]] = {}
    for source in sources:
        for resource in wanted(source, hints):
            merged = hints.over(resource.hints)
            names = [_strategy(merged, destination), *_nested(merged)]
            if callable(merged.write_disposition):
                limits = destination.limits
                names = ["append", *(limits.replaces or REPLACES[:1]), *limits.merges]
            found[resource.name] = [guarantee_of(destination, name) for name in names]
    return found


def check_promised(
    destination: Destination, sources: Sequence[Source], hints: Hints, asked: str | None
) -> None:
    """Refuse a run that asks for more than its destination promises.

    Args:
        destination: of the run.
        sources: of the run; nothing is read.
        hints: that win over those of resources.
        asked: a grade; None for that of the setting `load.guarantee`, if there is one.

    Raises:
        UsageError: names resource, destination and both grades.
    """
    asked = asked or setting("load", "guarantee")
    if asked is None:
        return
    checked_grade(asked)
    for resource, guarantees in promised_of(destination, sources, hints).items():
        least = weakest(guarantees)
        if not least.reaches(asked):
            raise UsageError(
                f"`{destination.name}` promises {least.grade} of a load by `{least.strategy}`: {least.text}",
                resource=resource,
                expected=f"{asked}, as was asked for",
                hint="ask for less, or take a destination or write disposition that promises it: "
                "pipeline.guarantee(...) tells",
            )


def _strategy(hints: Hints, destination: Destination) -> str:
    named = hints.additional
    if hints.write_disposition == "merge":
        return str(named.get("x-merge-strategy") or MERGE)
    if hints.write_disposition != "replace":
        return "append"
    found = named.get("x-replace-strategy")
    return str(found or searched("replace_strategy", ("destination", destination.name)) or REPLACES[0])


def _nested(hints: Hints) -> Iterable[str]:
    if isinstance(hints.nested_hints, Mapping):
        for given in hints.nested_hints.values():
            if isinstance(given, Mapping) and given.get("write_disposition") in ("append", "replace"):
                yield "append" if given["write_disposition"] == "append" else REPLACES[0]


def grades_of(manifest: Manifest, destination: Destination) -> dict[str, str]:
    """Return the grade of each table that a package wrote."""
    asked = {resource.table: resource.write_disposition for resource in manifest.resources}
    tables = manifest.schema["tables"]
    found: dict[str, str] = {}
    for name in manifest.counts:
        root, own = name, None
        # As for `by_disposition`: a table below has what it, or the nearest above it, was given.
        while (parent := tables.get(root, {}).get("parent")) is not None:
            own = own or tables[root].get("write_disposition")
            root = parent
        if root in asked:
            disposition = own or asked[root]
            way = disposition
            if disposition == "merge":
                way = tables[root].get("x-merge-strategy") or MERGE
            elif disposition == "replace":
                named = tables[root].get("x-replace-strategy")
                way = named or manifest.replace_strategy or REPLACES[0]
            found[name] = guarantee_of(destination, way).grade
    return found
