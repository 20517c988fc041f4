"""Rejects: rows as JSON, rules, roots that a child refuses, what extract refused, and sums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.normalize.folding import WHERE, data, extracted, normalized, raw, ready

from ladle.errors import DataValidationError, LadleError, TooManyRejects
from ladle.events import Event, Notice, silent
from ladle.extract.arrow import to_array
from ladle.normalize.accounts import Accounts
from ladle.normalize.checks import Checks, Failure
from ladle.normalize.rejects import Budget, plain, to_json
from ladle.normalize.run import Options, normalize
from ladle.normalize.unnest import unnest
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.rejects import REJECTS_KEY, Reject, rejects_batch
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

REJECTS = "_ladle_rejects"
SEEN = {"x-normalizer": {"seen-data": True}}


def schema(contract: Any = None, **extra: Any) -> Schema:
    """Tables `t`, `t__l`, `t__l__m`, each with an int `v`, as loaded before."""
    tables = [
        Table(n, {"v": Column("v", "bigint")}, parent=p, resource=None if p else "r").with_extra(
            **SEEN, **extra
        )
        for n, p in (("t", None), ("t__l", "t"), ("t__l__m", "t__l"))
    ]
    settings = {"schema_contract": contract} if contract else {}
    return Schema("s", settings=settings).with_tables(tables)


VALUES = {
    "bool": (True, True),
    "int": (7, 7),
    "huge": (2**70, 2**70),
    "double": (1.5, 1.5),
    "nan": (float("nan"), "nan"),
    "text": ('quo"te \u2028 ü', 'quo"te \u2028 ü'),
    "bytes": (b"\x00\xff", "AP8="),
    "date": (date(2024, 1, 2), "2024-01-02"),
    "time": (time(3, 4, 5, 600000), "03:04:05.600000"),
    "zoned": (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00+00:00"),
    "naive": (datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),  # noqa: DTZ001
    "decimal": (Decimal("1.50"), "1.5"),
    "dict": ({"a": {"b": 1}}, {"a": {"b": 1}}),
    "list": ([1, [2, [3]], {"x": None}], [1, [2, [3]], {}]),
    "mixed": ([1, "x", {"k": True}], [1, "x", {"k": True}]),
    "empty": ({"l": [], "d": {}}, {"l": [], "d": {}}),
}


@pytest.mark.parametrize("name", VALUES)
def test_rows_become_json_as_they_came(name: str) -> None:
    value, wanted = VALUES[name]
    piece = unnest(to_array([{"v": value, "none": None}, {"w": 1}], where=WHERE))[0]
    assert json.loads(to_json(plain(piece.values))) == [{"v": wanted}, {"w": 1}]


def test_rows_of_any_depth_become_json() -> None:
    row: Any = {"v": 1}
    for _ in range(80):
        row = {"d": [row]}
    piece = unnest(to_array([row], where=WHERE))[0]
    assert plain(piece.values) == [row]


def test_a_reject_leads_to_its_item_and_can_be_fed_again(tmp_path: Path) -> None:
    rows = [{"v": 1}, {"v": 2, "l": [{"v": 1}, {"v": "x", "m": [{"v": 3}]}]}, {"v": "y", "l": [{"v": 4}]}]
    contract = {"data_type": "discard_row"}
    package = normalized(tmp_path / "a", raw(rows[:1], rows[1:]), schema=schema(contract))
    child, root = ready(package)[REJECTS]
    parent = next(r for r in ready(package)["t"] if r["v"] == 2)
    assert (child["position"], child["list_index"], child["parent_id"]) == (1, 1, parent["_dlt_id"])
    assert child["row_id"] == f"{parent['_dlt_id']}.1"
    assert (root["position"], root["list_index"], root["parent_id"]) == (2, None, None)
    assert [r["_dlt_id"] for r in (child, root)] == [f"{package.load_id}.0", f"{package.load_id}.1"]
    assert {r["_dlt_load_id"] for r in (child, root)} == {package.load_id}
    # replay: without a contract, the same row goes where it would have gone
    again = normalized(tmp_path / "b", raw([json.loads(root["record"])]), schema=schema())
    assert data(again) == {"t": [{"v": None, "v__v_text": "y"}], "t__l": [{"v": 4}]}


def test_paths_are_spelt_as_in_the_source(tmp_path: Path) -> None:
    rows = [{"v": 1, "Outer Key": {"camelCase": 5}}, {"l": [{"In Side": "x"}]}]
    package = normalized(tmp_path, raw(rows), schema=schema({"columns": "discard_value"}))
    assert [r["column_path"] for r in data(package)[REJECTS]] == ["Outer Key.camelCase", "In Side"]


def test_a_nul_stands_nowhere_in_a_reject(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw([{"v": 1, "a\0b": "c\0d"}]), schema=schema({"columns": "discard_row"}))
    (reject,) = data(package)[REJECTS]
    assert reject["column_path"] == "a\\u0000b"
    assert not any("\0" in str(value) for value in reject.values())
    assert json.loads(reject["record"]) == {"v": 1, "a\0b": "c\0d"}


def test_long_values_are_cut_records_are_not(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw([{"v": "x" * 5000}]), schema=schema({"data_type": "discard_row"}))
    (reject,) = data(package)[REJECTS]
    assert len(reject["value"]) == 1000
    assert json.loads(reject["record"]) == {"v": "x" * 5000}


@pytest.mark.parametrize(
    "how", ["setting", "hint of the child", "hint of the root", "switched off by the child"]
)
def test_a_child_refuses_its_root_where_that_is_asked_for(how: str, tmp_path: Path) -> None:
    made = schema({"data_type": "discard_row"})
    where = {"hint of the child": "t__l", "hint of the root": "t", "switched off by the child": "t__l"}.get(
        how
    )
    if where:
        asked = how != "switched off by the child"
        made = made.with_tables([made.table_map[where].with_extra(**{"x-reject-root": asked})])
    options = Options(reject_root=how in ("setting", "switched off by the child"))
    rows = [{"v": 1, "l": [{"v": 1}, {"v": "x"}]}, {"v": 2, "l": [{"v": 2}]}]
    package = normalized(tmp_path, raw(rows), schema=made, options=options)
    (reject,) = data(package)[REJECTS]
    if how == "switched off by the child":
        assert [r["v"] for r in data(package)["t"]] == [1, 2]
        assert reject["table_name"] == "t__l"
        return
    assert data(package)["t"] == [{"v": 2}]
    assert data(package)["t__l"] == [{"v": 2}]
    assert (reject["table_name"], reject["column_path"], reject["list_index"]) == ("t", "l.v", None)
    assert json.loads(reject["record"]) == rows[0]
    assert package.manifest.accounts["t__l"] == {"extracted": 3, "loaded": 1, "rejected": 2}


def test_a_root_that_is_refused_late_gives_no_column_its_type(tmp_path: Path) -> None:
    made = schema({"data_type": "discard_row"})
    rows = [{"v": 1, "n": "text", "l": [{"v": "x"}]}, {"v": 2, "n": 7}]
    for cut in (1, 2):
        batches = [rows[i : i + cut] for i in range(0, 2, cut)]
        package = normalized(
            tmp_path / str(cut), raw(*batches), schema=made, options=Options(reject_root=True)
        )
        assert data(package)["t"] == [{"v": 2, "n": 7}]
        assert len(data(package)[REJECTS]) == 1


class Even(Checks):
    """`v` is even, or else; no `w` twice."""

    def __init__(self, severity: Any, table: str) -> None:
        super().__init__()
        self.severity, self.table = severity, table
        self.seen: set[Any] = set()
        self.calls = 0

    def applies_to(self, table: Table) -> bool:
        return table.name == self.table

    def of_batch(self, table: Table, arrays: Mapping[str, pa.Array]) -> list[Failure]:
        self.calls += 1
        odd = pa.array([v is not None and v % 2 == 1 for v in arrays["v"].to_pylist()])
        return [Failure("even", self.severity, "v", "even numbers", odd)]


def ruled(severity: str, table: str) -> Options:
    return Options(checks=lambda: Even(severity, table))


ROWS = [{"v": 1, "l": [{"v": 2}]}, {"v": 2, "l": [{"v": 3}, {"v": 4, "m": [{"v": 1}]}]}]


def test_rows_that_break_a_rule_are_refused(tmp_path: Path) -> None:
    package = normalized(tmp_path / "t", raw(ROWS), schema=schema(), options=ruled("reject", "t"))
    assert {n: r for n, r in data(package).items() if n != REJECTS} == {
        "t": [{"v": 2}], "t__l": [{"v": 3}, {"v": 4}], "t__l__m": [{"v": 1}],
    }  # fmt: skip
    (reject,) = data(package)[REJECTS]
    found = (reject["rule"], reject["column_path"], reject["value"], reject["wanted"], reject["position"])
    assert found == ("even", "v", "1", "even numbers", 0)
    assert json.loads(reject["record"]) == ROWS[0]
    package = normalized(tmp_path / "l", raw(ROWS), schema=schema(), options=ruled("reject", "t__l"))
    assert data(package)["t__l"] == [{"v": 2}, {"v": 4}]
    assert data(package)["t"] == [{"v": 1}, {"v": 2}]
    assert package.manifest.accounts["t__l"] == {"extracted": 3, "loaded": 2, "rejected": 1}


def test_a_contract_goes_before_the_rules(tmp_path: Path) -> None:
    rows = [{"v": "x"}, {"v": 1}, {"v": 2}]
    made = schema({"data_type": "discard_row"})
    package = normalized(tmp_path, raw(rows), schema=made, options=ruled("reject", "t"))
    assert data(package)["t"] == [{"v": 2}]
    told = [(r["rule"], r["position"]) for r in data(package)[REJECTS]]
    assert told == [("data_type: discard_row", 0), ("even", 1)]


def test_rules_warn_once_or_fail(tmp_path: Path) -> None:
    heard: list[Event] = []
    batches = raw(*[[{"v": n}] for n in range(6)])
    package = normalized(
        tmp_path / "w", batches, schema=schema(), options=ruled("warn", "t"), emit=heard.append
    )
    notices = [e.text for e in heard if isinstance(e, Notice)]
    assert notices == ["3 rows of table `t` break rule `even`: even numbers"]
    assert package.manifest.counts == {"t": 6}
    with pytest.raises(DataValidationError, match="rule `even` is broken in table `t`") as caught:
        normalized(tmp_path / "f", batches, schema=schema(), options=ruled("fail", "t"))
    error = caught.value
    assert (error.row, error.column, error.value, error.schema_entity) == (1, "v", "1", "rules")
    assert error.data_item == {"v": 1}


def test_tables_without_contract_or_rules_take_the_usual_way(tmp_path: Path) -> None:
    checks = Even("fail", "other")
    options = Options(checks=lambda: checks)
    package = normalized(tmp_path, raw(pa.table({"v": [1]})), schema=schema(), options=options)
    assert checks.calls == 0
    assert [f.name for f in package.files("ready")] == [f.name for f in package.files("raw")]


@pytest.mark.parametrize("contract", ["freeze", "discard_row", "discard_value"])
def test_a_clean_frame_passes_under_a_contract_without_being_written_again(
    contract: str, tmp_path: Path
) -> None:
    package = normalized(tmp_path, raw(pa.table({"v": [1, 2]})), schema=schema(contract))
    assert [f.name for f in package.files("ready")] == [f.name for f in package.files("raw")]
    assert package.manifest.accounts["t"] == {"extracted": 2, "loaded": 2, "rejected": 0}


def test_a_frame_of_which_rows_are_refused_later_is_written_again(tmp_path: Path) -> None:
    frames = [pa.table({"v": [1, 2]}), pa.table({"v": [3, 4], "extra": [None, 5]})]
    package = normalized(tmp_path, raw(*frames), schema=schema({"columns": "discard_row"}))
    assert data(package)["t"] == [{"v": 1}, {"v": 2}, {"v": 3}]
    assert [(r["value"], r["position"]) for r in data(package)[REJECTS]] == [("5", 3)]


def test_a_column_of_a_frame_that_holds_only_nulls_breaks_no_contract(tmp_path: Path) -> None:
    frame = pa.table({"v": [1], "extra": pa.array([None], pa.int64())})
    package = normalized(tmp_path, raw(frame), schema=schema("freeze"))
    assert data(package) == {"t": [{"v": 1}]}


@pytest.mark.parametrize("mark", [{}, {"x-normalizer": {"seen-null-first": True}}])
def test_a_declared_column_is_known_one_that_only_saw_nulls_is_not(mark: Any, tmp_path: Path) -> None:
    made = schema({"columns": "discard_value"})
    made = made.with_tables([made.table_map["t"].with_columns([Column("later", extra=mark)])])
    package = normalized(tmp_path, raw([{"v": 1, "later": 5}]), schema=made)
    assert ("later" in data(package)["t"][0]) == (not mark)


def with_early_rejects(root: Path, count: int) -> Package:
    package = extracted(root, raw([{"v": 1}]), schema=schema())
    rejects = [
        Reject("r", "t", "model", "row", "no", value=str(n), position=n, record="{}") for n in range(count)
    ]
    writer = package.writer("raw")
    for key, batch in (("0", raw([{"v": 1}])[2][0]), (REJECTS_KEY, rejects_batch(rejects))):
        writer.append(key, batch)
    return package.save(raw=writer.seal())


def test_what_extract_refused_is_loaded(tmp_path: Path) -> None:
    package = normalize(with_early_rejects(tmp_path, 2), None, Limits(), Options(), silent)
    made = ready(package)[REJECTS]
    assert [(r["rule"], r["value"], r["_dlt_id"]) for r in made] == [
        ("model", "0", f"{package.load_id}.0"), ("model", "1", f"{package.load_id}.1"),
    ]  # fmt: skip
    assert package.manifest.counts == {"t": 1, REJECTS: 2}
    assert package.manifest.accounts == {"t": {"extracted": 1, "loaded": 1, "rejected": 0}}


@pytest.mark.parametrize(("budget", "broken"), [(2, False), (1, True), (0.7, False), (0.6, True)])
def test_what_extract_refused_counts_for_the_budget(budget: Any, broken: bool, tmp_path: Path) -> None:
    options = Options(max_rejects=Budget.of(budget))
    package = with_early_rejects(tmp_path, 2)
    if not broken:
        normalize(package, None, Limits(), options, silent)
        return
    with pytest.raises(TooManyRejects, match="2 rows and values") as caught:
        normalize(package, None, Limits(), options, silent)
    assert caught.value.rejects == "t=0 (item 0; model); t=1 (item 1; model)"


def test_rejects_are_made_again_when_a_package_is_normalised_again(tmp_path: Path) -> None:
    package = extracted(tmp_path, raw([{"v": "x"}, {"v": 1}]), schema=schema({"data_type": "discard_row"}))
    once = normalize(package, None, Limits(), Options(), silent)
    again = normalize(once.save(stage="extracted", ready=(), counts={}), None, Limits(), Options(), silent)
    assert len(ready(again)[REJECTS]) == 1
    assert again.manifest.counts == once.manifest.counts == {"t": 1, REJECTS: 1}


def test_a_destination_that_keeps_no_rejects_gets_none(tmp_path: Path) -> None:
    made = schema({"data_type": "discard_row"})
    package = normalized(tmp_path, raw([{"v": "x"}]), schema=made, limits=Limits(records=False))
    assert data(package) == {}
    assert REJECTS not in package.manifest.schema["tables"]
    assert package.manifest.accounts == {"t": {"extracted": 1, "loaded": 0, "rejected": 1}}


def test_rows_that_do_not_add_up_are_an_error() -> None:
    books = Accounts()
    books._tables["t"] = {"extracted": 3, "loaded": 1, "rejected": 1}  # noqa: SLF001
    with pytest.raises(LadleError, match="the rows of table `t` don't add up") as caught:
        books.check({"t": 1})
    assert (caught.value.extracted, caught.value.written) == (3, 1)
    books._tables["t"]["rejected"] = 2  # noqa: SLF001
    books.check({"t": 1})
    with pytest.raises(LadleError):
        books.check({"t": 2})
