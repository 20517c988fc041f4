"""Markers: defaults that ask for a value, and annotations that say that a value is secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True, slots=True)
class Secret:
    """In an annotation: the value is secret. It is never read from `config.toml` and never shown."""


@dataclass(frozen=True, slots=True)
class NotResolved:
    """In an annotation of a spec: the field is set by code only, it is never looked up."""


@dataclass(frozen=True, slots=True, repr=False)
class Awaiting:
    """As a default or an argument: the value has to be found. `secret`: among secrets."""

    secret: bool

    def __repr__(self) -> str:
        return f"ladle.{'secrets' if self.secret else 'config'}.value"


CONFIG_VALUE: Any = Awaiting(secret=False)
SECRETS_VALUE: Any = Awaiting(secret=True)

TSecretValue = Annotated[Any, Secret()]
TSecretStrValue = Annotated[str, Secret()]
