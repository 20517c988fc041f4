"""Asks one library about settings and prints its answers as JSON: `python configured.py dlt|ladle`, in a folder of its own."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

FILES = {
    "secrets.toml": "[sources.m]\ntok = 's'\n[sources.m.creds]\npassword = 'p'\n[pp.sources]\nother = 'below the pipeline'\n[a]\nn = 5\n",
    "config.toml": "[sources.m]\npage = 7\nlist = ['a']\nday = 2024-01-02\n[sources.m.creds]\nhost = 'h'\ndrivername = 'd'\n[b]\nx = 1\ny = 'q'\n",
}
ENVIRONMENT = {
    "SOURCES__M__FLAG": "true", "SOURCES__M__WHOLE": "12", "SOURCES__M__RATE": "1.5", "SOURCES__M__MANY": '["a","b"]',
    "SOURCES__M__TABLE": '{"a": 1}', "SOURCES__M__OTHER": "environment", "SOURCES__M__WRONG": "zz", "X5": "5", "XT": "true", "XL": "[1]",
}  # fmt: skip


def answer(call: Any) -> Any:
    try:
        return plain(call())
    except Exception as error:  # the name of the error is the answer
        traces = getattr(error, "traces", None)
        if not traces:
            return type(error).__name__
        return [type(error).__name__, dict(flat("", traces))]


def flat(prefix: str, traces: Any) -> Iterator[tuple[str, Any]]:
    """Yield what was tried for each name; the reference nests the names of groups, ladle joins them."""
    for name, found in traces.items():
        if isinstance(found, dict):
            yield from flat(f"{prefix}{name}.", found)
        else:
            yield prefix + name, [pair(t) for t in found]


def pair(trace: Any) -> list[str]:
    return [trace[0], trace[2 if len(trace) > 2 else 1]]


def plain(value: Any) -> Any:
    if hasattr(value, "keys"):
        return {k: plain(value[k]) for k in value}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def main(name: str) -> None:
    os.makedirs(".dlt")
    for file, text in FILES.items():
        with open(f".dlt/{file}", "w", encoding="utf-8") as out:
            out.write(text)
    os.environ.update(ENVIRONMENT)
    lib = importlib.import_module(name)
    config = importlib.import_module(f"{name}.sources.config")
    classes = importlib.import_module(f"{name}.sources.credentials")
    print(json.dumps(answers(lib, config, classes)))


def answers(lib: Any, config: Any, classes: Any) -> dict[str, Any]:
    def fill(
        hint: Any, key: str, default: Any, sections: tuple[str, ...] = ("sources", "m", "s"), *args: Any
    ) -> Any:
        scope: dict[str, Any] = {"hint": hint, "default": default, "__name__": "__main__"}
        exec(f"def f({key}: hint = default): return {key}", scope)
        return answer(lambda: config.with_config(sections=sections)(scope["f"])(*args))

    must, secret = lib.config.value, lib.secrets.value
    login = classes.ConnectionStringCredentials
    found = {f"fill {key}": fill(hint, key, must) for key, hint in KEYS.items()}
    found |= {
        "missing": fill(str, "nope", must),
        "missing secret": fill(str, "nope", secret),
        "missing elsewhere": fill(str, "nope", must, ("aa", "bb")),
        "missing, same name": fill(str, "nope", must, ("sources", "m", "m")),
        "secret": fill(str, "tok", secret),
        "secret in the wrong file": fill(str, "page", secret),
        "default": fill(int, "nothing", 3),
        "default replaced": fill(int, "page", 3),
        "none": fill(str, "tok", secret, ("sources", "m", "s"), None),
        "passed": fill(str, "tok", secret, ("sources", "m", "s"), "mine"),
        "credentials": fill(login, "creds", secret),
        "credentials missing": fill(login, "absent", secret),
        "credentials passed": fill(login, "creds", secret, ("sources", "m", "s"), "x://u@y/z"),
    }
    for key in ("b.x", "b.y", "a.n", "b", "x5", "xt", "xl", "no.such"):
        found[f"config[{key}]"] = answer(lambda key=key: lib.config[key])
        found[f"config.get({key})"] = answer(lambda key=key: lib.config.get(key))
    for key in ("a.n", "sources.m.tok", "no.such"):
        found[f"secrets[{key}]"] = answer(lambda key=key: lib.secrets[key])
    found["get str"] = answer(lambda: lib.config.get("b.x", str))
    found["get wrong"] = answer(lambda: lib.config.get("b.y", int))
    found["get spec"] = answer(lambda: lib.secrets.get("sources.m.creds", login))
    return found


KEYS = {
    "flag": bool, "whole": int, "rate": float, "many": list, "table": dict, "other": str, "wrong": int, "page": int, "list": list, "day": str,
}  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
