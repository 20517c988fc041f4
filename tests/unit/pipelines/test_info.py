"""Infos and the trace: sums, plain values, text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from ladle.errors import DataError
from ladle.pipelines.info import (
    ExtractInfo,
    LoadInfo,
    NormalizeInfo,
    PackageInfo,
    PipelineTrace,
    StepTrace,
    brief,
    now,
)


class Pipe:
    pipeline_name = "pipe"


BEGAN = now()
ENDED = BEGAN + timedelta(seconds=1.5)
PACKAGE = PackageInfo(
    "1.5",
    "loaded",
    "s",
    rows={"t": 1200, "_dlt_pipeline_state": 1},
    seconds={"t": 0.5},
    schema_update={"t": {"columns": {"a": {"data_type": "text"}}}},
)
EARLY = PackageInfo("1.2", "loaded", "s", rows={"t": 5}, from_earlier_run=True)


def info(*packages: PackageInfo) -> LoadInfo:
    return LoadInfo(
        Pipe(),
        BEGAN,
        ENDED,
        packages,
        True,
        destination_type="dlt.destinations.duckdb",
        destination_name="duckdb",
        destination_displayable_credentials="/x.duckdb",
        dataset_name="ds",
        guarantee="G4",
    )


def test_rows_are_summed_over_packages() -> None:
    assert info(EARLY, PACKAGE).row_counts == {"t": 1205, "_dlt_pipeline_state": 1}
    assert info(EARLY, PACKAGE).loads_ids == ["1.2", "1.5"]
    assert info(PACKAGE).metrics["1.5"][0]["table_metrics"]["t"] == {"items_count": 1200, "seconds": 0.5}


def test_text_says_how_long_where_and_how_much() -> None:
    text = str(info(EARLY, PACKAGE))
    assert text.splitlines() == [
        "Pipeline pipe load step completed in 1.50 seconds",
        "2 load package(s) were loaded to destination duckdb and into dataset ds",
        "The duckdb destination used /x.duckdb location to store data",
        "Load package 1.2 is LOADED and contains no failed jobs (left by an earlier run)",
        "  rows: t 5",
        "Load package 1.5 is LOADED and contains no failed jobs",
        "  rows: t 1,200",
    ]


def test_an_empty_info_says_that_nothing_was_done() -> None:
    assert info().is_empty
    assert not info(PACKAGE).is_empty
    assert "load step did not start, there was nothing to do" in str(info())
    for cls, step in ((ExtractInfo, "extract"), (NormalizeInfo, "normalize")):
        assert f"{step} step did not start" in str(cls(Pipe(), BEGAN, ENDED, (), True))


def test_plain_values_are_ready_to_be_loaded() -> None:
    plain = info(PACKAGE).asdict()
    orjson.dumps(plain)
    (package,) = plain["load_packages"]
    assert package["rows"] == [
        {"table_name": "t", "items_count": 1200},
        {"table_name": "_dlt_pipeline_state", "items_count": 1},
    ]
    assert package["schema_update"] == [{"table_name": "t", "column_name": "a", "data_type": "text"}]
    assert (plain["pipeline"], plain["dataset_name"]) == ({"pipeline_name": "pipe"}, "ds")


def test_failed_jobs_are_never_hidden_in_an_info() -> None:
    assert not info(PACKAGE).has_failed_jobs
    info(PACKAGE).raise_on_failed_jobs()


def trace(*steps: Any) -> PipelineTrace:
    return PipelineTrace("pipe", BEGAN, ENDED, tuple(steps))


def test_the_trace_gives_the_last_info_of_each_step() -> None:
    extracts = [ExtractInfo(Pipe(), BEGAN, ENDED, (p,), True) for p in (EARLY, PACKAGE)]
    found = trace(
        *(StepTrace("extract", BEGAN, ENDED, e) for e in extracts),
        StepTrace("load", BEGAN, ENDED, None, "no"),
    )
    assert found.last_extract_info is extracts[1]
    assert (found.last_normalize_info, found.last_load_info) == (None, None)
    orjson.dumps(found.asdict())
    assert [(s["step"], s["step_exception"]) for s in found.asdict()["steps"]] == [("extract", None)] * 2 + [
        ("load", "no")
    ]
    assert str(found).splitlines()[1:] == [
        "  extract 1.50 s ok",
        "  extract 1.50 s ok",
        "  load 1.50 s failed: no",
    ]


def test_errors_in_brief() -> None:
    assert brief(DataError("what", hint="h", table="t")) == "what"
    assert brief(ValueError("x")) == "ValueError: x"
