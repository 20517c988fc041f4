"""Rows that a model refuses, and values that a contract does: rejects hold protected values only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pydantic
import pytest
from tests.e2e.protected_story import CANARY, KEY, MAIL, NUMBER, leaks, scan

import ladle
from ladle.errors import LadleError

pytest.importorskip("ladle.extract.rejects", reason="models refuse rows with part `models`")


class User(pydantic.BaseModel):
    id: int | None
    mail: Annotated[str, ladle.tag(pii="email", protect="hash")]
    age: Annotated[int | None, ladle.tag(protect="hash")] = None
    person: Annotated[dict[str, Any] | None, {"protect": "hash"}] = None

    @pydantic.field_validator("mail")
    @classmethod
    def has_at(cls, value: str) -> str:
        if "@" not in value:
            raise ValueError(f"{value} has no @")
        return value


BAD = [
    {"id": "x", "mail": MAIL, "age": NUMBER},
    {"id": 2, "mail": CANARY, "age": NUMBER},
    {"id": 3, "mail": {"a": CANARY}},
    {"id": 4, "mail": MAIL, "age": CANARY, "person": {"name": CANARY}},
    {"id": 5, "mail": MAIL, "person": CANARY},
    {"id": 6, "mail": MAIL, "extra": 1},
]


@pytest.fixture
def pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Any]:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("GOVERNANCE__PII_KEY", KEY)
    destination = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    p = ladle.pipeline("people", tmp_path / "work", destination=destination, dataset_name="ds")
    yield p
    assert not leaks(caplog.text.encode())
    assert not leaks(repr((p.state, str(p.last_trace))).encode())
    scan(tmp_path / "work")
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        for schema, name in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall():
            found = repr(connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall())
            assert not leaks(found.encode()), (name, found)


@pytest.mark.parametrize("mode", ["discard_row", "evolve"])
@pytest.mark.parametrize("columns", ["discard_row", "discard_value", "evolve"])
def test_rejects_of_a_model(mode: str, columns: str, pipeline: Any) -> None:
    rows = [{"id": 1, "mail": MAIL, "age": NUMBER, "person": {"name": CANARY}}, *BAD]
    contract = {"data_type": mode, "columns": columns}
    pipeline.run(ladle.resource(rows, name="users", columns=User, schema_contract=contract))
    assert pipeline.dataset()("SELECT count(*) FROM users").fetchall()[0][0] >= 1


@pytest.mark.parametrize("row", BAD, ids=lambda r: str(r["id"]))
def test_errors_of_a_model(row: Any, pipeline: Any) -> None:
    contract = {"data_type": "freeze", "columns": "freeze"}
    pipeline.run(ladle.resource([{"id": 1, "mail": MAIL}], name="users", columns=User))
    with pytest.raises(LadleError) as caught:
        pipeline.run(ladle.resource([row], name="users", columns=User, schema_contract=contract))
    error: BaseException | None = caught.value
    while error is not None:
        assert not leaks(f"{error} {error!r} {vars(error)}".encode()), error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("mode", ["discard_row", "discard_value", "freeze"])
def test_contracts_see_protected_values(mode: str, pipeline: Any) -> None:
    hints = {"mail": {"protect": "hash"}, "n": {"data_type": "bigint"}}
    first = ladle.resource([{"mail": MAIL, "n": 1}], name="t", columns=hints)
    pipeline.run(first)
    second = ladle.resource(
        [{"mail": CANARY, "n": "none", "new": 1}], name="t", columns=hints, schema_contract=mode
    )
    if mode == "freeze":
        with pytest.raises(LadleError) as caught:
            pipeline.run(second)
        assert not leaks(str(caught.value).encode())
    else:
        pipeline.run(second)


class Odd:
    def __repr__(self) -> str:
        return f"Odd({MAIL})"


@pytest.mark.parametrize(
    "row",
    [[MAIL], MAIL, {"id": 1, "mail": Odd()}, {"id": 1, "mail": {CANARY: {1: 2}}}, Odd()],
    ids=["list", "text", "value", "key", "object"],
)
def test_rejects_of_odd_items(row: Any, pipeline: Any) -> None:
    contract = {"data_type": "discard_row", "columns": "evolve"}
    pipeline.run(
        ladle.resource([{"id": 1, "mail": MAIL}, row], name="users", columns=User, schema_contract=contract)
    )


def test_a_field_is_hidden_however_its_column_is_spelt(pipeline: Any) -> None:
    class Spelt(pydantic.BaseModel):
        id: int
        eMail: int

    people = ladle.resource([{"id": 1, "eMail": MAIL}], name="people", columns=Spelt)
    people.apply_hints(columns={"e_mail": {"protect": "hash"}})
    with pytest.raises(LadleError) as caught:
        pipeline.run(people)
    assert "value=`***`" in str(caught.value)
    assert not leaks(str(caught.value).encode())
