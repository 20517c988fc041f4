"""Wrong sources, cursors and settings: each with its whole error, four lines at most, and nothing loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site
from tests.unit.test_bad_input import rendered

import ladle
from ladle.errors import LadleError

incremental = ladle.sources.incremental
PLACE = "step=`extract` pipeline=`p` load_id=`ID`"


def by_cursor(data: Any, path: str = "c", **options: Any) -> Any:
    return ladle.resource(data, name="r").apply_hints(incremental=incremental(path, **options))


def function(body: Callable[[], Any], **options: Any) -> Any:
    return ladle.resource(body, name="r", **options)


def raising_halfway() -> Iterator[Any]:
    yield {"a": 1}
    yield {"a": 2}
    raise OSError("connection reset")


async def raising_async() -> AsyncIterator[Any]:
    yield {"a": 1}
    raise OSError("connection reset")


async def one_row() -> dict[str, Any]:
    return {"a": 1}


@ladle.defer
def deferred(i: int) -> dict[str, int]:
    if i == 2:
        raise OSError("503")
    return {"i": i}


def needs(day: str, limit: int = 5) -> Iterator[Any]:
    yield {"day": day, "limit": limit}


def starts(c: Any = incremental("c")) -> Iterator[Any]:
    yield {"c": c.start_value or 0}


def remembers() -> Iterator[Any]:
    ladle.current.resource_state()["seen"] = "x" * 2000
    yield {"a": 1}


def item_of(item: Any) -> Any:
    raise OSError("503")


def unawaited() -> Iterator[Any]:
    coroutine = one_row()
    try:
        yield {"a": coroutine}
    finally:
        coroutine.close()  # it would warn


# data, settings of the environment; type, what, facts, expected and hint
Case = tuple[Callable[[], Any], dict[str, str], str]
CASES: dict[str, Case] = {
    "unknown cursor path": (lambda: by_cursor([{"id": 1, "c": 1}], "updated"), {}, f"""IncrementalCursorPathMissing
a row has nothing at the cursor path `updated`
  resource=`r` column=`updated` row=`0` {PLACE}
  expected: one of id, c
  hint: on_cursor_value_missing="include" or "exclude" keeps or drops such rows"""),
    "unknown cursor path in a frame": (lambda: by_cursor(pa.table({"id": [1]}), "updated"), {}, f"""IncrementalCursorPathMissing
a row has nothing at the cursor path `updated`
  resource=`r` column=`updated` row=`0` {PLACE}
  expected: one of id
  hint: on_cursor_value_missing="include" or "exclude" keeps or drops such rows"""),
    "no JSONPath": (lambda: by_cursor([{"c": 1}], "a[?("), {}, """UsageError
the cursor path `a[?(` is not a JSONPath: Error on line 1, col 2: Unexpected character: ?
  expected: a name, dotted names such as `item.updated_at`, or a JSONPath
  hint: put names with other characters in quotes: "'updated at'\""""),
    "mixed cursor types": (lambda: by_cursor([{"c": 1}, {"c": "x"}]), {}, f"""IncrementalCursorInvalidCoercion
the cursor `c` is `str` in one row, and `int` before it or in its bounds
  resource=`r` column=`c` row=`1` value=`x` other=`1` {PLACE}
  expected: one type that can be compared, in all rows and in initial_value and end_value
  hint: cast it in add_map, or give initial_value in the type of the rows"""),
    "a date after a day": (lambda: by_cursor([{"c": date(2024, 1, 1)}, {"c": datetime(2024, 1, 2)}]), {}, f"""IncrementalCursorInvalidCoercion
the cursor `c` is `datetime` in one row, and `date` before it or in its bounds
  resource=`r` column=`c` row=`1` value=`datetime.datetime(2024, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)` other=`datetime.date(2024, 1, 1)` {PLACE}
  expected: one type that can be compared, in all rows and in initial_value and end_value
  hint: cast it in add_map, or give initial_value in the type of the rows"""),
    "an initial value of another type": (lambda: by_cursor([{"c": 1}], initial_value="2024-01-01"), {}, f"""IncrementalCursorInvalidCoercion
the cursor `c` is `int` in one row, and `str` before it or in its bounds
  resource=`r` column=`c` row=`0` value=`1` other=`2024-01-01` {PLACE}
  expected: one type that can be compared, in all rows and in initial_value and end_value
  hint: cast it in add_map, or give initial_value in the type of the rows"""),
    "a cursor that is None": (lambda: by_cursor([{"c": 1}, {"c": None}]), {}, f"""IncrementalCursorPathHasValueNone
the cursor `c` of a row is None
  resource=`r` column=`c` row=`1` {PLACE}
  expected: a value in every row
  hint: on_cursor_value_missing="include" or "exclude" keeps or drops such rows"""),
    "a generator that was made with a cursor": (lambda: ladle.resource(starts(), name="r"), {}, """IncrementalUnboundError
the generator of resource `r` was made before its run: `c` isn't bound
  resource=`r`
  expected: a resource made of the function itself, whose arguments are bound when it runs
  hint: ladle.resource(func)(arg) instead of ladle.resource(func(arg))"""),
    "a generator that raises halfway": (lambda: function(raising_halfway), {}, f"""ResourceExtractionError
resource `r` failed with OSError: connection reset
  resource=`r` row=`2` {PLACE}
  hint: nothing of this run was loaded; the row says how far it had come"""),
    "an async generator that raises": (lambda: function(raising_async), {}, f"""ResourceExtractionError
resource `r` failed with OSError: connection reset
  resource=`r` {PLACE}
  hint: nothing of this run was loaded"""),
    "a parallel resource that raises": (lambda: function(raising_halfway, parallelized=True), {}, f"""ResourceExtractionError
resource `r` failed with OSError: connection reset
  resource=`r` {PLACE}
  hint: nothing of this run was loaded"""),
    "a deferred item that raises": (lambda: function(lambda: map(deferred, range(4))), {}, f"""ResourceExtractionError
resource `r` failed with OSError: 503
  resource=`r` {PLACE}
  hint: nothing of this run was loaded"""),
    "a transformer that raises": (lambda: ladle.resource([1], name="p") | ladle.transformer(item_of, name="t"), {}, f"""ResourceExtractionError
resource `t` failed with OSError: 503
  resource=`t` {PLACE}
  hint: nothing of this run was loaded"""),
    "a coroutine never awaited": (lambda: function(unawaited), {}, f"""DataError
cannot store a value of type `coroutine` in column `a`
  resource=`r` table=`r` column=`a` row=`0` {PLACE}
  expected: null, bool, number, text, bytes, date, time, list or dict
  hint: await it before the row is yielded, or make the whole row in the coroutine and yield that"""),
    "two resources of one name": (lambda: ladle.source(lambda: [by_cursor([]), by_cursor([])], name="s")(), {}, """InvalidResourceDataTypeMultiplePipes
source `s` has two resources named `r`
  hint: rename one: r.with_name("...")"""),
    "a transformer without parent": (lambda: ladle.transformer(item_of, name="t"), {}, """PipeNotBoundToData
transformer `t` has no resource to take items from
  hint: pipe one into it: resource | t, or give data_from"""),
    "a function without its arguments": (lambda: function(needs), {}, """ParametrizedResourceUnbound
resource `r` needs arguments: (day: 'str', limit: 'int' = 5)
  hint: call it: r(...), or r.bind(...) where it is part of a source"""),
    "a state that is too large": (lambda: function(remembers), {"EXTRACT__MAX_STATE_BYTES": "1000"}, f"""StateTooLarge
the state of resource `r` has grown to 2,031 bytes
  resource=`r` {PLACE}
  expected: at most 1,000 (EXTRACT__MAX_STATE_BYTES)
  hint: keep a cursor or a bounded list; what was loaded can be looked up in the dataset itself"""),
    "an unknown order of items": (lambda: [function(raising_halfway), ladle.resource([1], name="s")], {"EXTRACT__NEXT_ITEM_MODE": "round-robin"}, """UsageError
unknown next_item_mode `round-robin`
  expected: one of round_robin, fifo
  hint: did you mean `round_robin`?"""),
    "no number of workers": (lambda: function(raising_halfway, parallelized=True), {"EXTRACT__WORKERS": "many"}, """UsageError
workers can't be `'many'`
  expected: a whole number above 0"""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_all_and_nothing_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, settings, expected = CASES[name]
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    site = Site(tmp_path)
    pipeline = site.pipeline()
    with pytest.raises(LadleError) as caught:
        pipeline.run(make())
    assert rendered(caught.value) == expected
    assert len(str(caught.value).splitlines()) <= 4
    assert site.tables() == {}
    assert (pipeline.first_run, pipeline.has_pending_data) == (True, False)
    assert {p.name for p in Path(pipeline.working_dir).rglob("*") if p.is_file()} <= {"run.lock"}


# -- rows without cursor, and cursors that go back


@pytest.mark.parametrize(("policy", "kept"), [("include", [1, None, 3]), ("exclude", [1, 3])])
@pytest.mark.parametrize("gap", [{"c": None}, {}])
@pytest.mark.parametrize("frame", [False, True])
def test_rows_without_cursor(
    policy: Any, kept: list[Any], gap: dict[str, Any], frame: bool, tmp_path: Path
) -> None:
    site, rows = Site.in_memory(tmp_path), [{"c": 1}, gap, {"c": 3}]
    data = pa.Table.from_pylist(rows) if frame else [rows]
    site.pipeline().run(by_cursor(data, on_cursor_value_missing=policy))
    assert sorted(site.table("r").values("c"), key=str) == sorted(kept, key=str)
    p = site.pipeline()
    assert p.state["sources"]["p"]["resources"]["r"]["incremental"]["c"]["last_value"] == 3
    # What has no cursor comes again with every run that sees it.
    assert p.run(by_cursor(data, on_cursor_value_missing=policy)).row_counts.get("r", 0) == kept.count(None)


def pages(*values: int) -> Callable[[], Iterator[Any]]:
    def rows() -> Iterator[Any]:
        for value in values:
            yield [{"c": value}]

    return rows


def test_a_cursor_that_goes_back_loses_nothing_and_the_furthest_value_is_stored(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.run(by_cursor(pages(1, 5, 3)))
    assert site.table("r").values("c") == [1, 5, 3]
    assert p.state["sources"]["p"]["resources"]["r"]["incremental"]["c"]["last_value"] == 5


@pytest.mark.parametrize(
    ("order", "values", "kept"),
    [("asc", (1, 3, 2, 9, 4), [1, 3, 2, 4]), ("desc", (6, 8, 0, 7), [6, 8, 7])],
)
def test_an_order_that_does_not_hold_is_told_and_reading_goes_on(
    order: Any, values: tuple[int, ...], kept: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site.in_memory(tmp_path)
    bounds = {"initial_value": 1, "end_value": 9}
    site.pipeline().run(by_cursor(pages(*values), row_order=order, **bounds))
    assert site.table("r").values("c") == kept
    assert "the cursor `c` goes back from" in caplog.text
    assert f"although row_order says `{order}`; reading goes on to the end" in caplog.text
    caplog.clear()
    site.pipeline().run(by_cursor(pages(*sorted(values, reverse=order == "desc")), row_order=order, **bounds))
    assert "goes back" not in caplog.text


# -- arguments that don't fit


WRONG_ARGUMENTS: dict[str, tuple[Callable[[], Any], str]] = {
    "resource": (
        lambda: ladle.resource([1], name="r", write_dispositon="append"),  # type: ignore[call-overload]
        "resource() got an unexpected keyword argument 'write_dispositon'; did you mean 'write_disposition'?",
    ),
    "as a decorator": (
        lambda: ladle.resource(primary_keys="id")(raising_halfway),  # type: ignore[call-overload]
        "resource() got an unexpected keyword argument 'primary_keys'; did you mean 'primary_key'?",
    ),
    "transformer": (
        lambda: ladle.transformer(item_of, data_form=[1]),  # type: ignore[call-overload]
        "transformer() got an unexpected keyword argument 'data_form'; did you mean 'data_from'?",
    ),
    "source": (
        lambda: ladle.source(list, nam="s"),  # type: ignore[call-overload]
        "source() got an unexpected keyword argument 'nam'; did you mean 'name'?",
    ),
    "incremental": (
        lambda: incremental("c", initial_val=1),  # type: ignore[call-arg]
        "Incremental.__init__() got an unexpected keyword argument 'initial_val'; did you mean 'initial_value'?",
    ),
    "a missing one": (
        lambda: ladle.resource(needs, name="r")(),  # type: ignore[call-arg]
        "resource `r`: missing a required argument: 'day'; it takes day, limit",
    ),
    "an unknown one": (
        lambda: ladle.resource(needs, name="r")("x", size=1),  # type: ignore[call-arg]
        "resource `r`: got an unexpected keyword argument 'size'; it takes day, limit",
    ),
}


@pytest.mark.parametrize("what", WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_where_they_are_given(what: str) -> None:
    call, message = WRONG_ARGUMENTS[what]
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_two_cursors_of_one_name_are_read_one_after_the_other(tmp_path: Path) -> None:
    """As in the reference: the second starts where the first has ended, so that neither overwrites the other."""
    site, starts = Site.in_memory(tmp_path), list[Any]()

    def reading(*values: int) -> Any:
        @ladle.resource(name="r")
        def rows(c: Any = incremental("c")) -> Iterator[Any]:
            starts.append(c.start_value)
            yield [{"c": value} for value in values]

        return rows

    p = site.pipeline()
    info = p.run([reading(1, 5), reading(3, 7)])
    assert (starts, len(info.loads_ids)) == ([None, 5], 2)
    assert site.table("r").values("c") == [1, 5, 7]
    assert p.state["sources"]["p"]["resources"]["r"]["incremental"]["c"]["last_value"] == 7


# -- settings


def token(token: str = ladle.secrets.value) -> Iterator[Any]:
    yield {"token": token}


@pytest.mark.parametrize(
    ("file", "text", "lines"),
    [
        (
            "config.toml",
            '[sources]\ntoken = "abc"\n',
            [
                "the secret `sources.token` stands in config.toml, where secrets are not read",
                "move it to secrets.toml",
            ],
        ),
        ("secrets.toml", "[sources]\nkey = 1\ntoken = abc\n", ["isn't valid TOML", "line=`3` column=`9`"]),
        ("config.toml", "[sources\ntoken = 1\n", ["isn't valid TOML", "line=`1` column=`9`"]),
    ],
)
def test_settings_in_the_wrong_file_or_malformed(
    file: str, text: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ladle").mkdir()
    (tmp_path / ".ladle" / file).write_text(text)
    site = Site(tmp_path / "site")
    (tmp_path / "site").mkdir()
    with pytest.raises(LadleError) as caught:
        site.pipeline().run(function(token))
    assert all(line in str(caught.value) for line in lines), str(caught.value)
    assert "abc" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
    assert site.tables() == {}


# -- Ctrl-C

INTERRUPTED = """
import sys, threading, time
import ladle

@ladle.resource(parallelized={parallelized})
def rows():
    try:
        for i in range(100_000):
            if i == 10:
                print("reading", flush=True)
            if i >= 10:
                threading.Event().wait(0.01)
            yield {{"i": i}}
    finally:
        print("closing", flush=True)
        if {stubborn}:
            for _ in range(3000):
                try:
                    threading.Event().wait(0.01)
                except KeyboardInterrupt:
                    print("again", flush=True)
                    raise
        print("closed", flush=True)

ladle.pipeline("p", {folder!r}, destination=ladle.destinations.duckdb({file!r}), dataset_name="ds").run(rows)
"""


class Interrupted:
    """A child process that reads a slow resource, to be interrupted."""

    def __init__(self, root: Path, parallelized: bool = False, stubborn: bool = False) -> None:
        self.site = Site(root)
        script = INTERRUPTED.format(
            parallelized=parallelized, stubborn=stubborn,
            folder=str(root / "pipelines"), file=str(self.site.file),
        )  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.expect("reading")

    def expect(self, line: str) -> None:
        assert self.process.stdout is not None
        found = self.process.stdout.readline().strip()
        assert found == line, (found, self.process.stderr.read() if self.process.stderr else "")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ended(self) -> str:
        """Wait for the end; return what it wrote to stderr."""
        try:
            _, stderr = self.process.communicate(timeout=20)
        finally:
            self.process.kill()
        assert self.process.returncode in (-signal.SIGINT, 130, 1)
        return stderr

    def left(self) -> set[str]:
        return {p.name for p in (self.site.root / "pipelines").rglob("*") if p.is_file()}


@pytest.mark.parametrize("parallelized", [False, True])
def test_ctrl_c_closes_the_sources_and_leaves_nothing(parallelized: bool, tmp_path: Path) -> None:
    child = Interrupted(tmp_path, parallelized)
    child.interrupt()
    child.expect("closing")
    child.expect("closed")
    told = "extract of pipeline `p` was stopped: nothing of it was loaded, and nothing of it is kept"
    assert child.ended().strip().endswith(f"KeyboardInterrupt\n{told}")
    assert child.left() <= {"run.lock"}
    assert child.site.tables() == {}
    # The next run has the pipeline at once, and all of its rows.
    child.site.pipeline().run([{"i": 1}], table_name="rows")
    assert child.site.table("rows").values("i") == [1]


@pytest.mark.parametrize("parallelized", [False, True])
def test_ctrl_c_twice_does_not_wait_for_the_sources(parallelized: bool, tmp_path: Path) -> None:
    child = Interrupted(tmp_path, parallelized, stubborn=True)
    child.interrupt()
    child.expect("closing")
    child.interrupt()
    assert "KeyboardInterrupt" in child.ended()
    assert child.site.tables() == {}
    child.site.pipeline().run([{"i": 1}], table_name="rows")
    assert child.site.table("rows").values("i") == [1]
