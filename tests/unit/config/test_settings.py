"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from ladle.config.settings import data_dir, flag, setting


def test_a_path_is_a_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "x.duckdb")
    assert setting("destination", "duckdb", "credentials") == "x.duckdb"
    assert setting("destination", "duckdb", "other") is None
    assert setting("other", default="d") == "d"


def test_an_empty_setting_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET_NAME", "")
    assert setting("dataset_name", default="d") == "d"


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("1", True), ("Yes", True), (" on ", True), ("false", False), ("0", False), ("", False), ("nonsense", False)],
)  # fmt: skip
def test_flags(text: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A__FLAG", text)
    assert flag("a", "flag") is value
    assert not flag("another", "flag")


def test_the_data_dir_is_of_the_environment_or_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_dir() == Path.home() / ".ladle"
    monkeypatch.setenv("LADLE_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path
