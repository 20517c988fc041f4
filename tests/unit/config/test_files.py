"""`config.toml` and `secrets.toml`: read once, read again when changed, and errors with line and column."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config import files
from ladle.errors import ConfigFileNotFoundException, TomlProviderReadException


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = 1\nb = = 2\n", 2, 5),
        ("key = hidden-canary\n", 1, 7),
        ("a = 1\n[t\nb = 1", 2, 3),
        ('a = "hidden-canary', 1, 19),
        ("a = 1\na = 2\n", 2, 6),
    ],
)
def test_malformed_toml_names_file_line_and_column(text: str, line: int, column: int) -> None:
    path = write("secrets", text)
    with pytest.raises(TomlProviderReadException) as caught:
        _ = ladle.secrets["x"]
    assert (caught.value.path, caught.value.line, caught.value.column) == (str(path), line, column)
    assert str(path) in str(caught.value)
    assert "hidden-canary" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


def test_text_that_is_not_utf8_names_line_and_column() -> None:
    path = write("config", "")
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(TomlProviderReadException, match="UTF-8") as caught:
        _ = ladle.config["a"]
    assert (caught.value.line, caught.value.column) == (2, 6)


def test_a_byte_order_mark_is_no_fault() -> None:
    write("config", "\ufeffa = 1")
    assert ladle.config["a"] == 1


def test_a_folder_in_place_of_a_file() -> None:
    (Path.cwd() / ".ladle" / "config.toml").mkdir(parents=True)
    with pytest.raises(ConfigFileNotFoundException, match=r"can't be read"):
        _ = ladle.config["a"]


def test_a_file_is_read_once_and_again_when_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    original = files.read

    def counted(path: str) -> dict[str, Any]:
        reads.append(path)
        return original(path)

    monkeypatch.setattr("ladle.config.chain.read", counted)
    path = write("config", "x = 1")
    assert [ladle.config["x"] for _ in range(3)] == [1, 1, 1]
    assert reads == [str(path)]
    path.write_text("x = 2")
    os.utime(path, ns=(1, 1))
    assert ladle.config["x"] == 2
    assert reads == [str(path)] * 2
    path.unlink()
    assert ladle.config.get("x") is None


def test_nothing_is_read_on_import(tmp_path: Path) -> None:
    write("config", "this is not TOML")
    assert ladle.config.value is not None
