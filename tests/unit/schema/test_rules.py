"""Rules as values: how they are written, refused, stored, named and joined."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from ladle import rules
from ladle.errors import UsageError
from ladle.schema.naming import naming
from ladle.schema.rule import Rule
from ladle.schema.rule_forms import declared, from_dict, joined, rules_of, without_code
from ladle.schema.rule_sql import without_columns

SNAKE = partial(naming("snake_case").fit, max_length=None)


def accepts(batch: Any) -> Any:
    return batch


EACH = [
    rules.not_null("userId"),
    rules.not_null("userId", severity="warn", name="ids", description="every row has one"),
    rules.unique("userId", "At"),
    rules.accepted("kind", ["a", 1, 1.5, True, Decimal("2.50"), date(2026, 1, 2)]),
    rules.between("amount", 0, Decimal("10.5"), inclusive="low"),
    rules.between("at", datetime(2026, 1, 1), None),
    rules.matches("mail", r"[^@]+@[^@]+"),
    rules.length("name", 1, 20),
    rules.condition("userId > 0 AND lower(kind) <> 'x'"),
    rules.check(accepts),
    rules.check(f"{__name__}:accepts", each="row"),
    rules.exists_in(["userId"], "Users", ["Id"]),
    rules.fresh("at", timedelta(hours=1)),
    rules.fresh("at", timedelta(hours=1), severity="warn"),
    rules.row_count(1, 100),
]


@pytest.mark.parametrize("rule", EACH, ids=lambda r: r.label)
def test_the_plain_form_gives_the_rule_again(rule: Rule) -> None:
    stored = rule.to_dict()
    assert stored["rule"] == rule.kind
    assert from_dict(stored) == rule
    assert from_dict({**stored, "in_code": True}) == rule


@pytest.mark.parametrize("rule", EACH, ids=lambda r: r.label)
def test_names_become_those_of_the_schema_once(rule: Rule) -> None:
    named = rule.named(SNAKE, SNAKE)
    assert all(name == SNAKE(name) for name in named.about)
    assert named.named(SNAKE, SNAKE) == named
    assert len(named.about) == len(rule.about)


def test_names_of_both_tables_change() -> None:
    assert EACH[11].named(SNAKE, SNAKE) == rules.exists_in("user_id", "users", "id")


def test_a_rule_is_called_as_it_is_written() -> None:
    assert [rule.label for rule in EACH] == [
        "not_null(userId)",
        "ids",
        "unique(userId, At)",
        "accepted(kind)",
        "between(amount, 0, 10.5)",
        "between(at, 2026-01-01T00:00:00)",
        "matches(mail)",
        "length(name, 1, 20)",
        "userId > 0 AND lower(kind) <> 'x'",
        "check(accepts)",
        "check(accepts)",
        "exists_in(userId, Users)",
        "fresh(at)",
        "fresh(at)",
        "row_count(1, 100)",
    ]


def test_values_are_kept_as_json_has_them() -> None:
    assert rules.accepted("a", [Decimal("1.50"), date(2026, 1, 2), 1 << 70, True, 1]).values == (
        "1.50",
        "2026-01-02",
        "1180591620717411303424",
        True,
        1,
    )
    assert rules.accepted("a", {"b", "a"}) == rules.accepted("a", ["a", "b"])


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: rules.not_null(""), "`column` of rule `not_null` can't be ``"),
    (lambda: rules.not_null("a", severity="rejct"), "`severity` of rule `not_null` can't be `rejct`"),  # type: ignore[arg-type]
    (lambda: rules.unique(), "`columns` of rule `unique` can't be `()`"),
    (lambda: rules.unique("a", "a"), "`columns` of rule `unique` names a column twice: a, a"),
    (lambda: rules.accepted("a", []), "`values` of rule `accepted` is empty"),
    (lambda: rules.accepted("a", "abc"), "`values` of rule `accepted` can't be `abc`"),
    (lambda: rules.accepted("a", [None]), "`values` of rule `accepted` can't be `None`"),  # type: ignore[list-item]
    (lambda: rules.between("a"), "rule `between` has no limit"),
    (lambda: rules.between("a", 2, 1), "rule `between` accepts nothing: low is 2, high is 1"),
    (lambda: rules.between("a", Decimal(10), Decimal(9)), "rule `between` accepts nothing: low is 10, high is 9"),
    (lambda: rules.between("a", float("nan")), "`low` of rule `between` can't be `nan`"),
    (lambda: rules.between("a", 1, inclusive="bth"), "`inclusive` of rule `between` can't be `bth`"),  # type: ignore[arg-type]
    (lambda: rules.matches("a", "(?=x)"), "`regex` of rule `matches` can't be `(?=x)`"),
    (lambda: rules.length("a", -1), "`low` of rule `length` can't be `-1`"),
    (lambda: rules.length("a", 3, 2), "rule `length` accepts nothing: low is 3, high is 2"),
    (lambda: rules.fresh("a", timedelta(0)), "`within_s` of rule `fresh` can't be `datetime.timedelta(0)`"),
    (lambda: rules.fresh("a", timedelta(1), severity="reject"), "rule `fresh` can't have severity `reject`"),  # type: ignore[arg-type]
    (lambda: rules.row_count(), "rule `row_count` has no limit"),
    (lambda: rules.exists_in(["a", "b"], "t", "a"), "rule `exists_in` compares 2 columns with 1 of `t`"),
    (lambda: rules.check(lambda b: b), "`function` of rule `check` can't be `<lambda>.<locals>.<lambda>`: another process couldn't find it again"),
    (lambda: rules.check("accepts"), "`function` of rule `check` can't be `accepts`"),
    (lambda: from_dict("not_null(a)"), "a rule can't be `not_null(a)`"),
    (lambda: from_dict({"rule": "not_nul"}), "unknown rule `not_nul`"),
    (lambda: from_dict({"rule": "not_null", "colum": "a"}), "rule `not_null` has no `colum`"),
    (lambda: from_dict({"rule": "not_null"}), "rule `not_null` has no `column`"),
    (lambda: rules_of("not_null"), "rules can't be `not_null`"),
    (lambda: rules_of(lambda item: []), None),  # type: ignore[list-item]
    (lambda: rules_of([rules.not_null("a", name="x"), rules.unique("a", name="x")]), "two rules of one table are called `x`"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "what"), BAD, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_rules_are_refused_where_they_are_written(made: Callable[[], Any], what: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        made()
    assert what is None or caught.value.what == what
    assert caught.value.expected
    assert len(str(caught.value).splitlines()) <= 4


def test_the_nearest_name_is_shown() -> None:
    with pytest.raises(UsageError, match="did you mean `reject`"):
        rules.not_null("a", severity="rejct")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="did you mean `column`"):
        from_dict({"rule": "not_null", "colum": "a"})


@pytest.mark.parametrize(
    "sql",
    [
        "a IN (SELECT 1)",
        "EXISTS (FROM other)",
        "a > 0 UNION SELECT 1",
        "x; DROP TABLE y",
        "DROP TABLE y",
        "ATTACH 'x'",
        "sum(a) > 1",
        "row_number() OVER () > a",
        "a > $1",
        "a > random()",
        "getenv('HOME') = a",
        "read_text('x') = a",
        "unnest(a) = 1",
        "*",
        "a AS b",
        "1 = 1",
        "t.a = 1",
        "a >",
        "",
    ],
)
def test_a_condition_is_an_expression_over_the_columns_of_a_row(sql: str) -> None:
    with pytest.raises(UsageError):
        rules.condition(sql)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("userId > 0", '"user_id" > 0'),
        ("a ~ 'x' -- what ~ means must stay", "\"a\" ~ 'x' -- what ~ means must stay"),
        ("userId = 'userId'", "\"user_id\" = 'userId'"),
        ('"User Id" IS NULL', '"user_id" IS NULL'),
        ("date::date < date '2026-01-01'", "\"date\"::date < date '2026-01-01'"),
        ("lower(lower) = 'x'", "lower(\"lower\") = 'x'"),
        ("len(list_filter([1], x -> x > A)) = 1", 'len(list_filter([1], x -> x > "a")) = 1'),
    ],
)
def test_only_the_columns_of_a_condition_change(sql: str, named: str) -> None:
    assert rules.condition(sql).named(SNAKE, SNAKE).sql == named


def test_columns_that_a_batch_lacks_are_null() -> None:
    assert without_columns('"a" > 0 OR "b" = \'a\'', frozenset({"a"})) == "NULL > 0 OR \"b\" = 'a'"


def test_a_later_rule_of_the_same_name_takes_the_place() -> None:
    first, second = rules.between("a", 0, 1, name="x"), rules.between("a", 0, 2, name="x")
    other = rules.not_null("a")
    assert joined([first, other], [second]) == (second, other)
    assert joined(None, [first]) == joined([first], None) == (first,)
    assert joined(None, None) is None


def test_rules_of_the_code_are_said_anew_those_of_a_file_stay() -> None:
    file, code = rules.not_null("a"), rules.unique("a")
    stored = declared([file.to_dict()], [code])
    assert [from_dict(s) for s in stored] == [file, code]
    assert without_code(stored) == [file.to_dict()]
