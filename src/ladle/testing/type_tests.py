"""Tests of values: each comes back equal, or after a conversion that is documented, or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from ladle.errors import LadleError
from ladle.testing.fidelity import EVERYWHERE, Cell, compared
from ladle.testing.marks import slow
from ladle.testing.matrix import matrix
from ladle.testing.place import Place
from ladle.testing.values import CASES, HUGE
from ladle.testing.write_tests import WriteTests


class TypeTests(WriteTests):
    """Every value of `ladle.testing.values`.

    Attributes:
        conversions: names of `ladle.testing.CONVERSIONS` that this destination makes, beside ladle's own.
        refusals: the exact class of the error by the name of a case that it refuses.
    """

    conversions: ClassVar[frozenset[str]] = frozenset()
    refusals: ClassVar[Mapping[str, type[LadleError]]] = {}

    @classmethod
    def refused(cls) -> dict[str, type[LadleError]]:
        """Return the errors by case: those of every destination and its own."""
        return {**{c.name: c.refused for c in CASES if c.refused is not None}, **cls.refusals}

    @classmethod
    def wrong(cls, cell: Cell) -> bool:
        """Whether what became of a value is neither equal nor declared."""
        if cell.outcome == "refused":
            wanted = cls.refused().get(cell.case)
            return wanted is None or wanted.__name__ != cell.detail
        return cell.outcome not in {"equal", *EVERYWHERE, *cls.conversions}

    def test_values_come_back(self, place: Place) -> None:
        """Rows and Arrow, NULL beside each; a value that changes without a word is a fault."""
        cells = matrix(place, self.refused())
        wrong = [f"{c.case}, as {c.way}: {c.text} {c.detail}" for c in cells if self.wrong(c)]
        assert not wrong, "\n".join(wrong)
        seen = {cell.case for cell in cells if cell.outcome == "refused"}
        taken = sorted(self.refused().keys() - seen)
        assert not taken, f"said to be refused, and taken: {taken}"

    @slow()
    @pytest.mark.parametrize("kind", HUGE)
    def test_a_value_of_100_mb(self, place: Place, kind: str) -> None:
        """One value of 100 MB comes back equal, or is refused."""
        case = HUGE[kind]()
        try:
            place.load([{"v": case.value}], columns={"v": dict(case.hints)} if case.hints else {})
        except LadleError as error:
            assert type(error) is self.refusals.get(case.name), error  # noqa: PT017 - which, depends
            assert place.destination.limits.tables_first or "t" not in place.tables()
            return
        found = place.arrow().column("v")[0]
        assert compared(case, "rows", {"v": found}).outcome == "equal"
