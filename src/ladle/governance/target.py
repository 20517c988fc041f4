"""Where OpenLineage events go: settings of ladle, and the environment variables of OpenLineage's clients."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ladle.config.settings import number, setting, several

_SECTION = "openlineage"
_ENDPOINT = "api/v1/lineage"
_TIMEOUT_S = 5
NAMESPACE = "ladle"
"""Of jobs, where nothing else is set."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go.

    Attributes:
        namespace: of jobs.
        file: events are appended to it, one JSON document a line.
        url: of a server.
        endpoint: below the URL.
        api_key: sent to the server.
        timeout_s: to wait for the server, for each event, in seconds.
    """

    namespace: str
    file: str | None = None
    url: str | None = None
    endpoint: str = _ENDPOINT
    api_key: str | None = field(default=None, repr=False)
    timeout_s: int = _TIMEOUT_S


def target() -> Target | None:
    """Return where events go; None where neither the settings nor the environment name a place.

    A target without file and URL is what OpenLineage's own configuration says: a file that
    `OPENLINEAGE_CONFIG` names, or variables that begin with `OPENLINEAGE__TRANSPORT`.
    """
    if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() in ("1", "true", "yes", "on"):
        return None
    places = several(_SECTION, names=("file", "url"))
    file, url = places["file"], places["url"] or os.environ.get("OPENLINEAGE_URL")
    if not (file or url or _has_own_config()):
        return None
    key = setting(_SECTION, "api_key", secret=True) or os.environ.get("OPENLINEAGE_API_KEY")
    return Target(
        namespace=setting(_SECTION, "namespace") or os.environ.get("OPENLINEAGE_NAMESPACE") or NAMESPACE,
        file=file,
        url=url,
        endpoint=setting(_SECTION, "endpoint") or os.environ.get("OPENLINEAGE_ENDPOINT") or _ENDPOINT,
        api_key=key,
        timeout_s=number(_SECTION, "timeout_s", default=_TIMEOUT_S),
    )


def _has_own_config() -> bool:
    # Asked by every run: one search instead of a look at each of the variables.
    names = "\n" + "\n".join(os.environ)
    return "\nOPENLINEAGE_CONFIG" in names or "\nOPENLINEAGE__TRANSPORT" in names
