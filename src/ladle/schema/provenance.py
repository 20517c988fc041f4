"""Where rows come from, as values: the code that makes them, and the inputs that it read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MASK = "***"
_SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|key|credential|private|auth|cert|sas|sig|session|jwt|^code$", re.IGNORECASE
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Code:
    """The code that makes the rows of a resource.

    Attributes:
        module: its module; `__main__` in a script.
        function: qualified name of the function.
        file: below its package, its repository or the working directory; None where it has none.
        version: of the distribution that the module is in, else the git commit of its working tree.
    """

    module: str
    function: str
    file: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that a resource read: a file, a table of a database, an address of an API.

    Attributes:
        resource: that read it.
        namespace: where it is: `postgres://host:5432`, `s3://bucket`, `https://api.example.com`, `file`.
        name: which it is, there.
        rows: read from it, where that is known.
        facets: what else is known of it.
    """

    resource: str
    namespace: str
    name: str
    rows: int | None = None
    facets: Mapping[str, Any] = field(default_factory=dict)


def place(name: str, namespace: str | None = None) -> tuple[str, str]:
    """Split what was read into a namespace and a name, without secrets; as OpenLineage names datasets.

    `s3://bucket/a.csv` is `s3://bucket` and `a.csv`; a plain path is `file` and the path.
    """
    name = without_secrets(name)
    if namespace is not None:
        return without_secrets(namespace), name
    if not _URL.match(name):
        return "file", name
    parts = urlsplit(name)
    if parts.scheme == "file":
        return "file", parts.path
    rest = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
    # A bucket's keys have no slash before them, the paths of an API have.
    plain = rest if parts.scheme in ("http", "https") else rest.lstrip("/")
    return f"{parts.scheme}://{parts.netloc}", plain or "/"


def without_secrets(text: str) -> str:
    """Return a URL without its login, with `***` for values that are secret by their name; others as is."""
    if not _URL.match(text):
        return text
    parts = urlsplit(text)
    query = "&".join(_masked_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    # Put together by hand: `urlunsplit` spells a URL without host in another way.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?' if query else ''}{query}"


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and _SECRET_NAME.search(name) else pair


def masked_facets(facets: Mapping[str, Any]) -> dict[str, Any]:
    """Return facets with `***` for what is secret by its name, and URLs without secrets; nested ones too."""
    return {str(n): MASK if _SECRET_NAME.search(str(n)) else _masked(v) for n, v in facets.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked_facets(value)
    if isinstance(value, (list, tuple)):
        return [_masked(v) for v in value]
    return without_secrets(value) if isinstance(value, str) else value
