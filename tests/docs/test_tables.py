"""The tables of the pages say what the code has: types, limits, guarantees, arguments, differences."""

from __future__ import annotations

import csv
import importlib
import inspect
import re
from typing import Any

import pytest
from tests.docs.snippets import ROOT
from tests.parity.differences import KNOWN_DIFFERENCES

import ladle
from ladle import cli
from ladle.destinations.base import GUARANTEES
from ladle.destinations.registry import ENTRIES, factory
from ladle.schema.naming_rules import ByteLength
from ladle.schema.table import DATA_TYPES, Column
from ladle.schema.types import arrow_type


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, header row left out."""
    below = text.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", below, flags=re.MULTILINE)
    assert table, heading
    lines = [line.strip().strip("|").split(" | ") for line in table[0].splitlines()]
    return [[cell.strip() for cell in line] for line in lines[2:]]


TYPES = rows(page("destinations"), "## Types")
SIZES = {"p,s": (10, 2), "p": (20, None)}


def sql_type(module: str, column: Column) -> str:
    """Return what a destination makes of a column."""
    return importlib.import_module(module).column_type(column)  # type: ignore[no-any-return]


def columns_named(cell: str) -> list[Column]:
    """Return the columns that the first cell of a row of the table of types describes."""
    kind = re.match(r"`(\w+)", cell)[1]  # type: ignore[index]
    if "timezone: False" in cell:
        return [Column("c", data_type=kind, timezone=False)]
    sizes = re.findall(r"\(([\w,]+)\)", cell)
    found = []
    for size in sizes or [""]:
        precision, scale = SIZES.get(size, (int(size) if size.isdigit() else None, None))
        found.append(Column("c", data_type=kind, precision=precision, scale=scale))
    return found


@pytest.mark.parametrize("row", TYPES, ids=lambda row: row[0])
def test_types_are_those_of_the_destinations(row: list[str]) -> None:
    columns = columns_named(row[0])
    for cell, module in (
        (row[1], "ladle.destinations.duckdb"),
        (row[2], "ladle.destinations.postgres_types"),
    ):
        expected = [text.replace("(p,s)", "(10,2)") for text in re.findall(r"`([^`]+)`", cell)]
        assert [sql_type(module, column) for column in columns] == expected[: len(columns)]
    arrow = [str(arrow_type(column)) for column in columns]
    expected = [row[3].replace("(p, s)", "(10, 2)")] if len(columns) == 1 else row[3].split(", ")
    assert arrow == expected


def test_every_data_type_is_in_the_table_of_types() -> None:
    assert {re.match(r"`(\w+)", row[0])[1] for row in TYPES} == set(DATA_TYPES)  # type: ignore[index]


def _length(limit: int | None) -> str:
    if limit is None:
        return "no limit"
    return f"{limit} {'bytes' if isinstance(limit, ByteLength) else 'characters'}"


def test_limits_are_those_of_the_destinations() -> None:
    limits = [
        factory("duckdb")("x.duckdb").limits,
        factory("postgres")("postgresql://localhost/x").limits,
        factory("filesystem")("x").limits,
    ]
    table, column, digits, nul, _nan = rows(page("destinations"), "## Limits")
    for cells, name in ((table, "max_table_name"), (column, "max_column_name")):
        wanted = [getattr(limit, name) for limit in limits]
        assert cells[1:] == [_length(limit) for limit in wanted]
    assert digits[1:] == [str(limit.wei_digits) for limit in limits]
    assert [cell == "kept" for cell in nul[1:]] == [limit.holds_nul for limit in limits]


def test_guarantees_are_those_of_the_destinations() -> None:
    text = page("destinations")
    named = next(line for line in text.splitlines() if line.startswith("| guarantee |"))
    made = [
        factory("duckdb")("x"),
        factory("postgres")("postgresql://localhost/x"),
        factory("filesystem")("x"),
        ladle.destination(lambda items, table: None)(),
    ]
    assert [cell.strip() for cell in named.strip("|").split("|")[1:]] == [d.guarantee for d in made]
    shown = {row[0]: row[1] for row in rows(page("how_it_works"), "## Commit and guarantee")}
    assert shown == GUARANTEES


@pytest.mark.parametrize("name", list(ENTRIES))
def test_signatures_of_destinations_are_shown_whole(name: str) -> None:
    text = " ".join(page("destinations").split())
    shown = re.search(rf"`ladle\.destinations\.{name}\((.*?)\)`", text)
    assert shown
    assert shown[1].split(", ") == _spelled(inspect.signature(factory(name)))


def _spelled(signature: inspect.Signature) -> list[str]:
    words: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            words.append(f"**{parameter.name}")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(f"{parameter.name}={parameter.default!r}")
    return words


@pytest.mark.parametrize(
    ("function", "name", "heading"),
    [
        (ladle.pipeline, "pipeline", "## ladle.pipeline"),
        (ladle.Pipeline.run, "pipeline", "## Pipeline.run"),
        (ladle.resource, "resources", "## Hints"),
    ],
    ids=["pipeline", "run", "resource"],
)
def test_every_argument_is_explained(function: Any, name: str, heading: str) -> None:
    below = page(name).split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    arguments = set(inspect.signature(function).parameters) - {"self"}
    if function is ladle.resource:
        arguments -= {"data"}
    assert {name for name in arguments if f"`{name}`" not in below} == set()


def test_every_command_is_explained() -> None:
    below = page("pipeline").split("\n## Command line\n", 1)[1]
    names = {command.name or command.callback.__name__ for command in cli.app.registered_commands}  # type: ignore[union-attr]
    assert {name for name in names if f"`ladle {name}" not in below} == set()


def test_every_error_is_explained() -> None:
    assert {
        name for name in ladle.errors.__all__ if name[0].isupper() and f"{name}" not in page("errors")
    } == set()


def test_every_known_difference_is_named() -> None:
    text = page("differences")
    assert {known.name for known in KNOWN_DIFFERENCES if f"`{known.name}`" not in text} == set()


def test_every_reason_of_the_coercion_table_is_named() -> None:
    with (ROOT / "tests" / "golden" / "coercion.csv").open(encoding="utf-8") as file:
        reasons = {row["reason"] for row in csv.DictReader(file) if row["reason"]}
    assert {row[0] for row in rows(page("differences"), "## Coercion")} == reasons
