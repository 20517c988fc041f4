"""A configured secret never shows: not in errors and what they hold, not in representations, not in traces."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config.chain import chain, here
from ladle.config.inject import resolved, with_config
from ladle.config.markers import Secret
from ladle.config.spec import BaseConfiguration, configspec
from ladle.sources.credentials import (
    AwsCredentials,
    ConnectionStringCredentials,
    GcpServiceAccountCredentials,
)

CANARY = "c4n4ry-s3cr3t"


def texts(error: BaseException) -> Iterator[str]:
    """Yield all that a person, a log or a debugger sees of an error and of those behind it."""
    yield "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        yield from (str(seen), repr(seen), repr(vars(seen)), repr(seen.args))
        seen = seen.__cause__ or seen.__context__


@with_config(sections=("sources", "m"))
def number(token: Annotated[int, Secret()] = 1) -> int:
    return token


@with_config(sections=("sources", "m"))
def login(credentials: ConnectionStringCredentials = ladle.secrets.value) -> Any:
    return credentials


@with_config(sections=("sources", "m"))
def account(credentials: GcpServiceAccountCredentials = ladle.secrets.value) -> Any:
    return credentials


@configspec
class Group(BaseConfiguration):
    token: Annotated[list[int], Secret()] = None  # type: ignore[assignment]


BAD: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "wrong type": ("secrets", f"[sources.m]\ntoken = '{CANARY}'", number),
    "wrong type in a spec": ("secrets", f"token = '[{CANARY}'", lambda: resolved(Group)),
    "wrong file": ("config", f"[sources.m]\ntoken = '{CANARY}'", number),
    "no URL": ("secrets", f"[sources.m]\ncredentials = '{CANARY}'", login),
    "no JSON": ("secrets", f"[sources.m]\ncredentials = '{{{CANARY}'", login),
    "no account": ("secrets", f'[sources.m]\ncredentials = \'{{"private_key": "{CANARY}\'', account),
    "half of it": ("secrets", f"[sources.m.credentials]\npassword = '{CANARY}'", login),
    "malformed": ("secrets", f"[sources.m]\ntoken = {CANARY}", number),
    "cut off": ("secrets", f"[sources.m]\ntoken = '{CANARY}", number),
    "twice": ("secrets", f"token = '{CANARY}'\ntoken = '{CANARY}'", number),
    "wrong type by key": ("secrets", f"token = '{CANARY}'", lambda: ladle.secrets.get("token", int)),
}


@pytest.mark.parametrize("name", BAD)
def test_errors(name: str) -> None:
    file, text, function = BAD[name]
    write(file, text)
    with pytest.raises(ladle.errors.ConfigError) as caught:
        function()
    # the traceback shows the lines of this file; the error itself is what counts
    for shown in (*texts(caught.value), repr(pickle.loads(pickle.dumps(caught.value)))):
        assert CANARY not in shown


def test_representations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", CANARY)
    write("secrets", f"[a]\ntok = '{CANARY}'\n[b]\ncredentials = 'd://u:{CANARY}@h'")
    ladle.secrets["c.tok"] = CANARY
    found = [
        chain(), chain().providers(), here(), ladle.secrets, ladle.secrets.config_providers,
        ladle.secrets.get("b.credentials", ConnectionStringCredentials), AwsCredentials("k", CANARY),
        ladle.secrets.writable_provider,
    ]  # fmt: skip
    assert CANARY not in repr(found) + str(found) + "".join(map(str, found))


def test_traces_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADLE_DATA_DIR", str(tmp_path / "data"))
    write("secrets", f"[sources.m]\ncredentials = 'd://u:{CANARY}@h'")
    credentials = login()

    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise ValueError(f"no answer from {credentials}")

    pipeline = ladle.pipeline("p", destination="duckdb")
    with pytest.raises(ladle.errors.PipelineStepFailed) as caught:
        pipeline.run(rows, table_name="t")
    assert CANARY not in "".join(texts(caught.value))
    assert "u:***@h" in str(caught.value)
    assert CANARY not in repr(pipeline.last_trace.asdict())  # type: ignore[union-attr]
    for path in (tmp_path / "data").rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()
