"""Sources by name: `module.function` as text, for settings and command lines."""

from __future__ import annotations

import importlib
from typing import Any

from ladle.errors import UnknownSourceReference
from ladle.sources.source import SourceFactory


class SourceReference:
    """Finds sources by the name of their module and function."""

    @staticmethod
    def from_reference(ref: str) -> SourceFactory[Any]:
        """Return the factory that a reference names; importing its module runs that module's code.

        Args:
            ref: `package.module.source`; or `module`, where the source has its module's name.

        Raises:
            UnknownSourceReference: there is no such module, or it has no such source.
        """
        module, _, name = ref.rpartition(".")
        for path, attribute in ((module, name), (ref, ref.rpartition(".")[2])):
            found = _attribute(path, attribute) if path else None
            if isinstance(found, SourceFactory):
                return found
        raise UnknownSourceReference(
            f"there is no source `{ref}`",
            expected="`package.module.source`, a function with @ladle.source that can be imported",
            hint="check the spelling, and that the package is installed or lies in the working directory",
        )


def _attribute(path: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(path), name, None)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(f"{error.name}.")):
            return None  # the module itself isn't there; one that it imports is another matter
        raise
