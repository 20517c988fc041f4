"""What a destination promises of a load: one of five grades for each way of writing, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from ladle.destinations.base import GUARANTEES, Destination
from ladle.errors import UsageError
from ladle.schema.change import REPLACES

GRADES = tuple(GUARANTEES)
"""Strongest first."""

_RESTS_ON = {
    "G4": "data, tables, schema, state and the row of `_dlt_loads` are one transaction",
    "G3": "each table is committed by itself, the row of `_dlt_loads` last",
    "G2": "what comes again has the same key, and takes the place of what was there",
    "G1": "what isn't known to have arrived is given again",
    "G0": "nothing is looked at",
}
_LOAD_ID = "before a load is tried again, its load id is looked for"
_KEYED = "rows are told apart by their keys: a null equals nothing, so a row without its key is added"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a destination promises of a load.

    Attributes:
        grade: `G4` (exactly once, all tables at once) to `G0` (best effort).
        destination: its name.
        strategy: how rows meet what is there: `append`, or a strategy of replace or of merge.
        rests_on: what has to hold for it.
    """

    grade: str
    destination: str
    strategy: str
    rests_on: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the grade means."""
        return GUARANTEES[self.grade]

    def reaches(self, wanted: str) -> bool:
        """Whether it promises as much as the grade `wanted`, or more.

        Raises:
            UsageError: no such grade.
        """
        return GRADES.index(self.grade) <= GRADES.index(checked_grade(wanted))

    def __str__(self) -> str:
        lines = [f"{self.grade} {self.text} ({self.strategy} into {self.destination})"]
        return "\n".join([*lines, *(f"  {line}" for line in self.rests_on)])


def checked_grade(grade: str) -> str:
    """Return a grade.

    Raises:
        UsageError: there is none of that name.
    """
    if grade not in GRADES:
        raise UsageError.unknown_choice("guarantee", grade, GRADES)
    return grade


def guarantee_of(destination: Destination, strategy: str) -> Guarantee:
    """Return what a destination promises of a load by one strategy.

    A destination declares its grade. It may say in `weaker` which strategies have less, as a mapping of
    grades by strategy, and in `rests_on` what has to hold.

    Args:
        destination: of the load.
        strategy: `append`, or one of replace or of merge.

    Raises:
        UsageError: it can't do that.
    """
    limits = destination.limits
    plain = strategy in ("append", *REPLACES)
    # Who names no strategy of replace has a way of its own, whatever is asked for.
    able = (*(limits.replaces or REPLACES), "append", *limits.merges)
    if limits.dispositions and strategy not in able:
        raise UsageError(
            f"`{destination.name}` can't {'replace' if plain else 'merge'} by `{strategy}`",
            expected=", ".join(able),
        )
    grade = getattr(destination, "weaker", {}).get(strategy, destination.guarantee)
    rests_on = tuple(getattr(destination, "rests_on", ())) or _rests_on(grade)
    if limits.dispositions and not plain:
        rests_on = (*rests_on, _KEYED)
    return Guarantee(grade, destination.name, strategy, rests_on)


def _rests_on(grade: str) -> tuple[str, ...]:
    return (_RESTS_ON[grade], _LOAD_ID) if grade in ("G4", "G3") else (_RESTS_ON[grade],)


def weakest(found: list[Guarantee]) -> Guarantee:
    """Return the one that promises least; the first of several."""
    return max(found, key=lambda one: GRADES.index(one.grade))
