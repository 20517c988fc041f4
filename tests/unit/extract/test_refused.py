"""Refused values located, and the errors they become."""

from __future__ import annotations

import pytest

from ladle.extract.refused import Refused, Where, column_path, to_error

WHERE = Where("issues", "issues_raw", 10)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", 2, "c"], "a.b[2].c"),
        ([0, 1], "[0][1]"),
        (["a", 0, 1, "b"], "a[0][1].b"),
    ],
)
def test_paths_read_as_people_write_them(path: list[str | int], text: str) -> None:
    assert column_path(path) == text


def test_where_moves_to_another_row() -> None:
    assert WHERE.at(50) == Where("issues", "issues_raw", 50)


def test_the_error_says_where_and_what_to_do() -> None:
    refused = Refused(2, range)
    refused.under_key("tags")
    assert str(to_error(refused, WHERE)).splitlines() == [
        "cannot store a value of type `range` in column `tags`",
        "  resource=`issues` table=`issues_raw` column=`tags` row=`12`",
        "  expected: null, bool, number, text, bytes, date, time, list or dict",
        '  hint: return a list, or map it: issues.add_map(lambda r: {**r, "tags": list(r["tags"])})',
    ]


def test_the_row_is_that_of_the_outermost_list() -> None:
    refused = Refused(7, complex)
    refused.under_key("c")
    refused.under_list(3, 1)
    refused.under_key("b")
    error = to_error(refused, WHERE)
    assert (error.facts["column"], error.facts["row"]) == ("b[1].c", 13)


def test_without_a_column_there_is_none_in_the_error() -> None:
    assert to_error(Refused(0, complex), WHERE).what == "cannot store a value of type `complex`"


def test_a_reason_brings_its_own_hint() -> None:
    error = to_error(Refused(0, str, "too much", hint="take less"), WHERE)
    assert (error.what, error.expected, error.hint) == (
        "cannot store a value of type `str`: too much",
        None,
        "take less",
    )
