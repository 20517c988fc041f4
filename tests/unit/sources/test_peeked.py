"""State where no pipeline runs: read from the active pipeline, changes are lost; resources given to a source."""

from __future__ import annotations

from typing import Any

import pytest

import ladle
from ladle.errors import SourceSectionNotAvailable


@ladle.source
def shop() -> Any:
    @ladle.resource
    def counted() -> Any:
        state = ladle.current.resource_state()
        state["n"] = state.get("n", 0) + 1
        yield {"n": state["n"]}

    @ladle.resource
    def events(c: Any = ladle.sources.incremental("c")) -> Any:
        yield {"c": 1}

    return counted, events


@pytest.fixture
def pipeline(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return ladle.pipeline("shop", pipelines_dir=str(tmp_path / "p"), destination="duckdb", dataset_name="d")


def test_reading_a_resource_without_a_pipeline_gives_it_an_empty_state() -> None:
    assert list(shop().counted) == list(shop().counted) == [{"n": 1}]


def test_reading_sees_what_the_active_pipeline_stored_and_leaves_it(pipeline: Any) -> None:
    assert list(shop()) == [{"n": 1}, {"c": 1}]
    pipeline.run(shop())
    before = pipeline.state
    assert list(shop()) == [{"n": 2}]  # and the cursor lets nothing through
    assert list(shop().counted) == [{"n": 2}]
    assert pipeline.state == before


def test_the_function_of_a_source_reads_the_state(pipeline: Any) -> None:
    seen: list[Any] = []

    @ladle.source(name="shop")
    def reads() -> Any:
        ladle.current.source_state()["lost"] = 1
        seen.append(ladle.current.source_state().get("resources", {}).get("counted"))
        return ladle.resource([{"x": 1}], name="x")

    reads()
    pipeline.run(shop())
    pipeline.run(reads())
    assert seen == [None, {"n": 1}]
    assert "lost" not in pipeline.state["sources"]["shop"]


def test_outside_of_all_of_it_there_is_no_state(pipeline: Any) -> None:
    with pytest.raises(SourceSectionNotAvailable):
        ladle.current.source_state()


def test_resources_are_set_as_attributes_and_copied() -> None:
    source = shop()

    @ladle.transformer
    def scores(item: Any) -> Any:
        yield {"score": item["n"]}

    source.scores = source.counted | scores
    assert list(source.resources) == ["counted", "events", "scores"]
    assert sorted(map(str, source)) == ["{'c': 1}", "{'n': 1}", "{'score': 1}"]
    extra = ladle.resource([{"e": 1}], name="extra")
    source.resources.add(extra)
    source.extra.add_map(lambda row: {"e": 2})
    assert list(extra) == [{"e": 1}]
    assert list(source.extra) == [{"e": 2}]
    source.max_table_nesting = 0
    assert source.max_table_nesting == 0
