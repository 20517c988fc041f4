"""What all tests of a destination share: where they load to, and the marks that its author gave."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ladle.destinations.base import Destination
from ladle.destinations.registry import resolve
from ladle.testing.place import Place


class Marked:
    """Tests that can be marked by name.

    Attributes:
        marks: `notimpl`, `notyet` or `never` by the name of a test, with or without its `[parameters]`.
    """

    marks: ClassVar[Mapping[str, pytest.MarkDecorator]] = {}

    @pytest.fixture(autouse=True)
    def _apply_marks(self, request: pytest.FixtureRequest) -> None:
        node = request.node
        for name in (node.name, getattr(node, "originalname", node.name)):
            if name in self.marks:
                request.applymarker(self.marks[name])


class DestinationTests(Marked):
    """Tests of one destination.

    Attributes:
        options: of each run, such as `{"loader_file_format": "parquet"}`.
    """

    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def destination(self) -> Any:
        """Return what is tested: a fresh place, or one that others use too. The author overrides it."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `destination` that returns the destination to test"
        )

    @pytest.fixture
    def place(self, destination: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
        """Return the destination with a dataset of the test's own."""
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(name, str(tmp_path / "home"))
        found: Destination = resolve(destination)
        return Place(found, tmp_path, f"suite_{uuid.uuid4().hex[:12]}", self.options)
