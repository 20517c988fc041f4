"""The working folder: a cache of what the destination knows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ladle.errors import LadleError
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.state.folder import PipelineFolder, next_state

SCHEMA = Schema("s").with_tables([Table("t", columns={"a": Column("a", "text")}, resource="t")])


def test_a_new_folder_has_version_0_and_no_schemas(tmp_path: Path) -> None:
    folder = PipelineFolder(tmp_path / "p")
    assert (folder.exists(), folder.state()["_state_version"], folder.schema_names()) == (False, 0, [])
    assert folder.schema("s") is None
    assert not (tmp_path / "p").exists()


def test_state_and_schemas_come_back(tmp_path: Path) -> None:
    folder = PipelineFolder(tmp_path / "p")
    folder.save_state({"_state_version": 1, "x": [1]})
    folder.save_schema(SCHEMA)
    again = PipelineFolder(tmp_path / "p")
    assert (again.exists(), again.state()) == (True, {"_state_version": 1, "x": [1]})
    found = again.schema("s")
    assert found is not None
    assert (found.to_dict(), again.schema_names()) == (SCHEMA.to_dict(), ["s"])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\0\0"])
def test_damage_is_an_error_never_a_fresh_start(content: bytes, tmp_path: Path) -> None:
    folder = PipelineFolder(tmp_path / "p")
    folder.save_state({"_state_version": 1})
    folder.save_schema(SCHEMA)
    for path in (tmp_path / "p" / "state.json", tmp_path / "p" / "schemas" / "s.schema.json"):
        path.write_bytes(content)
    with pytest.raises(LadleError, match=r"state\.json` is damaged"):
        folder.state()
    with pytest.raises(LadleError, match=r"s\.schema\.json` is damaged"):
        folder.schema("s")


def test_reset_forgets_state_and_schemas_but_not_packages(tmp_path: Path) -> None:
    folder = PipelineFolder(tmp_path / "p")
    folder.save_state({"_state_version": 1})
    folder.save_schema(SCHEMA)
    (tmp_path / "p" / "packages").mkdir()
    folder.reset()
    assert (folder.exists(), folder.schema_names(), (tmp_path / "p" / "packages").exists()) == (
        False,
        [],
        True,
    )
    folder.remove()
    assert not (tmp_path / "p").exists()


def test_a_changed_state_has_the_next_version() -> None:
    first, changed = next_state({"_state_version": 0}, a=1)
    assert (changed, first["_state_version"], first["a"]) == (True, 1, 1)
    same, changed = next_state(first, a=1)
    assert (changed, same) == (False, first)
    second, changed = next_state(first, b=2)
    assert (changed, second["_state_version"]) == (True, 2)
    assert second["_version_hash"] != first["_version_hash"]


def test_typed_values_come_back_from_the_folder(tmp_path: Path) -> None:
    state = {"_state_version": 1, "at": datetime(2024, 1, 2, tzinfo=UTC), "price": Decimal("1.50")}
    PipelineFolder(tmp_path / "p").save_state(state)
    assert PipelineFolder(tmp_path / "p").state() == state
