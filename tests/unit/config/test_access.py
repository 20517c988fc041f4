"""Spec 1.15, 7.10 and 12.10: values by key, set in code, and own providers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config.inject import with_config
from ladle.config.providers import ConfigProvider, CustomLoaderDocProvider, EnvironProvider
from ladle.errors import (
    ConfigError,
    ConfigFieldMissingException,
    ConfigValueCannotBeCoercedException,
    DuplicateConfigProviderException,
    UsageError,
)
from ladle.sources.credentials import ConnectionStringCredentials


def test_by_key() -> None:
    write("config", "[b]\nx = 1\ny = 'q'\nd = 2024-01-02")
    write("secrets", "[a]\ntok = 's'\nn = 5")
    assert [ladle.config[k] for k in ("b.x", "b.y", "b.d", "a.tok")] == [1, "q", date(2024, 1, 2), "s"]
    assert ladle.config["b"] == {"x": 1, "y": "q", "d": date(2024, 1, 2)}
    assert ladle.secrets["a.n"] == 5
    assert "b.x" in ladle.config
    assert "b.z" not in ladle.config
    assert ladle.config.get("b.z") is None
    assert ladle.secrets.get("nope", int) is None


def test_no_sections_are_searched() -> None:
    write("config", "x = 1")
    assert ladle.config.get("a.b.x") is None
    with pytest.raises(ConfigFieldMissingException) as caught:
        _ = ladle.config["a.b.x"]
    assert list(caught.value.traces["a.b.x"]) == [
        ("Environment Variables", "A__B__X"), ("secrets.toml", "a.b.x"), ("config.toml", "a.b.x"),
    ]  # fmt: skip


def test_a_missing_secret() -> None:
    with pytest.raises(ConfigFieldMissingException, match=r"`missing` of `ladle.secrets`"):
        _ = ladle.secrets["missing"]
    assert ladle.secrets.get("missing") is None


def test_with_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    write("config", "[b]\nx = 1\ny = 'q'")
    write("secrets", "[creds]\nhost = 'h'\ndrivername = 'd'\n[whole]\ncreds = 'd://h'")
    assert ladle.config.get("b.x", str) == "1"
    with pytest.raises(ConfigValueCannotBeCoercedException):
        ladle.config.get("b.y", int)
    for key in ("creds", "whole.creds"):
        found = ladle.secrets.get(key, ConnectionStringCredentials)
        assert isinstance(found, ConnectionStringCredentials)
        assert str(found) == "d://h"
    assert ladle.secrets.get("other", ConnectionStringCredentials) is None
    monkeypatch.setenv("X5", "5")
    assert ladle.config["x5"] == 5


def test_values_set_in_code() -> None:
    """Spec 7.10."""

    @with_config(sections=("sources", "m", "s"))
    def source(api_key: str = ladle.secrets.value, page: int = ladle.config.value) -> Any:
        return api_key, page

    write("config", "[x]\nz = 1")
    ladle.config["x.y"] = 5
    assert ladle.config["x.y"] == 5
    assert ladle.config["x"] == {"y": 5, "z": 1}
    ladle.secrets["sources.m.s.api_key"] = "k"
    ladle.config["sources.m.page"] = 2
    assert source() == ("k", 2)
    assert ladle.config.writable_provider.name == "config.toml"
    assert ladle.secrets.writable_provider.name == "secrets.toml"


def test_the_providers_in_order() -> None:
    assert [p.name for p in ladle.config.config_providers] == [
        "Environment Variables",
        "secrets.toml",
        "config.toml",
    ]
    assert [p.name for p in ladle.secrets.config_providers] == ["Environment Variables", "secrets.toml"]


def test_the_package_is_the_accessor() -> None:
    import ladle.config as package

    assert package is ladle.config
    assert repr(package.value) == "ladle.config.value"
    assert repr(ladle.secrets.value) == "ladle.secrets.value"
    with pytest.raises(AttributeError):
        _ = package.nope  # type: ignore[attr-defined]


def test_an_own_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def load() -> dict[str, Any]:
        calls.append(1)
        return {"sources": {"x": {"key": 1}}}

    ladle.config.register_provider(CustomLoaderDocProvider("mine", load))
    assert not calls
    assert ladle.config.get("sources.x.key") == 1
    assert ladle.secrets["sources.x.key"] == 1
    assert len(calls) == 1
    monkeypatch.setenv("SOURCES__X__KEY", "2")
    assert ladle.config.get("sources.x.key") == 2
    assert [p.name for p in ladle.config.config_providers][-1] == "mine"
    with pytest.raises(DuplicateConfigProviderException):
        ladle.secrets.register_provider(CustomLoaderDocProvider("mine", load))


def test_a_provider_without_secrets_and_one_without_sections() -> None:
    class Flat(ConfigProvider):
        name = "flat"
        supports_sections = False
        asked: list[str] = []

        def get_value(
            self, key: str, hint: Any, pipeline_name: str | None, *sections: str
        ) -> tuple[Any, str]:
            self.asked.append(".".join((*sections, key)))
            return ("v" if key == "k" else None), key

    ladle.config.register_provider(
        CustomLoaderDocProvider("open", lambda: {"s": "x"}, supports_secrets=False)
    )
    ladle.config.register_provider(Flat())

    @with_config(sections=("a", "b"))
    def f(k: str = ladle.config.value) -> str:
        return k

    assert f() == "v"
    assert Flat.asked == ["k"]
    assert ladle.config["s"] == "x"
    with pytest.raises(ladle.errors.ValueNotSecretException):
        _ = ladle.secrets["s"]


def test_what_is_no_provider() -> None:
    with pytest.raises(UsageError, match="can't be a `int`"):
        ladle.config.register_provider(5)  # type: ignore[arg-type]
    ladle.config.register_provider(CustomLoaderDocProvider("bad", lambda: 5))  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match="`bad` returned a `int`"):
        ladle.config.get("x")
    with pytest.raises(ConfigError, match="can't be written"):
        EnvironProvider().set_value("a", 1, None)
