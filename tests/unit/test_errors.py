"""Errors: four lines at most, facts as attributes, nothing in them can make them fail."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import ladle
from ladle import errors
from ladle.errors import LadleError, PipelineStepFailed, UsageError, shorten

CLASSES = [getattr(errors, name) for name in errors.__all__ if name != "shorten"]


class Nasty:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_has_four_lines_at_most(cls: type[LadleError]) -> None:
    error = cls("what", expected="this", hint="do that", table="t", row=3, value="a\nb" * 100, odd=Nasty())
    lines = str(error).split("\n")
    assert lines[0] == "what"
    assert lines[1].startswith("  table=`t` row=`3` value=`a\\nb")
    assert lines[2:] == ["  expected: this", "  hint: do that"]
    assert max(map(len, lines)) < 300


@pytest.mark.parametrize("cls", CLASSES)
def test_lines_that_have_nothing_to_say_are_left_out(cls: type[LadleError]) -> None:
    assert str(cls("what", table=None)) == "what"


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_can_be_copied_and_pickled(cls: type[LadleError]) -> None:
    error = cls("what", expected="e", hint="h", table="t")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again), again.facts) == (cls, str(error), error.facts)


def test_every_class_is_in_the_tree_of_the_docstring() -> None:
    assert all(cls.__name__ in (errors.__doc__ or "") for cls in CLASSES)


@pytest.mark.parametrize(
    ("cls", "base"),
    [
        ("UsageError", ValueError),
        ("MissingDependency", ImportError),
        ("SourceError", PipelineStepFailed),
        ("CommitUnknown", errors.DestinationError),
        ("PackageError", PipelineStepFailed),
    ],
)
def test_what_catches_what(cls: str, base: type) -> None:
    assert issubclass(getattr(ladle.errors, cls), base)


def test_facts_are_attributes_and_the_first_to_know_wins() -> None:
    error = PipelineStepFailed("what", step="normalize")
    assert error.with_facts(step="extract", load_id="1.5", table=None) is error
    assert (error.step, error.load_id) == ("normalize", "1.5")
    with pytest.raises(AttributeError):
        _ = error.table


def test_the_cause_is_the_exception() -> None:
    cause = ValueError("x")
    with pytest.raises(PipelineStepFailed) as caught:
        raise PipelineStepFailed("what") from cause
    assert caught.value.exception is cause
    alone = PipelineStepFailed("what")
    assert alone.exception is alone


def test_only_some_destination_errors_ask_for_a_retry() -> None:
    assert [
        c("w").retryable for c in (errors.DestinationError, errors.CommitFailed, errors.CommitUnknown)
    ] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "abc"),
        ("x" * 100, "x" * 79 + "…"),
        ("a\nb", "a\\nb"),
        (1.5, "1.5"),
        ([1, 2], "[1, 2]"),
        (list(range(9)), "0, 1, 2, 3, 4 and 4 more"),
        (Nasty(), "<Nasty whose repr fails with RuntimeError>"),
    ],
)
def test_values_are_shortened(value: Any, text: str) -> None:
    assert shorten(value) == text


def test_unknown_choice_names_value_choices_and_the_nearest() -> None:
    assert str(UsageError.unknown_choice("colour", "gren", ["red", "green"])).splitlines() == [
        "unknown colour `gren`",
        "  expected: one of red, green",
        "  hint: did you mean `green`?",
    ]
    assert UsageError.unknown_choice("colour", "zzz", ["red"]).hint is None
