"""Files of the working folder rot: an error says which and what to do, and what it says helps."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.here import ROWS, Here

from ladle.errors import (
    LadleError,
    PackageError,
)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


# -- files of the working folder are damaged


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


DAMAGES: list[Callable[[Path], None]] = [truncate, empty, zero, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("stage", ["raw", "ready"])
def test_a_damaged_package_file_is_an_error_until_the_package_is_dropped(
    here: Here, stage: str, damage: Callable[[Path], None]
) -> None:
    p = here()
    p.run(ROWS, table_name="items")
    load_id = p.extract([{"id": 9, "tags": ["c"], "fresh": 1}], table_name="items").loads_ids[0]
    if stage == "ready":
        p.normalize()
    damage(max((here.work / "packages" / load_id / stage).iterdir()))
    for _ in range(2):
        p = here()
        with pytest.raises(PackageError) as caught:
            p.run(ROWS, table_name="items")
        assert caught.value.load_id == load_id
        assert "drop_pending_packages" in str(caught.value)
        assert here.loads() == 1
    p.drop_pending_packages()
    assert not p.has_pending_data
    assert "fresh" not in p.default_schema.get_table_columns("items")
    p.run(ROWS, table_name="items")
    assert here.rows() == 6
    assert "fresh" not in here.tables()["items"][0]


def not_json(file: Path) -> None:
    file.write_text("not JSON")


def a_list(file: Path) -> None:
    file.write_text("[]")


def without_files(file: Path) -> None:
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != "raw"}))


def with_unknown_field(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "later": 1}))


def of_a_later_version(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))


@pytest.mark.parametrize(
    "damage", [truncate, empty, zero, not_json, a_list, without_files, with_unknown_field, of_a_later_version]
)
def test_a_damaged_manifest_is_an_error_until_the_package_is_dropped(
    here: Here, damage: Callable[[Path], None]
) -> None:
    p = here()
    load_id = p.extract(ROWS, table_name="items").loads_ids[0]
    damage(here.work / "packages" / load_id / "manifest.json")
    for call in (
        p.run,
        p.normalize,
        p.load,
        lambda: p.run(ROWS, table_name="items"),
        lambda: p.has_pending_data,
    ):
        with pytest.raises(PackageError, match=r"drop_pending_packages\(\)"):
            call()
    p.drop_pending_packages()
    assert not p.has_pending_data
    p.run(ROWS, table_name="items")
    assert here.rows() == 3


@pytest.mark.parametrize("damage", [truncate, empty, zero, not_json, a_list])
@pytest.mark.parametrize("file", ["state.json", "schemas/faulty.schema.json"])
def test_a_damaged_cache_is_an_error_that_deleting_the_file_mends(
    here: Here, file: str, damage: Callable[[Path], None]
) -> None:
    here().run(ROWS, table_name="items")
    here().extract([{"id": 4}], table_name="items")
    damage(here.work / file)
    with pytest.raises(LadleError, match=file) as caught:
        here().run(ROWS, table_name="items")
    assert "delete the file" in str(caught.value)
    (here.work / file).unlink()
    here().run(ROWS, table_name="items")
    assert here.rows() == 7
    assert here.loads() == 3
    assert len(here.tables()["_dlt_version"]) == 1


def test_a_finished_package_that_cannot_be_read_stands_in_nobodys_way(here: Here) -> None:
    here().run(ROWS, table_name="items")
    not_json(next((here.work / "loaded").iterdir()))
    here().run(ROWS, table_name="items")
    assert here.rows() == 6
