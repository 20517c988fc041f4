"""Normalising beside extract: same outcome, errors come out, memory is bounded."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.normalize.folding import data, extracted, raw

from ladle.errors import DataError
from ladle.events import silent
from ladle.normalize.background import BackgroundNormalizer
from ladle.normalize.run import Normalizer, Options
from ladle.package.raw import FRAME_METADATA
from ladle.schema.change import Limits
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

ROWS = pa.RecordBatch.from_pylist([{"v": 1}])
FRAME = ROWS.replace_schema_metadata(FRAME_METADATA)
REQUIRED = Schema("s").with_tables([Table("t", columns={"v": Column("v", "bigint", nullable=False)})])


def test_the_outcome_is_that_of_the_fold(tmp_path: Path) -> None:
    part = raw(*[[{"v": i, "l": [i]}] for i in range(20)])
    package = extracted(tmp_path, part)
    background = BackgroundNormalizer(Normalizer(package, Limits(), Options(), silent))
    for batch in part[2]:
        background.put("r", "t", batch)
    background.drain()
    done = background.finish(package, None)
    assert data(done) == {"t": [{"v": i} for i in range(20)], "t__l": [{"value": i} for i in range(20)]}


def test_an_error_shows_at_the_latest_when_drained_and_knows_its_step(tmp_path: Path) -> None:
    part = raw([{"v": None}])
    background = BackgroundNormalizer(
        Normalizer(extracted(tmp_path, part, schema=REQUIRED), Limits(), Options(), silent)
    )
    background.put("r", "t", part[2][0])
    with pytest.raises(DataError) as caught:
        background.drain()
    assert caught.value.step == "normalize"
    with pytest.raises(DataError):
        background.put("r", "t", part[2][0])
    background.abandon()


def test_without_batches_no_thread_is_started(tmp_path: Path) -> None:
    before = threading.active_count()
    background = BackgroundNormalizer(Normalizer(extracted(tmp_path), Limits(), Options(), silent))
    background.drain()
    assert threading.active_count() == before


class Noted:
    """Takes batches; notes which, and on which thread."""

    def __init__(self) -> None:
        self.fed: list[tuple[str, str]] = []

    def feed(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        self.fed.append((resource, threading.current_thread().name))

    def declare(self, tables: Any) -> None:
        self.feed("declared", "", ROWS)

    def check(self, package: Any = None) -> None: ...

    def abandon(self) -> None: ...


def _compute() -> None:
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass


def test_rows_of_a_source_that_computes_are_normalised_where_they_come() -> None:
    noted = Noted()
    background = BackgroundNormalizer(noted)  # type: ignore[arg-type]
    for number in range(3):
        _compute()
        background.put(str(number), "t", ROWS)
    background.drain()
    assert noted.fed == [(str(n), threading.current_thread().name) for n in range(3)]


def test_rows_of_a_source_that_is_waited_for_are_normalised_meanwhile() -> None:
    noted = Noted()
    background = BackgroundNormalizer(noted)  # type: ignore[arg-type]
    for number in range(3):
        time.sleep(0.03)
        background.put(str(number), "t", ROWS)
    background.drain()
    assert noted.fed == [(str(n), "ladle-normalize") for n in range(3)]


def test_all_stays_in_order_whoever_normalises_it() -> None:
    noted = Noted()
    background = BackgroundNormalizer(noted)  # type: ignore[arg-type]
    here = threading.current_thread().name
    background.put("1", "t", FRAME)
    background.put("2", "t", FRAME)
    background.declare([])
    _compute()
    background.put("3", "t", ROWS)
    background.put("4", "t", FRAME)
    background.drain()
    beside = "ladle-normalize"
    assert noted.fed == [("1", beside), ("2", beside), ("declared", here), ("3", here), ("4", beside)]


def test_ctrl_c_is_not_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted()
    background = BackgroundNormalizer(noted)  # type: ignore[arg-type]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(noted, "feed", interrupted)
    _compute()
    with pytest.raises(KeyboardInterrupt):
        background.put("r", "t", ROWS)


class Stuck:
    """Takes batches only when let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.fed = 0

    def feed(self, *args: Any) -> None:
        self.let.wait(10)
        self.fed += 1

    def check(self, package: Any = None) -> None: ...

    def abandon(self) -> None: ...


def test_a_slow_normalizer_holds_up_the_source_instead_of_filling_memory() -> None:
    stuck = Stuck()
    background = BackgroundNormalizer(stuck)  # type: ignore[arg-type]
    put: list[int] = []

    def source() -> None:
        for number in range(20):
            background.put("r", "t", FRAME)
            put.append(number)

    thread = threading.Thread(target=source)
    thread.start()
    thread.join(0.3)
    waiting = len(put)
    stuck.let.set()
    thread.join(10)
    background.drain()
    assert waiting <= 5
    assert (len(put), stuck.fed) == (20, 20)
