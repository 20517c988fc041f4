"""What resources and sources remember: from run to run, on another machine, and until a refresh forgets it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.loading import Site

import ladle
from ladle.errors import LadleError, SourceError
from ladle.events import Event, Notice
from ladle.state.blob import decode_state

REFRESH = ("drop_sources", "drop_resources", "drop_data")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def stored(site: Site) -> dict[str, Any]:
    """Return the sources' part of the state at the destination."""
    sql = "SELECT state FROM ds._dlt_pipeline_state ORDER BY version DESC LIMIT 1"
    found: dict[str, Any] = decode_state(site.query(sql)[0][0]).get("sources", {})
    return found


def bump(state: dict[str, Any], name: str = "runs") -> int:
    state[name] = state.get(name, 0) + 1
    return int(state[name])


@ladle.resource(name="counted")
def counted() -> Iterator[Any]:
    yield {"run": bump(ladle.current.resource_state())}


# -- scopes


def test_a_counter_goes_on_until_its_resource_is_refreshed(site: Site) -> None:
    site.pipeline().run(counted)
    site.pipeline().run(counted)
    assert site.query("SELECT run FROM ds.counted") == [(1,), (2,)]
    site.pipeline().run(counted, refresh="drop_resources")
    assert site.query("SELECT run FROM ds.counted") == [(1,)]
    assert stored(site) == {"p": {"resources": {"counted": {"runs": 1}}}}


def test_resources_of_a_source_share_its_state(site: Site) -> None:
    def numbered(name: str) -> Any:
        @ladle.resource(name=name)
        def rows() -> Iterator[Any]:
            yield {"n": bump(ladle.current.source_state(), "n")}

        return rows

    @ladle.source
    def shop() -> Any:
        return numbered("a"), numbered("b")

    @ladle.source
    def other() -> Any:
        return numbered("c")

    for _ in range(2):
        site.pipeline().run([shop(), other()])
    assert site.query("SELECT n FROM ds.a UNION ALL SELECT n FROM ds.b ORDER BY 1") == [
        (1,),
        (2,),
        (3,),
        (4,),
    ]
    assert site.query("SELECT n FROM ds.c ORDER BY 1") == [(1,), (2,)]
    assert stored(site) == {"shop": {"n": 4}, "other": {"n": 2}}


def test_a_transformer_has_a_state_of_its_own(site: Site) -> None:
    @ladle.resource(name="parents")
    def parents() -> Iterator[Any]:
        bump(ladle.current.resource_state())
        yield from [{"i": 1}, {"i": 2}]

    @ladle.transformer(data_from=parents, name="children")
    def children(row: Any) -> Iterator[Any]:
        yield {"n": bump(ladle.current.resource_state(), "items")}

    for _ in range(2):
        site.pipeline().run(ladle.source(lambda: [parents, children], name="s")())
    assert stored(site)["s"]["resources"] == {"parents": {"runs": 2}, "children": {"items": 4}}
    assert site.query("SELECT n FROM ds.children ORDER BY 1") == [(1,), (2,), (3,), (4,)]


def parallel(name: str, together: threading.Barrier) -> Any:
    @ladle.resource(name=name, parallelized=True)
    def rows() -> Iterator[Any]:
        together.wait(20)  # breaks unless they run at once
        for _ in range(3):
            yield {"n": bump(ladle.current.resource_state())}

    return rows


def awaited(name: str, together: asyncio.Barrier) -> Any:
    @ladle.resource(name=name)
    async def rows() -> AsyncIterator[Any]:
        for _ in range(3):
            await asyncio.wait_for(together.wait(), 20)
            yield {"n": bump(ladle.current.resource_state())}

    return rows


@pytest.mark.parametrize(
    "make",
    [lambda n: parallel(n, THREADS), lambda n: awaited(n, asyncio.Barrier(1))],
    ids=["parallel", "async"],
)
def test_resources_that_run_at_once_keep_their_states_apart(make: Callable[[str], Any], site: Site) -> None:
    for _ in range(2):
        site.pipeline().run([make("a"), make("b")])
    assert stored(site)["p"]["resources"] == {"a": {"runs": 6}, "b": {"runs": 6}}
    for table in ("a", "b"):
        assert site.query(f"SELECT n FROM ds.{table} ORDER BY 1") == [(n,) for n in range(1, 7)]


THREADS = threading.Barrier(2)


def test_deferred_items_see_the_state_of_their_resource(site: Site) -> None:
    @ladle.defer
    def fetched(i: int) -> dict[str, int]:
        ladle.current.resource_state().setdefault("seen", {})[str(i)] = True
        return {"i": i}

    @ladle.resource(name="r")
    def rows() -> Iterator[Any]:
        yield from map(fetched, range(5))

    site.pipeline().run(rows)
    assert stored(site)["p"]["resources"]["r"] == {"seen": {str(i): True for i in range(5)}}


def test_a_run_that_fails_leaves_the_state_as_it_was(site: Site) -> None:
    @ladle.resource(name="counted")
    def fails() -> Iterator[Any]:
        yield {"run": bump(ladle.current.resource_state())}
        raise OSError("gone")

    site.pipeline().run(counted)
    pipeline = site.pipeline()
    with pytest.raises(SourceError):
        pipeline.run(fails)
    assert stored(site)["p"]["resources"]["counted"] == {"runs": 1}
    assert pipeline.state["sources"] == stored(site)
    pipeline.run(counted)
    assert site.query("SELECT run FROM ds.counted ORDER BY 1") == [(1,), (2,)]


# -- refresh, with the cases of the specification's 4.9


def rows_a(*rows: Any) -> Any:
    @ladle.resource(name="a")
    def a(at: Any = ladle.sources.incremental("id")) -> Iterator[Any]:
        bump(ladle.current.resource_state())
        ladle.current.source_state().setdefault("key", "kept")
        yield from rows

    return a


def source(rows: list[Any], more: list[Any]) -> Any:
    return ladle.source(lambda: [rows_a(*rows), ladle.resource(more, name="b")], name="s")()


def filled(site: Site) -> None:
    rows = [{"id": 1, "x": 1, "l": [1, 2]}, {"id": 9, "x": 2, "l": [3]}]
    site.pipeline().run(source(rows, [{"id": 1}, {"id": 2}]))
    site.pipeline().run(counted, schema="apart")


def ids(site: Site, table: str) -> list[int]:
    return [i for (i,) in site.query(f"SELECT id FROM ds.{table} ORDER BY 1")]


# The history of the schema is kept, unlike the reference's; see docs/differences.md.
EXPECTED: dict[str, dict[str, Any]] = {
    "drop_sources": {"b": [5], "columns": ["id"], "source": {"key": "kept"}, "versions": 2},
    "drop_resources": {"b": [1, 2], "columns": ["id"], "source": {"key": "kept"}, "versions": 2},
    "drop_data": {"b": [1, 2], "columns": ["id", "x"], "source": {"key": "kept"}, "versions": 1},
}


@pytest.mark.parametrize("mode", REFRESH)
def test_refresh_drops_what_its_mode_says_and_the_cursor_starts_over(mode: Any, site: Site) -> None:
    filled(site)
    assert stored(site)["s"]["resources"]["a"]["incremental"]["id"]["last_value"] == 9
    loads = site.query("SELECT count(*) FROM ds._dlt_loads")[0][0]
    data = source([{"id": 5}], [{"id": 5}])
    site.pipeline().run(data if mode == "drop_sources" else data.with_resources("a"), refresh=mode)
    expected = EXPECTED[mode]
    assert ids(site, "a") == [5]  # behind the cursor, which is forgotten
    assert ids(site, "b") == expected["b"]
    columns = [n for n in site.table("a").columns if not n.startswith("_dlt")]
    assert columns == expected["columns"]
    assert ("a__l" in site.names()) == (mode == "drop_data")
    if mode == "drop_data":
        assert site.query("SELECT count(*) FROM ds.a__l") == [(0,)]
    versions = "SELECT count(*) FROM ds._dlt_version WHERE schema_name = 's'"
    assert site.query(versions) == [(expected["versions"],)]
    own = stored(site)["s"]
    assert {k: v for k, v in own.items() if k != "resources"} == expected["source"]
    assert (own["resources"]["a"]["runs"], own["resources"]["a"]["incremental"]["id"]["last_value"]) == (1, 5)
    assert site.query("SELECT count(*) FROM ds._dlt_loads") == [(loads + 1,)]
    # Another source of the pipeline keeps rows and state.
    assert site.query("SELECT run FROM ds.counted") == [(1,)]
    assert stored(site)["apart"] == {"resources": {"counted": {"runs": 1}}}


@pytest.mark.parametrize("mode", ["drop_resources", "drop_data"])
def test_a_refresh_of_resources_leaves_the_keys_of_their_source(mode: Any, site: Site) -> None:
    filled(site)

    @ladle.resource(name="a")
    def quiet() -> Iterator[Any]:
        assert ladle.current.source_state()["key"] == "kept"
        assert ladle.current.resource_state() == {}
        yield {"id": 5}

    site.pipeline().run(ladle.source(lambda: quiet, name="s")(), refresh=mode)
    assert stored(site)["s"] == {"key": "kept"}


def test_a_refresh_of_sources_forgets_their_keys_too(site: Site) -> None:
    filled(site)

    @ladle.resource(name="a")
    def quiet() -> Iterator[Any]:
        assert ladle.current.source_state() == {}
        yield {"id": 5}

    site.pipeline().run(ladle.source(lambda: quiet, name="s")(), refresh="drop_sources")
    assert "s" not in stored(site)
    assert "b" not in site.names()


NOTICES = {
    "drop_sources": 'refresh="drop_sources" drops the tables `a`, `b`, `a__l` and forgets the state of `s`',
    "drop_resources": 'refresh="drop_resources" drops the tables `a`, `a__l` and forgets the state of `a`',
    "drop_data": 'refresh="drop_data" empties the tables `a`, `a__l` and forgets the state of `a`',
}


@pytest.mark.parametrize("mode", REFRESH)
def test_what_will_be_dropped_is_listed_before_anything_is_read_or_dropped(mode: Any, site: Site) -> None:
    filled(site)
    told: list[Any] = []

    def progress(event: Event) -> None:
        if isinstance(event, Notice):
            told.append((event.text, ids(site, "a"), ids(site, "b"), "a__l" in site.names()))

    @ladle.resource(name="a")
    def rows() -> Iterator[Any]:
        told.append("read")
        yield {"id": 5}

    refreshed = ladle.source(lambda: rows, name="s")()
    site.pipeline(progress=progress).run(refreshed, refresh=mode)
    assert told[0] == (f"{NOTICES[mode]}, when the load of source `s` begins", [1, 9], [1, 2], True)
    assert told[1] == "read"


@pytest.mark.parametrize("mode", REFRESH)
def test_a_refresh_whose_source_fails_drops_nothing(mode: Any, site: Site) -> None:
    filled(site)
    before = stored(site)

    @ladle.resource(name="a")
    def fails() -> Iterator[Any]:
        yield {"id": 5}
        raise OSError("gone")

    with pytest.raises(SourceError):
        site.pipeline().run(ladle.source(lambda: fails, name="s")(), refresh=mode)
    assert (ids(site, "a"), ids(site, "b"), stored(site)) == ([1, 9], [1, 2], before)
    assert site.query("SELECT count(*) FROM ds.a__l") == [(3,)]


# -- another machine


def elsewhere(site: Site) -> ladle.Pipeline:
    """The same pipeline on a machine that knows nothing."""
    return ladle.pipeline("p", site.root / "elsewhere", destination=site.destination, dataset_name="ds")


def test_an_empty_machine_goes_on_where_the_other_ended(site: Site) -> None:
    rows = [{"id": 1}, {"id": 2}]
    site.pipeline().run(rows_a(*rows))
    p = elsewhere(site)
    p.sync_destination()
    assert p.state["sources"] == stored(site)
    assert (p.first_run, p.default_schema_name, p.default_schema.data_table_names()[-1]) == (False, "p", "a")
    assert p.run(rows_a(*rows, {"id": 3})).row_counts["a"] == 1
    assert ids(site, "a") == [1, 2, 3]
    assert stored(site)["p"]["resources"]["a"]["runs"] == 2


def test_without_a_sync_a_run_restores_by_itself(site: Site) -> None:
    site.pipeline().run(rows_a({"id": 1}, {"id": 2}))
    elsewhere(site).run(rows_a({"id": 1}, {"id": 2}, {"id": 3}))
    assert ids(site, "a") == [1, 2, 3]


UNREADABLE = {
    "no base64": "???",
    "no zlib": "bm90IHpsaWI=",
    "cut off": "half",
    "empty": "",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_state_that_can_not_be_read_is_an_error_never_a_full_reload(what: str, site: Site) -> None:
    site.pipeline().run(rows_a({"id": 1}, {"id": 2}))
    blob = site.query("SELECT state FROM ds._dlt_pipeline_state")[0][0]
    broken = blob[: len(blob) // 2] if what == "cut off" else UNREADABLE[what]
    site.query(f"UPDATE ds._dlt_pipeline_state SET state = '{broken}'")
    read: list[int] = []

    @ladle.resource(name="a")
    def a(at: Any = ladle.sources.incremental("id")) -> Iterator[Any]:
        read.append(1)
        yield [{"id": 1}, {"id": 2}]

    p = elsewhere(site)
    with pytest.raises(LadleError, match="state") as caught:
        p.run(a)
    assert len(str(caught.value).splitlines()) <= 4
    assert (read, ids(site, "a"), p.has_pending_data) == ([], [1, 2], False)


def test_a_cursor_that_can_not_be_read_is_an_error_too(site: Site) -> None:
    site.pipeline().run(rows_a({"id": 1}, {"id": 2}))
    p = site.pipeline()
    with p.managed_state() as state:
        state["sources"]["p"]["resources"]["a"]["incremental"]["id"] = {"last": 2}
    with pytest.raises(LadleError, match="cursor") as caught:
        p.run(rows_a({"id": 1}, {"id": 2}))
    assert "resource=`a`" in str(caught.value)
    assert ids(site, "a") == [1, 2]


TYPED = [
    (Decimal("1.25"), Decimal("1.5")),
    (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
    (date(2024, 1, 1), date(2024, 1, 2)),
    (UUID(int=1), UUID(int=2)),
    (b"a", b"b"),
]


def keeping(name: str, value: Any) -> Any:
    """A resource that stores a value, None for what is there."""

    @ladle.resource(name=name)
    def rows() -> Iterator[Any]:
        if value is not None:
            ladle.current.resource_state()["value"] = value
        yield {"n": 1}

    return rows


@pytest.mark.parametrize(("first", "second"), TYPED, ids=lambda value: type(value).__name__)
def test_values_of_any_type_are_joined_where_another_run_was_faster(
    first: Any, second: Any, site: Site
) -> None:
    """What a run has not changed is not newer than what the other one stored, in its own type."""
    site.pipeline().run([keeping("a", first), keeping("b", first)])
    site.pipeline().extract([keeping("b", second)])  # its package waits, with `a` as it was
    elsewhere(site).run([keeping("a", second)])
    site.pipeline().run()
    resources = stored(site)["p"]["resources"]
    assert resources == {"a": {"value": second}, "b": {"value": second}}
    assert type(resources["a"]["value"]) is type(second)
