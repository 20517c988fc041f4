"""Marks for tests of a suite that a destination or source can't pass: each one is strict, and has a reason.

A mark on a test that passes fails: what was mended loses its mark.
"""

from __future__ import annotations

import warnings

import pytest

from ladle.errors import UsageError


def notimpl(reason: str) -> pytest.MarkDecorator:
    """Mark what the engine can do, and the plug-in doesn't do yet.

    Raises:
        UsageError: no reason.
    """
    return _mark("notimpl", reason)


def notyet(reason: str) -> pytest.MarkDecorator:
    """Mark what the engine can't do, and may do one day.

    Raises:
        UsageError: no reason.
    """
    return _mark("notyet", reason)


def never(reason: str) -> pytest.MarkDecorator:
    """Mark what the engine will never do, by its nature.

    Raises:
        UsageError: no reason.
    """
    return _mark("never", reason)


def slow() -> pytest.MarkDecorator:
    """Return the mark of tests that take long; who runs pytest with `--strict-markers` has to declare it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)
        return pytest.mark.slow


def _mark(kind: str, reason: str) -> pytest.MarkDecorator:
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(
            f"`{kind}` needs a reason",
            expected="a text that tells what doesn't work and why",
            hint=f'name it: {kind}("the engine has no transactions")',
        )
    return pytest.mark.xfail(reason=f"{kind}: {reason}", strict=True)
