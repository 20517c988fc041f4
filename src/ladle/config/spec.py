"""Specs: typed groups of settings, as classes with annotated fields."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Self, TypeVar, dataclass_transform, get_type_hints, overload

from ladle.config.hints import bare, is_class_var, is_final, is_optional, is_resolvable, is_secret
from ladle.config.markers import Awaiting, Secret, TSecretValue
from ladle.errors import ConfigFieldMissingTypeHintException, InvalidNativeValue, UsageError

MASK = "***"
_T = TypeVar("_T")
_SECRET_NAME = re.compile("Secret|Credentials")


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of a spec. `hint`: with what is around the type, as `Annotated` and `Optional`."""

    name: str
    hint: Any
    optional: bool
    final: bool = False

    @property
    def secret(self) -> bool:
        """Whether it is only looked for where secrets are, and never shown."""
        return is_secret(self.hint)

    @classmethod
    def of(cls, name: str, hint: Any) -> Field:
        """Make one from an annotation."""
        return cls(name, hint, is_optional(hint) or bare(hint) is Any, is_final(hint))


class BaseConfiguration(MutableMapping[str, Any]):
    """Base of specs: decorate a subclass with `configspec` and annotate its fields.

    Reads like a dict of its fields. A field whose type isn't optional and that has no default must be found.
    `__section__` names the section of its settings.
    """

    __section__: ClassVar[str | None] = None
    __secret__: ClassVar[bool] = False
    __spec_fields__: ClassVar[tuple[Field, ...]] = ()
    __recommended__: ClassVar[tuple[str, ...]] = ()

    # -- hooks

    def parse_native_representation(self, native_value: Any) -> None:
        """Set fields from one value: text, or an object of another library.

        Raises:
            InvalidNativeValue: this spec has no such form.
        """
        raise InvalidNativeValue(
            f"`{type(self).__name__}` can't be read from a `{type(native_value).__name__}`",
            expected="a dict with " + ", ".join(self),
        )

    def to_native_representation(self) -> Any:
        """Return the fields as one value.

        Raises:
            InvalidNativeValue: this spec has no such form.
        """
        raise InvalidNativeValue(f"`{type(self).__name__}` has no form as one value")

    # -- state

    @classmethod
    def get_resolvable_fields(cls) -> dict[str, Any]:
        """Return the type hints of the fields by name."""
        return {field.name: field.hint for field in fields_of(cls)}

    @classmethod
    def from_init_value(cls, init_value: Any = None) -> Self:
        """Make a spec from a dict or a native value, without looking anything up.

        Raises:
            InvalidNativeValue: it can't be read, or has other keys.
        """
        made = cls()
        set_from(made, init_value)
        if not made.is_partial():
            made.resolve()
        return made

    def is_resolved(self) -> bool:
        """Whether all settings were found, or were filled by `on_partial`."""
        return bool(self.__dict__.get("_resolved"))

    def is_partial(self) -> bool:
        """Whether a field that must have a value has none."""
        return any(getattr(self, f.name) is None and not f.optional for f in fields_of(type(self)))

    def is_field_resolved(self, name: str) -> bool:
        """Whether a field has a value."""
        return getattr(self, name) is not None

    def resolve(self) -> None:
        """Run the `on_resolved` of the class and its bases, and mark the spec as resolved."""
        call_hooks(self, "on_resolved")
        self.__dict__["_resolved"] = True

    def copy(self) -> Self:
        """Return a copy of its own."""
        return copy.copy(self)

    def as_dict_nondefault(self) -> dict[str, Any]:
        """Return the fields whose value isn't their default."""
        fresh = type(self)()
        return {k: v for k, v in self.items() if v != getattr(fresh, k)}

    # -- dict of its fields

    def __getitem__(self, name: str) -> Any:
        if not self.__contains__(name):
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if not self.__contains__(name):
            raise KeyError(name)
        setattr(self, name, value)

    def __delitem__(self, name: str) -> None:
        raise UsageError(f"a field of `{type(self).__name__}` can't be deleted", hint="set it to None")

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in fields_of(type(self)))

    def __iter__(self) -> Iterator[str]:
        return iter([field.name for field in fields_of(type(self))])

    def __len__(self) -> int:
        return len(fields_of(type(self)))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._shown())})"

    def _shown(self) -> Iterator[str]:
        for field in fields_of(type(self)):
            value = getattr(self, field.name)
            if value is not None:
                hidden = field.secret and not isinstance(value, BaseConfiguration)
                yield f"{field.name}={MASK if hidden else repr(value)}"


class CredentialsConfiguration(BaseConfiguration):
    """Base of credentials: secret as a whole, in the section `credentials`."""

    __section__: ClassVar[str | None] = "credentials"
    __secret__: ClassVar[bool] = True

    def to_native_credentials(self) -> Any:
        """Return what a client library takes; default: the native representation."""
        return self.to_native_representation()


TCredentials = CredentialsConfiguration


@cache
def fields_of(spec: type[BaseConfiguration]) -> tuple[Field, ...]:
    """Return the fields of a spec in order, those of its bases first."""
    if "__spec_fields__" in spec.__dict__:
        return spec.__spec_fields__
    hints = hints_of(spec, spec.__dict__.get("__local_types__"))
    secret: set[str] = set().union(*(vars(c).get("__asked_secrets__", ()) for c in spec.__mro__))
    found = []
    declarations: tuple[dataclasses.Field[Any], ...] = ()
    if dataclasses.is_dataclass(spec):
        declarations = dataclasses.fields(spec)
    for declared in declarations:
        hint = hints.get(declared.name, Any)
        if declared.name in secret:
            hint = Annotated[hint, Secret()]
        if is_resolvable(hint):
            found.append(Field.of(declared.name, hint))
    return tuple(found)


def hints_of(thing: Any, local_types: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the hints of a class or function; what can't be evaluated is `Any`, or secret by its name."""
    try:
        return get_type_hints(thing, localns=dict(local_types or {}) or None, include_extras=True)
    except (NameError, TypeError, AttributeError):
        pass
    hints: dict[str, Any] = {}
    for owner in reversed(getattr(thing, "__mro__", (thing,))):
        module = sys.modules.get(getattr(owner, "__module__", ""), None)
        scope = {**vars(module)} if module else {}
        for name, hint in getattr(owner, "__annotations__", {}).items():
            one = types.SimpleNamespace(__annotations__={name: hint})
            try:
                hints |= get_type_hints(one, scope, dict(local_types or {}), include_extras=True)
            except (NameError, TypeError, AttributeError):
                hints[name] = TSecretValue if _SECRET_NAME.search(str(hint)) else Any
    return hints


def local_types(qualname: str) -> dict[str, Any]:
    """Return the classes that the function around a definition knows, for annotations that name them."""
    if "<locals>" not in qualname:
        return {}
    around = qualname.split(".<locals>")[-2].rpartition(".")[2]
    frame = sys._getframe(1)  # noqa: SLF001 - nothing else knows the names around a definition
    while frame is not None and frame.f_code.co_name != around:
        frame = frame.f_back  # type: ignore[assignment]
    return {k: v for k, v in frame.f_locals.items() if isinstance(v, type)} if frame else {}


def names_used(annotations: Iterable[Any], frame: types.FrameType) -> dict[str, Any]:
    """Return what the names in annotations that are text stand for, where the class is defined."""
    found: dict[str, Any] = {}
    for text in annotations:
        if not isinstance(text, str):
            continue
        for name in compile(text, "<annotation>", "eval").co_names:
            if name in frame.f_locals:
                found[name] = frame.f_locals[name]
            elif name in frame.f_globals:
                found[name] = frame.f_globals[name]
    return found


@overload
def configspec(cls: type[_T], init: bool = True) -> type[_T]: ...
@overload
def configspec(cls: None = None, init: bool = True) -> Callable[[type[_T]], type[_T]]: ...
@dataclass_transform(field_specifiers=(dataclasses.field,))
def configspec(cls: type[Any] | None = None, init: bool = True) -> Any:
    """Make a class a spec: its annotated attributes become settings.

    Args:
        cls: a subclass of `BaseConfiguration`, or any class, which then becomes one.
        init: make an `__init__` that takes the fields.

    Raises:
        ConfigFieldMissingTypeHintException: an attribute without a type.
    """
    if cls is None:
        return partial(configspec, init=init)
    if not issubclass(cls, BaseConfiguration):
        content = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
        cls = types.new_class(cls.__name__, (BaseConfiguration,), {}, lambda body: body.update(content))
    annotations = inspect.get_annotations(cls)
    _check_annotated(cls, annotations)
    secret = set()
    for name, hint in annotations.items():
        if name.startswith("__"):
            annotations[name] = ClassVar[Any]
        elif not (is_class_var(hint) or "ClassVar" in str(hint)) and _with_default(cls, name):
            secret.add(name)
    cls.__annotations__ = annotations
    setattr(cls, "__asked_secrets__", secret)  # noqa: B010 - mypy knows no such attribute
    setattr(cls, "__local_types__", names_used(annotations.values(), sys._getframe(1)))  # noqa: B010, SLF001
    return dataclass(init=init, eq=False, repr=False)(cls)


def _with_default(cls: type, name: str) -> bool:
    """Give a field a default that dataclasses take; return whether the default asked for a secret."""
    default = cls.__dict__.get(name)
    if isinstance(default, Awaiting):
        setattr(cls, name, None)
        return default.secret
    if default is None:
        setattr(cls, name, None)
    elif isinstance(default, (list, dict, set, BaseConfiguration)):
        setattr(cls, name, dataclasses.field(default_factory=partial(copy.copy, default)))
    return False


def _check_annotated(cls: type, annotations: Mapping[str, Any]) -> None:
    for name, value in vars(cls).items():
        known = name in annotations or name.startswith("_")
        if not known and not callable(value) and not hasattr(value, "__get__"):
            raise ConfigFieldMissingTypeHintException(
                f"the field `{name}` of `{cls.__name__}` has no type",
                hint=f"annotate it: {name}: {type(value).__name__} = ...",
            )


def set_from(config: BaseConfiguration, value: Any) -> set[str]:
    """Set fields of a spec from a dict, a spec or a native value; return their names.

    Raises:
        InvalidNativeValue: it can't be read, or a key isn't a field.
    """
    before = dict(config)
    if value is None:
        return set()
    if isinstance(value, Mapping) and not _reads_dicts(config):
        for key, item in value.items():
            if key not in config:
                raise InvalidNativeValue(
                    f"`{type(config).__name__}` has no field `{key}`", expected=", ".join(config)
                )
            if item is not None or not isinstance(value, BaseConfiguration):
                setattr(config, key, item)
        if not isinstance(value, BaseConfiguration):
            return {str(key) for key in value}
    else:
        _read_native(config, value)
    return {k for k, v in config.items() if v is not None and v != before[k]}


def _read_native(config: BaseConfiguration, value: Any) -> None:
    try:
        config.parse_native_representation(value)
    except InvalidNativeValue:
        raise
    except ValueError as exc:  # of a spec of the user's; its text may hold the secret
        raise InvalidNativeValue(
            f"`{type(config).__name__}` can't be read from this `{type(value).__name__}`"
        ) from exc


def _reads_dicts(config: BaseConfiguration) -> bool:
    return bool(getattr(config, "__reads_dicts__", False))


def call_hooks(config: BaseConfiguration, name: str) -> None:
    """Call a hook of each class that defines it, the bases' first: a subclass need not call `super()`."""
    for owner in reversed(type(config).__mro__):
        hook = owner.__dict__.get(name)
        if hook is not None:
            hook(config)
