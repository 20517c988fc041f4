"""Sources are found by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ladle
from ladle.errors import UnknownSourceReference


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = "shop_by_name"
    (tmp_path / f"{name}.py").write_text(
        "import ladle\n\n@ladle.source\ndef shop_by_name():\n    return ladle.resource([{'a': 1}], name='r')\n\n"
        "@ladle.source\ndef other():\n    return ladle.resource([{'a': 2}], name='r')\n\nnumber = 5\n"
    )
    (tmp_path / "broken_by_name.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_by_module_and_function_and_by_module_alone(module: str) -> None:
    find = ladle.sources.SourceReference.from_reference
    assert list(find(f"{module}.other")()) == [{"a": 2}]
    assert list(find(module)()) == [{"a": 1}]
    assert find(f"{module}.other").clone(name="renamed")().name == "renamed"


@pytest.mark.parametrize("ref", ["shop_by_name.missing", "shop_by_name.number", "no.such.module", "nowhere"])
def test_what_is_no_source_is_refused(module: str, ref: str) -> None:
    with pytest.raises(UnknownSourceReference, match=f"there is no source `{ref}`"):
        ladle.sources.SourceReference.from_reference(ref)


def test_a_module_that_fails_says_why(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        ladle.sources.SourceReference.from_reference("broken_by_name.source")
