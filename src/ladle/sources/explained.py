"""Arguments that don't exist: the error names the nearest one that does."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def explained(func: F) -> F:
    """Return a function that says which argument was meant when it is called with one that doesn't exist.

    Nothing is checked before the call; only a call that Python refuses is looked at again.
    """

    @functools.wraps(func)
    def calling(*args: Any, **kwargs: Any) -> Any:
        try:
            return func(*args, **kwargs)
        except TypeError as error:
            inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
            if inside:
                raise  # of the function's own code
            refused = explanation(error, inspect.signature(func).parameters, kwargs)
        raise refused

    return cast(F, calling)


def explanation(
    error: TypeError, parameters: Mapping[str, Any] | Iterable[str], given: Iterable[str], owner: str = ""
) -> TypeError:
    """Return the error of a refused call with what was meant, or what there is.

    Args:
        error: Python's own.
        parameters: names that there are.
        given: names that were given.
        owner: whose arguments they are, where the error doesn't say it.
    """
    known = [name for name in parameters if name != "self"]
    unknown = next((name for name in given if name not in known), None)
    near = difflib.get_close_matches(unknown, known, n=1) if unknown is not None else []
    text = f"{owner}: {error}" if owner else str(error)
    if near:
        return TypeError(f"{text}; did you mean '{near[0]}'?")
    return TypeError(f"{text}; it takes {', '.join(known) or 'no arguments'}")
