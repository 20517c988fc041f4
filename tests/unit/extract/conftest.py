"""Rows are made Arrow by compiled code or, where that is missing, by interpreted code: both have to do the same."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ladle.extract import compiled


@pytest.fixture(scope="session")
def compiled_code() -> None:
    """Skip where nothing was compiled; fail on CI, which has a compiler."""
    if compiled.code is None:
        assert not os.environ.get("CI"), (
            "ladle.extract._cells was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


@pytest.fixture(scope="module", params=["compiled", "interpreted"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the tests of a module in both ways."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "compiled":
            request.getfixturevalue("compiled_code")
        else:
            patch.setattr(compiled, "code", None)
        yield
