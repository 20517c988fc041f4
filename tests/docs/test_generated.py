"""The generated parts of the docs are what the declarations say; each destination has a page with an example."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.generated import FUNCTION, pages, renewed
from tests.docs.snippets import snippets
from tests.strategies import destination_types

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_there_and_up_to_date(path: Path) -> None:
    assert path.exists(), (
        f"write {path}: what it is for, an example, and the marks of tests/docs/generated.py"
    )
    text = path.read_text(encoding="utf-8")
    assert text == renewed(text, PAGES[path]), "run `python -m tests.docs.generated`"


@pytest.mark.parametrize("kind", destination_types())
def test_a_destination_has_an_example_that_runs(kind: str) -> None:
    path = next(path for path in PAGES if path.stem == kind)
    blocks = [b for b in snippets(path.read_text(encoding="utf-8")) if b.runs and b.language == "python"]
    assert any(block.output for block in blocks), f"{path.name} shows nothing"
    used = "@ladle.destination" if kind == FUNCTION else kind
    assert any(used in block.code for block in blocks), f"{path.name} doesn't use it"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        renewed("# A page\n", "x")
