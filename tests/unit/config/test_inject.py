"""Spec 7.3: what is injected into which parameter."""

from __future__ import annotations

import asyncio
import enum
import inspect
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config import context
from ladle.config.inject import Injector, injector, with_config
from ladle.errors import ConfigFieldMissingException, ConfigValueCannotBeCoercedException
from ladle.sources.config import BaseConfiguration, configspec
from ladle.sources.credentials import ConnectionStringCredentials, GcpServiceAccountCredentials


class Kind(enum.Enum):
    A = "a"
    B = "b"


def filled(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    args, kwargs = Injector(function).fill(args, kwargs, ("sources", "m", "f"))
    return function(*args, **kwargs)


def required(api_key: str = ladle.secrets.value, page_size: int = ladle.config.value) -> Any:
    return api_key, page_size


def defaults(page_size: int = 3, name: str = "n", nothing: str | None = None, tags: list[str] = []) -> Any:  # noqa: B006
    return page_size, name, nothing, tags


def test_what_the_caller_passes_is_never_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "env")
    monkeypatch.setenv("PAGE_SIZE", "1")
    assert filled(required, "mine", 2) == ("mine", 2)
    assert filled(required, api_key="mine") == ("mine", 1)
    assert filled(required, "mine") == ("mine", 1)
    assert filled(defaults, 9, nothing="x") == (9, "n", "x", [])


def test_a_marker_that_is_passed_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_SIZE", "7")
    assert filled(defaults, ladle.config.value, name="x") == (7, "x", None, [])

    def bare(page_size: int) -> int:
        return page_size

    assert filled(bare, ladle.config.value) == 7
    assert filled(bare, page_size=ladle.config.value) == 7
    monkeypatch.delenv("PAGE_SIZE")
    with pytest.raises(ConfigFieldMissingException, match="`page_size` of `bare`"):
        filled(bare, ladle.config.value)


def test_a_parameter_without_default_is_never_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_SIZE", "7")

    def bare(page_size: int, other: int = 1) -> int:
        return page_size

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        filled(bare)


def test_a_default_is_replaced_where_a_value_is_found() -> None:
    """Spec 7.1: config.toml beats a default, 3 -> 7."""
    assert filled(defaults) == (3, "n", None, [])
    write("config", "[sources.m]\npage_size = 7\nnothing = 'x'\ntags = ['a']\n")
    assert filled(defaults) == (7, "n", "x", ["a"])


def test_a_marker_must_be_found() -> None:
    with pytest.raises(ConfigFieldMissingException) as caught:
        filled(required)
    assert caught.value.fields == ["api_key", "page_size"]
    assert not any(p == "config.toml" for p, _ in caught.value.traces["api_key"])
    assert any(p == "config.toml" for p, _ in caught.value.traces["page_size"])


def test_none_that_is_passed_for_a_required_parameter_is_an_error() -> None:
    """Spec 7.9."""
    with pytest.raises(ConfigFieldMissingException) as caught:
        filled(required, None, 1)
    assert caught.value.traces == {"api_key": (("ExplicitValues", "api_key"),)}
    assert "(ExplicitValues, api_key)" in str(caught.value)
    assert filled(defaults, None)[0] is None, "with a plain default None is a value like any other"


def test_values_are_parsed_to_the_annotation(monkeypatch: pytest.MonkeyPatch) -> None:
    def many(
        a: int = ladle.config.value, b: bool = False, c: Decimal | None = None, d: dict[str, int] = {}, e: list[str] = []  # noqa: B006
    ) -> Any:  # fmt: skip
        return a, b, c, d, e

    for name, value in {"A": "1", "B": "true", "C": "1.5", "D": '{"x": 1}', "E": '["a","b"]'}.items():
        monkeypatch.setenv(f"SOURCES__{name}", value)
    assert filled(many) == (1, True, Decimal("1.5"), {"x": 1}, ["a", "b"])
    monkeypatch.setenv("SOURCES__E", "['a']")
    assert filled(many)[-1] == ["a"], "the reference takes JSON only"
    monkeypatch.setenv("SOURCES__A", "zz")
    with pytest.raises(ConfigValueCannotBeCoercedException, match="`SOURCES__A` in Environment Variables"):
        filled(many)


def test_the_type_of_a_default_counts_where_there_is_no_annotation(monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(limit=5, name="x", anything=ladle.config.value):  # type: ignore[no-untyped-def]
        return limit, name, anything

    monkeypatch.setenv("LIMIT", "6")
    monkeypatch.setenv("NAME", "6")
    monkeypatch.setenv("ANYTHING", "6")
    assert filled(loose) == (6, "6", 6)


@pytest.mark.parametrize("hint", [ladle.TSecretStrValue, ladle.TSecretValue, Annotated[str, "x"]])
def test_secrets_by_annotation(hint: Any) -> None:
    def f(token=None):  # type: ignore[no-untyped-def]
        return token

    f.__annotations__["token"] = hint
    write("secrets", "token = 't'")
    assert filled(f) == "t"
    is_secret = hint in (ladle.TSecretStrValue, ladle.TSecretValue)
    assert ("Secret()" in repr(hint)) is is_secret


def test_objects_as_defaults_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        pass

    client = Client()

    def f(
        client: Client = client, hook: Callable[[], int] = lambda: 1, other: Client | None = None, kind: Kind = Kind.A
    ) -> Any:  # fmt: skip
        return client, hook(), other, kind

    for name in ("CLIENT", "HOOK", "OTHER"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("KIND", "b")
    assert filled(f) == (client, 1, None, Kind.B)


def test_skipped_parameters_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "5")

    def f(a: int = 1, b: int = 2) -> Any:
        return a, b

    assert Injector(f, skip=("a",)).fill((), {}, ()) == ((), {"b": 2})


def test_credentials_are_typed_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(creds: ConnectionStringCredentials = ladle.secrets.value) -> Any:
        return creds

    with pytest.raises(ConfigFieldMissingException, match=r"`creds.drivername` of `f`") as caught:
        filled(f)
    assert [key for _, key in caught.value.traces["creds.drivername"]][:3] == [
        "SOURCES__M__F__CREDS__DRIVERNAME", "SOURCES__M__CREDS__DRIVERNAME", "SOURCES__F__CREDS__DRIVERNAME",
    ]  # fmt: skip
    monkeypatch.setenv("SOURCES__CREDS", "postgres://u@h/d")
    write("secrets", "[sources.m.creds]\npassword = 'p'")
    assert filled(f).to_native_representation() == "postgres://u:p@h/d"
    assert filled(f, "mysql://me@h2/d").to_native_representation() == "mysql://me:p@h2/d", "the mixed form"
    assert filled(f, {"drivername": "x", "host": "h"}).to_native_representation() == "x://:p@h"
    made = ConnectionStringCredentials("a://b:c@d/e")
    assert filled(f, made).to_native_representation() == "a://b:c@d/e"


def test_the_first_of_a_union_that_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(
        credentials: GcpServiceAccountCredentials | ConnectionStringCredentials | str = ladle.secrets.value,
    ) -> Any:
        return credentials

    with pytest.raises(ConfigFieldMissingException, match="project_id"):
        filled(f)
    monkeypatch.setenv("SOURCES__F__CREDENTIALS__HOST", "h")
    monkeypatch.setenv("SOURCES__F__CREDENTIALS__DRIVERNAME", "d")
    assert str(filled(f)) == "d://h"
    monkeypatch.setenv("SOURCES__F__CREDENTIALS", "postgres://u:p@h/d")
    assert isinstance(filled(f), ConnectionStringCredentials)
    monkeypatch.setenv("SOURCES__F__CREDENTIALS", "neither of them")
    assert filled(f) == "neither of them"


@configspec
class Settings(BaseConfiguration):
    a: int = 1
    b: ladle.TSecretStrValue = None  # type: ignore[assignment]


def test_an_own_spec_fills_by_name_also_without_default(monkeypatch: pytest.MonkeyPatch) -> None:
    @with_config(spec=Settings, sections="top")
    def f(a: int, b: str, settings: Settings = None, other: int = 9) -> Any:  # type: ignore[assignment]
        return a, b, settings, other

    monkeypatch.setenv("TOP__B", "x")
    a, b, settings, other = f()  # type: ignore[call-arg]
    assert (a, b, dict(settings), other) == (1, "x", {"a": 1, "b": "x"}, 9)
    assert f(3)[:2] == (3, "x")  # type: ignore[call-arg]


def test_with_config_uses_the_sections_of_what_runs() -> None:
    """C20: any function."""

    @with_config
    def f(x: int = ladle.config.value) -> int:
        return x

    write("config", "x = 1\n[sources.m]\nx = 2\n[own]\nx = 3")
    assert f() == 1
    token = context.sections.set(("sources", "m", "r"))
    assert f() == 2
    context.sections.reset(token)
    assert with_config(sections=("own",))(inspect.unwrap(f))() == 3


def test_a_section_can_be_an_argument() -> None:
    @with_config(sections=("top",), section_arg_name="shop")
    def f(shop: str, x: int = ladle.config.value) -> int:
        return x

    write("config", "[top.one]\nx = 1\n[top.two]\nx = 2")
    assert (f(shop="one"), f(shop="two")) == (1, 2)


def test_async_functions() -> None:
    @with_config
    async def f(x: int = ladle.config.value) -> int:
        return x

    write("config", "x = 4")
    assert inspect.iscoroutinefunction(f)
    assert asyncio.run(f()) == 4


def test_a_function_that_needs_nothing_costs_nothing() -> None:
    def f(item: int, *more: int, **rest: int) -> int:
        return item

    made = Injector(f)
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        args, kwargs = made.fill((1, 2), {"a": 3}, ())
    finally:
        sys.setprofile(None)
    assert (args, kwargs) == ((1, 2), {"a": 3})
    assert [c for c in calls if c not in ("fill", "<genexpr>")] == []


def test_making_an_injector_looks_nothing_up() -> None:
    write("config", "not TOML at all")
    made = injector(required)
    assert injector(required) is made
    assert made.spec.__name__ == "RequiredConfiguration"
    assert made.spec.get_resolvable_fields().keys() == {"api_key", "page_size"}


def test_wrong_arguments_are_the_calls_own_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword"):
        filled(defaults, nope=1)


def test_a_placeholder_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    write("secrets", "[sources.m]\napi_key = '<configure me>'")
    assert filled(required, page_size=1) == ("<configure me>", 1)
    assert "sources.m.api_key in secrets.toml still has the placeholder" in caplog.text


@pytest.mark.parametrize("name", ["path", "home", "user", "lang"])
def test_a_variable_of_the_system_is_not_taken_for_an_argument(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def reads({name}: str = 'own'): return {name}", namespace)
    reads = with_config(namespace["reads"], sections=("sources", "m", "reads"))
    monkeypatch.setenv(name.upper(), "the system's")
    assert reads() == "own"
    monkeypatch.setenv(f"SOURCES__{name.upper()}", "meant")
    assert reads() == "meant"
