"""Contracts in the reference and here: the same tables, but for differences that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.parity import contracts
from tests.parity.recorded import Batch

import ladle

pytestmark = pytest.mark.needs_reference
BASE = {"id": 0}
NULLS = {
    f"data_type {mode}: null in {level}": "CannotCoerceNullException"
    for mode in contracts.MODES
    for level in contracts.LEVELS
}
"""What the reference makes of cells in which it differs; docs/contracts.md says why ladle does otherwise."""
DIFFERENT: dict[str, Any] = {
    **NULLS,
    "columns freeze: frame with new column of nulls": "DataValidationError",
    "data_type discard_row: frame with text": {"": [BASE]},
    "data_type discard_value: frame with text": {"": [BASE, {}, {}]},
}
CELLS = [cell for cell, *_ in contracts.cells()]


def batch() -> Batch:
    """What the reference is asked: the outcomes by cell, which its program knows."""
    return Batch("contracts", Path(contracts.__file__), CELLS)


@pytest.fixture(scope="module")
def both(reference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The outcomes there and here, by cell."""
    there, here = tmp_path_factory.mktemp("there"), tmp_path_factory.mktemp("here")
    return batch().answer(reference_python, there), contracts.outcomes(ladle, here)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_comes_out_the_same_or_differs_as_known(cell: str, both: tuple[Any, Any]) -> None:
    there, here = both[0][cell], both[1][cell]
    if cell in DIFFERENT:
        assert there == DIFFERENT[cell]
        assert here != there
    else:
        assert here == there


def test_no_difference_is_left_over() -> None:
    assert set(CELLS) >= DIFFERENT.keys()
