"""Arguments of sources, resources and transformers from settings; cursors as arguments."""

from __future__ import annotations

from typing import Any

import pytest

import ladle
from ladle.config import context
from ladle.errors import ConfigFieldMissingException
from ladle.sources import current


@ladle.resource
def users(api_key: str = ladle.secrets.value, page_size: int = 3, mode: str = "all") -> Any:
    yield {"key": api_key, "size": page_size, "mode": mode}


@ladle.transformer
def details(item: dict[str, Any], meta: Any = None, url: str = ladle.config.value, *, depth: int = 1) -> Any:
    yield {"url": url, "depth": depth, "item": item["size"]}


def test_resources_and_transformers_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__TEST_SETTINGS__USERS__API_KEY", "k")
    monkeypatch.setenv("SOURCES__TEST_SETTINGS__PAGE_SIZE", "9")
    monkeypatch.setenv("SOURCES__TEST_SETTINGS__DETAILS__URL", "http://x")
    assert list(users) == [{"key": "k", "size": 9, "mode": "all"}]
    assert list(users(page_size=1)) == [{"key": "k", "size": 1, "mode": "all"}]
    assert list(users | details(depth=2)) == [{"url": "http://x", "depth": 2, "item": 9}]


def test_a_missing_setting_is_told_with_the_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigFieldMissingException, match="SOURCES__TEST_SETTINGS__USERS__API_KEY"):
        list(users)


def test_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__OWN__USERS__API_KEY", "own")
    monkeypatch.setenv("SOURCES__OTHER__RENAMED__API_KEY", "other")
    monkeypatch.setenv("SOURCES__SEC__USERS__API_KEY", "sec")
    own = ladle.resource(lambda api_key=ladle.secrets.value: [api_key], name="users", section="own")
    assert list(own) == ["own"]
    assert [r["key"] for r in users.with_name("renamed", "other")] == ["other"]
    assert [r["key"] for r in ladle.source(lambda: users, name="s", section="sec")()] == ["sec"]


def test_no_look_up_for_what_is_given_or_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__TEST_SETTINGS__PLAIN__N", "9")

    @ladle.resource
    def plain(n: int) -> Any:
        yield n

    assert list(plain(1)) == [1]


# -- cursors


def run(resource: Any, state: dict[str, Any]) -> list[Any]:
    token = current.scope.set(current.Scope(source_state=state))
    try:
        return list(resource)
    finally:
        current.scope.reset(token)


def rows(made: list[Any]) -> Any:
    def read(updated: Any = ladle.sources.incremental("c", initial_value=1)) -> Any:  # noqa: B008 - how people write it
        made.append(updated.start_value)
        yield [{"c": 0}, {"c": 1}, {"c": 3}]
        yield {"c": 2}

    return ladle.resource(read, name="r")


@pytest.mark.parametrize("parallelized", [False, True])
def test_a_cursor_is_bound_filters_last_and_is_remembered(parallelized: bool) -> None:
    starts: list[Any] = []
    state: dict[str, Any] = {}
    made = rows(starts).add_map(lambda row: {"c": row["c"] * 10})
    made.parallelized = parallelized
    assert run(made, state) == [{"c": 10}, {"c": 30}, {"c": 20}]
    assert state["resources"]["r"]["incremental"]["c"]["last_value"] == 30
    assert run(made, state) == []
    assert starts == [1, 30]


def test_a_cursor_given_at_the_call_completes_the_default() -> None:
    def read(updated: Any = ladle.sources.incremental("c", initial_value=1)) -> Any:  # noqa: B008 - how people write it
        yield from ({"c": i} for i in range(5))

    state: dict[str, Any] = {}
    made = ladle.resource(read, name="r")(ladle.sources.incremental(initial_value=2, end_value=4))
    assert run(made, state) == [{"c": 2}, {"c": 3}]
    assert "incremental" not in state.get("resources", {}).get("r", {})


def test_a_cursor_as_a_hint_and_its_removal() -> None:
    data = [{"c": i} for i in range(5)]
    made = ladle.resource(data, name="r", incremental=ladle.sources.incremental("c", initial_value=3))
    assert list(made) == [{"c": 3}, {"c": 4}]
    assert list(made.apply_hints(incremental="")) == data
    assert list(made.apply_hints(incremental=ladle.sources.incremental("c", initial_value=4))) == [{"c": 4}]


@pytest.mark.parametrize(("with_map", "read"), [(False, 6), (True, 6)])
def test_an_ordered_source_is_closed_where_nothing_more_can_come(with_map: bool, read: int) -> None:
    made: list[int] = []

    def reading() -> Any:
        for i in range(100):
            made.append(i)
            yield {"c": i}

    cursor = ladle.sources.incremental("c", initial_value=0, end_value=5, row_order="asc")
    resource = ladle.resource(reading, incremental=cursor)
    if with_map:
        resource.add_map(lambda row: row)
    assert [r["c"] for r in resource] == [0, 1, 2, 3, 4]
    assert len(made) == read


@pytest.mark.parametrize("kind", ["parallel", "async"])
def test_an_ordered_source_that_works_elsewhere_is_closed_too(kind: str) -> None:
    closed: list[str] = []

    def reading() -> Any:
        try:
            yield from ({"c": i} for i in range(10_000_000))
        finally:
            closed.append("it")

    async def reading_async() -> Any:
        try:
            for i in range(10_000_000):
                yield {"c": i}
        finally:
            closed.append("it")

    cursor = ladle.sources.incremental("c", initial_value=0, end_value=5, row_order="asc")
    function = reading if kind == "parallel" else reading_async
    made = ladle.resource(function, incremental=cursor, parallelized=kind == "parallel")
    assert [r["c"] for r in made] == [0, 1, 2, 3, 4]
    assert closed == ["it"]


def test_a_cursor_fails_a_run_without_being_remembered() -> None:
    def failing() -> Any:
        yield {"c": 1}
        raise KeyError

    state: dict[str, Any] = {}
    with pytest.raises(ladle.errors.ResourceExtractionError):
        run(ladle.resource(failing, incremental=ladle.sources.incremental("c")), state)
    assert "incremental" not in state.get("resources", {}).get("failing", {})


@pytest.mark.parametrize("parallelized", [False, True])
def test_functions_with_settings_look_where_the_resource_looks(
    parallelized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def reading() -> Any:
        found.append(context.sections.get())
        yield 1

    list(ladle.resource(reading, section="own", parallelized=parallelized))
    made = ladle.source(
        lambda: [found.append(context.sections.get()), ladle.resource([1], name="r")][1], name="s"
    )
    made()
    assert found == [("sources", "own", "reading"), ("sources", "test_settings", "s")]
    assert context.sections.get() == ()
