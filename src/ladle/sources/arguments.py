"""Arguments that don't fit are refused by name, with the nearest match."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ladle.errors import IncrementalUnboundError
from ladle.sources.steps import is_cursor

F = TypeVar("F", bound=Callable[..., Any])


def suggesting(func: F) -> F:
    """Make a function say which of its arguments a misspelt one is likely to be.

    It stays a TypeError, as Python raises it.
    """
    names = inspect.getfullargspec(func)
    known = (*names.args, *names.kwonlyargs)

    @functools.wraps(func)
    def called(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in known:
                what = func.__qualname__.removesuffix(".__init__")
                raise TypeError(f"{what}() has no argument `{name}`{nearest(name, known)}")
        return func(*args, **kwargs)

    return cast("F", called)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?`, or what there is where nothing is near."""
    public = [n for n in known if not n.startswith("_") and n != "self"]
    near = difflib.get_close_matches(name, public, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(public) or 'none'}"


def fitting(
    resource: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """Bind the arguments of a resource's function.

    Raises:
        TypeError: they don't fit; names the resource and what its function takes.
    """
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as exc:
        parameters = ", ".join(str(p) for p in signature.parameters.values())
        raise TypeError(f"resource `{resource}`: {exc}; it takes ({parameters})") from None


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
