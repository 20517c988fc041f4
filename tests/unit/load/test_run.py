"""Loading a package: once, all or nothing, in the right order."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.load.sessions import Memory, MemorySession
from tests.unit.normalize.folding import normalized, raw

from ladle.destinations.base import LoadOwner
from ladle.errors import CommitFailed, CommitUnknown, DestinationError, PackageError
from ladle.events import Event, Progress, silent
from ladle.load import run
from ladle.load.plan import schema_update
from ladle.load.run import BehindDestination, LoadIdTaken, StateMissing, conformed, load, union_schema
from ladle.package.manifest import ResourceInfo
from ladle.package.store import Package
from ladle.schema.change import AddColumn, AddTable, Limits
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import Column, Table

STATE = {"_state_version": 1, "_state_engine_version": 4}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_CONFLICT_PAUSE_S", 0)


def package(root: Path, *batches: Any, **changes: Any) -> Package:
    made = normalized(root, raw(*(batches or [[{"a": 1, "l": [7]}, {"a": 2}]])))
    return made.save(**{"state": STATE, **changes})


def loaded(memory: Memory, made: Package, emit: Any = silent) -> run.LoadResult:
    return load(made, memory, "ds", emit)  # type: ignore[arg-type]


def values(memory: Memory, table: str, column: str) -> list[Any]:
    return [row[column] for row in memory.rows.get(table, [])]


def test_rows_tables_and_counts(tmp_path: Path) -> None:
    memory, told = Memory(), list[Event]()
    result = loaded(memory, package(tmp_path), told.append)
    assert (values(memory, "t", "a"), values(memory, "t__l", "value")) == ([1, 2], [7])
    assert result.rows == {"t": 2, "t__l": 1}
    assert {c.table.name for c in result.changes if isinstance(c, AddTable)} == {"t", "t__l", *SYSTEM_TABLES}
    assert set(result.seconds) == {"t", "t__l"}
    assert [e for e in told if isinstance(e, Progress)] == [
        Progress("load", "t", 2),
        Progress("load", "t__l", 1),
    ]
    assert memory.calls == ["begin", "append t", "append t__l", "commit"]


def test_a_package_that_is_loaded_is_not_written_again(tmp_path: Path) -> None:
    memory, made = Memory(), package(tmp_path)
    loaded(memory, made)
    again = loaded(memory, made)
    assert (again.already, again.rows) == (True, {"t": 2, "t__l": 1})
    assert memory.calls.count("begin") == 1


def test_a_package_is_told_from_the_load_of_another_by_schema_and_pipeline(tmp_path: Path) -> None:
    made = package(tmp_path)
    schema, pipeline = made.manifest.schema["name"], made.manifest.pipeline
    owners = {
        (schema,): False,
        (schema, None): False,
        (None,): True,
        ("other",): True,
        (schema, pipeline, "other"): False,
        (schema, "other"): True,
    }
    for (name, *pipelines), is_other in owners.items():
        states = tuple(p for p in pipelines if p is not None)
        memory = Memory(loads=[made.load_id], owner=LoadOwner((name,), states))
        if is_other:
            with pytest.raises(
                LoadIdTaken, match=f"`ds` of destination `memory` has another load `{made.load_id}`"
            ):
                loaded(memory, made)
            assert memory.calls == []
        else:
            assert loaded(memory, made).already
    # Where another tool added a second load of that id, its state says nothing of this one.
    assert not LoadOwner((schema, schema), ("other",)).is_other(schema, pipeline)


def test_a_load_of_another_that_comes_first_is_not_taken_for_a_lost_commit(tmp_path: Path) -> None:
    made = package(tmp_path)
    memory = Memory(owner=LoadOwner(("other",)), commit_errors=[CommitUnknown("lost")], lost_answer=True)
    with pytest.raises(LoadIdTaken):
        loaded(memory, made)


def test_a_commit_that_certainly_failed_is_tried_again(tmp_path: Path) -> None:
    memory = Memory(commit_errors=[CommitFailed("conflict"), CommitFailed("conflict")])
    assert loaded(memory, package(tmp_path)).rows["t"] == 2
    assert (memory.calls.count("commit"), values(memory, "t", "a")) == (3, [1, 2])


def test_conflicts_without_end_are_given_up(tmp_path: Path) -> None:
    memory = Memory(commit_errors=[CommitFailed("conflict")] * 99)
    with pytest.raises(CommitFailed, match="conflict"):
        loaded(memory, package(tmp_path))
    assert memory.calls.count("commit") == 8
    assert memory.rows == {}


@pytest.mark.parametrize("applied", [True, False])
def test_an_unknown_commit_is_looked_for(applied: bool, tmp_path: Path) -> None:
    memory, made = Memory(commit_errors=[CommitUnknown("lost")], lost_answer=applied), package(tmp_path)
    if applied:
        assert loaded(memory, made).already
    else:
        with pytest.raises(CommitFailed, match=f"load `{made.load_id}` was not committed: lost"):
            loaded(memory, made)
    assert len(memory.loads) == applied
    assert memory.calls.count("commit") == 1


def test_an_unknown_commit_stays_unknown_where_nobody_answers(tmp_path: Path) -> None:
    memory = Memory(commit_errors=[CommitUnknown("lost")])
    real_open = memory.open

    def open_once(dataset: str) -> Any:
        if "commit" in memory.calls:
            raise DestinationError("no connection")
        return real_open(dataset)

    memory.open = open_once  # type: ignore[method-assign]
    with pytest.raises(CommitUnknown, match="lost"):
        loaded(memory, package(tmp_path))


def test_sessions_are_closed_whatever_happens(tmp_path: Path) -> None:
    memory = Memory(commit_errors=[CommitFailed("x")] * 99)
    with pytest.raises(CommitFailed):
        loaded(memory, package(tmp_path))
    assert memory.closed == 8


@pytest.mark.parametrize(
    ("newest", "error"),
    [
        (("another", 0), BehindDestination),
        ((None, 1), BehindDestination),
        ((None, 0), None),
    ],
)
def test_what_others_committed_meanwhile_is_seen(newest: Any, error: Any, tmp_path: Path) -> None:
    memory, made = Memory(newest=newest), package(tmp_path)
    if error is None:
        loaded(memory, made)
        return
    with pytest.raises(error):
        loaded(memory, made)
    assert memory.calls == ["begin"]


def test_a_state_that_is_gone_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(StateMissing):
        loaded(Memory(), package(tmp_path, state=None))


def test_tables_are_dropped_and_emptied_before_rows_are_written(tmp_path: Path) -> None:
    memory = Memory(
        rows={"t": [{"a": 0}], "old": [{"b": 1}]}, columns={"t": {"a": "any"}, "old": {"b": "any"}}
    )
    made = package(tmp_path, drop_tables=("t",), empty_tables=("old",))
    result = loaded(memory, made)
    assert memory.calls == ["begin", "drop t", "clear old", "append t", "append t__l", "commit"]
    assert values(memory, "t", "a") == [1, 2]
    assert "old" not in memory.rows
    assert "t" in {c.table.name for c in result.changes if isinstance(c, AddTable)}


def replacing(made: Package) -> Package:
    infos = [ResourceInfo(r.name, r.table, "replace", r.rows, r.parts) for r in made.manifest.resources]
    return made.save(resources=tuple(infos))


def test_replace_clears_the_table_and_all_below_it(tmp_path: Path) -> None:
    memory = Memory()
    loaded(memory, package(tmp_path / "1"))
    schema = Schema.from_dict(package(tmp_path / "2").manifest.schema)
    made = normalized(tmp_path / "3", raw([{"a": 9}]), schema=schema).save(
        state={**STATE, "_state_version": 2}
    )
    loaded(memory, replacing(made))
    assert memory.calls[-3:] == ["clear t t__l", "append t", "commit"]
    assert (values(memory, "t", "a"), values(memory, "t__l", "value")) == ([9], [])


def test_two_resources_that_replace_one_table_clear_it_once(tmp_path: Path) -> None:
    made = normalized(tmp_path, raw([{"a": 1}], resource="r1"), raw([{"a": 2}], resource="r2")).save(
        state=STATE
    )
    memory = Memory()
    loaded(memory, replacing(made))
    assert values(memory, "t", "a") == [1, 2]
    assert memory.calls.count("append t") == 1


def test_rows_that_the_destination_did_not_take_are_noticed(tmp_path: Path) -> None:
    memory = Memory(lose_rows=1)
    with pytest.raises(DestinationError, match="table `t` took 1 rows of 2"):
        loaded(memory, package(tmp_path))
    assert memory.rows == {}


def test_rows_that_no_resource_claims_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not all rows"):
        loaded(Memory(), package(tmp_path, resources=()))


def test_damaged_files_stop_the_load(tmp_path: Path) -> None:
    made = package(tmp_path)
    (made.folder / made.files("ready")[0].name).write_bytes(b"x")
    memory = Memory()
    with pytest.raises(PackageError, match="is damaged"):
        loaded(memory, made)
    assert memory.rows == {}


def test_files_of_one_table_are_brought_to_one_schema(tmp_path: Path) -> None:
    made = package(tmp_path, [{"b": 1}], [{"a": "x", "b": 2}])
    table = Schema.from_dict(made.manifest.schema).table_map["t"]
    files = made.files("ready")
    schema = union_schema(map(made.schema_of, files), table)
    assert schema.names == ["b", "a", "_dlt_load_id", "_dlt_id"]
    batches = list(conformed(made.read(files), schema))
    assert all(b.schema == schema for b in batches)
    assert [(r["a"], r["b"]) for r in pa.Table.from_batches(batches).to_pylist()] == [(None, 1), ("x", 2)]


def test_schema_update_groups_new_columns_by_table() -> None:
    column = Column("b", data_type="text")
    update = schema_update(
        [
            AddTable(Table("n", columns={"b": column})),
            AddColumn("t", column),
            AddColumn("t", Column("c", "date")),
        ]
    )
    assert {t: list(u["columns"]) for t, u in update.items()} == {"n": ["b"], "t": ["b", "c"]}  # type: ignore[call-overload]


def test_tables_are_written_at_once_where_the_destination_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, together = Memory(limits=Limits(writers=2)), threading.Barrier(2, timeout=10)
    append = MemorySession.append

    def waiting(self: MemorySession, *args: Any) -> int:
        together.wait()
        return append(self, *args)

    monkeypatch.setattr(MemorySession, "append", waiting)
    loaded(memory, package(tmp_path))
    assert (values(memory, "t", "a"), values(memory, "t__l", "value")) == ([1, 2], [7])
    assert memory.calls[-1] == "commit"


@pytest.mark.parametrize("first", ["t", "t__l"])
def test_the_first_table_that_fails_closes_the_session_and_is_told(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, closed = Memory(limits=Limits(writers=2)), threading.Event()

    def failing(self: MemorySession, table: Any, *args: Any) -> int:
        if table.name == first:
            raise DestinationError("full")
        assert closed.wait(10)
        raise DestinationError("given up")

    monkeypatch.setattr(MemorySession, "append", failing)
    monkeypatch.setattr(MemorySession, "close", lambda self: closed.set())
    with pytest.raises(DestinationError, match="full"):
        loaded(memory, package(tmp_path))
    assert "commit" not in memory.calls


def test_a_destination_without_dispositions_is_just_given_rows(tmp_path: Path) -> None:
    memory = Memory(limits=Limits(dispositions=False))
    made = package(tmp_path)
    infos = [ResourceInfo(r.name, r.table, "merge", r.rows, r.parts) for r in made.manifest.resources]
    loaded(memory, made.save(resources=tuple(infos)))
    assert memory.calls == ["begin", "append t", "append t__l", "commit"]


def test_a_destination_without_states_has_none_missing(tmp_path: Path) -> None:
    memory = Memory(newest=(None, None))
    loaded(memory, package(tmp_path, state=None))
    assert memory.calls[-1] == "commit"


def test_a_single_table_is_written_on_the_callers_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    append = MemorySession.append

    def noting(self: MemorySession, *args: Any) -> int:
        threads.append(threading.current_thread())
        return append(self, *args)

    monkeypatch.setattr(MemorySession, "append", noting)
    loaded(Memory(limits=Limits(writers=9)), package(tmp_path, [{"a": 1}]))
    assert threads == [threading.current_thread()]
