"""Reports of schema changes: to the log, to functions, to a webhook; none of them fails a load."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site
from tests.unit.governance.hooks import CANARY, Hook

from ladle.events import Event
from ladle.governance import slack
from ladle.governance.notify import SchemaChange, SchemaChanges, notify

ROW = {"id": 1, "name": "a", "pets": [{"n": 1}]}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack, "_PAUSE_S", 0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def report(*changes: SchemaChange) -> SchemaChanges:
    return SchemaChanges("1.5", "p", "ds", "s", 2, changes)


def test_a_function_hears_of_each_load_that_changed_something(site: Site) -> None:
    heard: list[SchemaChanges] = []
    p = site.pipeline(on_schema_change=heard.append)
    info = p.run([ROW], table_name="t")
    p.run([ROW], table_name="t")
    last = p.run([{"newcol": "x"}], table_name="t")
    assert [r.load_id for r in heard] == [*info.loads_ids, *last.loads_ids]
    assert (heard[0].pipeline_name, heard[0].dataset_name, heard[0].schema_name) == ("p", "ds", "p")
    assert [str(c) for c in heard[0].changes] == [
        "add_table t", "add_column t.id bigint", "add_column t.name text",
        "add_table t__pets", "add_column t__pets.n bigint",
    ]  # fmt: skip
    assert heard[1].changes == (
        SchemaChange("add_column", "t", "newcol", "text", path="newcol", resource="t"),
    )
    assert heard[1].schema_version == p.default_schema.version


def test_functions_may_be_added_later(site: Site) -> None:
    heard: list[str] = []
    p = site.pipeline()

    @p.on_schema_change
    def first(changes: SchemaChanges) -> None:
        heard.append(f"first {len(changes.changes)}")

    p.on_schema_change(lambda changes: heard.append("second"))
    p.run([{"a": 1}], table_name="t")
    assert first.__name__ == "first"
    assert heard == ["first 2", "second"]


def test_a_function_that_fails_is_logged_and_the_others_are_called(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    def broken(changes: SchemaChanges) -> None:
        raise RuntimeError("no more paper")

    p = site.pipeline(on_schema_change=broken)
    p.on_schema_change(heard.append)
    p.run([{"a": 1}], table_name="t")
    assert not p.has_pending_data
    assert len(heard) == 1
    assert "broken`, which hears of schema changes, failed: RuntimeError: no more paper" in caplog.text


def test_edits_are_reported_too(site: Site) -> None:
    heard: list[str] = []
    p = site.pipeline(on_schema_change=lambda changes: heard.extend(map(str, changes.changes)))
    p.run([ROW], table_name="t")
    heard.clear()
    p.rename_column("t", "name", "called").apply()
    p.drop_table("t__pets").apply(confirm=True)
    assert heard == ["rename_column t.called text (was name)", "drop_table t__pets"]


def test_changes_are_reported_where_none_are_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMALIZE__RECORD_CHANGES", "false")
    heard: list[str] = []
    p = site.pipeline(on_schema_change=lambda changes: heard.extend(map(str, changes.changes)))
    p.run([{"a": 1}], table_name="t")
    p.run([{"a": 1, "b": "x"}], table_name="t")
    assert heard == ["add_table t", "add_column t.a bigint", "add_column t.b text"]


@pytest.mark.parametrize("settings", [{}, {"LOAD__HELD_BYTES": "0"}, {"LOAD__AHEAD_BYTES": "0"}])
def test_who_hears_of_a_change_finds_the_new_schema(
    site: Site, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found: list[list[str]] = []

    def look(changes: SchemaChanges) -> None:
        found.append(list(p.default_schema.tables["t"]["columns"]))

    p = site.pipeline(on_schema_change=look)
    p.run([{"a": 1}], table_name="t")
    p.run([{"a": 1, "b": 2}], table_name="t")
    assert [["a" in columns, "b" in columns] for columns in found] == [[True, False], [True, True]]


@pytest.mark.parametrize("settings", [{}, {"LOAD__HELD_BYTES": "0"}, {"LOAD__AHEAD_BYTES": "0"}])
def test_a_load_that_another_process_committed_is_reported_once_more(
    site: Site, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    """Killed between its commit and its end, it doesn't know who was told."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    heard: list[str] = []

    def killed(changes: SchemaChanges) -> None:
        heard.append(changes.load_id)
        if len(heard) == 1:
            raise KeyboardInterrupt

    p = site.pipeline(on_schema_change=killed)
    with pytest.raises(KeyboardInterrupt):
        p.run([{"a": 1}], table_name="t")
    p.run()
    assert len(heard) == 2
    assert heard[0] == heard[1]
    assert len(site.table("t").rows) == 1


def test_the_log_has_a_line_for_each(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ladle")
    (load_id,) = site.pipeline().run([{"a": 1}], table_name="t").loads_ids
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("schema change")]
    assert lines == [
        f"schema change by load {load_id}: add_table t",
        f"schema change by load {load_id}: add_column t.a bigint",
    ]


@pytest.mark.parametrize("key", ["SCHEMA_CHANGE_WEBHOOK", "SLACK_INCOMING_HOOK"])
def test_a_webhook_gets_a_message_for_slack(
    site: Site, hook: Hook, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RUNTIME__{key}", hook.url)
    p = site.pipeline()
    (load_id,) = p.run([{"a": 1}], table_name="t").loads_ids
    p.run([{"a": 1}], table_name="t")
    (body,) = map(json.loads, hook.bodies)
    assert body["text"] == f"Schema `p` changed (version 1): 2 changes by load {load_id}"
    head, changes = (block["text"]["text"] for block in body["blocks"])
    assert head == f"*Schema `p` changed (version 1)*\npipeline `p`, dataset `ds`, load `{load_id}`"
    assert changes == "• `add_table t`\n• `add_column t.a bigint`"


def test_the_webhook_of_schema_changes_goes_first(
    site: Site, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_HOOK", "http://127.0.0.1:1")
    monkeypatch.setenv("P__RUNTIME__SCHEMA_CHANGE_WEBHOOK", hook.url)
    site.pipeline().run([{"a": 1}], table_name="t")
    assert len(hook.bodies) == 1


def test_a_webhook_that_fails_is_logged_without_its_url(
    site: Site, hook: Hook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RUNTIME__SCHEMA_CHANGE_WEBHOOK", hook.url)
    hook.answers = [500, 500]
    p = site.pipeline(progress="log")
    info = p.run([{"a": 1}], table_name="t")
    assert len(hook.bodies) == 2
    assert "schema changes of load" in caplog.text
    assert "it answered HTTP 500" in caplog.text
    told = [caplog.text, str(info), str(info.asdict()), str(p.last_trace and p.last_trace.asdict()), repr(p)]
    told += [p.read_bytes().decode("latin1") for p in site.root.rglob("*") if p.is_file()]
    told += [str(row) for table in site.names() for row in site.query(f'SELECT * FROM ds."{table}"')]
    assert not [text for text in told if CANARY in text]


def test_long_reports_are_cut(hook: Hook) -> None:
    changes = [SchemaChange("add_column", "t", f"{'x' * 300}{n}", "text") for n in range(50)]
    text = report(*changes).slack_message()["blocks"][1]["text"]["text"]
    assert len(text) < 3000
    assert text.endswith("… and 30 more")


def test_names_cannot_write_slack_markup() -> None:
    body = report(SchemaChange("add_table", "<!channel> & co")).slack_message()
    assert "`add_table &lt;!channel&gt; &amp; co`" in body["blocks"][1]["text"]["text"]


def test_nothing_is_told_where_nothing_changed() -> None:
    heard: list[Any] = []
    events: list[Event] = []
    notify(report(), [heard.append], events.append)
    assert (heard, events) == ([], [])


def test_a_report_is_readable() -> None:
    assert str(report(SchemaChange("widen_column", "t", "a", "double", "bigint"))).splitlines() == [
        "load 1.5 of pipeline p changed schema s (version 2):",
        "  widen_column t.a double (was bigint)",
    ]
