"""Tests of how rows land: dispositions, evolution, commit and rollback, state, and what isn't there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from ladle.destinations.base import GUARANTEES
from ladle.errors import DestinationError, LadleError, TableNotFound, UsageError
from ladle.pipelines.pipeline import Pipeline
from ladle.schema.change import MERGES
from ladle.sources.decorators import resource
from ladle.sources.incremental import Incremental
from ladle.testing.breaking import Breaking
from ladle.testing.fixtures import DestinationTests
from ladle.testing.oracle import MERGED, PLAIN, SNAPSHOTS, Row, Story, merges, versions
from ladle.testing.place import Place, plain

_PATIENCE_S = 3.0  # for a reader that has to wait for a commit
_MANY = 70_000  # more than 65,536, at which some formats begin a new group
SHAPES = ("flat", "nested")
WAYS = ("rows", "arrow")
_ARROW = pa.schema(
    [
        *((name, pa.int64()) for name in ("id", "s", "day")),
        *((name, pa.string()) for name in ("k", "l", "v")),
        ("gone", pa.bool_()),
        ("kids", pa.list_(pa.struct([("x", pa.int64())]))),
    ]
)


class WriteTests(DestinationTests):
    """Rows and Arrow, flat and nested, by every disposition that the destination's limits name."""

    # -- dispositions

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("story", PLAIN, ids=lambda story: story.name)
    def test_disposition(self, place: Place, story: Story, way: str) -> None:
        """Append adds, replace takes the place: of a table and of all below it."""
        self._tell(place, [story], way)

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("strategy", MERGED)
    def test_merge(self, place: Place, strategy: str, way: str) -> None:
        """A merge leaves what the oracle does; one that the limits don't name is refused, unwritten."""
        if strategy in place.destination.limits.merges:
            self._tell(place, merges(strategy), way)
            return
        with pytest.raises(UsageError):
            self._tell(place, merges(strategy), way)
        assert place.tables() == {}

    def _tell(self, place: Place, stories: Sequence[Story], way: str) -> None:
        """Load stories side by side, flat and nested, and compare what they leave."""
        for number in range(max(len(story.loads) for story in stories)):
            place.load(
                [
                    resource(
                        _brought(story.loads[number], shape, way),
                        name=f"{shape}_{story.table}",
                        **story.way.hints,
                    )
                    for story in stories
                    for shape in SHAPES
                    if number < len(story.loads)
                ],
                None,
            )
        for story in stories:
            wanted = story.expected()
            flat = [{k: v for k, v in row.items() if k != "kids"} for row in wanted]
            assert plain(place.rows(f"flat_{story.table}")) == plain(flat), f"{story.name}: {story.way}"
            assert plain(place.nested(f"nested_{story.table}")) == plain(wanted), f"{story.name}: {story.way}"

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_history(self, place: Place, shape: str, way: str) -> None:
        """A merge by `scd2` keeps each content with the time in which it held, or is refused."""
        if "scd2" not in place.destination.limits.merges:
            with pytest.raises(UsageError):
                self._tell_day(place, 1, shape, way)
            assert place.tables() == {}
            return
        for day in range(1, len(SNAPSHOTS) + 1):
            self._tell_day(place, day, shape, way)
        found = place.rows() if shape == "flat" else place.nested()
        for row in found:
            row["since"] = row.pop("_dlt_valid_from").day
            row["to"] = to.day if (to := row.pop("_dlt_valid_to", None)) else None
        wanted = [{**row, "since": since, "to": to} for row, since, to in versions(SNAPSHOTS)]
        if shape == "flat":
            wanted = [{k: v for k, v in row.items() if k != "kids"} for row in wanted]
        assert plain(found) == plain(wanted)

    def _tell_day(self, place: Place, day: int, shape: str, way: str) -> None:
        written: Any = {"disposition": "merge", "strategy": "scd2", "boundary_timestamp": f"2024-01-0{day}"}
        rows = _brought(SNAPSHOTS[day - 1], shape, way)
        place.load(resource(rows, name="t", write_disposition=written), None)

    def test_merges_are_known(self, place: Place) -> None:
        """The limits name strategies of ladle's, and a guarantee that there is."""
        assert set(place.destination.limits.merges) <= set(MERGES)
        assert place.destination.guarantee in GUARANTEES

    def test_replace_empties_what_gets_no_rows(self, place: Place) -> None:
        """A child table without rows this time ends up empty, like its parent's other old rows."""
        hints: dict[str, Any] = {"name": "t", "write_disposition": "replace"}
        place.load(resource([{"id": 1, "kids": [{"x": 1}]}, {"id": 2}], **hints), None)
        place.load(resource([{"id": 3}], **hints), None)
        assert place.rows() == [{"id": 3}]
        assert place.rows("t__kids") == []

    def test_rows_keep_their_place_among_many(self, place: Place) -> None:
        """140,000 values in several batches and tables come through, each once."""
        rows = [{"id": i, "kids": [{"x": i}]} for i in range(_MANY)]
        place.load(rows)
        assert sorted(place.arrow().column("id").to_pylist()) == list(range(_MANY))
        assert sorted(place.arrow("t__kids").column("x").to_pylist()) == list(range(_MANY))

    def test_rows_that_are_alike(self, place: Place) -> None:
        """Equal rows are all there, and so are rows without any value; null isn't empty text."""
        kids = [{"x": 1, "t": ""}, {"x": 1, "t": ""}, {"x": 2}, {}]
        rows: list[Row] = [{"v": "a", "kids": kids}, {"v": "a", "kids": kids}, {"v": ""}, {"kids": []}, {}]
        place.load(rows)
        assert plain(place.nested()) == plain([{"kids": [], **row} for row in rows])

    # -- evolution

    def test_new_columns_and_tables(self, place: Place) -> None:
        """What is new in later rows is added; what left stays, and is null."""
        place.load([{"id": 1, "old": "a"}])
        place.load([{"id": 2, "new": 2.5, "kids": [{"x": 1}]}])
        place.load([{"id": 3, "sub": {"deep": True}}])
        assert plain(place.rows()) == plain(
            [{"id": 1, "old": "a"}, {"id": 2, "new": 2.5}, {"id": 3, "sub__deep": True}]
        )
        assert place.rows("t__kids") == [{"x": 1}]

    def test_another_type_goes_beside(self, place: Place) -> None:
        """A value that its column doesn't hold is in a variant column; nothing is lost."""
        place.load([{"id": 1, "v": 1}])
        place.load([{"id": 2, "v": "two"}, {"id": 3, "v": 2.5}])
        assert plain(place.rows()) == plain(
            [{"id": 1, "v": 1}, {"id": 2, "v__v_text": "two"}, {"id": 3, "v__v_double": 2.5}]
        )

    def test_widening(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Under the policy `widen` columns change in their place where the limits say that they can."""
        monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", "widen")
        place.load([{"id": 1, "v": 1}])
        place.load([{"id": 2, "v": 2.5}])
        can = place.destination.limits.in_place
        name = "v" if can is None or ("bigint", "double") in can else "v__v_double"
        assert plain(place.rows()) == plain([{"id": 1, "v": 1.0 if name == "v" else 1}, {"id": 2, name: 2.5}])

    def test_a_column_of_nulls_comes_later(self, place: Place) -> None:
        """A column that only saw nulls is made with its first value."""
        place.load([{"id": 1, "v": None}])
        place.load([{"id": 2, "v": "x"}])
        assert plain(place.rows()) == plain([{"id": 1}, {"id": 2, "v": "x"}])

    # -- commit

    @pytest.mark.parametrize("at", ["t", "t__kids", "commit"])
    @pytest.mark.parametrize("disposition", ["append", "replace"])
    def test_a_load_that_breaks_leaves_nothing(self, place: Place, disposition: str, at: str) -> None:
        """A load that fails midway changes nothing that is seen, and the next run makes up for it, once."""
        hints: dict[str, Any] = {"name": "t", "write_disposition": disposition}
        place.load(resource([{"id": 1, "kids": [{"x": 1}]}], **hints), None)
        broken = place.pipeline(destination=Breaking(place.destination, at))
        with pytest.raises(LadleError):
            broken.run(resource([{"id": 2, "kids": [{"x": 2}]}], **hints), **place.options)
        assert place.nested() == [{"id": 1, "kids": [{"x": 1}]}]
        place.load(resource([{"id": 3, "kids": [{"x": 3}]}], **hints), None)
        wanted = (3,) if disposition == "replace" else (1, 2, 3)
        assert plain(place.nested()) == plain([{"id": i, "kids": [{"x": i}]} for i in wanted])

    @pytest.mark.parametrize("disposition", ["append", "replace"])
    def test_nothing_is_seen_before_the_commit(self, place: Place, disposition: str) -> None:
        """Who reads while a load is about to commit sees what was there before, or waits until it has."""
        hints: dict[str, Any] = {"name": "t", "write_disposition": disposition}
        place.load(resource([{"id": 1, "kids": [{"x": 1}]}], **hints), None)
        seen: list[Any] = []

        def read() -> None:
            try:
                seen.append(place.nested())
            except Exception as exc:  # noqa: BLE001 - shown by the test, on its own thread
                seen.append(exc)

        reader = threading.Thread(target=read)

        def look() -> None:
            reader.start()
            reader.join(_PATIENCE_S)
            seen.append("the commit")

        watched = place.pipeline(destination=Breaking(place.destination, "commit", look))
        watched.run(resource([{"id": 2, "kids": [{"x": 2}]}], **hints), **place.options)
        reader.join()
        assert seen[0] in ([{"id": 1, "kids": [{"x": 1}]}], "the commit")
        wanted = (2,) if disposition == "replace" else (1, 2)
        assert plain(place.nested()) == plain([{"id": i, "kids": [{"x": i}]} for i in wanted])

    def test_a_first_load_that_breaks_leaves_no_tables(self, place: Place) -> None:
        """Nor are tables, state, or a load left of it."""
        broken = place.pipeline(destination=Breaking(place.destination, "commit"))
        with pytest.raises(LadleError):
            broken.run([{"id": 1}], table_name="t", **place.options)
        with place.session() as session:
            if not place.destination.limits.tables_first:
                assert "t" not in session.tables()
            assert session.stored_state("suite") is None
        place.pipeline().drop_pending_packages()

    def test_one_load_id_twice(self, place: Place) -> None:
        """A package whose commit was applied, but not noted, is not loaded again."""
        made = place.pipeline()
        made.extract([{"id": 1, "kids": [{"x": 1}]}], table_name="t")
        made.normalize()
        copy = place.root / "copy"
        shutil.copytree(made.working_dir, copy)
        made.load()
        shutil.rmtree(made.working_dir)
        shutil.copytree(copy, made.working_dir)
        place.pipeline().load()
        assert place.nested() == [{"id": 1, "kids": [{"x": 1}]}]

    def test_has_load(self, place: Place) -> None:
        """A session knows the loads that were committed, by their ids, and no others."""
        runs = [place.pipeline().run([{"id": 1}], table_name="t", **place.options) for _ in range(2)]
        with place.session() as session:
            assert session.exists()
            assert [session.has_load(load_id) for info in runs for load_id in info.loads_ids] == [True, True]
            assert not session.has_load("1.0")

    def test_two_pipelines_at_once(self, place: Place) -> None:
        """Loads of two pipelines into one table at one time are all there."""
        place.load([{"id": 0, "of": "first"}])
        failed: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for number in range(3):
                    made = place.pipeline(name)
                    made.run([{"id": number, "of": name}], table_name="t", **place.options)
            except Exception as exc:  # noqa: BLE001 - shown by the test, on its own thread
                failed.append(exc)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed[0]
        wanted = [{"id": 0, "of": "first"}]
        wanted += [{"id": number, "of": name} for name in ("one", "two") for number in range(3)]
        assert plain(place.rows()) == plain(wanted)

    # -- state and schema

    def test_state_and_schema_come_back(self, place: Place) -> None:
        """A pipeline whose folder is lost goes on where it was: cursors, state and schema."""
        self._follow(place, 3)
        place.load([{"id": 9}], "later")  # of several schemas the newest is given back
        schema = place.pipeline().default_schema.to_dict()["tables"]
        place.forget()
        restored = place.pipeline()
        restored.sync_destination()
        assert restored.default_schema.to_dict()["tables"] == schema
        self._follow(place, 5)
        assert sorted(row["id"] for row in place.rows()) == [0, 1, 2, 3, 4]

    def _follow(self, place: Place, up_to: int) -> Pipeline:
        def rows(id: Any = Incremental("id")) -> Any:  # noqa: A002, B008 - how cursors are declared
            start = 0 if id.last_value is None else id.last_value + 1
            yield [{"id": number} for number in range(start, up_to)]

        return place.load(resource(rows, name="t"), None)

    def test_state_is_the_newest(self, place: Place) -> None:
        """Of several states the newest is given back, to its own pipeline only."""
        for up_to in (1, 2, 3):
            self._follow(place, up_to)
        with place.session() as session:
            state = session.stored_state("suite")
            assert state is not None
            assert session.newest(place.pipeline().default_schema.name, "suite") == (
                place.pipeline().default_schema.version_hash,
                state["_state_version"],
            )
            assert session.stored_state("another") is None
            assert session.stored_schema("another") is None
        place.forget()
        self._follow(place, 4)
        assert sorted(row["id"] for row in place.rows()) == [0, 1, 2, 3]

    def test_refresh_drops(self, place: Place) -> None:
        """`refresh="drop_sources"` begins anew: old tables go, with their columns."""
        place.load([{"id": 1, "old": 1, "kids": [{"x": 1}]}])
        place.load([{"id": 2}], refresh="drop_sources")
        assert place.rows() == [{"id": 2}]
        assert "t__kids" not in place.tables()
        assert "old" not in place.tables()["t"]

    def test_dropped_for_good(self, place: Place) -> None:
        """Columns and tables that are dropped by hand go, and their values with them."""
        made = place.load([{"id": 1, "old": 1, "kids": [{"x": 1}]}])
        made.drop_column("t", "old").apply(confirm=True)
        made.drop_table("t__kids").apply(confirm=True)
        assert place.rows() == [{"id": 1}]
        assert set(place.tables()) == {"t"}
        place.load([{"id": 2, "new": 3}])
        assert plain(place.rows()) == plain([{"id": 1}, {"id": 2, "new": 3}])

    # -- what isn't there

    def test_nothing_is_written_before_a_load(self, place: Place) -> None:
        """Opening, asking and closing makes nothing; closing twice is fine."""
        with place.session() as session:
            assert not session.exists()
            assert not session.has_load("1.0")
            assert dict(session.tables()) == {}
            assert session.stored_state("suite") is None
            assert session.stored_schema("suite") is None
            session.close()
        with place.session() as session:
            assert not session.exists()

    def test_a_table_that_is_not_there(self, place: Place) -> None:
        """Reading a table that isn't there says so, and names those that are."""
        made = place.load([{"id": 1}])
        with pytest.raises(TableNotFound):
            made.dataset().table("elsewhere").arrow()

    def test_a_place_that_is_not_there(self, place: Place) -> None:
        """What it shows of itself is a text, for errors and for the load info."""
        assert isinstance(place.destination.displayable(), str)
        assert place.destination.name
        assert place.destination.type_name

    def test_errors_of_a_load_are_ours(self, place: Place) -> None:
        """What breaks below a load comes out as an error of ladle's, with the load's id."""
        broken = place.pipeline(destination=Breaking(place.destination, "commit"))
        with pytest.raises(DestinationError) as caught:
            broken.run([{"id": 1}], table_name="t", **place.options)
        assert "on purpose" in str(caught.value)


def _brought(rows: Sequence[Row], shape: str, way: str) -> Any:
    """Return rows as a test brings them."""
    if shape == "flat":
        rows = [{k: v for k, v in row.items() if k != "kids"} for row in rows]
    if way == "rows":
        return list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.Table.from_pylist(list(rows), pa.schema([_ARROW.field(name) for name in names]))
