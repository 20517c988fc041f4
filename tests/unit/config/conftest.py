from __future__ import annotations

from pathlib import Path

import pytest

from ladle.pipelines.pipeline import active


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    active.set(None)
