"""docs/types.md shows what becomes of every value on every engine, as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs import types_table


@pytest.fixture(scope="module")
def found(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[types_table.Cell]]:
    urls = {"Postgres": postgres_url}
    return {n: types_table.cells(n, tmp_path_factory.mktemp("types"), urls) for n in types_table.SUITES}


def test_the_page_is_up_to_date(found: dict[str, list[types_table.Cell]]) -> None:
    assert types_table.rendered(found) == types_table.stored(), "run: python -m tests.docs.types_table"


@pytest.mark.parametrize("name", types_table.SUITES)
def test_nothing_changes_without_a_word(found: dict[str, list[types_table.Cell]], name: str) -> None:
    suite = types_table.SUITES[name]
    assert [cell for cell in found[name] if suite.wrong(cell)] == []


def test_the_page_is_where_the_script_writes() -> None:
    assert Path(types_table.PAGE).exists()
