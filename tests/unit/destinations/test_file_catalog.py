"""System files: names and content as the reference has them, and what is told of damaged ones."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.unit.destinations.places import Dying, load, record, state, table

from ladle.destinations.file_catalog import FileCatalog, Intent
from ladle.destinations.files import LocalFiles
from ladle.errors import DestinationError


def rows(root: Path, folder: str) -> dict[str, dict[str, object]]:
    return {p.name: json.loads(p.read_bytes()) for p in sorted((root / folder).iterdir())}


def test_rows_have_the_columns_of_the_reference(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "1795416891.5", {"t": [{"x": 1}]}, state=state(7), pipeline="my__pipe")
    [(name, row)] = rows(tmp_path, "_dlt_loads").items()
    digest = base64.b64decode(str(row["schema_version_hash"])).hex()
    assert name == "shop__1795416891.5.jsonl"
    assert list(row) == ["load_id", "schema_name", "status", "inserted_at", "schema_version_hash"]
    assert (row["status"], row["inserted_at"]) == (0, "2026-11-23T06:54:51.500000+00:00")

    [(name, row)] = rows(tmp_path, "_dlt_version").items()
    assert name == f"shop__1795416891.5__{digest}.jsonl"
    assert set(row) == {"version_hash", "schema_name", "version", "engine_version", "inserted_at", "schema"}
    assert json.loads(str(row["schema"]))["tables"]["t"]["columns"]["x"]["data_type"] == "bigint"

    [(name, row)] = rows(tmp_path, "_dlt_pipeline_state").items()
    assert name == f"my__pipe__1795416891.5__{digest}.jsonl"
    assert row["version"] == 7
    assert row["_dlt_load_id"] == "1795416891.5"
    assert FileCatalog(LocalFiles(tmp_path)).state("my__pipe") == state(7)
    assert FileCatalog(LocalFiles(tmp_path)).state("my") is None


@pytest.mark.parametrize(
    ("content", "legacy"),
    [
        (None, False), (b"", True), (b'{"initial_version":1,"current_version":2}', True),
        (b'{"initial_version":2,"current_version":2}', False), (b"?", False),
    ],
)  # fmt: skip
def test_the_age_of_a_dataset_is_in_its_init(content: bytes | None, legacy: bool, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "init").write_bytes(content)
    assert FileCatalog(LocalFiles(tmp_path)).is_legacy() is legacy
    assert FileCatalog(LocalFiles(tmp_path)).exists() is (content is not None)


def test_init_is_made_once(tmp_path: Path) -> None:
    files = Dying(LocalFiles(tmp_path))
    FileCatalog(files).write_init()
    made = files.changes
    FileCatalog(files).write_init()
    assert files.changes == made


def test_intents_come_back_and_hide_what_does_not_count(tmp_path: Path) -> None:
    catalog = FileCatalog(LocalFiles(tmp_path))
    open_, done = Intent("100", "1-a", ("t/new",), ("t/old",)), Intent("101", "1-b", ("u/new",), ("u/old",))
    catalog.write_intent(open_)
    catalog.write_intent(done)
    catalog.write_load(record("101", table("u", [{"x": 1}])[0]))
    assert list(catalog.intents()) == [open_, done]
    assert catalog.invisible() == {"t/new", "u/old"}
    assert catalog.intent("_ladle/9.json") is None


@pytest.mark.parametrize("folder", ["_dlt_version", "_dlt_pipeline_state", "_ladle"])
def test_damage_is_told_and_never_a_fresh_start(folder: str, tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": [{"x": 1}]}, state=state(1))
    FileCatalog(LocalFiles(tmp_path)).write_intent(Intent("101", "1-a"))
    for path in (tmp_path / folder).iterdir():
        path.write_bytes(b'{"half')
    catalog = FileCatalog(LocalFiles(tmp_path))
    with pytest.raises(DestinationError, match=rf"`{folder}/.*` should hold"):
        (catalog.state("p"), catalog.schema("shop"), catalog.invisible())


def test_foreign_files_beside_them_are_passed_over(tmp_path: Path) -> None:
    load(LocalFiles(tmp_path), "100", {"t": [{"x": 1}]}, state=state(1))
    for folder in ("_dlt_loads", "_dlt_version", "_dlt_pipeline_state"):
        (tmp_path / folder / ".DS_Store").write_bytes(b"?")
    catalog = FileCatalog(LocalFiles(tmp_path))
    assert catalog.state("p") == state(1)
    assert set(catalog.schema_files()) == {"shop"}
