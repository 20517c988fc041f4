"""Spec 7.4: specs."""

from __future__ import annotations

import copy
import pickle
from typing import Annotated, Any, ClassVar, Final

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config.inject import resolved
from ladle.config.markers import NotResolved, Secret
from ladle.config.spec import BaseConfiguration, CredentialsConfiguration, configspec
from ladle.errors import (
    ConfigFieldMissingException,
    ConfigFieldMissingTypeHintException,
    ConfigValueCannotBeCoercedException,
    FinalConfigFieldException,
    InvalidNativeValue,
    UsageError,
)

CANARY = "v3ry-hidden"


@configspec
class Plain(BaseConfiguration):
    a: int = 1
    b: ladle.TSecretStrValue = None  # type: ignore[assignment]


@configspec
class Inner(BaseConfiguration):
    k: int = None  # type: ignore[assignment]
    __section__: ClassVar[str] = "inner_section"


@configspec
class Outer(BaseConfiguration):
    i: Inner = None  # type: ignore[assignment]
    n: int | None = None
    many: list[int] = [1]


def test_a_spec_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B", "x")
    found = resolved(Plain)
    assert dict(found) == {"a": 1, "b": "x"}
    assert (found.a, found["b"], found.get("c"), list(found), len(found)) == (1, "x", None, ["a", "b"], 2)
    assert found.is_resolved()
    monkeypatch.setenv("A", "zz")
    with pytest.raises(ConfigValueCannotBeCoercedException):
        resolved(Plain)


def test_a_wrong_value_names_key_provider_and_type_and_masks_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class Wrong(BaseConfiguration):
        a: int = 1
        b: Annotated[int, Secret()] = 1

    monkeypatch.setenv("TOP__A", "zz")
    with pytest.raises(ConfigValueCannotBeCoercedException) as caught:
        resolved(Wrong, ("top",))
    error = caught.value
    assert (error.key, error.provider, error.value, error.expected) == (
        "TOP__A",
        "Environment Variables",
        "zz",
        "int",
    )
    monkeypatch.delenv("TOP__A")
    monkeypatch.setenv("TOP__B", CANARY)
    with pytest.raises(ConfigValueCannotBeCoercedException) as caught:
        resolved(Wrong, ("top",))
    assert caught.value.value == "***"
    assert CANARY not in str(caught.value) + repr(caught.value)


def test_a_nested_spec_has_a_section_of_its_fields_name() -> None:
    with pytest.raises(ConfigFieldMissingException) as caught:
        resolved(Outer, ("top", "sub"))
    tried = [key for provider, key in caught.value.traces["i.k"] if provider == "config.toml"]
    assert tried == ["top.sub.i.k", "top.i.k", "i.k"]
    write("config", "[top.i]\nk = 7\n[top.sub]\nn = 2\nmany = [3, 4]")
    found = resolved(Outer, ("top", "sub"))
    assert (found.i.k, found.n, found.many) == (7, 2, [3, 4])


def test_a_spec_at_the_top_has_its_own_section() -> None:
    with pytest.raises(ConfigFieldMissingException) as caught:
        resolved(Inner, ("top", "sub"))
    tried = [key for provider, key in caught.value.traces["k"] if provider == "config.toml"]
    assert tried == ["top.sub.inner_section.k", "top.inner_section.k", "inner_section.k"]


def test_what_is_given_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K", "1")
    monkeypatch.setenv("INNER_SECTION__K", "1")
    assert resolved(Inner, (), {"k": 5}).k == 5
    assert resolved(Inner, (), Inner(6)).k == 6
    assert resolved(Outer, (), {"i": {"k": 8}}).i.k == 8
    with pytest.raises(InvalidNativeValue, match="`Inner` has no field `kk`"):
        resolved(Inner, (), {"kk": 5})
    with pytest.raises(ConfigFieldMissingException) as caught:
        resolved(Inner, (), {"k": None})
    assert caught.value.traces == {"k": (("ExplicitValues", "k"),)}


def test_defaults_are_not_shared() -> None:
    one, two = Outer(), Outer()
    one.many.append(9)
    assert two.many == [1]


def test_a_final_field_can_not_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class Fixed(BaseConfiguration):
        kind: Final[str] = "x"

    monkeypatch.setenv("KIND", "y")
    assert resolved(Fixed).kind == "x"
    with pytest.raises(FinalConfigFieldException):
        resolved(Fixed, (), {"kind": "y"})


def test_hooks_run_for_each_class_and_on_partial_may_fill() -> None:
    seen: list[str] = []

    @configspec
    class Base(BaseConfiguration):
        a: int = None  # type: ignore[assignment]

        def on_partial(self) -> None:
            seen.append("partial")
            self.a = 5
            self.resolve()

        def on_resolved(self) -> None:
            seen.append("base")

    @configspec
    class Derived(Base):
        b: int | None = None

        def on_resolved(self) -> None:
            seen.append(f"derived {self.a}")

    assert resolved(Derived).a == 5
    assert seen == ["partial", "base", "derived 5"]
    assert list(Derived()) == ["a", "b"]


def test_a_native_value_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class Point(BaseConfiguration):
        x: int = None  # type: ignore[assignment]
        y: int = None  # type: ignore[assignment]

        def parse_native_representation(self, native_value: Any) -> None:
            if not isinstance(native_value, str) or "/" not in native_value:
                raise InvalidNativeValue("not a point")
            self.x, self.y = (int(v) for v in native_value.split("/"))

    @configspec
    class Line(BaseConfiguration):
        start: Point = None  # type: ignore[assignment]

    monkeypatch.setenv("START", "1/2")
    assert dict(resolved(Line).start) == {"x": 1, "y": 2}
    monkeypatch.setenv("START", '{"x": 3, "y": 4}')
    assert dict(resolved(Line).start) == {"x": 3, "y": 4}
    monkeypatch.setenv("START", "nonsense")
    with pytest.raises(InvalidNativeValue):
        resolved(Line)


def test_an_optional_spec_is_none_where_nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class Login(CredentialsConfiguration):
        user: str = None  # type: ignore[assignment]
        password: ladle.TSecretStrValue = None  # type: ignore[assignment]

    @configspec
    class Service(BaseConfiguration):
        credentials: Login | None = None

    assert resolved(Service).credentials is None
    monkeypatch.setenv("CREDENTIALS__USER", "u")
    with pytest.raises(ConfigFieldMissingException, match=r"`credentials.password`"):
        resolved(Service)
    monkeypatch.setenv("CREDENTIALS__PASSWORD", "p")
    assert dict(resolved(Service).credentials) == {"user": "u", "password": "p"}


def test_a_field_that_code_sets_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class Held(BaseConfiguration):
        session: Annotated[Any, NotResolved()] = None

    monkeypatch.setenv("SESSION", "x")
    assert resolved(Held).session is None
    assert list(Held()) == []


def test_any_class_becomes_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class Loose:
        level: str = "low"
        limit: int = ladle.config.value
        token: str = ladle.secrets.value

    monkeypatch.setenv("LIMIT", "3")
    monkeypatch.setenv("TOKEN", CANARY)
    found: Any = resolved(Loose)  # type: ignore[type-var]
    assert (found.level, found.limit, found.token) == ("low", 3, CANARY)
    assert CANARY not in repr(found)
    write("config", "token = 'x'")
    monkeypatch.delenv("TOKEN")
    with pytest.raises(ladle.errors.ValueNotSecretException):
        resolved(Loose)  # type: ignore[type-var]


def test_a_field_without_a_type_is_refused() -> None:
    with pytest.raises(ConfigFieldMissingTypeHintException, match="`a` of `Untyped`"):

        @configspec
        class Untyped(BaseConfiguration):
            a = 1


def test_secrets_are_not_shown() -> None:
    made = Plain(2, CANARY)
    assert repr(made) == str(made) == "Plain(a=2, b=***)"
    outer = repr(copy.deepcopy(made))
    assert CANARY not in outer
    assert CANARY not in repr([made]) + f"{made}"


def test_specs_can_be_copied_compared_and_sent() -> None:
    made = Plain(2, "x")
    assert pickle.loads(pickle.dumps(made)) == copy.copy(made) == made.copy() == made
    assert made != Plain(3, "x")
    assert made.as_dict_nondefault() == {"a": 2, "b": "x"}
    made["a"] = 4
    made.update(b="y")
    assert dict(made) == {"a": 4, "b": "y"}
    with pytest.raises(KeyError):
        made["nope"] = 1
    with pytest.raises(KeyError):
        _ = made["nope"]
    with pytest.raises(UsageError):
        del made["a"]


def test_a_spec_without_native_form_says_so() -> None:
    with pytest.raises(InvalidNativeValue, match="`Plain` can't be read from a `int`"):
        Plain().parse_native_representation(5)
    with pytest.raises(InvalidNativeValue):
        Plain().to_native_representation()
    assert Plain.from_init_value({"b": "x"}).is_resolved()
    assert Plain().is_partial()


def test_annotations_that_are_text_are_read_where_the_class_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook, or code that is executed: the module of the class doesn't know the names."""
    code = """
import ladle as renamed
from ladle.sources.config import BaseConfiguration, configspec

@configspec
class Executed(BaseConfiguration):
    a: int = 1
    b: renamed.TSecretStrValue = None
"""
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "code", "exec"), scope)
    assert CANARY not in repr(scope["Executed"](1, CANARY))
    assert scope["Executed"].get_resolvable_fields()["a"] is int


def test_a_secret_whose_type_can_not_be_evaluated_stays_secret() -> None:
    @configspec
    class Odd(BaseConfiguration):
        a: NowhereSecretStr = None  # type: ignore[name-defined]  # noqa: F821
        b: Nowhere = None  # type: ignore[name-defined]  # noqa: F821

    assert CANARY not in repr(Odd(CANARY, 1))
    assert "b=1" in repr(Odd(CANARY, 1))


def test_a_value_error_of_a_spec_means_that_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    @configspec
    class ByMail(CredentialsConfiguration):
        email: str = None  # type: ignore[assignment]

        def parse_native_representation(self, native_value: Any) -> None:
            scheme, _, self.email = str(native_value).partition(":")
            if scheme != "email":
                raise ValueError(native_value)

    @configspec
    class ByKey(CredentialsConfiguration):
        key: str = None  # type: ignore[assignment]

        def parse_native_representation(self, native_value: Any) -> None:
            scheme, self.key = native_value.split(":")
            if scheme != "key":
                raise ValueError(native_value)

    @ladle.source
    def mail(credentials: ByMail | ByKey = ladle.secrets.value) -> Any:
        return ladle.resource([credentials], name="credentials")

    monkeypatch.setenv("CREDENTIALS", "key:k")
    assert next(iter(mail())).key == "k"
    assert next(iter(mail("email:a@b"))).email == "a@b"
    with pytest.raises(InvalidNativeValue) as caught:
        mail(f"other:{CANARY}")
    assert CANARY not in str(caught.value)
