"""The benchmarks: that what they measure is what their table says; nothing is timed here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from tests.docs.snippets import ROOT

import ladle

FOLDER = ROOT / "benchmarks"
OWN = {path.stem for path in FOLDER.glob("*.py")}


@pytest.fixture
def bench(monkeypatch) -> Iterator[Any]:
    """Import modules of the folder, which are scripts beside each other and no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = {name: sys.modules.pop(name) for name in OWN if name in sys.modules}
    yield importlib.import_module
    for name in OWN:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def writing(bench, monkeypatch) -> ModuleType:
    module = bench("writing")
    monkeypatch.setattr(module, "_SEED_ROWS", 10)
    return module


@pytest.mark.parametrize("form", ["rows", "arrow"])
@pytest.mark.parametrize(("write", "rows"), [("replace", 20), ("delete-insert", 50), ("upsert", 50)])
def test_a_write_meets_the_rows_that_it_is_said_to(writing, bench, tmp_path, write, rows, form):
    if write == "replace" and form == "arrow":
        bench("tables").prepare(tmp_path, {"flat": 20})
    pipeline = _pipeline(tmp_path)
    asked = {"engine": "duckdb", "write": write, "form": form, "rows": "flat", "prepared": str(tmp_path)}
    figures = writing.write(ladle, pipeline, {**asked, "base": 40, "count": 20})
    assert figures["seconds"] > 0
    with pipeline.sql_client() as client:
        changed = "SELECT count(*), count(DISTINCT id), count(*) FILTER (name LIKE 'changed%') FROM t"
        assert client.execute_sql(changed) == [(rows, rows, 0 if write == "replace" else 10)]


def test_rows_are_counted_after_a_write(writing, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_resource", lambda *_: ladle.resource([{"id": 1}], name="t"))
    asked = {"engine": "duckdb", "write": "append", "form": "rows", "rows": "flat", "count": 20}
    with pytest.raises(AssertionError, match="20 should be"):
        writing.write(ladle, _pipeline(tmp_path), asked)


def _pipeline(folder: Any) -> Any:
    destination = ladle.destinations.duckdb(str(folder / "bench.duckdb"))
    return ladle.pipeline("bench", str(folder / "pipelines"), destination=destination, dataset_name="ds")


def test_half_of_the_rows_to_merge_are_known_and_spread(bench):
    ids = [row["id"] for row in bench("data").changed_rows(1_000, 100)]
    assert ids == [*range(0, 1_000, 20), *range(1_000, 1_050)]


def test_cases_have_names_of_their_own_and_both_sides_are_asked_the_same(bench):
    sizes = bench("cases").Sizes()
    cases = bench("engine_cases").engine_cases(sizes)
    names = [case.name for case in [*bench("cases").all_cases(sizes), *cases]]
    assert len(names) == len(set(names))
    for case in cases:
        if case.peer is None or not case.peer.is_dlt:
            continue
        ours, peer = case.ours.arguments, case.peer.arguments
        assert ours["count"] == peer["count"]
        assert ours.get("base", 0) == peer.get("base", 0)
        assert (ours["engine"], ours["form"]) == (peer["engine"], peer["form"])


def test_quick_is_a_tenth_but_for_what_is_there_before(bench):
    sizes = bench("cases").Sizes
    assert sizes.for_quick().nested * 10 == sizes().nested
    assert sizes.for_quick().seed == sizes().seed


@pytest.mark.parametrize(
    ("rule", "unit", "figures", "ratio", "met"),
    [
        ("faster", "s", (1.0, 10.0), "10.0x less", "yes"),
        ("faster", "s", (1.1, 10.0), "9.1x less", "**NO**"),
        ("at most", "s", (1.3, 1.0), "1.30x of it", "yes"),
        ("at least", "rows/s", (400_000.0, 500_000.0), "0.80x of it", "yes"),
        ("at least", "rows/s", (390_000.0, 500_000.0), "0.78x of it", "**NO**"),
        ("shown", "rows/s", (300_000.0, 100_000.0), "3.00x of it", "-"),
        ("faster", "s", (1.0, "over 40"), "over 40.0x less", "yes"),
        ("faster", "s", (1.0, "over 4"), "over 4.0x less", "not measured"),
    ],
)
def test_a_row_of_the_table(bench, rule, unit, figures, ratio, met):
    cases, report = bench("cases"), bench("report")
    budget = {"faster": 10, "at most": 1.3, "at least": 0.8}.get(rule, 0)
    side = cases.Side("dlt", "dlt", {})
    case = cases.Case("a", "what", side, side, rule, budget, unit)
    ours, peer = figures
    if isinstance(peer, str):
        peer = report.AtLeast(peer.removeprefix("over "))
    cells = report.Result(case, ours, peer).cells()
    assert (cells[5], cells[7]) == (ratio, met)


def test_the_page_explains_its_rows(bench):
    cases, report = bench("cases"), bench("report")
    side = cases.Side("dlt", "dlt", {})
    case = cases.Case("sqlite-upsert", "what", side, side, "faster", 10, note="what to know")
    page = report.document([report.Result(case, 1.0, 10.0)], {"Date": "today"}, ["python", "run.py"])
    assert "1 of 1 budgets are met." in page
    assert "\n- Writes (`<engine>-append`" in page
    assert "\n- `sqlite-upsert`: what to know.\n" in page
