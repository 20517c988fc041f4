"""What runs at once, and what is left to the slow tests: the suites of all engines take minutes."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what a class doesn't name as `fast`; a class without it runs whole."""
    for item in items:
        cls = getattr(item, "cls", None)
        fast = getattr(cls, "fast", None)
        if fast is not None and getattr(item, "originalname", item.name) not in fast:
            item.add_marker(pytest.mark.slow)
