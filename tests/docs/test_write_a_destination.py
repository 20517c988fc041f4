"""The page builds what `packages/ladle-toy` is, line by line."""

from __future__ import annotations

from tests.docs.snippets import ROOT, snippets


def test_the_page_has_the_toys_code() -> None:
    page = (ROOT / "docs" / "write_a_destination.md").read_text(encoding="utf-8")
    shown = {line for block in snippets(page) for line in block.code.splitlines()}
    toy = ROOT / "packages" / "ladle-toy" / "src" / "ladle_toy" / "__init__.py"
    code = toy.read_text(encoding="utf-8").splitlines()[1:]
    # the page has two files where the package has one: imports differ
    missing = [line for line in code if line.strip() and "import" not in line and line not in shown]
    assert missing == []
