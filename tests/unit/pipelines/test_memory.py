"""State that belongs to no resource, states in the dataset, schemas and packages by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loading import Site

import ladle
from ladle.destinations import sql
from ladle.errors import StateTooLarge, UsageError
from ladle.state.blob import decode_state
from ladle.state.scopes import check_size, source_state, with_source_state, without_resources


def states(site: Site) -> list[dict[str, object]]:
    rows = site.query("select state from ds._dlt_pipeline_state order by version")
    return [decode_state(row[0]) for row in rows]


def test_a_managed_state_is_kept_unless_the_block_fails(tmp_path: Path) -> None:
    p = Site.in_memory(tmp_path).pipeline()
    p.run([{"a": 1}], table_name="t")
    with p.managed_state() as state:
        state["sources"] = {"s": {"seen": [1]}}
    with pytest.raises(KeyError), p.managed_state() as state:
        state["sources"]["s"]["seen"].append(2)
        raise KeyError
    assert p.state["sources"] == {"s": {"seen": [1]}}


def test_a_managed_state_can_be_loaded_at_once_and_comes_back(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.run([{"a": 1}], table_name="t")
    with p.managed_state(extract_state=True) as state:
        state["sources"] = {"s": {"seen": [1]}}
    assert [s.get("sources") for s in states(site)] == [None, {"s": {"seen": [1]}}]
    p.drop()
    again = site.pipeline()
    again.sync_destination()
    assert again.state["sources"] == {"s": {"seen": [1]}}


def test_local_values_stay_on_this_machine(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.set_local_state_val("machine", "m1")
    p.run([{"a": 1}], table_name="t")
    assert p.get_local_state_val("machine") == "m1"
    assert "m1" not in str(states(site))
    with pytest.raises(KeyError):
        p.get_local_state_val("other")


def test_a_schema_can_be_brought_to_the_destination_without_data(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.extract([{"a": 1, "l": [1]}], table_name="t")
    p.normalize()
    update = p.sync_schema()
    assert set(update) >= {"t", "t__l"}
    assert site.query("select count(*) from ds.t") == [(0,)]
    p.load()
    assert site.query("select count(*) from ds.t") == [(1,)]
    with pytest.raises(UsageError, match="schema"):
        p.sync_schema("other")


def test_pending_packages_can_be_listed_looked_at_and_aborted(tmp_path: Path) -> None:
    p = Site.in_memory(tmp_path).pipeline()
    p.extract([{"a": 1}], table_name="t")
    p.normalize()
    p.extract([{"a": 2}], table_name="u")
    first, second = p.list_normalized_load_packages() + p.list_extracted_load_packages()
    assert p.list_extracted_resources() == ["u"]
    assert (p.get_load_package_info(first).state, p.get_load_package_info(first).rows["t"]) == (
        "normalized",
        1,
    )
    assert p.list_failed_jobs_in_package(first) == []
    plan = p.abort_packages(dry_run=True)
    assert [(entry["load_id"], entry["stage"]) for entry in plan] == [
        (first, "normalized"),
        (second, "extracted"),
    ]
    assert p.has_pending_data
    with pytest.raises(UsageError, match="pending package"):
        p.abort_packages("17")
    p.abort_packages(second)
    assert (p.list_normalized_load_packages(), p.list_extracted_load_packages()) == ([first], [])
    p.abort_packages()
    assert not p.has_pending_data
    assert p.get_load_package_info(first).state == "aborted"


def test_only_the_newest_states_stay_in_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_KEPT_STATES", 3)
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.run([{"a": 1}], table_name="t")
    for n in range(6):
        with p.managed_state(extract_state=True) as state:
            state["n"] = n
    assert [s["n"] for s in states(site)] == [3, 4, 5]


def test_a_source_state_is_a_copy_and_leaves_nothing_empty() -> None:
    state = {"sources": {"s": {"a": [1], "resources": {"r": {"x": 1}}}, "o": {"b": 1}}}
    copied = source_state(state, "s")
    copied["a"].append(2)
    copied["resources"]["q"] = {}
    assert state["sources"]["s"]["a"] == [1]
    assert with_source_state(state, "s", copied)["s"] == {"a": [1, 2], "resources": {"r": {"x": 1}}}
    assert with_source_state(state, "s", {"resources": {"q": {}}}) == {"o": {"b": 1}}
    assert without_resources(state["sources"]["s"], ["r"]) == {"a": [1], "resources": {}}


def test_a_state_that_grows_too_large_names_its_resource() -> None:
    content = {"resources": {"small": {"x": 1}, "greedy": {"ids": list(range(1000))}}}
    check_size("s", content, 10_000)
    with pytest.raises(StateTooLarge, match="state of resource `greedy`") as caught:
        check_size("s", content, 1000)
    assert "EXTRACT__MAX_STATE_BYTES" in str(caught.value)
    with pytest.raises(StateTooLarge, match="state of source `s`"):
        check_size("s", {"ids": list(range(1000))}, 1000)


def test_integers_that_state_has_not_are_refused_by_source(tmp_path: Path) -> None:
    @ladle.resource
    def wide(cursor=ladle.sources.incremental("c")):  # type: ignore[no-untyped-def]
        yield {"c": 2**70}

    with pytest.raises(UsageError, match="state of source `p`.*64-bit"):
        Site.in_memory(tmp_path).pipeline().run(wide)


def test_the_folder_of_another_pipeline_can_be_dropped(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    other, p = site.pipeline("other"), site.pipeline("p")
    other.run([{"a": 1}], table_name="t")
    assert isinstance(p.drop("other"), ladle.Pipeline)
    assert other.first_run
