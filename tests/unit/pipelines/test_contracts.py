"""Contracts through whole runs: acceptance rows S06 to S10, and the pains P8, P9 and P11."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.errors import ConfigError, DataValidationError, PipelineStepFailed, TooManyRejects, UsageError

BASE = [{"id": 1, "name": "a", "kids": [{"k": 1}]}]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site.in_memory(tmp_path)
    yield site
    site.connection.close()


def query(site: Site, sql: str) -> list[tuple[Any, ...]]:
    return site.connection.execute(sql).fetchall()


def tables(site: Site) -> set[str]:
    found = query(site, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ds'")
    return {name for (name,) in found if not name.startswith(("_dlt_", "_ladle_"))}


def loaded(site: Site) -> Any:
    pipeline = pipeline_of(site)
    pipeline.run(BASE, table_name="t")
    return pipeline


def pipeline_of(site: Site, name: str = "p", **options: Any) -> Any:
    options = {"destination": site.destination, "dataset_name": "ds", **options}
    return ladle.pipeline(name, pipelines_dir=str(site.root / "pipelines"), **options)


S06 = [
    ("tables", "evolve", {"id": 2, "toys": [{"x": 1}]}, [(1, "a"), (2, None)], 1),
    ("tables", "freeze", {"id": 2, "toys": [{"x": 1}]}, None, None),
    ("tables", "discard_row", {"id": 2, "toys": [{"x": 1}]}, [(1, "a"), (2, None)], None),
    ("tables", "discard_value", {"id": 2, "toys": [{"x": 1}]}, [(1, "a"), (2, None)], None),
    ("columns", "evolve", {"id": 2, "extra": 5}, [(1, "a", None), (2, None, 5)], None),
    ("columns", "freeze", {"id": 2, "extra": 5}, None, None),
    ("columns", "discard_row", {"id": 2, "extra": 5, "kids": [{"k": 2}]}, [(1, "a")], None),
    ("columns", "discard_value", {"id": 2, "extra": 5}, [(1, "a"), (2, None)], None),
    ("data_type", "evolve", {"id": "xx"}, [(1, "a", None), (None, None, "xx")], None),
    ("data_type", "freeze", {"id": "xx"}, None, None),
    ("data_type", "discard_row", {"id": "xx"}, [(1, "a")], None),
    ("data_type", "discard_value", {"id": "xx"}, [(1, "a"), (None, None)], None),
]


@pytest.mark.parametrize(("entity", "mode", "row", "rows", "toys"), S06)
def test_s06_modes(site: Site, entity: str, mode: str, row: Any, rows: Any, toys: Any) -> None:
    pipeline = loaded(site)
    contract = {entity: mode}
    if rows is None:
        with pytest.raises(DataValidationError) as caught:
            pipeline.run([row], table_name="t", schema_contract=contract)
        assert (caught.value.step, caught.value.schema_entity) == ("normalize", entity)
        assert not pipeline.has_pending_data
    else:
        pipeline.run([row], table_name="t", schema_contract=contract)
        names = [c for c in pipeline.default_schema.get_table_columns("t") if not c.startswith("_dlt_")]
        assert query(site, f"SELECT {', '.join(names)} FROM ds.t ORDER BY _dlt_load_id") == rows
    assert ("t__toys" in tables(site)) == (toys is not None)
    assert query(site, "SELECT k FROM ds.t__kids") == [(1,)]


@pytest.mark.parametrize("mode", ["freeze", "discard_row", "discard_value"])
def test_s06_new_root_tables(site: Site, mode: str) -> None:
    pipeline = loaded(site)
    if mode == "freeze":
        with pytest.raises(DataValidationError, match="table `u` is new") as caught:
            pipeline.run([{"a": 1}], table_name="u", schema_contract={"tables": mode})
        assert caught.value.step == "extract"
    else:
        info = pipeline.run([{"a": 1}], table_name="u", schema_contract={"tables": mode})
        assert info.row_counts == {}
        assert query(site, "SELECT rule, record FROM ds._ladle_rejects") == [(f"tables: {mode}", '{"a":1}')]
    assert tables(site) == {"t", "t__kids"}
    assert not pipeline.has_pending_data


def test_s06_new_root_tables_are_found_by_extract_alone(site: Site) -> None:
    pipeline = loaded(site)
    with pytest.raises(DataValidationError) as caught:
        pipeline.extract([{"a": 1}], table_name="u", schema_contract={"tables": "freeze"})
    assert caught.value.step == "extract"
    assert not pipeline.has_pending_data
    pipeline.extract([], table_name="u", schema_contract={"tables": "freeze"})


def test_s07_tables_that_a_run_creates_are_free(site: Site) -> None:
    pipeline = pipeline_of(site)
    contract = {"columns": "freeze", "data_type": "freeze"}
    pipeline.run([{"id": 1}, {"id": "x", "more": 1}], table_name="t", schema_contract=contract)
    assert query(site, "SELECT id, id__v_text, more FROM ds.t") == [(1, None, None), (None, "x", 1)]
    with pytest.raises(DataValidationError):
        pipeline.run([{"id": 1, "even_more": 1}], table_name="t")
    with pytest.raises(DataValidationError, match="table `u` is new"):
        pipeline.run([{"id": 1}], table_name="u", schema_contract="freeze")


def test_s07_a_table_with_untyped_columns_only_is_new(site: Site) -> None:
    pipeline = pipeline_of(site)
    contract = {"columns": "freeze"}
    pipeline.run([], table_name="t", columns={"id": {"description": "the id"}}, schema_contract=contract)
    pipeline.run([{"id": 1, "name": "a"}], table_name="t", schema_contract=contract)
    assert query(site, "SELECT id, name FROM ds.t") == [(1, "a")]


def test_s08_a_contract_given_to_run_persists(site: Site) -> None:
    pipeline = loaded(site)
    pipeline.run([{"id": 2}], table_name="t", schema_contract="freeze")
    assert pipeline.default_schema.get_table("t")["schema_contract"] == "freeze"
    elsewhere = Site(site.root / "elsewhere", site.connection)
    for again in (pipeline, pipeline_of(elsewhere)):  # also where the working folder is gone
        with pytest.raises(DataValidationError):
            again.run([{"id": 3, "extra": 1}], table_name="t")
    with pytest.raises(DataValidationError):
        pipeline.run([{"id": 3}], table_name="u")
    pipeline.run([{"id": 3}], table_name="t")
    assert query(site, "SELECT id FROM ds.t ORDER BY id") == [(1,), (2,), (3,)]


def test_p11_a_contract_can_be_given_back(site: Site) -> None:
    pipeline = loaded(site)
    pipeline.run([{"id": 2}], table_name="t", schema_contract="freeze")
    row = {"id": 3, "extra": 1, "toys": [1]}
    with pytest.raises(DataValidationError):
        pipeline.run([row], table_name="t")
    pipeline.run([row], table_name="t", schema_contract="evolve")
    pipeline.run([{"id": 4, "more": 1}], table_name="t")
    assert query(site, "SELECT id, extra, more FROM ds.t WHERE id > 2 ORDER BY id") == [
        (3, 1, None),
        (4, None, 1),
    ]


def test_s09_what_the_error_says(site: Site) -> None:
    pipeline = loaded(site)
    rows = [{"id": 2}, {"id": 3, "kids": [{"k": 4}, {"k": "far too long " * 20}]}]
    with pytest.raises(PipelineStepFailed) as caught:
        pipeline.run(rows, table_name="t", schema_contract={"data_type": "freeze"})
    error = caught.value
    assert isinstance(error, DataValidationError)
    assert (error.schema_name, error.table_name, error.column_name) == ("p", "t__kids", "k")
    assert (error.schema_entity, error.contract_mode) == ("data_type", "freeze")
    assert error.schema_contract == {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}
    assert error.table_schema["columns"]["k"]["data_type"] == "bigint"
    assert error.data_item == rows[1]["kids"][1]
    assert (error.step, error.exception) == ("normalize", error)
    text = str(error)
    for fact in (
        "resource=`t`",
        "table=`t__kids`",
        "column=`k`",
        "row=`1`",
        "load_id=`",
        "`bigint`",
        '"evolve"',
    ):
        assert fact in text
    assert len(text.splitlines()) <= 4
    assert "far too long" in text
    assert len(text) < 900


@pytest.mark.parametrize(
    ("mode", "rows"), [("discard_value", [1, 2, 3]), ("discard_row", [1, 2]), ("freeze", None)]
)
def test_s10_frames(site: Site, mode: str, rows: Any) -> None:
    pipeline = pipeline_of(site)
    pipeline.run(pa.table({"id": [1]}), table_name="f")
    frames = [pa.table({"id": [2]}), pa.table({"id": [3], "extra": [5]})]
    if rows is None:
        with pytest.raises(DataValidationError, match="no column `extra`"):
            pipeline.run(frames, table_name="f", schema_contract={"columns": mode})
        rows = [1]
    else:
        pipeline.run(frames, table_name="f", schema_contract={"columns": mode})
        assert query(site, "SELECT column_path, value FROM ds._ladle_rejects") == [("extra", "5")]
    assert query(site, "SELECT id FROM ds.f ORDER BY id") == [(n,) for n in rows]
    assert pipeline.default_schema.get_table_columns("f").keys() == {"id"}


def test_p8_what_is_refused_is_kept_with_its_reason(site: Site) -> None:
    pipeline = loaded(site)
    row = {"id": "xx", "name": "b", "kids": [{"k": 2}]}
    info = pipeline.run([{"id": 2}, row], table_name="t", schema_contract={"data_type": "discard_row"})
    (reject,) = query(
        site,
        "SELECT resource, table_name, column_path, rule, action, value, wanted, position, parent_id, record,"
        " _dlt_load_id = '"
        + info.loads_ids[0]
        + "', rejected_at IS NOT NULL, _dlt_id FROM ds._ladle_rejects",
    )
    assert reject[:9] == ("t", "t", "id", "data_type: discard_row", "row", '"xx"', "bigint", 1, None)
    assert json.loads(reject[9]) == row
    assert reject[10:] == (True, True, f"{info.loads_ids[0]}.0")
    assert info.row_counts == {"t": 1}
    assert "_ladle_rejects" not in pipeline.default_schema.data_table_names()


def test_a_contract_leaves_nothing_pending_and_the_next_run_goes_on(site: Site) -> None:
    pipeline = loaded(site)
    state = pipeline.state
    with pytest.raises(DataValidationError, match="frozen"):
        pipeline.run([{"id": 2, "extra": 1}], table_name="t", schema_contract="freeze")
    assert not pipeline.has_pending_data
    assert pipeline.state == state
    pipeline.run([{"id": 3}], table_name="t")
    assert query(site, "SELECT id FROM ds.t ORDER BY id") == [(1,), (3,)]
    # nothing of the failed run is remembered
    pipeline.run([{"id": 4, "extra": 1}], table_name="t")


def test_steps_apart_keep_the_package_and_a_run_drops_it(site: Site) -> None:
    pipeline = loaded(site)
    pipeline.extract([{"id": 2, "extra": 1}], table_name="t", schema_contract={"columns": "freeze"})
    with pytest.raises(DataValidationError, match="drop_pending_packages"):
        pipeline.normalize()
    assert pipeline.has_pending_data
    with pytest.raises(DataValidationError, match="the package is discarded: run again") as caught:
        pipeline.run([{"id": 3}], table_name="t")
    assert "is kept" not in str(caught.value)
    assert not pipeline.has_pending_data
    pipeline.run([{"id": 3}], table_name="t")
    assert query(site, "SELECT id FROM ds.t ORDER BY id") == [(1,), (3,)]


PRECEDENCE = [
    # what of `evolve` (E), `freeze` columns (F) or nothing is given where; whether a new column is refused
    ({"resource": "F", "run": "E"}, False),
    ({"resource": "E", "run": "F"}, True),
    ({"source": "F"}, True),
    ({"source": "F", "resource": "E"}, False),
    ({"source": "E", "resource": "F"}, True),
    ({"source": "F", "resource": {"data_type": "freeze"}}, False),
    ({"source": "F", "run": {"data_type": "evolve"}}, False),
    ({"setting": "F"}, True),
    ({"setting": "F", "source": "E"}, False),
    ({"source": "F", "hints": "E"}, False),
    ({"source": "E", "hints": "F"}, True),
]


@pytest.mark.parametrize(("given", "refused"), PRECEDENCE)
def test_who_wins(site: Site, given: Any, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {k: {"E": "evolve", "F": {"columns": "freeze"}}.get(str(v), v) for k, v in given.items()}

    def made(row: Any) -> Any:
        resource = ladle.resource([row], name="t", schema_contract=given.get("resource"))
        if "hints" in given:
            resource.apply_hints(schema_contract=given["hints"])
        return ladle.source(lambda: resource, name="s", schema_contract=given.get("source"))()

    if "setting" in given:
        monkeypatch.setenv("SCHEMA__CONTRACT", json.dumps(given["setting"]))
    pipeline = pipeline_of(site)
    pipeline.run(made({"id": 1}))
    assert_refused(
        lambda: pipeline.run(made({"id": 2, "extra": 1}), schema_contract=given.get("run")), refused
    )


def assert_refused(call: Any, refused: bool) -> None:
    if refused:
        with pytest.raises(DataValidationError):
            call()
    else:
        call()


NESTED = [("F", "E", True), ("E", "F", False), ("F", None, True), (None, "F", True)]


@pytest.mark.parametrize(("nested", "run", "refused"), NESTED)
def test_nested_hints_win_for_their_table(site: Site, nested: Any, run: Any, refused: bool) -> None:
    contract = {"F": {"columns": "freeze"}, "E": "evolve"}
    hints = {"kids": ladle.mark.make_nested_hints(schema_contract=contract[nested])} if nested else {}

    def made(kid: Any) -> Any:
        return ladle.resource([{"id": 1, "kids": [kid]}], name="t", nested_hints=hints)

    pipeline = pipeline_of(site)
    pipeline.run(made({"k": 1}))
    options = {"schema_contract": contract[run]} if run else {}
    assert_refused(lambda: pipeline.run(made({"k": 1, "extra": 1}), **options), refused)


@pytest.mark.parametrize("by_setting", [False, True])
def test_a_refused_child_refuses_its_root(
    site: Site, by_setting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = loaded(site)
    if by_setting:
        monkeypatch.setenv("NORMALIZE__REJECT_ROOT", "true")
    hints = {} if by_setting else {"x-reject-root": True}
    rows = [{"id": 2, "kids": [{"k": "x"}, {"k": 2}]}, {"id": 3, "kids": [{"k": 3}]}]
    resource = ladle.resource(rows, name="t").apply_hints(additional_table_hints=hints)
    pipeline.run(resource, schema_contract={"data_type": "discard_row"})
    assert query(site, "SELECT id FROM ds.t ORDER BY id") == [(1,), (3,)]
    assert query(site, "SELECT k FROM ds.t__kids ORDER BY k") == [(1,), (3,)]
    ((path, record),) = query(site, "SELECT column_path, record FROM ds._ladle_rejects")
    assert (path, json.loads(record)) == ("kids.k", rows[0])


def test_contracts_of_renamed_and_dropped_things(site: Site) -> None:
    pipeline = loaded(site)
    pipeline.run([{"id": 2, "old": 1, "kids": [{"k": 1}]}], table_name="t")
    pipeline.rename_table("t", "people").apply()
    pipeline.rename_column("people", "id", "number").apply()
    pipeline.drop_column("people", "old").apply(confirm=True)
    # what was dropped is left out and no new column
    rows = [{"id": 3, "old": 2}, {"id": "x", "old": 3}, {"id": 4, "kids": [{"k": "y"}]}]
    pipeline.run(rows, table_name="t", schema_contract={"columns": "freeze", "data_type": "discard_row"})
    assert query(site, "SELECT number FROM ds.people ORDER BY number") == [(1,), (2,), (3,), (4,)]
    found = query(site, "SELECT table_name, column_path, record FROM ds._ladle_rejects ORDER BY _dlt_id")
    assert found == [("people", "id", '{"id":"x","old":3}'), ("people__kids", "k", '{"k":"y"}')]
    accounts = pipeline._packages.done()[-1].accounts  # noqa: SLF001
    assert accounts["people"] == {"extracted": 3, "loaded": 2, "rejected": 1}
    with pytest.raises(DataValidationError):
        pipeline.run([{"id": 5, "newer": 1}], table_name="t")


BUDGETS = [
    (2, False),
    (1, True),
    (0, True),
    (0.5, False),
    (0.4, True),
    ("50%", False),
    ("1", True),
    (None, False),
]


@pytest.mark.parametrize("by_setting", [False, True])
@pytest.mark.parametrize(("budget", "broken"), BUDGETS)
def test_the_error_budget(
    site: Site, budget: Any, broken: bool, by_setting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = loaded(site)
    options: dict[str, Any] = {} if by_setting else {"max_rejects": budget}
    if by_setting and budget is not None:
        monkeypatch.setenv("NORMALIZE__MAX_REJECTS", str(budget))
    rows = [{"id": 2}, {"id": "x"}, {"id": "y"}, {"id": 3}]
    if broken:
        with pytest.raises(TooManyRejects) as caught:
            pipeline.run(rows, table_name="t", schema_contract={"data_type": "discard_row"}, **options)
        assert 't.id="x" (item 1; data_type: discard_row); t.id="y" (item 2; ' in str(caught.value)
        assert not pipeline.has_pending_data
        assert query(site, "SELECT count(*) FROM ds.t") == [(1,)]
        # allowed, the same rows load
        pipeline.run(rows, table_name="t", schema_contract={"data_type": "discard_row"}, max_rejects=2)
    else:
        pipeline.run(rows, table_name="t", schema_contract={"data_type": "discard_row"}, **options)
    assert query(site, "SELECT count(*) FROM ds.t") == [(3,)]


def test_the_budget_of_normalize_alone(site: Site) -> None:
    pipeline = loaded(site)
    pipeline.extract([{"id": "x"}], table_name="t", schema_contract={"data_type": "discard_row"})
    with pytest.raises(TooManyRejects):
        pipeline.normalize(max_rejects=0)
    pipeline.normalize()
    pipeline.load()
    assert query(site, "SELECT value FROM ds._ladle_rejects") == [('"x"',)]


@pytest.mark.parametrize("budget", [-1, 1.5, "many", True, [1], "200%"])
def test_what_is_no_budget(site: Site, budget: Any) -> None:
    with pytest.raises(UsageError, match="max_rejects can't be"):
        pipeline_of(site).run([{"id": 1}], table_name="t", max_rejects=budget)


@pytest.mark.parametrize(
    ("name", "value"),
    [("NORMALIZE__MAX_REJECTS", "many"), ("SCHEMA__CONTRACT", "frozen"), ("SCHEMA__CONTRACT", "{")],
)
def test_settings_that_are_none(site: Site, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        pipeline_of(site).run([{"id": 1}], table_name="t")


def test_where_no_rejects_are_kept_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[Any] = []

    @ladle.destination(batch_size=10)
    def sink(items: Any, table: Any) -> None:
        rows.extend(items)

    pipeline = ladle.pipeline("p", destination=sink(), pipelines_dir=str(tmp_path))
    pipeline.run([{"id": 1}], table_name="t")
    pipeline.run([{"id": "x"}, {"id": 2}], table_name="t", schema_contract={"data_type": "discard_row"})
    told = "rows refused: 1, values refused: 0; the destination keeps no rejects, they are lost"
    assert told in caplog.text
    assert [row["id"] for row in rows] == [1, 2]
    done = pipeline._packages.done()[-1]  # noqa: SLF001
    assert done.accounts == {"t": {"extracted": 2, "loaded": 1, "rejected": 1}}


def test_a_large_load_that_begins_ahead_brings_its_rejects(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "0")
    pipeline = loaded(site)
    rows = [{"id": n if n % 1000 else "x", "name": "n" * 50} for n in range(100_000)]
    info = pipeline.run(iter(rows), table_name="t", schema_contract={"data_type": "discard_row"})
    assert info.row_counts == {"t": 99_900}
    assert query(site, "SELECT count(*), count(DISTINCT _dlt_id), max(position) FROM ds._ladle_rejects") == [
        (100, 100, 99_000)
    ]
    assert query(site, "SELECT count(*) FROM ds.t") == [(99_901,)]
