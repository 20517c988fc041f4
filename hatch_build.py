"""Compiles the C of ladle when it is built or installed; without a C compiler ladle works, slower.

`LADLE_PURE=1` in the environment leaves it out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

_MODULES = (
    "ladle.extract._cells",
    "ladle.normalize._digest",
    "ladle.destinations._bulk",
    "ladle.destinations._copy",
    "ladle.destinations._image",
    "ladle.destinations._read",
)


class CompiledHook(BuildHookInterface):
    """Adds the compiled modules to wheels and, for an editable install, to `src`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the builder."""
        if self.target_name != "wheel" or os.environ.get("LADLE_PURE"):
            return
        os.chdir(self.root)
        extensions = [Extension(name, [f"src/{name.replace('.', '/')}.c"]) for name in _MODULES]
        command = Distribution({"ext_modules": extensions, "package_dir": {"": "src"}}).get_command_obj(
            "build_ext"
        )
        command.inplace = True
        command.force = True
        command.ensure_finalized()
        try:
            with tempfile.TemporaryDirectory() as command.build_temp:
                command.run()
        except Exception as error:  # noqa: BLE001 - whatever is missing here, ladle does without
            remedy = "a C compiler and Python's headers would make rows faster; all else is the same"
            print(f"ladle is installed without its compiled part ({remedy}): {error}", file=sys.stderr)  # noqa: T201
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for name in _MODULES:
            built = Path(command.get_ext_fullpath(name)).relative_to(Path(self.root).resolve())
            build_data["force_include"][str(built)] = str(built.relative_to("src"))
