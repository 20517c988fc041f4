"""Whatever the names and kinds, every value that went in comes out, once."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.documents import documents
from tests.properties.outcome import outcome

NASTY = st.text(st.sampled_from("aAbB_-1 .é日\"'"), max_size=4)


def numbered(value: Any, counter: Any, wanted: Counter[str]) -> Any:
    """Give each leaf a value of its own, of the kind the leaf asks for."""
    if isinstance(value, dict):
        return {k: numbered(v, counter, wanted) for k, v in value.items()}
    if isinstance(value, list):
        return [numbered(v, counter, wanted) for v in value]
    number = next(counter)
    leaf: Any = {"int": 1000 + number, "text": f"t{number}", "float": number + 0.25}[value]
    wanted[str(leaf)] += 1
    return leaf


def landed(rows: Any, **hints: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for types, table in outcome(rows, **hints).values():
        for row in table:
            for name in types:
                if row[name] != "None" and not name.startswith("_dlt"):
                    found[row[name].strip("'").removesuffix(".0")] += 1
    return found


@given(template=documents(st.just("text"), NASTY))
def test_keys_that_collide(template: list[Any]) -> None:
    wanted: Counter[str] = Counter()
    assert landed(numbered(template, itertools.count(), wanted)) == wanted


@given(template=documents(st.sampled_from(["text", "int", "float"])))
def test_kinds_that_differ(template: list[Any]) -> None:
    wanted: Counter[str] = Counter()
    assert landed(numbered(template, itertools.count(), wanted)) == wanted


@given(
    template=documents(st.sampled_from(["text", "int", "float"])),
    kind=st.sampled_from(["bigint", "bool", "date", "json"]),
)
def test_columns_declared_otherwise(template: list[Any], kind: str) -> None:
    wanted: Counter[str] = Counter()
    rows = numbered(template, itertools.count(), wanted)
    columns = {name: {"data_type": kind} for name in ("a", "v", "a__b")}
    text = " ".join(landed(rows, columns=columns))
    lost = [leaf for leaf in wanted if leaf not in text and kind != "date"]
    assert not lost
