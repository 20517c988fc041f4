"""Detectors suggest tags, and never act."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

import ladle
from ladle.cli import app
from ladle.errors import UsageError
from ladle.governance.detect import DETECTORS, is_card, is_email, is_iban, is_ip, is_phone, named

YES = {
    "email": ["ada@example.org", "a.b+c@x.y.co", "ü@exämple.de"],
    "phone": ["+49 30 1234-567", "+1 (202) 555-0143", "0044 20 7946 0000", "+4930123456"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "no9386011117947"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "ip": ["127.0.0.1", "2001:db8::1", "::1"],
}
NO = {
    "email": [
        "ada@example",
        "@example.org",
        "a b@c.de",
        "a@b@c.de",
        "a@b..c",
        f"{'a' * 260}@b.cd",
        "<a@b.cd>",
        "",
    ],
    "phone": ["12345678", "2026-01-02", "+12", "+1234567890123456", "1.5", "+0123456789"],
    "iban": ["DE88 3704 0044 0532 0130 00", "DE89", "XX", "4111111111111111"],
    "card": ["4111 1111 1111 1112", "0000000000000000", "411111", "9111111111111111"],
    "ip": ["1.2.3", "256.1.1.1", "12345", "10:30", "1.2.3.4.5"],
}


@pytest.mark.parametrize("pii", DETECTORS)
def test_detectors(pii: str) -> None:
    assert all(map(DETECTORS[pii], YES[pii]))
    assert not any(map(DETECTORS[pii], NO[pii]))
    others = [text for other, texts in YES.items() if other != pii for text in texts]
    assert not any(map(DETECTORS[pii], others))


def test_detectors_are_functions_of_their_own() -> None:
    assert [is_email, is_iban, is_card, is_ip, is_phone] == list(DETECTORS.values())


@pytest.mark.parametrize(
    ("pii", "names", "others"),
    [
        ("email", ["email", "e_mail", "user_mail", "mails"], ["emailed_at", "mailbox_size", "gmail"]),
        ("phone", ["phone", "telephone", "mobile_number", "tel"], ["telemetry", "phonetic", "hotel"]),
        ("card", ["card", "credit_card", "card_no"], ["cardinality", "scorecard", "pancake"]),
        ("ip", ["ip", "client_ip", "ip_address", "ipv4"], ["zip", "tip", "recipient"]),
        ("iban", ["iban", "payer_iban"], ["ibanez"]),
    ],
)
def test_names(pii: str, names: list[str], others: list[str]) -> None:
    assert all(named(pii, name) for name in names)
    assert not any(named(pii, name) for name in others)


ROWS = [
    {
        "id": i,
        "Mail": f"user{i}@example.org",
        "contact": {"phone": 30123450 + i, "note": "call"},
        "cards": ["4111 1111 1111 1111", "5500000000000004"],
        "visits": [{"ip": "10.0.0.1", "page": "/"}],
        "text": f"user{i}@example.org" if i == 0 else "none",
        "active": True,
        "share": 1.5,
        "nothing": None,
    }
    for i in range(20)
]
FOUND = {
    ("t", "mail"): ("email", 1.0, 20, True),
    ("t", "contact__phone"): ("phone", 1.0, 20, True),
    ("t__cards", "value"): ("card", 1.0, 40, False),
    ("t__visits", "ip"): ("ip", 1.0, 20, True),
}


def found(report: Any) -> dict[tuple[str, str], tuple[str, float, int, bool]]:
    return {(s.table, s.column): (s.pii, s.share, s.values, s.named) for s in report.suggestions}


def pipeline(folder: Path) -> Any:
    destination = ladle.destinations.duckdb(str(folder / "x.duckdb"))
    return ladle.pipeline("p", folder, destination=destination, dataset_name="ds")


def test_rows_frames_resources_sources_and_what_was_loaded_give_the_same(tmp_path: Path) -> None:
    suggest = ladle.governance.suggest_tags
    resource = ladle.resource(lambda: iter([ROWS[:5], *ROWS[5:]]), name="t")
    source = ladle.source(lambda: resource, name="s")()
    p = pipeline(tmp_path)
    p.run(ROWS, table_name="t")
    flat = [{k: r[k] for k in ("id", "Mail", "text")} for r in ROWS]
    for data in (resource, source, p, p.dataset()):
        assert found(suggest(data)) == FOUND
    assert found(suggest(ROWS, table_name="t")) == FOUND
    for data in (pa.Table.from_pylist(flat), [pa.Table.from_pylist(flat)], pa.RecordBatch.from_pylist(flat)):
        assert found(suggest(data, table_name="t")) == {("t", "mail"): FOUND["t", "mail"]}


def test_objects_are_rows() -> None:
    @dataclasses.dataclass
    class User:
        email: str

    assert found(ladle.governance.suggest_tags([User("a@b.cd")])) == {
        ("data", "email"): ("email", 1.0, 1, True)
    }


def test_the_share_decides_and_a_name_helps() -> None:
    rows = [{"a": "x@y.zz", "mail": "none", "b": "x"} for _ in range(4)]
    rows += [{"a": "none", "mail": "x@y.zz", "b": "x@y.zz"}]
    assert found(ladle.governance.suggest_tags(rows)) == {
        ("data", "a"): ("email", 0.8, 5, False),
        ("data", "mail"): ("email", 0.2, 5, True),
    }


def test_only_so_many_rows_are_read() -> None:
    read: list[int] = []

    def rows() -> Any:
        for i in range(100):
            read.append(i)
            yield {"a": "x@y.zz"}

    assert (
        ladle.governance.suggest_tags(ladle.resource(rows, name="t"), sample_rows=3).suggestions[0].values
        == 3
    )
    assert len(read) < 100
    with pytest.raises(UsageError, match="1 or more"):
        ladle.governance.suggest_tags([], sample_rows=0)


@pytest.mark.parametrize("data", [5, "text", {"a": 1}, None])
def test_other_data_is_refused(data: Any) -> None:
    with pytest.raises(UsageError, match="can't look into"):
        ladle.governance.suggest_tags(data)


def test_what_is_tagged_is_left_out_and_examples_are_masked(tmp_path: Path) -> None:
    hints = {"Mail": {"tags": {"pii": "email"}}}
    resource = ladle.resource(ROWS, name="t", columns=hints)
    rest = {place: what for place, what in FOUND.items() if place != ("t", "mail")}
    assert found(ladle.governance.suggest_tags(resource)) == rest
    p = pipeline(tmp_path)
    p.run(resource)
    assert found(ladle.governance.suggest_tags(p)) == rest
    report = ladle.governance.suggest_tags(ROWS)
    for text in (str(report), repr(report), report.yaml(), str(report.asdict())):
        assert "example.org" not in text
        assert "4111" not in text
    assert "data.mail: 100% of 20 values look like email, as its name does, such as u***@***" in str(report)


def test_the_yaml_can_be_pasted_and_read(tmp_path: Path) -> None:
    report = ladle.governance.suggest_tags(ROWS, table_name="t")
    made = yaml.safe_load(report.yaml())
    assert made["tables"]["t"]["columns"]["mail"] == {"x-annotation-pii": "email"}
    assert ladle.governance.suggest_tags([{"a": 1}]).yaml() == ""
    assert str(ladle.governance.suggest_tags([{"a": 1}])) == "no column without a tag looks personal"


def test_the_command_prints_yaml_and_changes_nothing(tmp_path: Path) -> None:
    p = pipeline(tmp_path)
    p.run(ROWS, table_name="t")
    before = p.schemas["p"].to_dict()
    done = CliRunner().invoke(
        app, ["pii", "suggest", "p", "--pipelines-dir", str(tmp_path), "--sample-rows", "10"]
    )
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.stdout)["tables"]["t__visits"]["columns"]["ip"] == {"x-annotation-pii": "ip"}
    assert "# t.mail: 100% of 10 values look like email" in done.stdout
    assert p.schemas["p"].to_dict() == before
