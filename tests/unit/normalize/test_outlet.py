"""Ready batches go to files, or to a load beside that has begun; whatever the load does, none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.normalize.folding import data, extracted, raw

from ladle.events import Notice, silent
from ladle.normalize.run import Normalizer, Options
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.table import Table


class Load:
    """A load beside that begins, and gives up, after so many batches."""

    def __init__(self, begins: int = 0, gives_up: int = 1 << 30, trial_bytes: int = 0) -> None:
        self.taken: list[tuple[str, pa.RecordBatch]] = []
        self._begins = begins
        self._gives_up = gives_up
        self.trial_bytes = trial_bytes

    @property
    def began(self) -> bool:
        return len(self.taken) > self._begins

    @property
    def gave_up(self) -> bool:
        return len(self.taken) > self._gives_up

    def put(self, table: Table, batch: pa.RecordBatch) -> None:
        self.taken.append((table.name, batch))


def normalised(
    folder: Path, load: Load | None, batches: list[list[dict[str, Any]]], emit: Any = silent
) -> tuple[Package, Normalizer]:
    part = raw(*batches)
    package = extracted(folder, part)
    fold = Normalizer(package, Limits(), Options(), emit, taker=load)
    for batch in part[2]:
        fold.feed("r", "t", batch)
    return fold.finish(package, None), fold


BATCHES = [[{"v": i, "l": [i]}] for i in range(6)]
WHOLE = {"t": [{"v": i} for i in range(6)], "t__l": [{"value": i} for i in range(6)]}


def written(package: Package) -> list[str]:
    return [f.table for f in package.manifest.ready]


def test_what_a_load_has_taken_is_in_no_file(tmp_path: Path) -> None:
    load = Load(begins=3)
    package, fold = normalised(tmp_path, load, BATCHES)
    assert (package.stage, written(package), fold.is_anew) == ("streamed", [], False)
    assert package.manifest.counts == {"t": 6, "t__l": 6}
    assert [name for name, _ in load.taken] == ["t", "t__l"] * 6
    assert not [path for path in (package.folder / "ready").rglob("*") if path.stat().st_size]


def test_a_streamed_package_is_stored_as_extracted(tmp_path: Path) -> None:
    package, _ = normalised(tmp_path, Load(), BATCHES)
    stored = (package.folder / "manifest.json").read_bytes()
    assert b'"stage":"extracted"' in stored


@pytest.mark.parametrize("load", [None, Load(begins=100), Load(begins=100, gives_up=2)])
def test_what_no_load_has_taken_is_in_files(tmp_path: Path, load: Load | None) -> None:
    package, fold = normalised(tmp_path, load, BATCHES)
    assert (package.stage, fold.is_anew) == ("normalized", False)
    assert data(package) == WHOLE


def test_what_a_load_lost_is_normalised_again(tmp_path: Path) -> None:
    package, fold = normalised(tmp_path, Load(begins=2, gives_up=5), BATCHES)
    assert (package.stage, fold.is_anew) == ("normalized", True)
    assert data(package) == WHOLE


def test_a_load_that_gives_up_early_costs_nothing(tmp_path: Path) -> None:
    package, fold = normalised(tmp_path, Load(gives_up=3, trial_bytes=1 << 20), BATCHES)
    assert (package.stage, fold.is_anew) == ("normalized", False)
    assert data(package) == WHOLE


def test_columns_that_grew_after_a_load_took_them_are_normalised_again(tmp_path: Path) -> None:
    package, fold = normalised(tmp_path, Load(), [[{"v": 1}], [{"v": 0.5}]])
    assert (package.stage, fold.is_anew) == ("normalized", True)
    assert data(package) == {"t": [{"v": 1.0}, {"v": 0.5}]}


def test_notices_come_once_where_all_is_normalised_again(tmp_path: Path) -> None:
    events: list[Any] = []
    normalised(tmp_path, Load(gives_up=0), [[{"v": 1, "n": None}]], events.append)
    texts = [event.text for event in events if isinstance(event, Notice)]
    assert len(texts) == len(set(texts)) == 1
