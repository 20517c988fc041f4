"""The parts of a pipeline's state: what belongs to a source and to its resources; and their size."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ladle.errors import StateTooLarge, UsageError

MAX_STATE_BYTES = 8 << 20
"""Size a source's state may have as JSON, in bytes; it is compared and stored whole with every change."""


def source_state(state: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a copy of one source's state, to be changed while it is extracted."""
    found = state.get("sources", {}).get(source)
    return copy.deepcopy(dict(found)) if found else {}


def with_source_state(state: Mapping[str, Any], source: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return `sources` of the state with one source's part replaced; an empty part is left out.

    What is empty inside goes as well: a resource that asked for its state and stored nothing has none.
    """
    sources = {name: part for name, part in state.get("sources", {}).items() if name != source}
    kept = {k: v for k, v in content.items() if k != "resources"}
    resources = {name: part for name, part in content.get("resources", {}).items() if part}
    if resources:
        kept["resources"] = resources
    if kept:
        sources[source] = kept
    return sources


def rebased(base: Any, ours: Any, theirs: Any) -> Any:
    """Return `theirs` with what `ours` changed of their common `base`, key by key at every depth."""
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return theirs if ours == base else ours
    base = base if isinstance(base, Mapping) else {}
    merged = {k: v for k, v in theirs.items() if k in ours or k not in base}
    for key, value in ours.items():
        if key in theirs:
            merged[key] = rebased(base.get(key), value, theirs[key])
        elif key not in base or base[key] != value:
            merged[key] = value
    return merged


def without_resources(content: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a source's state without the parts of the named resources."""
    gone = set(names)
    resources = {n: part for n, part in content.get("resources", {}).items() if n not in gone}
    return {**{k: v for k, v in content.items() if k != "resources"}, "resources": resources}


def check_size(source: str, content: Mapping[str, Any], limit_bytes: int = MAX_STATE_BYTES) -> None:
    """Refuse a state that has grown beyond the limit, or can't be stored.

    Raises:
        StateTooLarge: names the resource that has most of it.
        UsageError: an integer of more than 64 bits, such as a cursor's last value.
    """
    try:
        size = _json_bytes(content)
    except TypeError as exc:
        raise UsageError(
            f"the state of source `{source}` can't be stored: {exc}",
            expected="text, numbers of 64 bits, dates, lists and dicts",
            hint="keep larger integers, and the values of a cursor, as Decimal",
        ) from exc
    if size <= limit_bytes:
        return
    parts = {name: _json_bytes(part) for name, part in content.get("resources", {}).items()}
    name, largest = max(parts.items(), key=lambda part: part[1], default=("", 0))
    whose = f"resource `{name}`" if largest > size // 2 else f"source `{source}`"
    raise StateTooLarge(
        f"the state of {whose} has grown to {size:,} bytes",
        resource=name or None,
        expected=f"at most {limit_bytes:,} (EXTRACT__MAX_STATE_BYTES)",
        hint="keep a cursor or a bounded list; what was loaded can be looked up in the dataset itself",
    )


def _json_bytes(content: Any) -> int:
    return len(orjson.dumps(content, default=str, option=orjson.OPT_NON_STR_KEYS))
