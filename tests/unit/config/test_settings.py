"""Single settings, through all providers; and what pipelines and destinations make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config import context
from ladle.config.settings import data_dir, flag, not_found, searched, setting, several
from ladle.destinations.registry import resolve
from ladle.errors import ConfigFieldMissingException, InvalidPipelineName, ValueNotSecretException


def test_a_path_is_a_name_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", "x.duckdb")
    assert setting("destination", "duckdb", "credentials") == "x.duckdb"
    assert setting("destination", "duckdb", "other") is None
    assert setting("other", default="d") == "d"


def test_a_path_is_a_key_in_the_files() -> None:
    write(
        "config", "[destination.duckdb]\ncredentials = 'x.duckdb'\nport = 5\n[p.destination.duckdb]\nport = 6"
    )
    assert setting("destination", "duckdb", "credentials") == "x.duckdb"
    assert setting("destination", "duckdb", "port") == "5"
    assert setting("destination", "duckdb") is None
    with context.of_pipeline("p"):
        assert setting("destination", "duckdb", "port") == "6"
    assert context.pipeline_name.get() is None
    with pytest.raises(ValueNotSecretException):
        setting("destination", "duckdb", "credentials", secret=True)


def test_several_of_a_section_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write("config", "[a.b]\nx = 1\ny = 'from the file'\n[p.a.b]\nx = 2")
    monkeypatch.setenv("A__B__Y", "from the environment")
    monkeypatch.setenv("A__B__EMPTY", "")
    found = several("a", "b", names=("x", "y", "empty", "none"))
    assert found == {"x": "1", "y": "from the environment", "empty": None, "none": None}
    with context.of_pipeline("p"):
        assert several("a", "b", names=("x",)) == {"x": "2"}


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


def test_flags_of_files() -> None:
    write("config", "[a]\nyes = true\nno = false")
    assert flag("a", "yes")
    assert not flag("a", "no")


def test_sections_are_dropped() -> None:
    write("config", "[destination]\nlayout = 'x'\n[destination.credentials]\nhost = 'h'")
    assert searched("layout", ("destination", "lake")) == "x"
    assert searched("host", ("destination", "pg"), ("credentials",)) == "h"
    error = not_found("pg", {"password": True}, ("destination", "pg"), ("credentials",))
    assert isinstance(error, ConfigFieldMissingException)
    assert [key for _, key in error.traces["password"]][:3] == [
        "DESTINATION__PG__CREDENTIALS__PASSWORD", "DESTINATION__CREDENTIALS__PASSWORD", "CREDENTIALS__PASSWORD",
    ]  # fmt: skip


def test_the_data_dir_is_of_the_environment_or_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_dir() == Path.home() / ".ladle"
    monkeypatch.setenv("LADLE_DATA_DIR", str(tmp_path))
    assert data_dir() == tmp_path


def test_a_pipeline_is_configured_by_files(tmp_path: Path) -> None:
    write(
        "config",
        """
        pipeline_name = "from_file"
        dataset_name = "general"
        [from_file]
        dataset_name = "mine"
        destination_type = "duckdb"
        pipelines_dir = "here"
        [from_file.destination.duckdb]
        credentials = "mine.duckdb"
        """,
    )
    made = ladle.pipeline()
    assert (made.pipeline_name, made.dataset_name) == ("from_file", "mine")
    assert made.destination is not None
    assert made.destination.displayable() == str(tmp_path / "mine.duckdb")
    assert Path(made.working_dir) == Path("here/from_file")
    assert ladle.pipeline("other", destination="duckdb").dataset_name == "general"


def test_a_factory_made_before_the_pipeline_gets_its_settings(tmp_path: Path) -> None:
    write(
        "secrets",
        "[p.destination.postgres.credentials]\npassword = 'v3ry-hidden'\nhost = 'h'\ndatabase = 'd'",
    )
    write("config", "[p.destination.duckdb]\ncredentials = 'p.db'")
    destination = ladle.destinations.postgres()
    assert destination.displayable() == "no credentials"
    made = ladle.pipeline("p", destination=destination)
    assert made.destination is not None
    assert made.destination.displayable() == "postgresql://:***@h/d"
    assert "v3ry-hidden" not in repr(made) + repr(made.destination)
    file: Any = ladle.pipeline("p", destination=ladle.destinations.duckdb()).destination
    assert file.path == "p.db"


def test_credentials_of_postgres_come_from_secrets_toml_part_by_part() -> None:
    write("secrets", "[destination.postgres.credentials]\npassword = 'p'\nusername = 'u'")
    write("config", "[destination.postgres.credentials]\nhost = 'h'\nport = 5433\ndatabase = 'd'")
    found: Any = resolve("postgres")
    assert found.login.url.startswith("postgresql://u:p@h:5433/d?")
    mixed: Any = resolve("postgres", "postgresql://me@other/x")
    assert mixed.login.url.startswith("postgresql://me:p@other/x?"), "a URL in code, the password from a file"
    mixed = resolve("postgres", {"host": "other", "database": "x"})
    assert mixed.login.url.startswith("postgresql://u:p@other:5433/x?")


def test_the_password_of_postgres_is_not_read_from_config_toml() -> None:
    write("config", "[destination.postgres.credentials]\npassword = 'v3ry-hidden'")
    with pytest.raises(ValueNotSecretException, match=r"destination.postgres.credentials.password") as caught:
        resolve("postgres")
    assert "v3ry-hidden" not in str(caught.value)


def test_a_named_destination_of_a_file() -> None:
    write("config", "[destination.lake]\ndestination_type = 'filesystem'\nbucket_url = '/lake'")
    found: Any = resolve("lake")
    assert (found.name, found.type_name, found.bucket_url) == ("lake", "filesystem", "file:///lake")
    write(
        "config",
        "[destination.warehouse]\ndestination_type = 'duckdb'\n[destination.warehouse.credentials]\ndatabase = 'w.db'",
    )
    found = resolve("warehouse")
    assert (found.name, found.path) == ("warehouse", "w.db")


def test_a_missing_setting_of_a_destination_lists_what_was_tried() -> None:
    with pytest.raises(ConfigFieldMissingException) as caught:
        resolve("filesystem")
    assert ("config.toml", "destination.filesystem.bucket_url") in caught.value.traces["bucket_url"]


def test_a_name_that_is_refused_leaves_no_trace() -> None:
    with pytest.raises(InvalidPipelineName):
        ladle.pipeline("a/b")
    assert context.pipeline_name.get() is None


def test_a_run_with_settings_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADLE_DATA_DIR", str(tmp_path / "data"))
    write("config", "[destination.duckdb]\ncredentials = 'run.duckdb'\n[runs]\ndataset_name = 'ds'")
    info = ladle.pipeline("runs", destination="duckdb").run([{"a": 1}], table_name="t")
    assert info.dataset_name == "ds"
    assert (tmp_path / "run.duckdb").exists()
