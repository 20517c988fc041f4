"""Marks are strict, and have a reason."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.testing import never, notimpl, notyet


@pytest.mark.parametrize("mark", [notimpl, notyet, never])
def test_a_mark_is_a_strict_xfail_with_its_reason(mark: Any) -> None:
    made = mark("no transactions").mark
    assert made.name == "xfail"
    assert made.kwargs == {"reason": f"{mark.__name__}: no transactions", "strict": True}


@pytest.mark.parametrize("reason", ["", " ", None])
def test_a_mark_needs_a_reason(reason: Any) -> None:
    with pytest.raises(UsageError, match="`never` needs a reason"):
        never(reason)
