"""Governance: what is personal and what is done to it. Names as people import them, each when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.governance.policy import unprotect
    from ladle.governance.suggest import PiiReport, Suggestion, suggest_tags

__all__ = ["PiiReport", "Suggestion", "suggest_tags", "unprotect"]

_WHERE = {
    "PiiReport": "ladle.governance.suggest",
    "Suggestion": "ladle.governance.suggest",
    "suggest_tags": "ladle.governance.suggest",
    "unprotect": "ladle.governance.policy",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ladle.governance' has no attribute {name!r}")
    found = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
