"""The differences that are meant, each with a reason; docs/differences.md has them by name."""

from __future__ import annotations

from tests.parity.compare import Known

KNOWN_DIFFERENCES: tuple[Known, ...] = ()
