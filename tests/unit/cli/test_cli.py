"""The command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.loading import Site
from typer.testing import CliRunner

import ladle
from ladle.cli import app, main

RUNNER = CliRunner()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.pipeline().run([{"a": 1, "l": [1]}], table_name="t")
    return site


def call(site: Site, *args: str, answer: str | None = None) -> tuple[int, str]:
    done = RUNNER.invoke(app, [*args, "--pipelines-dir", str(site.root / "pipelines")], input=answer)
    return done.exit_code, done.output


def test_version() -> None:
    assert RUNNER.invoke(app, ["version"]).output.strip() == ladle.__version__


@pytest.mark.parametrize("group", [(), ("schema",), ("config",), ("rejects",), ("pii",)])
def test_help_tells_each_command_in_a_line(group: tuple[str, ...]) -> None:
    told = RUNNER.invoke(app, [*group, "--help"], env={"COLUMNS": "80"}).output
    assert "Commands:" in told
    assert "..." not in told.split("Commands:")[1]


def test_help_does_without_rich() -> None:
    asked = "import sys; from ladle.cli import app; app(['--help'], standalone_mode=False); assert 'rich' not in sys.modules"
    subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, timeout=60)


def test_status_shows_where_and_what(site: Site) -> None:
    site.pipeline().extract([{"a": 2}], table_name="t")
    code, text = call(site, "status", "p")
    lines = dict(line.split(maxsplit=1) for line in text.splitlines() if not line.startswith("working"))
    assert code == 0
    assert lines["pipeline"] == "p"
    assert lines["destination"] == f"duckdb at {site.file}"
    assert lines["guarantee"].startswith("G4")
    assert lines["dataset"] == "ds"
    assert lines["schema"] == "p version 1: t, t__l"
    assert lines["extracted"] == site.pipeline().list_extracted_load_packages()[0]
    assert lines["normalized"] == "none"


def test_resume_finishes_what_is_pending(site: Site) -> None:
    site.pipeline().extract([{"a": 2}], table_name="t")
    code, text = call(site, "resume", "p")
    assert (code, "LOADED" in text) == (0, True)
    assert site.table("t").data == [(1,), (2,)]


@pytest.mark.parametrize(
    ("options", "answer", "left"),
    [(["--yes"], None, False), ([], "y\n", False), ([], "n\n", True)],
)
def test_discard_asks_first(options: list[str], answer: str | None, left: bool, site: Site) -> None:
    pipeline = site.pipeline()
    (load_id,) = pipeline.extract([{"a": 2}], table_name="t").loads_ids
    code, text = call(site, "discard", "p", *options, answer=answer)
    assert (code, load_id in text) == (0, True)
    assert pipeline.has_pending_data is left
    assert site.table("t").data == [(1,)]


def test_discard_without_anything_pending(site: Site) -> None:
    assert call(site, "discard", "p") == (0, "nothing to discard\n")


def test_errors_are_shown_without_a_stack(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ladle", "status", "unknown", "--pipelines-dir", str(site.root)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith("CannotRestorePipelineException: there is no pipeline `unknown` to attach to")
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) <= 4


def test_the_module_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ladle", "version"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == ladle.__version__


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("yaml", "name: p\n"),
        ("json", '"name": "p"'),
        ("dbml", 'Table "t__l"'),
        ("dot", "digraph"),
        ("mermaid", "erDiagram"),
    ],
)
def test_schema_of_a_pipeline_and_of_a_file(kind: str, sign: str, site: Site, tmp_path: Path) -> None:
    code, text = call(site, "schema", "show", "p", "--format", kind)
    assert (code, sign in text) == (0, True)
    file = tmp_path / "p.schema.yaml"
    file.write_text(site.pipeline().default_schema.to_pretty_yaml())
    done = RUNNER.invoke(app, ["schema", str(file), "--format", kind])
    assert (done.exit_code, done.output) == (0, text)


def test_schema_that_is_not_there(site: Site) -> None:
    with pytest.raises(ladle.errors.UsageError, match="there is no schema file"):
        RUNNER.invoke(app, ["schema", "none.yaml"], catch_exceptions=False)
    with pytest.raises(ladle.errors.UsageError, match="unknown schema of pipeline"):
        RUNNER.invoke(
            app,
            ["schema", "show", "p", "--schema", "q", "--pipelines-dir", str(site.root / "pipelines")],
            catch_exceptions=False,
        )


def test_lineage_shows_columns_one_column_and_a_row(site: Site) -> None:
    load_id = site.pipeline().list_completed_load_packages()[0]
    code, text = call(site, "lineage", "p")
    lines = [line.split() for line in text.splitlines()]
    assert code == 0
    assert lines[0] == ["table_name", "column_name", "data_type", "load_id", "introduced_at", "from", "code"]
    assert [line[:4] for line in lines[1:3]] == [
        ["t", "a", "bigint", load_id],
        ["t", "_dlt_load_id", "text", load_id],
    ]
    assert "p.t.l" in text

    code, text = call(site, "lineage", "p", "t__l.value")
    told = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert (code, told["path"], told["load_id"]) == (0, "l.value", load_id)

    row_id = site.query("SELECT _dlt_id FROM ds.t__l")[0][0]
    code, text = call(site, "lineage", "p", "t__l", "--row", row_id, "--format", "json")
    row = json.loads(text)
    assert (code, row["root_table"], row["load_id"], row["row_id"]) == (0, "t", load_id, row_id)


def test_lineage_as_json_has_a_line_for_each_column(site: Site) -> None:
    code, text = call(site, "lineage", "p", "t__l", "--format", "json")
    names = [json.loads(line)["column_name"] for line in text.splitlines()]
    assert (code, names) == (0, ["value", "_dlt_parent_id", "_dlt_list_idx", "_dlt_id"])


def test_a_row_needs_its_table(site: Site) -> None:
    code, text = call(site, "lineage", "p", "--row", "x")
    assert (code, "name the table of the row" in text) == (2, True)


def test_guarantee_shows_each_way_of_writing(site: Site) -> None:
    code, text = call(site, "guarantee", "p", "--at-least", "G4")
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == "append              G4 exactly once, all tables of a load at once"
    assert any(line.startswith("delete-insert       G4") for line in lines)
    assert any(line.startswith("rests on            data, tables") for line in lines)


def test_the_command_line_starts_without_arrow() -> None:
    code = "import sys, ladle.cli; sys.exit('pyarrow' in sys.modules or 'duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
