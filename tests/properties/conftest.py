"""Few examples, as each one loads; only here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("few", settings.get_profile("ladle"), max_examples=12)


@pytest.fixture(scope="module", autouse=True)
def few_examples() -> Iterator[None]:
    """Hold for tests that say nothing themselves, which are asked when they run."""
    settings.load_profile("few")
    yield
    settings.load_profile("ladle")
