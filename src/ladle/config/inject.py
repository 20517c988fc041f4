"""Arguments of functions filled from configuration."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, ParamSpec, TypeVar, cast, get_origin, is_typeddict, overload
from uuid import UUID

from ladle.config import context
from ladle.config.chain import here
from ladle.config.coerce import SCALARS, takes_tables
from ladle.config.hints import alternatives, is_optional
from ladle.config.lookup import Where
from ladle.config.markers import Awaiting, Secret
from ladle.config.resolve import Gap, Gaps, missing, resolve, value_of
from ladle.config.spec import BaseConfiguration, Field, fields_of, hints_of, local_types

_P = ParamSpec("_P")
_R = TypeVar("_R")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class _Argument:
    """A parameter that can be filled.

    `wanted`: also where it isn't passed. `must`: its default asks for a value. `group`: it takes a spec.
    """

    field: Field
    default: Any
    wanted: bool
    must: bool
    group: bool


class Injector:
    """Fills arguments of one function. Made once for each decorated function; making it looks nothing up.

    Args:
        func: the function.
        spec: a spec with the settings; parameters are filled by name, also those without default, and a
            parameter annotated with the spec gets all of it. None: one is made from the signature.
        skip: parameters that are filled by somebody else.
        leaves: says of a type hint whether parameters of that type are filled by somebody else.
        include_defaults: fill parameters with a plain default too, where a value is found.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        *,
        spec: type[BaseConfiguration] | None = None,
        skip: Collection[str] = (),
        leaves: Callable[[Any], bool] | None = None,
        include_defaults: bool = True,
    ) -> None:
        self._func = func
        self._given_spec = spec
        self._skip = frozenset(skip)
        self._leaves = leaves
        self._include_defaults = include_defaults
        self._parameters = _parameters(func)
        self._local_types = local_types(getattr(func, "__qualname__", ""))
        self._needs_nothing = spec is None and all(p.default is _EMPTY for p in self._parameters.values())

    @cached_property
    def spec(self) -> type[BaseConfiguration]:
        """The spec given, or one made from the signature."""
        if self._given_spec is not None:
            return self._given_spec
        fields = tuple(a.field for a in self._arguments.values() if a.wanted)
        defaults = {a.field.name: a.default for a in self._arguments.values() if a.wanted and not a.must}
        name = "".join(part.title() for part in getattr(self._func, "__name__", "").split("_"))
        content = {**{f.name: None for f in fields}, **defaults, "__spec_fields__": fields}
        return type(f"{name}Configuration", (BaseConfiguration,), content)

    def fill(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], sections: tuple[str, ...] = ()
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return args and kwargs with every parameter that can be filled.

        Args:
            args: positional arguments of the call.
            kwargs: arguments by name.
            sections: where the settings are, for example `("sources", module, function)`.

        Raises:
            ConfigFieldMissingException: a parameter that asks for a value has none.
            ConfigValueCannotBeCoercedException: a value is of another type.
        """
        if self._needs_nothing and not any(isinstance(v, Awaiting) for v in (*args, *kwargs.values())):
            return args, kwargs
        try:
            bound = self._signature.bind_partial(*args, **kwargs)
        except TypeError:
            return args, kwargs  # the call itself says what is wrong with it
        if self._given_spec is not None:
            values = self._from_spec(bound.arguments, sections)
        else:
            values = self._from_signature(bound.arguments, sections)
        if not values:
            return args, kwargs
        return self._merged(args, kwargs, values)

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self._func)

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Where each parameter stands that may be given by position."""
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return {p.name: i for i, p in enumerate(self._signature.parameters.values()) if p.kind in kinds}

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The type hints of the parameters; empty where nothing can be filled."""
        return {} if self._needs_nothing else hints_of(self._func, self._local_types)

    @cached_property
    def _arguments(self) -> dict[str, _Argument]:
        return {
            name: _argument(parameter, self.hints.get(name, _EMPTY), self._include_defaults)
            for name, parameter in self._parameters.items()
            if name not in self._skip and not (self._leaves and self._leaves(self.hints.get(name)))
        }

    def _merged(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], values: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional = list(args)
        for name, value in values.items():
            at = self._positions.get(name, len(positional))
            if at < len(positional):
                positional[at] = value
        named = {n: v for n, v in values.items() if self._positions.get(n, len(args)) >= len(args)}
        return tuple(positional), {**kwargs, **named}

    def _from_signature(self, passed: dict[str, Any], sections: tuple[str, ...]) -> dict[str, Any]:
        where: Where | None = None
        values: dict[str, Any] = {}
        gaps: list[Gap] = []
        for name, argument in self._arguments.items():
            given = passed.get(name, _EMPTY)
            is_given = given is not _EMPTY and not isinstance(given, Awaiting)
            if is_given and not (argument.group or (given is None and argument.must)):
                continue
            if given is _EMPTY and not argument.wanted:
                continue
            where = where or here(sections)
            field, default = argument.field, argument.default
            if isinstance(given, Awaiting):
                field, default = _asked(field, given), None
            try:
                values[name] = value_of(field, where, given if is_given else default, is_given=is_given)
            except Gaps as found:
                gaps.extend(found.gaps)
        if gaps and where:
            raise missing(getattr(self._func, "__name__", type(self._func).__name__), gaps, where.providers)
        return values

    def _from_spec(self, passed: dict[str, Any], sections: tuple[str, ...]) -> dict[str, Any]:
        assert self._given_spec is not None
        names = [f.name for f in fields_of(self._given_spec)]
        given = {n: v for n, v in passed.items() if n in names and not isinstance(v, Awaiting)}
        for value in passed.values():
            if isinstance(value, self._given_spec):
                return {}
        config = resolved(self._given_spec, sections, given)
        values = {n: config[n] for n in names if n in self._parameters and n not in self._skip}
        holder = self._holder
        if holder is not None and holder not in passed:
            values[holder] = config
        return values

    @cached_property
    def _holder(self) -> str | None:
        """The parameter that takes the spec as a whole."""
        spec = self._given_spec
        return next((n for n in self._parameters if spec in alternatives(self.hints.get(n))), None)


def resolved(
    spec: type[BaseConfiguration],
    sections: tuple[str, ...] = (),
    given: Any = None,
    *,
    accept_partial: bool = False,
) -> Any:
    """Return a spec filled from the providers of this process; its `__section__` is never dropped.

    Args:
        spec: its class.
        sections: dropped from the right, one by one, as long as nothing is found.
        given: values that aren't looked for.
        accept_partial: return it also where settings are missing.
    """
    required = (spec.__section__,) if spec.__section__ else ()
    if sections[-1:] == required:
        sections = sections[:-1]
    return resolve(spec, here(sections, required), given, accept_partial=accept_partial)


def _parameters(func: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        found = inspect.signature(func).parameters
    except (TypeError, ValueError):  # a builtin without a signature
        return {}
    return {p.name: p for p in found.values() if p.kind in _NAMED}


def _asked(field: Field, marker: Awaiting) -> Field:
    hint = Annotated[field.hint, Secret()] if marker.secret else field.hint
    return Field(field.name, hint, is_optional(field.hint))


def _argument(parameter: inspect.Parameter, hint: Any, include_defaults: bool) -> _Argument:
    default = parameter.default
    must = isinstance(default, Awaiting)
    if hint is _EMPTY:
        hint = Any if must or default in (None, _EMPTY) else type(default)
    group = any(isinstance(a, type) and issubclass(a, BaseConfiguration) for a in alternatives(hint))
    optional = is_optional(hint) or not must
    if isinstance(default, Awaiting) and default.secret:
        hint = Annotated[hint, Secret()]
    wanted = must or (
        include_defaults and default is not _EMPTY and (group or _is_configurable(hint, default))
    )
    return _Argument(Field(parameter.name, hint, optional), None if must else default, wanted, must, group)


def _is_configurable(hint: Any, default: Any) -> bool:
    """Whether a setting can be of that type: not where the default is an object of code."""
    for member in alternatives(hint):
        kind = get_origin(member) or member
        if kind is Any or kind in SCALARS or not takes_tables(kind) or kind in (dict, object):
            return default is None or _is_plain(default)
        if is_typeddict(kind) or (
            isinstance(kind, type) and issubclass(kind, (dict, str, int, enum.Enum, UUID))
        ):
            return True
    return False


def _is_plain(value: Any) -> bool:
    return isinstance(
        value, (*(k for k in SCALARS if isinstance(k, type)), list, dict, tuple, set, frozenset)
    )


@lru_cache(maxsize=1024)
def injector(func: Callable[..., Any], *, spec: type[BaseConfiguration] | None = None) -> Injector:
    """Return the injector of a function; the same one as long as it is in use."""
    return Injector(func, spec=spec)


@overload
def with_config(func: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def with_config(
    func: None = None,
    /,
    spec: type[BaseConfiguration] | None = None,
    sections: str | tuple[str, ...] = (),
    *,
    section_arg_name: str | None = None,
    include_defaults: bool = True,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def with_config(
    func: Callable[..., Any] | None = None,
    /,
    spec: type[BaseConfiguration] | None = None,
    sections: str | tuple[str, ...] = (),
    *,
    section_arg_name: str | None = None,
    include_defaults: bool = True,
) -> Any:
    """Fill the arguments of any function from configuration and secrets when it is called.

    Args:
        func: the function, where the decorator is used without arguments.
        spec: a spec with the settings, see `Injector`.
        sections: where the settings are; none: those of the source or resource that runs.
        section_arg_name: an argument of the call that names one more section.
        include_defaults: fill parameters with a plain default too.

    Raises:
        ConfigFieldMissingException: when called: a parameter that asks for a value has none.
    """
    if func is None:
        return functools.partial(
            with_config, spec=spec, sections=sections, section_arg_name=section_arg_name,
            include_defaults=include_defaults,
        )  # fmt: skip
    filler = Injector(func, spec=spec, include_defaults=include_defaults)
    own = (sections,) if isinstance(sections, str) else tuple(sections)

    def filled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        at = own or context.sections.get()
        named = kwargs.get(section_arg_name) if section_arg_name else None
        return filler.fill(args, kwargs, (*at, str(named)) if named else at)

    if inspect.iscoroutinefunction(func):

        @functools.wraps(func)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = filled(args, kwargs)
            return await cast(Any, func)(*args, **kwargs)

        return waiting

    @functools.wraps(func)
    def calling(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = filled(args, kwargs)
        return func(*args, **kwargs)

    return calling
