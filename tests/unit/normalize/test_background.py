"""Normalising beside extract: same outcome, errors come out, memory is bounded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.normalize.folding import data, extracted, raw

from ladle.errors import DataError
from ladle.events import silent
from ladle.normalize.background import BackgroundNormalizer
from ladle.normalize.run import Normalizer, Options
from ladle.schema.change import Limits
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

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
            background.put("r", "t", None)  # type: ignore[arg-type]
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
