"""The public conformance suites: tests that authors of destinations and sources inherit. Needs pytest."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ladle.testing.destination import DestinationSuite
    from ladle.testing.fidelity import CONVERSIONS
    from ladle.testing.marks import never, notimpl, notyet
    from ladle.testing.place import Place
    from ladle.testing.source import SourceSuite
    from ladle.testing.source_faults import Fault, faults
    from ladle.testing.values import CASES

__all__ = [
    "CASES",
    "CONVERSIONS",
    "DestinationSuite",
    "Fault",
    "Place",
    "SourceSuite",
    "faults",
    "never",
    "notimpl",
    "notyet",
]

_WHERE = {
    "CASES": "ladle.testing.values",
    "CONVERSIONS": "ladle.testing.fidelity",
    "DestinationSuite": "ladle.testing.destination",
    "Fault": "ladle.testing.source_faults",
    "Place": "ladle.testing.place",
    "SourceSuite": "ladle.testing.source",
    "faults": "ladle.testing.source_faults",
    "never": "ladle.testing.marks",
    "notimpl": "ladle.testing.marks",
    "notyet": "ladle.testing.marks",
}

# Before the modules are imported: so that what an assertion compares is shown.
pytest.register_assert_rewrite(
    "ladle.testing.name_tests",
    "ladle.testing.source",
    "ladle.testing.type_tests",
    "ladle.testing.write_tests",
)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ladle.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
