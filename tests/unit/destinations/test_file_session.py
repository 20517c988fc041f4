"""A load into files: all or nothing for who counts loads, whatever step the process dies at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.destinations.places import (
    OPTIONS,
    Dying,
    Killed,
    counted,
    globbed,
    load,
    private,
    record,
    rows_of,
    state,
    table,
)

from ladle.destinations import file_session
from ladle.destinations.file_catalog import FileCatalog
from ladle.destinations.file_session import FileSession
from ladle.destinations.files import LocalFiles
from ladle.destinations.layout import Layout
from ladle.errors import CommitFailed, CommitUnknown, DestinationError

X1, X2, X3 = [{"x": 1}], [{"x": 2}], [{"x": 3}]


def test_files_are_where_the_reference_has_them(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100.5", {"t": X1, "t__l": X2}, state=state(1))
    names = [p.split("/") for p in LocalFiles(tmp_path).list("")]
    assert [n[0] for n in names] == ["_dlt_loads", "_dlt_pipeline_state", "_dlt_version", "init", "t", "t__l"]
    assert names[0][1] == "shop__100.5.jsonl"
    assert names[1][1].startswith("p__100.5__")
    assert names[2][1].startswith("shop__100.5__")
    assert names[4][1].startswith("100.5.")
    assert names[4][1].endswith(".jsonl.gz")
    assert (tmp_path / "init").read_bytes() == b'{"initial_version":2,"current_version":2}'


def test_append_adds_files_and_replace_removes_the_old(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1, "u": X1})
    load(files, "101", {"t": X2})
    assert globbed(tmp_path, ["t", "u"]) == {"t": [*X1, *X2], "u": X1}
    load(files, "102", {"t": X3}, clear=["t"])
    assert globbed(tmp_path, ["t", "u"]) == counted(files, ["t", "u"]) == {"t": X3, "u": X1}
    assert private(tmp_path) == []


def test_replace_without_rows_leaves_a_file_without_rows(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1})
    load(files, "101", {}, clear=["t"])
    assert [rows_of(files.read(p)) for p in files.list("t/")] == [[]]


def test_drop_removes_the_files_of_a_table(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1, "u": X1})
    load(files, "101", {"u": X2}, drop=["t"])
    assert files.list("t/") == []
    with closing(FileSession(files, "here", OPTIONS)) as session:
        assert "t" not in session.tables()


def test_other_files_in_a_tables_folder_stay(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1})
    (tmp_path / "t" / "README.md").write_text("mine")
    load(files, "101", {"t": X2}, clear=["t"])
    assert (tmp_path / "t" / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    "template",
    [
        "{table_name}_{load_id}.{file_id}",
        "{table_name}.{file_id}",
        "{schema_name}/{table_name}-{load_id}",
        "d/{table_name}/{Y}/{file_id}",
    ],
)
def test_tables_whose_names_begin_alike_are_kept_apart(template: str, tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    options = replace(OPTIONS, layout=Layout(template))
    tables = {"t": X1, "t__l": X1, "t_5": X1, "t_x": X1}
    load(files, "100.5", tables, session_options=options)
    load(files, "101.5", {"t": X2}, clear=["t"], session_options=options)
    with closing(FileSession(files, "here", options)) as session:
        found = {
            n: [r for p in session.data_files("shop", n) for r in rows_of(files.read(p))] for n in tables
        }
    assert found == {**tables, "t": X2}


def test_a_big_table_goes_on_in_further_files_in_order(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    rows = [{"x": i} for i in range(200_000)]
    load(files, "100", {"t": rows}, session_options=replace(OPTIONS, max_file_bytes=500_000))
    found = [rows_of(files.read(p)) for p in files.list("t/")]
    assert len(found) == 3
    assert [row for part in found for row in part] == rows


def test_a_layout_without_file_id_has_one_file_per_load(tmp_path: Path) -> None:
    options = replace(OPTIONS, layout=Layout("{table_name}/{load_id}"), max_file_bytes=1000)
    load(LocalFiles(tmp_path), "100", {"t": [{"x": i} for i in range(100_000)]}, session_options=options)
    assert LocalFiles(tmp_path).list("t/") == ["t/100.jsonl.gz"]


def test_formats_are_the_runs_the_roots_or_jsonl(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    for load_id, kind in (("100", None), ("101", "csv")):
        root, arrow = table("t", X1)
        child, _ = table("t__l", X1, parent="t")
        other, _ = table("u", X1)
        with closing(FileSession(files, "here", replace(OPTIONS, compressed=False))) as session:
            session.begin(record(load_id, root, child, other, formats={"t": "parquet"}, file_format=kind))
            for each in (root, child, other):
                session.append(each, arrow.schema, arrow.to_batches())
            session.commit()
    ends = sorted(
        (p.split("/")[0], p.rpartition(".")[2]) for p in files.list("") if not p.startswith("_") and "/" in p
    )
    assert ends == [
        ("t", "csv"),
        ("t", "parquet"),
        ("t__l", "csv"),
        ("t__l", "parquet"),
        ("u", "csv"),
        ("u", "jsonl"),
    ]


@pytest.mark.parametrize("name", ["init", "_dlt_loads", "_ladle"])
def test_a_table_that_would_stand_in_the_way_of_the_dataset_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="taken by the dataset itself"):
        load(LocalFiles(tmp_path), "100", {name: X1})
    options = replace(OPTIONS, layout=Layout("data/{table_name}/{file_id}"))
    load(LocalFiles(tmp_path), "100", {"init": X1}, session_options=options)


def test_a_dataset_from_before_gz_endings_keeps_its_names(tmp_path: Path) -> None:
    (tmp_path / "init").write_bytes(b"")
    load(LocalFiles(tmp_path), "100", {"t": X1})
    [path] = LocalFiles(tmp_path).list("t/")
    assert path.endswith(".jsonl")
    assert rows_of((tmp_path / path).read_bytes()) == X1


# -- what is there


def test_newest_state_and_schema_are_those_of_committed_loads(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1}, state=state(1, n="a"))
    load(files, "150", {"t": X1, "u": X1}, state=state(3, n="c"))
    load(files, "120", {"t": X1, "u": X1}, state=state(2, n="b"))
    load(files, "160", {"t": X1}, state=state(9), pipeline="p__other")
    (tmp_path / "_dlt_loads" / "shop__160.jsonl").unlink()
    with closing(FileSession(files, "here", OPTIONS)) as session:
        assert session.stored_state("p") == state(3, n="c")
        assert session.stored_state("p__other") is None
        schema = session.stored_schema("shop")
        assert session.newest("shop", "p") == (schema["version_hash"], 3)  # type: ignore[index]
        assert session.newest("none", "none") == (None, 0)
        assert set(session.tables()) >= {"t", "_dlt_loads", "_dlt_version", "_dlt_pipeline_state"}
        assert session.tables()["t"] == {"x": "bigint"}
        assert session.stored_schema("none") is None


def test_a_schema_that_comes_back_is_the_newest_again(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1})
    load(files, "101", {"t": X1, "u": X1})
    load(files, "102", {"t": X1})
    with closing(FileSession(files, "here", OPTIONS)) as session:
        assert set(session.stored_schema("shop")["tables"]) - set(session.stored_schema("none") or ()) >= {
            "t"
        }  # type: ignore[index]
        assert "u" not in session.tables()
    assert len(files.list("_dlt_version/")) == 3


def test_a_version_is_stored_once(tmp_path: Path) -> None:
    for load_id in ("100", "101", "102"):
        load(LocalFiles(tmp_path), load_id, {"t": X1})
    assert len(LocalFiles(tmp_path).list("_dlt_version/")) == 1


def test_states_are_pruned(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "99", {"t": X1}, state=state(1), pipeline="other")
    for i in range(100, 130):
        load(files, str(i), {"t": X1}, state=state(i), session_options=replace(OPTIONS, max_state_files=25))
    assert len(files.list("_dlt_pipeline_state/p__")) == 25
    assert len(files.list("_dlt_pipeline_state/other__")) == 1
    with closing(FileSession(files, "here", OPTIONS)) as session:
        assert session.newest("shop", "p")[1] == 129


def test_nothing_is_there_before_the_first_load(tmp_path: Path) -> None:
    with closing(FileSession(LocalFiles(tmp_path / "ds"), "here", OPTIONS)) as session:
        assert not session.exists()
        assert not session.has_load("100")
        assert session.tables() == {}
        assert session.stored_state("p") is None
    assert not (tmp_path / "ds").exists()


# -- ends that are not the good one


def opened(tmp_path: Path, load_id: str = "101", rows: Any = X2, clear: bool = False) -> FileSession:
    """Return a session that stands before its commit."""
    entry, arrow = table("t", rows)
    session = FileSession(LocalFiles(tmp_path), "here", OPTIONS)
    session.begin(record(load_id, entry, state=state(2)))
    session.newest("shop", "p")
    if clear:
        session.clear(["t"])
    session.append(entry, arrow.schema, arrow.to_batches())
    return session


def test_closed_without_commit_it_leaves_nothing(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    before = LocalFiles(tmp_path).list("")
    session = opened(tmp_path, clear=True)
    assert globbed(tmp_path, ["t"]) == {"t": X1}
    session.close()
    session.close()
    assert LocalFiles(tmp_path).list("") == before


def test_rows_that_fail_midway_leave_nothing(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    before = LocalFiles(tmp_path).list("")
    entry, arrow = table("t", X2)

    def batches() -> Any:
        yield from arrow.to_batches()
        raise ZeroDivisionError

    session = FileSession(LocalFiles(tmp_path), "here", OPTIONS)
    session.begin(record("101", entry))
    with pytest.raises(ZeroDivisionError):
        session.append(entry, arrow.schema, batches())
    session.close()
    assert LocalFiles(tmp_path).list("") == before


def failing(
    name: str, monkeypatch: pytest.MonkeyPatch, when: Callable[[str], bool], after: bool = False
) -> None:
    """Let a call of `os` fail as on a full disk, or after it was done."""
    original = getattr(os, name)

    def call(*args: Any) -> Any:
        if not when(str(args[-1])):
            return original(*args)
        if after:
            original(*args)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("place", ["/t/", "/_dlt_version/", "/_dlt_pipeline_state/", "/101.json"])
def test_a_disk_that_is_full_before_the_row_leaves_nothing_visible(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    before = LocalFiles(tmp_path).list("")
    session = opened(tmp_path, rows=[{"x": 2, "y": 1}], clear=True)
    with monkeypatch.context() as patch:
        failing("replace", patch, lambda target: place in target)
        with pytest.raises(DestinationError, match="No space left") as caught:
            session.commit()
        assert not isinstance(caught.value, CommitUnknown)
        assert "the disk is full" in str(caught.value)
    session.close()
    assert LocalFiles(tmp_path).list("") == before
    load(LocalFiles(tmp_path), "101", {"t": X2})
    assert globbed(tmp_path, ["t"]) == {"t": [*X1, *X2]}


@pytest.mark.parametrize("after", [False, True])
def test_a_row_that_fails_may_be_there(after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    session = opened(tmp_path, clear=True)
    with monkeypatch.context() as patch:
        failing("replace", patch, lambda target: "/_dlt_loads/" in target, after)
        with pytest.raises(CommitUnknown):
            session.commit()
    session.close()
    with closing(FileSession(LocalFiles(tmp_path), "here", OPTIONS)) as look:
        assert look.has_load("101") is after
    assert globbed(tmp_path, ["t"]) == {"t": X2 if after else X1}
    assert private(tmp_path) == []


def test_what_fails_after_the_row_is_done_by_the_next_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    session = opened(tmp_path, clear=True)
    with monkeypatch.context() as patch:
        failing("unlink", patch, lambda path: "/t/" in path)
        session.commit()
        session.close()
    assert globbed(tmp_path, ["t"]) == {"t": [*X1, *X2]}
    assert counted(LocalFiles(tmp_path), ["t"]) == {"t": X2}
    load(LocalFiles(tmp_path), "102", {"u": X3})
    assert globbed(tmp_path, ["t"]) == {"t": X2}


# -- others


def test_a_load_of_that_id_which_somebody_else_commits_just_now_is_waited_for(tmp_path: Path) -> None:
    mine = opened(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileCatalog, "write_load", failing_to_answer)
        with pytest.raises(CommitUnknown):
            mine.commit()
    (intent,) = FileCatalog(LocalFiles(tmp_path)).intents()
    assert (intent.load_id, intent.schema, intent.pipeline) == ("101", "shop", "p")
    for other in (record("101", name="other"), record("101", pipeline="another")):
        with closing(FileSession(LocalFiles(tmp_path), "here", OPTIONS)) as session:
            with pytest.raises(CommitFailed, match="committing another load of that id"):
                session.begin(other)
            # Whoever commits for more than a minute is dead.
            FileCatalog(LocalFiles(tmp_path)).write_intent(replace(intent, stored_at=time.time() - 61))
            session.begin(other)
            assert private(tmp_path) == []
        FileCatalog(LocalFiles(tmp_path)).write_intent(intent)
    with closing(FileSession(LocalFiles(tmp_path), "here", OPTIONS)) as session:
        session.begin(record("101"))
    assert private(tmp_path) == []


def failing_to_answer(*_: Any) -> None:
    raise OSError("no answer")


def test_files_that_the_next_try_of_a_load_takes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, arrow = table("t", X1)
    original = file_session.write_file

    def write(*args: Any) -> int:
        FileSession(LocalFiles(tmp_path), "here", OPTIONS).begin(record("101", entry))
        return original(*args)

    monkeypatch.setattr(file_session, "write_file", write)
    with closing(FileSession(LocalFiles(tmp_path), "here", OPTIONS)) as session:
        session.begin(record("101", entry))
        with pytest.raises(CommitFailed, match="took its files away"):
            session.append(entry, arrow.schema, arrow.to_batches())


def test_two_loads_at_once_both_count(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    first, second = opened(tmp_path, "101", X2, clear=True), opened(tmp_path, "102", X3)
    second._newest = None
    first.commit()
    second.commit()
    assert globbed(tmp_path, ["t"]) == {"t": [*X2, *X3]}


def test_replace_spares_a_load_that_is_about_to_commit(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    appending = opened(tmp_path, "101", X2)
    appending._publish(appending._record)  # type: ignore[arg-type]
    replacing = opened(tmp_path, "102", X3, clear=True)
    replacing.commit()
    assert counted(LocalFiles(tmp_path), ["t"]) == {"t": X3}
    appending._catalog.write_load(appending._record)  # type: ignore[arg-type]
    assert counted(LocalFiles(tmp_path), ["t"]) == {"t": [*X2, *X3]}


def test_a_run_that_was_faster_stops_the_slower(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1}, state=state(1))
    slow, fast = opened(tmp_path, "101"), opened(tmp_path, "102")
    fast.commit()
    with pytest.raises(CommitFailed, match="committed the same schema or state"):
        slow.commit()
    slow.close()
    assert globbed(tmp_path, ["t"]) == {"t": [*X1, *X2]}
    assert private(tmp_path) == []


def test_a_load_that_was_taken_back_cannot_commit(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    zombie, again = opened(tmp_path, "101", X2), opened(tmp_path, "101", X3)
    with pytest.raises((CommitFailed, DestinationError)):
        zombie.commit()
    zombie.close()
    again.commit()
    again.close()
    assert globbed(tmp_path, ["t"]) == {"t": [*X1, *X3]}
    assert private(tmp_path) == []


def test_a_load_given_up_long_ago_is_taken_back(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": X1})
    for load_id, session_name in (("102", None), ("101", "1000000000-aa")):
        left = opened(tmp_path, load_id)
        left._session = session_name or left._session
        left._publish(left._record)  # type: ignore[arg-type]
        extra, arrow = table("u", X1)
        left.append(extra, arrow.schema, arrow.to_batches())
    assert len(private(tmp_path)) == 4
    load(LocalFiles(tmp_path), "103", {"v": X3})
    assert {p.split("/")[1].removesuffix(".json") for p in private(tmp_path)} == {"102"}
    assert counted(LocalFiles(tmp_path), ["t"]) == {"t": X1}
    assert len(globbed(tmp_path, ["t"])["t"]) == 2


# -- kills


def first_load(files: Any) -> None:
    load(files, "101", {"t": X2, "u": X2}, state=state(2))


def replacing_load(files: Any) -> None:
    load(files, "101", {"t": X2, "u": X2, "v": X2}, clear=["t", "u", "w"], state=state(2))


@pytest.mark.parametrize("work", [first_load, replacing_load])
@pytest.mark.parametrize("before", [False, True])
def test_killed_at_any_step_it_is_all_or_nothing_and_can_be_done_again(
    work: Callable[[Any], None], before: bool, tmp_path: Path
) -> None:
    names = ["t", "u", "v", "w"]

    def begun(root: Path) -> Path:
        if before:
            load(LocalFiles(root), "100", {"t": X1, "u": X1, "w": X1}, state=state(1))
        return root

    work(whole := Dying(LocalFiles(begun(tmp_path / "whole"))))
    old = counted(LocalFiles(begun(tmp_path / "old")), names)
    new = counted(LocalFiles(tmp_path / "whole"), names)
    assert globbed(tmp_path / "whole", names) == new
    seen = []
    for kill_at in range(1, whole.changes + 1):
        root = begun(tmp_path / str(kill_at))
        with pytest.raises(Killed):
            work(Dying(LocalFiles(root), kill_at))
        seen.append(counted(LocalFiles(root), names))
        work(LocalFiles(root))
        assert globbed(root, names) == counted(LocalFiles(root), names) == new, kill_at
        assert private(root) == [], kill_at
        assert len(LocalFiles(root).list("_dlt_loads/")) == 1 + before
        assert len(LocalFiles(root).list("_dlt_pipeline_state/")) == 1 + before
    committed = seen.index(new)
    assert seen == [old] * committed + [new] * (len(seen) - committed)


def test_killed_before_the_end_of_a_file_its_remains_go_with_the_next_try(tmp_path: Path) -> None:
    opened(tmp_path)
    [staged] = private(tmp_path)
    (tmp_path / staged).rename(tmp_path / f"{staged}.tmp")
    load(LocalFiles(tmp_path), "101", {"t": X2})
    assert private(tmp_path) == []


def test_a_column_may_come_with_later_files(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    load(files, "100", {"t": X1})
    load(files, "101", {"t": [{"x": 2, "y": "new"}]})
    with closing(FileSession(files, "here", OPTIONS)) as session:
        assert session.tables()["t"] == {"x": "bigint", "y": "text"}
    assert globbed(tmp_path, ["t"]) == {"t": [{"x": 1}, {"x": 2, "y": "new"}]}


def test_empty_batches_make_no_file(tmp_path: Path) -> None:
    entry, arrow = table("t", X1)
    with closing(FileSession(LocalFiles(tmp_path), "here", OPTIONS)) as session:
        session.begin(record("100", entry))
        assert session.append(entry, arrow.schema, [pa.RecordBatch.from_pylist([], arrow.schema)]) == 0
        session.commit()
    assert LocalFiles(tmp_path).list("t/") == []
