"""What a load is promised: asked for before a run, told after it, and demanded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.destinations.base import GUARANTEES
from ladle.destinations.guarantees import Guarantee, guarantee_of, weakest
from ladle.errors import UsageError


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def files(site: Site) -> Any:
    return ladle.destinations.filesystem(str(site.root / "lake"))


def never_read() -> Iterator[dict[str, Any]]:
    raise AssertionError("something was read")
    yield {}


@pytest.mark.parametrize("way", ["append", "staging-optimized", "delete-insert", "upsert", "insert-only"])
def test_a_way_of_writing_has_a_grade(site: Site, way: str) -> None:
    found = site.pipeline().guarantee(way)
    assert (found.grade, found.destination, found.strategy) == ("G4", "duckdb", way)
    assert found.text == GUARANTEES["G4"]
    assert any("one transaction" in line for line in found.rests_on)
    assert any("keys" in line for line in found.rests_on) == (way not in ("append", "staging-optimized"))
    assert str(found).splitlines()[0] == f"G4 exactly once, all tables of a load at once ({way} into duckdb)"


def test_merge_alone_is_its_default_and_a_dict_names_another(site: Site) -> None:
    pipeline = site.pipeline()
    assert pipeline.guarantee("merge").strategy == "delete-insert"
    assert pipeline.guarantee({"disposition": "merge", "strategy": "upsert"}).strategy == "upsert"
    assert pipeline.guarantee({"disposition": "replace"}).strategy == "truncate-and-insert"


def test_data_is_asked_by_its_resources_and_not_read(site: Site) -> None:
    pipeline = site.pipeline(destination=files(site))
    found = pipeline.guarantee(ladle.resource(never_read, name="r", write_disposition="replace"))
    assert (found.grade, found.strategy) == ("G3", "truncate-and-insert")
    assert pipeline.guarantee(never_read, write_disposition="replace").strategy == "truncate-and-insert"


def test_of_several_resources_the_weakest_is_told(site: Site) -> None:
    weak = dataclasses.replace(files(site), guarantee="G4")
    object.__setattr__(weak, "weaker", {"truncate-and-insert": "G1"})
    resources = [
        ladle.resource([{"a": 1}], name="x"),
        ladle.resource([{"a": 1}], name="y", write_disposition="replace"),
        ladle.resource([{"a": 1}], name="z", write_disposition="skip"),
    ]
    source = ladle.source(lambda: resources, name="s")()
    assert site.pipeline(destination=weak).guarantee(source).grade == "G1"
    assert (
        weakest([guarantee_of(weak, "append"), guarantee_of(weak, "truncate-and-insert")]).strategy
        == "truncate-and-insert"
    )


def test_what_only_items_tell_counts_as_the_weakest_way(site: Site) -> None:
    weak = files(site)
    object.__setattr__(weak, "weaker", {"truncate-and-insert": "G0"})
    data = ladle.resource(never_read, name="r", write_disposition=lambda item: "append")
    assert site.pipeline(destination=weak).guarantee(data).grade == "G0"


def test_a_destination_that_cannot_do_it_promises_nothing(site: Site) -> None:
    with pytest.raises(UsageError, match="`filesystem` can't merge by `upsert`"):
        site.pipeline(destination=files(site)).guarantee({"disposition": "merge", "strategy": "upsert"})
    with pytest.raises(UsageError, match="write_disposition"):
        site.pipeline().guarantee("upset")
    with pytest.raises(UsageError, match="no destination"):
        ladle.pipeline("p", site.root / "w").guarantee()


def test_a_guarantee_reaches_what_is_asked() -> None:
    found = Guarantee("G3", "files", "append")
    assert [found.reaches(grade) for grade in ("G4", "G3", "G0")] == [False, True, True]
    with pytest.raises(UsageError, match="did you mean|G4"):
        found.reaches("G9")


def test_a_function_is_keyed_where_it_takes_the_batch_id(site: Site) -> None:
    @ladle.destination
    def plain(items: Any, table: Any) -> None:
        pass

    @ladle.destination
    def keyed(items: Any, table: Any, batch_id: str) -> None:
        pass

    grades = [ladle.pipeline("p", site.root, destination=d).guarantee() for d in (plain, keyed)]
    assert [one.grade for one in grades] == ["G1", "G2"]
    assert "batch_id" in grades[1].rests_on[-1]
    info = ladle.pipeline("k", site.root, destination=keyed).run([{"a": 1}], table_name="t")
    assert info.guarantee == "G2"


def test_a_run_that_asks_for_more_than_there_is_reads_nothing(site: Site) -> None:
    pipeline = site.pipeline(destination=files(site))
    with pytest.raises(UsageError) as error:
        pipeline.run(never_read, table_name="t", guarantee="G4")
    assert str(error.value).splitlines() == [
        "`filesystem` promises G3 of a load by `append`: exactly once per table",
        "  resource=`t`",
        "  expected: G4, as was asked for",
        (
            "  hint: ask for less, or take a destination or write disposition that promises it: "
            "pipeline.guarantee(...) tells"
        ),
    ]
    assert not (site.root / "lake").exists()
    assert not pipeline.has_data
    assert pipeline.run([{"a": 1}], table_name="t", guarantee="G3").guarantee == "G3"
    assert site.pipeline("q").run([{"a": 1}], table_name="t", guarantee="G4").guarantee == "G4"
    with pytest.raises(UsageError, match="G5"):
        pipeline.run(never_read, table_name="t", guarantee="G5")


def test_the_settings_may_ask(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__GUARANTEE", "G4")
    with pytest.raises(UsageError, match="promises G3"):
        site.pipeline(destination=files(site)).run(never_read, table_name="t")
    site.pipeline(destination=files(site)).run([{"a": 1}], table_name="t", guarantee="G1")


def test_the_load_info_has_the_grade_of_each_table(site: Site) -> None:
    rows = [{"id": 1, "tags": ["a"]}]
    resources = [
        ladle.resource(rows, name="x"),
        ladle.resource(rows, name="y", write_disposition="merge", primary_key="id"),
    ]
    info = site.pipeline().run(ladle.source(lambda: resources, name="s")())
    grades = info.load_packages[0].guarantees
    assert grades == dict.fromkeys(("x", "x__tags", "y", "y__tags"), "G4")
    assert info.guarantee == "G4"
    assert info.asdict()["load_packages"][0]["guarantees"][0] == {"table_name": "x", "grade": "G4"}
