"""Arguments that a generator was made with before its run."""

from __future__ import annotations

from typing import Any

from ladle.errors import IncrementalUnboundError
from ladle.sources.steps import is_cursor


def check_cursors(resource: str, made: Any) -> None:
    """Refuse a generator whose arguments have a cursor that isn't bound: it would read all, with every run.

    Raises:
        IncrementalUnboundError: names the resource and the cursor.
    """
    frame = getattr(made, "gi_frame", None) or getattr(made, "ag_frame", None)
    if frame is None:
        return
    for name, value in frame.f_locals.items():
        if is_cursor(value) and getattr(value, "resource_name", "") is None:
            raise IncrementalUnboundError(
                f"the generator of resource `{resource}` was made before its run: `{name}` isn't bound",
                resource=resource,
                expected="a resource made of the function itself, whose arguments are bound when it runs",
                hint="ladle.resource(func)(arg) instead of ladle.resource(func(arg))",
            )
