"""The code that makes the rows of a resource: module, function, file and version."""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ladle.schema.provenance import Code
from ladle.sources.git import WorkingTree, working_tree

_CACHED_MODULES = 1024


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a module is: its file as stored, its version, and its working tree."""

    file: str | None
    version: str | None
    tree: WorkingTree | None


def code_of(data: Any) -> Code | None:
    """Return the code that makes items: a function, or that of a generator; None for plain data.

    Cheap from the second call for a module on: what is known of it is kept.
    """
    func = _function(data)
    if func is None:
        return None
    module = _module(func)
    name = getattr(func, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    home = _home(module, getattr(sys.modules.get(module), "__file__", None))
    return Code(module, name, home.file, home.version)


def tree_of(module: str) -> WorkingTree | None:
    """Return the working tree that a module is in; None where it is installed, or in none."""
    return _home(module, getattr(sys.modules.get(module), "__file__", None)).tree


def _function(data: Any) -> Any:
    while isinstance(data, partial):
        data = data.func
    if inspect.isgenerator(data) or inspect.isasyncgen(data) or inspect.iscoroutine(data):
        return data
    if inspect.isroutine(data):
        return inspect.unwrap(data)
    if callable(data) and not isinstance(data, type) and not hasattr(data, "__arrow_c_stream__"):
        return type(data)  # an object that is called: its class is the code
    return None


def _module(func: Any) -> Any:
    for name in ("gi_frame", "ag_frame", "cr_frame"):
        frame = getattr(func, name, None)
        if frame is not None:
            return frame.f_globals.get("__name__")
    return getattr(func, "__module__", None)


@lru_cache(maxsize=_CACHED_MODULES)
def _home(module: str, file: str | None) -> _Home:
    # Kept for the life of the process, as the code is: a commit made meanwhile isn't what runs.
    path = Path(os.path.abspath(file)) if file else None
    if path is None or _is_installed(path):
        version = _distribution_version(module, installed=path is not None)
        return _Home(_below_package(module, path) if version or path else None, version, None)
    tree = working_tree(path)
    commit = tree.commit if tree is not None else None
    version = commit or _distribution_version(module, installed=False)
    root = tree.root if tree is not None else Path.cwd()
    # Outside of both, a folder would tell who is at work.
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return _Home(shown, version, tree if commit else None)


def _is_installed(path: Path) -> bool:
    folders = {"site-packages", "dist-packages"}
    return bool(folders.intersection(path.parts)) or path.is_relative_to(Path(os.__file__).parent)


def _below_package(module: str, path: Path | None) -> str | None:
    if path is None:
        return None
    parts = module.split(".")
    return "/".join((*parts, path.name)) if path.stem == "__init__" else "/".join((*parts[:-1], path.name))


def _distribution_version(module: str, installed: bool) -> str | None:
    top = module.partition(".")[0]
    if top == "__main__":
        return None
    if top in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:3]))
    # Imported here: it takes longer than all the rest, and most modules are in a working tree.
    from importlib import metadata

    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        pass
    # A distribution may have another name than its module. Slow, as it reads all that is installed.
    found = metadata.packages_distributions().get(top) if installed else None
    return metadata.version(found[0]) if found else None
