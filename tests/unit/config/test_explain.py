"""`ladle config explain`: the look-ups, and where a value came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.config.places import write
from typer.testing import CliRunner

from ladle.cli import app


def explain(*arguments: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, ["config", "explain", *arguments])
    return done.exit_code, done.output.splitlines()


def test_a_value_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("config", "[sources]\npage_size = 7")
    code, lines = explain("page_size", "--sections", "sources.shop.orders", "--pipeline", "p")
    assert code == 0
    assert lines[0] == "(Environment Variables, P__SOURCES__SHOP__ORDERS__PAGE_SIZE)"
    steps = [line for line in lines if line.startswith("(")]
    assert steps[-1] == "(config.toml, sources.page_size) <- found"
    assert len(steps) == 15 + 5 + 5 + 4
    assert "value: 7" in lines
    assert "from: config.toml, sources.page_size" in lines
    assert f"file: {path}" in lines
    assert f"file: {tmp_path / '.ladle' / 'secrets.toml'} (not there)" in lines


def test_a_key_with_dots_is_searched_like_a_source_or_a_destination() -> None:
    write("secrets", "[destination.credentials]\npassword = 'v3ry-hidden'")
    code, lines = explain("destination.postgres.credentials.password")
    assert code == 0
    assert lines[:3] == [
        "(Environment Variables, DESTINATION__POSTGRES__CREDENTIALS__PASSWORD)",
        "(Environment Variables, DESTINATION__CREDENTIALS__PASSWORD)",
        "(Environment Variables, CREDENTIALS__PASSWORD)",
    ]
    assert "value: ***" in lines
    assert "v3ry-hidden" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("PAGE_SIZE", "5", "5"),
        ("API_KEY", "v3ry-hidden", "***"),
        ("DB", "postgres://u:v3ry-hidden@h", "***"),
        ("TOKEN", "v3ry-hidden", "***"),
    ],
)
def test_what_may_be_a_secret_is_masked(
    name: str, value: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    code, lines = explain(name.lower())
    assert (code, f"value: {shown}" in lines) == (0, True)
    assert "v3ry-hidden" not in "\n".join(lines)


def test_a_value_that_is_not_found() -> None:
    code, lines = explain("sources.shop.page_size")
    assert code == 1
    assert "not found" in lines
    assert len([line for line in lines if line.startswith("(")]) == 9


def test_a_secret_is_not_looked_for_in_config_toml() -> None:
    code, lines = explain("x", "--secret")
    assert code == 1
    assert not any("(config.toml" in line for line in lines)


def test_a_table_shows_its_keys_only() -> None:
    write("secrets", "[a.b]\ntok = 'v3ry-hidden'")
    assert "value: a table with tok" in explain("a.b")[1]
