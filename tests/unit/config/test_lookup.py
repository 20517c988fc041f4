"""Spec 7.1 and 7.2: the order of providers and keys. The lists are what the reference 1.31 prints for the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config import context
from ladle.config.inject import with_config
from ladle.config.lookup import paths
from ladle.errors import ConfigFieldMissingException, ValueNotSecretException

SECTIONS = ("sources", "mymod", "mysrc")
FIVE = ["SOURCES__MYMOD__MYSRC__API_KEY", "SOURCES__MYMOD__API_KEY", "SOURCES__MYSRC__API_KEY", "SOURCES__API_KEY", "API_KEY"]  # fmt: skip


@with_config(sections=SECTIONS)
def secret(api_key: str = ladle.secrets.value) -> str:
    return api_key


@with_config(sections=SECTIONS)
def plain(api_key: str = ladle.config.value) -> str:
    return api_key


def toml(names: Iterable[str]) -> list[str]:
    return [name.lower().replace("__", ".") for name in names]


def expected(prefixes: tuple[str, ...], providers: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for prefix in prefixes:
        for provider in providers:
            names = [prefix + name for name in FIVE]
            found += [(provider, n) for n in (names if provider == "Environment Variables" else toml(names))]
    return found


@pytest.mark.parametrize(("function", "files"), [(secret, ("secrets.toml",)), (plain, ("secrets.toml", "config.toml"))])  # fmt: skip
@pytest.mark.parametrize("pipeline", [None, "mypipe"])
def test_the_error_lists_exactly_the_keys_that_are_tried_in_order(
    function: object, files: tuple[str, ...], pipeline: str | None
) -> None:
    context.pipeline_name.set(pipeline)
    with pytest.raises(ConfigFieldMissingException) as caught:
        function()  # type: ignore[operator]
    prefixes = ("MYPIPE__", "") if pipeline else ("",)
    assert list(caught.value.traces["api_key"]) == expected(prefixes, ("Environment Variables", *files))
    text = str(caught.value)
    lines = [f"  ({provider}, {key})" for provider, key in caught.value.traces["api_key"]]
    assert "\n".join(lines) in text
    assert isinstance(caught.value, KeyError)


def test_the_error_lists_the_files_and_whether_they_are_there(tmp_path: Path) -> None:
    path = write("secrets", "x = 1")
    with pytest.raises(ConfigFieldMissingException) as caught:
        secret()
    assert f"file {path}\n" in str(caught.value)
    assert f"file {tmp_path / '.ladle' / 'config.toml'} (not there)" in str(caught.value)
    assert f"file {Path.home() / '.dlt' / 'config.toml'} (not there)" in str(caught.value)


def test_the_order_of_keys_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key in the list wins over all after it: they are set from the last to the first."""
    context.pipeline_name.set("mypipe")
    for name in reversed([*[f"MYPIPE__{n}" for n in FIVE], *FIVE]):
        monkeypatch.setenv(name, name)
        assert secret() == name


def test_an_environment_variable_beats_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    write("config", "[sources.mymod.mysrc]\napi_key = 'config'")
    assert plain() == "config"
    write("secrets", "[sources.mymod.mysrc]\napi_key = 'secrets'")
    assert plain() == "secrets", "a plain value is looked for in secrets.toml too, and first"
    monkeypatch.setenv("API_KEY", "environment")
    assert plain() == "environment"


def test_below_the_pipeline_a_file_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    context.pipeline_name.set("mypipe")
    write("secrets", "[mypipe.sources]\napi_key = 'of the pipeline'")
    monkeypatch.setenv("SOURCES__MYMOD__MYSRC__API_KEY", "environment")
    assert secret() == "of the pipeline"


def test_the_short_form_is_not_tried_twice() -> None:
    assert paths(("sources", "same", "same"), ()) == (
        ("sources", "same", "same"), ("sources", "same"), ("sources",), ()
    )  # fmt: skip


def test_a_required_section_is_never_dropped() -> None:
    """Spec 7.2: `destination.postgres.credentials` -> `destination.credentials` -> `credentials`."""
    assert paths(("destination", "postgres"), ("credentials",)) == (
        ("destination", "postgres", "credentials"), ("destination", "credentials"), ("credentials",)
    )  # fmt: skip


def test_a_secret_in_config_toml_is_an_error_that_says_so() -> None:
    write("config", "[sources.mymod]\napi_key = 'v3ry-hidden'")
    with pytest.raises(
        ValueNotSecretException, match=r"`sources.mymod.api_key` stands in config.toml"
    ) as caught:
        secret()
    assert "secrets.toml" in str(caught.value)
    assert "v3ry-hidden" not in str(caught.value)


def test_the_working_directory_wins_over_home_key_by_key() -> None:
    write("config", "[a]\nx = 'home'\ny = 'home'", Path.home())
    write("config", "[a]\nx = 'here'")
    assert (ladle.config["a.x"], ladle.config["a.y"]) == ("here", "home")


def test_dot_ladle_wins_over_dot_dlt() -> None:
    write("config", "x = 'dlt'\ny = 'dlt'", settings=".dlt")
    assert ladle.config["x"] == "dlt"
    write("config", "x = 'ladle'")
    assert ladle.config["x"] == "ladle"
    assert ladle.config.get("y") is None


def test_files_are_of_the_working_directory_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("config", "x = 1")
    assert ladle.config["x"] == 1
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert ladle.config.get("x") is None


def test_a_section_of_the_name_of_a_key_is_no_value() -> None:
    write("config", "[api_key]\nx = 1")
    with pytest.raises(ConfigFieldMissingException):
        plain()


def test_two_instances_of_a_source_by_section() -> None:
    """Spec 7.7."""
    write("config", "[sources.a.x]\nk = 1\n[sources.b.x]\nk = 2")

    def f(k: int = ladle.config.value) -> int:
        return k

    assert with_config(f) is not f
    assert with_config(sections=("sources", "a", "x"))(f)() == 1
    assert with_config(sections=("sources", "b", "x"))(f)() == 2
