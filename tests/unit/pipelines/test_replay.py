"""Rejects that are fed back: each once, in the shape they had, joined to their parents."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic
import pytest
from tests.loading import Site
from typer.testing import CliRunner

import ladle
from ladle.cli import app
from ladle.errors import DataError, UsageError


class Row(pydantic.BaseModel):
    id: int
    name: str | None = None


LAX = {"columns": "evolve", "data_type": "discard_row"}
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "a", "lines": [{"x": 1}]},
    {"id": "two", "name": "b", "lines": [{"x": 2}, {"x": 3, "deep": [{"d": 1}]}]},
    {"id": "three", "name": "c"},
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def refused(site: Site, rows: list[dict[str, Any]] = ROWS, **options: Any) -> tuple[ladle.Pipeline, Any]:
    pipeline = site.pipeline()
    made = ladle.resource(rows, name="r", columns=Row, schema_contract=LAX, **options)
    pipeline.run(made)
    return pipeline, made


def mended(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "id": {"two": 2, "three": 3}.get(row["id"], row["id"])}


def ids(site: Site) -> list[int]:
    return sorted(row["id"] for row in site.table("r").rows)


def test_rows_come_back_with_what_is_below_them(site: Site) -> None:
    pipeline, _ = refused(site)
    assert ids(site) == [1]
    info = pipeline.replay(fix=mended)
    assert info is not None
    assert info.row_counts == {"r": 2, "r__lines": 2, "r__lines__deep": 1}
    assert info.load_packages[0].resource_accounts["r"]["read"] == 2
    assert "_ladle" not in str(info)
    assert ids(site) == [1, 2, 3]
    joined = "SELECT r.id, l.x FROM ds.r JOIN ds.r__lines l ON l._dlt_parent_id = r._dlt_id ORDER BY 2"
    assert site.query(joined) == [(1, 1), (2, 2), (2, 3)]
    marks = site.query("SELECT reject_id, _dlt_load_id FROM ds._ladle_replays ORDER BY 1")
    refusals = site.query("SELECT _dlt_id FROM ds._ladle_rejects ORDER BY 1")
    assert [mark[:1] for mark in marks] == refusals
    assert {mark[1] for mark in marks} == {info.loads_ids[0]}


def test_each_is_replayed_once(site: Site) -> None:
    pipeline, _ = refused(site)
    assert pipeline.replay(fix=mended) is not None
    assert pipeline.replay(fix=mended) is None
    assert site.pipeline().replay(fix=mended) is None
    assert ids(site) == [1, 2, 3]
    assert pipeline.rejects() == []


def test_what_fix_leaves_stays_open(site: Site) -> None:
    pipeline, _ = refused(site)
    pipeline.replay(fix=lambda row: mended(row) if row["id"] == "three" else None)
    assert [r.value for r in pipeline.rejects()] == ['"two"']
    assert pipeline.replay(fix=lambda row: None) is None


def test_what_is_refused_again_is_a_new_reject(site: Site) -> None:
    pipeline, made = refused(site)
    pipeline.replay(resource=made, fix=lambda row: {**row, "id": row["id"] + "?"})
    assert ids(site) == [1]
    assert [r.value for r in pipeline.rejects()] == ['"two?"', '"three?"']
    assert len(site.query("SELECT 1 FROM ds._ladle_rejects")) == 4


def test_which(site: Site) -> None:
    pipeline, _ = refused(site)
    (load_id,) = {r.load_id for r in pipeline.rejects()}
    for wanted in (
        {"table_name": "r"}, {"resource": "r"}, {"rule": "model Row"}, {"rule": "model Row: int_parsing"},
        {"load_id": load_id},
    ):  # fmt: skip
        assert len(pipeline.rejects(**wanted)) == 2
    for other in (
        {"table_name": "x"},
        {"resource": "x"},
        {"rule": "model Ro"},
        {"rule": "x'"},
        {"load_id": "1"},
    ):
        assert pipeline.rejects(**other) == []


def test_a_dry_run_does_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline, _ = refused(site)
    assert pipeline.replay(fix=mended, dry_run=True) is None
    assert ids(site) == [1]
    assert len(pipeline.rejects()) == 2


def test_rejects_of_other_pipelines_are_theirs(site: Site) -> None:
    refused(site)
    other = site.pipeline("other")
    made = ladle.resource([{"id": "9x"}], name="r", columns=Row, schema_contract=LAX)
    other.run(made)
    assert [r.value for r in other.rejects()] == ['"9x"']
    other.replay(fix=lambda row: {**row, "id": 9})
    assert ids(site) == [1, 9]
    assert len(site.pipeline().rejects()) == 2


def test_a_table_that_was_never_made_is_made(site: Site) -> None:
    pipeline = site.pipeline()

    def load(name: str, contract: str) -> None:
        made = ladle.resource([{"id": 1}], name=name)
        pipeline.run(ladle.source(lambda: [made], name="p", schema_contract={"tables": contract})())

    load("t", "discard_row")
    assert "t" not in site.names()
    (reject,) = pipeline.rejects()
    assert reject.table_name == "t"
    load("u", "evolve")
    pipeline.replay()
    assert site.table("t").values("id") == [1]
    assert pipeline.rejects() == []


def test_nothing_to_do_without_rejects(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"id": 1}], table_name="r")
    assert pipeline.replay() is None
    assert pipeline.rejects() == []


def test_a_fix_that_is_wrong_replays_nothing(site: Site) -> None:
    pipeline, _ = refused(site)
    with pytest.raises(UsageError, match="fix returned a `int`"):
        pipeline.replay(fix=lambda row: 1)  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError) as caught:
        pipeline.replay(fix=lambda row: 1 / 0)  # type: ignore[arg-type, return-value]
    assert "nothing was replayed" in caught.value.__notes__[0]
    assert len(pipeline.rejects()) == 2


def test_rows_are_added_to_a_table_that_loads_replace(site: Site) -> None:
    pipeline, _ = refused(site, write_disposition="replace")
    pipeline.replay(fix=mended)
    assert ids(site) == [1, 2, 3]
    assert pipeline.default_schema.table_map["r"].write_disposition == "replace"


def test_rows_are_merged_where_their_table_is(site: Site) -> None:
    pipeline, _ = refused(site, write_disposition="merge", primary_key="id")
    pipeline.replay(fix=lambda row: {**row, "id": 1} if row["id"] == "two" else None)
    joined = (
        "SELECT r.id, r.name, l.x FROM ds.r JOIN ds.r__lines l ON l._dlt_parent_id = r._dlt_id ORDER BY 3"
    )
    assert site.query(joined) == [(1, "b", 2), (1, "b", 3)]
    assert pipeline.default_schema.table_map["r"].write_disposition == "merge"


def test_child_tables_are_not_replaced(site: Site) -> None:
    pipeline, _ = refused(site, nested_hints={"lines": {"write_disposition": "replace"}})
    pipeline.replay(fix=mended)
    assert [row["x"] for row in site.table("r__lines").rows] == [1, 2, 3]


def test_a_row_of_a_list_finds_its_root(site: Site) -> None:
    pipeline, _ = refused(site, write_disposition="merge", primary_key="id")
    (parent,) = site.query("SELECT _dlt_id FROM ds.r")
    child_reject(site, parent_id=parent[0], row_id="own", list_index=1)
    pipeline.replay(table_name="r__lines")
    assert site.query("SELECT _dlt_root_id FROM ds.r__lines WHERE x = 9") == [parent]


def test_tables_that_were_renamed(site: Site) -> None:
    pipeline, made = refused(site)
    pipeline.rename_table("r", "people").apply()
    pipeline.replay(fix=lambda row: mended(row) if row["id"] == "two" else None)
    pipeline.run(made)
    assert {r.table_name for r in pipeline.rejects()} == {"r", "people"}
    pipeline.replay(fix=lambda row: {**row, "id": 8})
    assert sorted(row["id"] for row in site.table("people").rows) == [1, 1, 2, 8, 8, 8]
    assert "r" not in site.names()


def test_the_schema_stays_as_it_was(site: Site) -> None:
    pipeline, _ = refused(site)
    before = pipeline.default_schema.table_map["r"]
    pipeline.replay(fix=mended)
    after = pipeline.default_schema.table_map["r"]
    assert (before, after.resource) == (after, "r")


VALUES: dict[str, Any] = {
    "flag": True, "n": 5, "big": 2**70, "f": 1.5, "nan": float("inf"), "d": Decimal("1.25"), "t": "text",
    "at": datetime(2024, 1, 2, 3, 4, 5, 678, UTC), "day": date(2024, 1, 2), "raw": b"\xff\x00",
    "inner": {"raw": b"\x01", "d": Decimal("2.5")}, "many": [{"raw": b"\x02"}, {"at": datetime(2024, 1, 2, tzinfo=UTC)}],
    "flat": [b"\x03"],
}  # fmt: skip


def test_values_of_any_type_come_back_as_they_were(site: Site) -> None:
    class Id(pydantic.BaseModel):
        id: int

    rows = [{"id": 1, **VALUES}, {"id": "x", **VALUES}]
    pipeline = site.pipeline()
    pipeline.run(ladle.resource(rows, name="v", columns=Id, schema_contract=LAX))
    (reject,) = pipeline.rejects()
    assert base64.b64encode(b"\xff\x00").decode() in str(reject.record)
    pipeline.replay(fix=lambda row: {**row, "id": 2})
    for table in ("v", "v__many", "v__flat"):
        names = [n for n in site.table(table).columns if not n.startswith("_dlt_") and n != "id"]
        assert not [n for n in names if "__v_" in n]
        columns = ", ".join(f'"{n}"' for n in names)
        counted = site.query(f"SELECT count(*), count(DISTINCT ({columns})) FROM ds.{table}")
        assert counted == [(4, 2)] if table == "v__many" else counted == [(2, 1)]


def child_reject(site: Site, **place: Any) -> None:
    (load_id,) = site.query("SELECT min(load_id) FROM ds._dlt_loads")[0]
    columns = {
        "resource": "r", "table_name": "r__lines", "rule": "columns: discard_row", "action": "row",
        "reason": "why", "record": '{"x": 9}', "_dlt_load_id": load_id, "_dlt_id": f"{load_id}.99", **place,
    }  # fmt: skip
    names, values = ", ".join(columns), tuple(columns.values())
    with site.open() as db:
        db.execute(f"INSERT INTO ds._ladle_rejects ({names}) VALUES ({', '.join('?' * len(values))})", values)


def test_a_row_of_a_list_joins_its_parent(site: Site) -> None:
    pipeline, _ = refused(site)
    pipeline.replay(fix=mended)
    (parent,) = site.query("SELECT _dlt_id FROM ds.r WHERE id = 2")
    child_reject(site, parent_id=parent[0], row_id="own", list_index=7)
    columns = pipeline.default_schema.table_map["r__lines"].columns
    info = pipeline.replay(table_name="r__lines")
    assert info is not None
    assert info.row_counts == {"r__lines": 1}
    found = site.query("SELECT x, _dlt_parent_id, _dlt_list_idx, _dlt_id FROM ds.r__lines WHERE x = 9")
    assert found == [(9, parent[0], 7, "own")]
    assert pipeline.default_schema.table_map["r__lines"].columns == columns


def test_a_row_that_a_contract_refused_joins_its_parent(site: Site) -> None:
    pipeline = site.pipeline()

    def load(rows: list[dict[str, Any]], **contract: str) -> None:
        made = ladle.resource(rows, name="r", schema_contract={"columns": "evolve", **contract})
        made.max_table_nesting = 3
        pipeline.run(made)

    load([{"id": 1, "lines": [{"x": 1, "deep": [{"d": 1}]}]}])
    load([{"id": 2, "lines": [{"x": 2}, {"x": "three", "deep": [{"d": 2}]}]}], data_type="discard_row")
    (reject,) = pipeline.rejects()
    assert (reject.table_name, reject.list_index) == ("r__lines", 1)
    info = pipeline.replay(fix=lambda row: {**row, "x": 3})
    assert info is not None
    assert info.row_counts == {"r__lines": 1, "r__lines__deep": 1}
    found = site.query(
        "SELECT r.id, l.x, l._dlt_list_idx, d.d FROM ds.r JOIN ds.r__lines l ON l._dlt_parent_id = r._dlt_id "
        "LEFT JOIN ds.r__lines__deep d ON d._dlt_parent_id = l._dlt_id ORDER BY l.x"
    )
    assert found == [(1, 1, 0, 1), (2, 2, 0, None), (2, 3, 1, 2)]
    assert pipeline.rejects() == []


@pytest.mark.parametrize("contract", ["freeze", {"tables": "freeze"}], ids=str)
def test_what_is_frozen_stays_so(site: Site, contract: Any) -> None:
    pipeline, _ = refused(site)
    source = ladle.source(
        lambda: [ladle.resource([{"id": 5}], name="r")], name="p", schema_contract=contract
    )()
    source.resources["r"].apply_hints(schema_contract={"data_type": "discard_row"})
    pipeline.run(source)
    info = pipeline.replay(fix=lambda row: mended(row) if row["id"] == "three" else None)
    assert info is not None
    assert ids(site) == [1, 3, 5]


def test_a_frozen_contract_refuses_a_replay_as_a_whole(site: Site) -> None:
    pipeline, _ = refused(site)
    made = ladle.resource([{"id": 5}], name="r", schema_contract={"data_type": "freeze", "columns": "evolve"})
    pipeline.run(made)
    with pytest.raises(DataError):
        pipeline.replay()
    assert len(pipeline.rejects()) == 2
    assert not pipeline.has_pending_data
    pipeline.replay(fix=mended)
    assert ids(site) == [1, 2, 3, 5]


def test_values_of_rows_that_a_model_changed_are_out_of_reach(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"id": 1, "more": 2}], table_name="r", columns=Row)
    (reject,) = pipeline.rejects()
    assert (reject.action, reject.obstacle) == ("value", "a value: its row isn't known")
    assert pipeline.replay() is None


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    refused(site, [*ROWS, {"id": "4x", "name": "d"}])
    (tmp_path / "fixes.py").write_text(
        "def mend(row):\n    ids = {'two': 2, 'three': 3}\n"
        "    return {**row, 'id': ids[row['id']]} if row['id'] in ids else None\n"
    )
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def call(*args: str) -> str:
        where = ["--pipelines-dir", str(site.root / "pipelines")]
        done = runner.invoke(app, ["rejects", *args, *where], catch_exceptions=False)
        return f"{done.exit_code} {done.output}"

    assert call("list", "p") == "0        3  row    r  model Row: int_parsing  (can be replayed)\n"
    shown = call("show", "p", "--limit", "1")
    assert "r.id  model Row: int_parsing: Input should be a valid integer" in shown
    assert '    value     "two"\n' in shown
    assert "and 2 more" in shown
    assert call("replay", "p", "--dry-run", "--fix", "fixes:mend").startswith("0 ")
    assert "rows: r 2, r__lines 2" in call("replay", "p", "--fix", "fixes:mend", "--table", "r")
    assert "nothing to replay" in call("replay", "p", "--fix", "fixes:mend")
    assert "there is no function `fixes:nope`" in call("replay", "p", "--fix", "fixes:nope")
    assert "no open rejects" in call("list", "p", "--rule", "other")
    assert ids(site) == [1, 2, 3]
