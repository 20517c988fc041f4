"""Contracts as values: how they are spelt, and which one holds."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.schema.contract import Contract, contract_of, is_new
from ladle.schema.table import Column, Table

FREEZE = Contract("freeze", "freeze", "freeze")


@pytest.mark.parametrize(
    ("given", "contract"),
    [
        ("freeze", FREEZE),
        ({}, Contract()),
        ({"columns": "discard_row"}, Contract(columns="discard_row")),
        (FREEZE, FREEZE),
    ],
)
def test_how_contracts_are_spelt(given: Any, contract: Contract) -> None:
    assert Contract.of(given) == contract
    assert Contract.of(contract.to_dict()) == contract


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("freez", "did you mean `freeze`"),
        ({"column": "freeze"}, "did you mean `columns`"),
        ({"data_type": "discard"}, "did you mean `discard_row`"),
        (7, "expected: one of evolve, freeze"),
        (None, "expected: one of evolve, freeze"),
    ],
)
def test_misspelt_contracts_name_the_nearest(given: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        Contract.of(given)


def test_a_new_table_is_free_but_for_its_being_there() -> None:
    assert FREEZE.for_new_table() == Contract(tables="freeze")
    assert not FREEZE.is_open
    assert Contract().is_open


def table(contract: Any = None, **extra: Any) -> Table:
    made = Table("t", {"v": Column("v", "bigint")})
    return made.with_extra(schema_contract=contract, **extra)


@pytest.mark.parametrize(
    ("own", "root", "settings", "default", "expected"),
    [
        ("freeze", "evolve", "evolve", "evolve", "freeze"),
        (None, "freeze", "evolve", "evolve", "freeze"),
        (None, None, "freeze", "evolve", "freeze"),
        (None, None, None, "freeze", "freeze"),
        ("evolve", "freeze", "freeze", "freeze", "evolve"),
        ({"columns": "evolve"}, "freeze", "freeze", "freeze", "evolve"),
    ],
)
def test_the_first_that_says_holds_as_a_whole(
    own: Any, root: Any, settings: Any, default: str, expected: str
) -> None:
    of_schema = {"schema_contract": settings} if settings else {}
    assert contract_of(table(own), table(root), of_schema, Contract.of(default)) == Contract.of(expected)


def test_a_table_is_new_until_it_has_typed_columns_with_data() -> None:
    seen = {"x-normalizer": {"seen-data": True}}
    assert is_new(None)
    assert is_new(table())
    assert not is_new(table(**seen))
    assert is_new(Table("t", {"v": Column("v")}).with_extra(**seen))
