"""Names that functions and data bring along."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from ladle.errors import ResourceNameMissing


def name_of(data: Any) -> str:
    """Return the name a function or generator brings along.

    Raises:
        ResourceNameMissing: it has none.
    """
    found = getattr(data, "__name__", None) or getattr(data, "name", None)
    if not isinstance(found, str):
        raise ResourceNameMissing(
            f"data of type `{type(data).__name__}` has no name to use for its table",
            hint='name it: table_name="..." in run, or ladle.resource(data, name="...")',
        )
    return found


def section_of(func: Any) -> str:
    """Return the name of the module a function is from: the first section of its settings."""
    module = str(getattr(inspect.unwrap(func), "__module__", None) or "__main__")
    if module == "__main__":
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        return Path(file).stem if file else "__main__"
    return module.rpartition(".")[2]
