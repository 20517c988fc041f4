"""Specs filled with values: given ones first, then what the providers have, then defaults."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ladle.config.coerce import Mismatch, coerce, parsed
from ladle.config.hints import alternatives, is_secret, name_of
from ladle.config.lookup import Found, Trace, Where, look, tried
from ladle.config.markers import Awaiting, TSecretStrValue
from ladle.config.misspelt import misspelt
from ladle.config.providers import ConfigProvider, path_of
from ladle.config.spec import MASK, BaseConfiguration, Field, call_hooks, fields_of, set_from
from ladle.errors import (
    ConfigFieldMissingException,
    ConfigValueCannotBeCoercedException,
    FinalConfigFieldException,
    InvalidNativeValue,
    shorten,
)

EXPLICIT = "ExplicitValues"
_log = logging.getLogger("ladle")


@dataclass(frozen=True, slots=True)
class Gap:
    """A setting that is missing.

    Attributes:
        name: as the error names it: below the names of the groups it is in.
        key: its own name.
        hint: its type.
        where: where it was looked for; None for one that was given as None.
    """

    name: str
    key: str
    hint: Any
    where: Where | None

    def trace(self) -> tuple[Trace, ...]:
        """Return what was tried."""
        if self.where is None:
            return ((EXPLICIT, self.key),)
        return tried(self.key, self.hint, self.where)


class Gaps(Exception):
    """Settings are missing. `partial`: others of the same group were found."""

    def __init__(self, gaps: Sequence[Gap], partial: bool = False) -> None:
        super().__init__("settings are missing")
        self.gaps = list(gaps)
        self.partial = partial


def resolve(
    spec: type[BaseConfiguration], where: Where, given: Any = None, *, accept_partial: bool = False
) -> Any:
    """Return a spec with all its settings.

    Args:
        spec: its class.
        where: where to look.
        given: values that aren't looked for: a dict, a spec, or one native value.
        accept_partial: return it also where settings are missing.

    Raises:
        ConfigFieldMissingException: settings are missing.
        ConfigValueCannotBeCoercedException: a value is of another type.
        InvalidNativeValue: `given` can't be read.
    """
    try:
        return filled(spec, where, given, accept_partial)
    except Gaps as gaps:
        raise missing(spec.__name__, gaps.gaps, where.providers) from None


def filled(spec: type[BaseConfiguration], where: Where, given: Any, accept_partial: bool = False) -> Any:
    """Do what `resolve` does.

    Raises:
        Gaps: settings are missing.
    """
    if isinstance(given, spec) and given.is_resolved():
        return given
    config = given.copy() if isinstance(given, spec) else spec()
    known = _set(config, given)
    gaps: list[Gap] = []
    found_any = bool(known)
    for field in fields_of(type(config)):
        if field.final or (field.name in known and not _is_group(field.hint)):
            _check_given(config, field, known)
            continue
        try:
            value, found = _value(field, where, getattr(config, field.name), field.name in known)
        except Gaps as nested:
            found_any |= nested.partial
            gaps.extend(nested.gaps)
            continue
        found_any |= found
        setattr(config, field.name, value)
    if not gaps:
        config.resolve()
        return config
    call_hooks(config, "on_partial")
    if config.is_resolved() or accept_partial:
        return config
    raise Gaps(gaps, found_any)


def _set(config: BaseConfiguration, given: Any) -> set[str]:
    """Set what is given; JSON text is a dict where it isn't a native form."""
    if isinstance(given, type(config)):
        return set(config.as_dict_nondefault())
    if isinstance(given, Mapping):
        given = {k: v for k, v in given.items() if not isinstance(v, Awaiting)}
    try:
        return set_from(config, given)
    except InvalidNativeValue:
        if not isinstance(given, str) or not given.lstrip().startswith("{"):
            raise
        try:
            found = parsed(given)
        except Mismatch:
            found = None
        if not isinstance(found, dict):
            raise
        return set_from(config, found)


def _check_given(config: BaseConfiguration, field: Field, known: set[str]) -> None:
    """Check and convert a value that was given, or hold a final field."""
    value = getattr(config, field.name)
    if field.final:
        if field.name in known and value != getattr(type(config)(), field.name):
            raise FinalConfigFieldException(
                f"the field `{field.name}` of `{type(config).__name__}` is final", hint="leave it out"
            )
        return
    if value is None and not field.optional:
        raise Gaps([Gap(field.name, field.name, field.hint, None)])
    try:
        setattr(config, field.name, coerce(value, field.hint))
    except Mismatch:
        raise _wrong(Found(value, EXPLICIT, field.name), field.hint) from None


def _is_group(hint: Any) -> bool:
    return any(isinstance(a, type) and issubclass(a, BaseConfiguration) for a in alternatives(hint))


def value_of(field: Field, where: Where, default: Any = None, *, is_given: bool = False) -> Any:
    """Return the value of one setting, its default where nothing is found.

    Args:
        field: its name and type.
        where: where to look.
        default: what to return otherwise; for a group also what it starts from.
        is_given: `default` was given by the caller: it isn't looked up, only completed.

    Raises:
        Gaps: there is none and it must be.
    """
    return _value(field, where, default, is_given)[0]


def _value(field: Field, where: Where, default: Any, is_given: bool) -> tuple[Any, bool]:
    """Return the value of a field, and whether a provider had it."""
    if is_given and default is None and not field.optional:
        raise Gaps([Gap(field.name, field.name, field.hint, None)])
    if _is_group(field.hint):
        return _group(field, where, default, is_given)
    if is_given:
        return default, True
    found = look(field.name, field.hint, where)
    if found is not None:
        return read(found, field.hint), True
    if default is None and not field.optional:
        raise Gaps([Gap(field.name, field.name, field.hint, where)])
    return default, False


def read(found: Found, hint: Any) -> Any:
    """Return a value that was found as its type.

    Raises:
        ConfigValueCannotBeCoercedException: it can't be.
    """
    value = found.value
    if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
        _log.warning("%s in %s still has the placeholder it was made with: set it", found.key, found.provider)
    try:
        return coerce(value, hint)
    except Mismatch:
        pass
    raise _wrong(found, hint)


def _wrong(found: Found, hint: Any) -> ConfigValueCannotBeCoercedException:
    hidden = is_secret(hint)
    return ConfigValueCannotBeCoercedException(
        f"the value of `{found.key}` in {found.provider} isn't a `{name_of(hint)}`",
        key=found.key,
        provider=found.provider,
        value=MASK if hidden else shorten(found.value),
        expected=_example(hint),
    )


def _example(hint: Any) -> str:
    name = name_of(hint)
    if name.startswith(("list", "List", "tuple", "Sequence")):
        return f'{name}, as JSON in an environment variable: ["a", "b"]'
    if name.startswith(("dict", "Dict", "Mapping")):
        return f'{name}, as JSON in an environment variable: {{"a": 1}}'
    return name


def _group(field: Field, where: Where, default: Any, is_given: bool) -> tuple[Any, bool]:
    """Return a nested spec: from one native value where there is one, completed from its own section."""
    native, found = default, is_given
    if not is_given:
        whole = look(field.name, TSecretStrValue if is_secret(field.hint) else str, where)
        if whole is not None:
            native, found = whole.value, True
    if native is None and is_given:
        return None, True
    first: Gaps | None = None
    invalid: InvalidNativeValue | None = None
    for kind in alternatives(field.hint):
        try:
            return _alternative(kind, where.below(field.name), native), True
        except Gaps as gaps:
            first = first or gaps
        except InvalidNativeValue as error:
            invalid = invalid or error
    if first is None or (native is not None and invalid is not None):
        raise invalid or InvalidNativeValue(
            f"`{field.name}` can't be read from a `{type(native).__name__}`", expected=name_of(field.hint)
        )
    if field.optional and not found and not first.partial:
        return None, False
    raise Gaps(
        [Gap(f"{field.name}.{g.name}", g.key, g.hint, g.where) for g in first.gaps], found or first.partial
    )


def _alternative(kind: Any, where: Where, native: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseConfiguration):
        return filled(kind, where, native)
    if native is None:
        raise Gaps([])
    try:
        return coerce(native, kind)
    except Mismatch:
        raise InvalidNativeValue(f"not a `{name_of(kind)}`") from None


def missing(
    owner: str, gaps: Sequence[Gap], providers: Sequence[ConfigProvider]
) -> ConfigFieldMissingException:
    """Return the error for missing settings: what was tried, and what to set."""
    names = list(dict.fromkeys(gap.name for gap in gaps))
    listed = ", ".join(f"`{name}`" for name in names)
    return ConfigFieldMissingException(
        f"{listed} of `{owner}` {'is' if len(names) == 1 else 'are'} not configured",
        spec_name=owner,
        fields=names,
        traces={gap.name: gap.trace() for gap in gaps},
        files=looked_at(providers),
        hint=_remedy(gaps[0]) if gaps else None,
    )


def looked_at(providers: Sequence[ConfigProvider]) -> tuple[tuple[str, bool], ...]:
    """Return the files of the providers, and whether each is there."""
    return tuple(pair for provider in providers for pair in getattr(provider, "files", ()))


def _remedy(gap: Gap) -> str | None:
    if gap.where is None:
        return "None was passed for it: pass a value, or leave it out to have it looked up"
    *sections, name = path_of(gap.key, None, (*gap.where.sections, *gap.where.required))
    file = "secrets.toml" if is_secret(gap.hint) else "config.toml"
    table = f" below [{'.'.join(sections)}]" if sections else ""
    variable = "__".join((*sections, name)).upper()
    near = misspelt(gap.key, gap.where)
    found = f"there is {near}: is it that? else " if near else ""
    return f"{found}set {variable} in the environment, or `{name}`{table} in .ladle/{file}"
