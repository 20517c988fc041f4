"""The manifest: stored form, damage, and replacing a file in one step."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from ladle.errors import PackageError
from ladle.package.manifest import FORMAT, DataFile, Manifest, ResourceInfo, replace_file
from ladle.schema.provenance import Code, Input

MANIFEST = Manifest(
    load_id="1.5",
    pipeline="p",
    stage="normalized",
    created_at=1.5,
    schema={"name": "s"},
    base_hash="h",
    resources=(ResourceInfo("r", "t", "append", 2, {"0": "T"}, Code("m", "f", "m.py", "1.0")),),
    raw=(DataFile("raw/0", "0", 2, 10),),
    ready=(DataFile("ready/0", "t", 2, 20), DataFile("ready/1", "t", 0, 5)),
    state={"_state_version": 3},
    counts={"t": 2},
    drop_tables=("a",),
    empty_tables=("b", "c"),
    file_format="parquet",
    inputs=(Input("r", "s3://b", "k", 3, {"etag": "x"}), Input("r", "file", "a.csv")),
    origins={"t": {"a": ["r", "x.a"]}},  # type: ignore[dict-item]
)


def test_stored_form_comes_back(tmp_path: Path) -> None:
    assert Manifest.from_bytes(MANIFEST.to_bytes(), tmp_path) == MANIFEST


def test_a_new_manifest_comes_back(tmp_path: Path) -> None:
    assert Manifest.from_bytes(Manifest("1", "p").to_bytes(), tmp_path) == Manifest("1", "p")


def test_a_manifest_of_an_earlier_version_comes_back_without_code_and_inputs(tmp_path: Path) -> None:
    stored = json.loads(MANIFEST.to_bytes())
    del stored["inputs"], stored["origins"], stored["resources"][0]["code"]
    found = Manifest.from_bytes(orjson.dumps(stored), tmp_path)
    assert (found.inputs, found.origins, found.resources[0].code) == ((), {}, None)


def test_typed_values_of_state_come_back(tmp_path: Path) -> None:
    state = {"at": datetime(2024, 1, 2, tzinfo=UTC), "prices": [Decimal("1.50")], "raw": b"x"}
    manifest = Manifest("1", "p", state=state, state_base=state)
    assert Manifest.from_bytes(manifest.to_bytes(), tmp_path) == manifest


def changed(**changes: Any) -> bytes:
    return orjson.dumps({**json.loads(MANIFEST.to_bytes()), **changes})


DAMAGED = {
    "empty": b"",
    "cut": MANIFEST.to_bytes()[:-20],
    "zeros": b"\0" * 100,
    "no object": b"[]",
    "no format": b"{}",
    "null": b"null",
    "a part of a file record": changed(raw=[{"name": "x"}]),
    "unknown key": changed(surprise=1),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_an_error_that_says_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is damaged") as caught:
        Manifest.from_bytes(DAMAGED[name], tmp_path / "manifest.json")
    assert str(tmp_path) in caught.value.what
    assert "drop_pending_packages" in str(caught.value.hint)


def test_another_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=f"has format {FORMAT + 1}, this ladle reads {FORMAT}"):
        Manifest.from_bytes(changed(format=FORMAT + 1), tmp_path / "1.5" / "manifest.json")


def test_a_file_is_replaced_whole_and_nothing_is_left_beside(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for data in (b"one", b"t" * 100_000, b""):
        replace_file(path, data)
        assert path.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    replace_file(path, b"old")

    def failing(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", failing)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
