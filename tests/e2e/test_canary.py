"""A secret given to ladle never shows: not in logs, errors, traces, infos, packages, state or the working folder."""

from __future__ import annotations

import base64
import json
import logging
import re
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conftest import free_port
from typer.testing import CliRunner

import ladle
from ladle.cli import app
from ladle.errors import LadleError

pytest.importorskip("psycopg")

CANARY = "c4n4ry-s3cr3t"
ESCAPED = "c4n4ry%2Fs3cr3t"
NOWHERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def all_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def address(password: str) -> str:
    return f"postgresql://loader:{password}@{NOWHERE}:{free_port()}/db"


def given(form: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a destination whose server doesn't answer, its credentials given in one of the forms."""
    url = address(CANARY)
    if form == "environment":
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
        return "postgres"
    if form == "dict":
        port = urlsplit(url).port
        parts = {"host": NOWHERE, "port": port, "username": "loader", "password": CANARY, "database": "db"}
        return ladle.destinations.postgres(parts)
    return ladle.destinations.postgres(
        {"url": url, "escaped": address(ESCAPED), "query": with_query(url)}[form]
    )


def with_query(url: str) -> str:
    return url.replace(f":{CANARY}@", "@") + f"?password={CANARY}"


def texts(value: Any) -> Iterator[str]:
    """Yield whatever a person or a program may see of a value."""
    yield from (str(value), repr(value))
    if hasattr(value, "asdict"):
        yield json.dumps(value.asdict(), default=repr)
    if isinstance(value, BaseException):
        yield "".join(traceback.format_exception(value))
        seen: BaseException | None = value
        while seen is not None:
            yield from (str(seen), repr(seen), repr(vars(seen)))
            seen = seen.__cause__ or seen.__context__


def files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        yield str(path)
        if path.is_file():
            yield path.read_bytes().decode("latin-1")


def clean(*found: Any) -> None:
    for text in found:
        for secret in (CANARY, ESCAPED, ESCAPED.replace("%2F", "/")):
            assert secret not in text, text[:2000]


def check(pipeline: ladle.Pipeline, folder: Path, caplog: pytest.LogCaptureFixture, *values: Any) -> None:
    shown = [pipeline, pipeline.destination, pipeline.state, pipeline.last_trace, *values]
    for value in shown:
        clean(*texts(value))
    assert pipeline.destination is not None
    clean(pipeline.destination.displayable(), *files(folder), caplog.text)
    status = CliRunner().invoke(app, ["status", pipeline.pipeline_name, "--pipelines-dir", str(folder)])
    clean(status.output)


@pytest.mark.parametrize("form", ["url", "escaped", "query", "dict", "environment"])
def test_a_server_that_does_not_answer(
    form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = given(form, monkeypatch)
    pipeline = ladle.pipeline("p", tmp_path, destination=destination, dataset_name="ds")
    with pytest.raises(LadleError) as caught:
        pipeline.run([{"a": 1}], table_name="t")
    assert NOWHERE in str(caught.value)
    check(pipeline, tmp_path, caplog, caught.value)


@pytest.mark.parametrize(
    "credentials",
    [
        f"postgres//loader:{CANARY}@host/db",
        f"mysql://loader:{CANARY}@host/db",
        f"postgresql://loader:{CANARY}@host:port/db",
        {"password": CANARY, "hots": "x"},
        {"password": CANARY},
    ],
    ids=["no scheme", "scheme", "port", "unknown key", "no host"],
)
def test_credentials_that_are_wrong(
    credentials: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LadleError) as caught:
        destination = ladle.destinations.postgres(credentials)
        ladle.pipeline("p", tmp_path, destination=destination, dataset_name="ds").run(
            [{"a": 1}], table_name="t"
        )
    clean(*texts(caught.value), caplog.text, *files(tmp_path))


def failing() -> Iterator[Any]:
    yield {"a": 1}
    raise ValueError("page 2 is missing")


def test_runs_that_load_and_fail(
    postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the server of the tests trusts everybody: any password will do
    url = re.sub(r"//([^:@/]+)(:[^@]*)?@", rf"//\1:{CANARY}@", postgres_url)
    assert CANARY in url
    pipeline = ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.postgres(url), dataset_name="canary"
    )
    infos = [pipeline.run([{"a": 1, "l": [1]}], table_name="t"), pipeline.extract([{"a": 2}], table_name="t")]
    check(pipeline, tmp_path, caplog, *infos, *(p for i in infos for p in i.load_packages))
    infos.append(pipeline.normalize())
    check(pipeline, tmp_path, caplog, *infos)
    errors = []
    for data in (failing, [{"a": object()}]):
        with pytest.raises(LadleError) as caught:
            pipeline.run(data, table_name="t")
        errors.append(caught.value)
        check(pipeline, tmp_path, caplog, caught.value)
    check(pipeline, tmp_path, caplog, *infos, pipeline.run([infos[0].asdict()], table_name="runs"))
    found = ladle.attach("p", tmp_path, destination=ladle.destinations.postgres(url), dataset_name="canary")
    check(found, tmp_path, caplog)
    clean(*stored_at(url))


def stored_at(url: str) -> Iterator[str]:
    """Yield what the destination keeps about the pipeline."""
    import psycopg

    with psycopg.connect(url) as connection:
        for table in ("_dlt_pipeline_state", "_dlt_version", "_dlt_loads", "runs"):
            for row in connection.execute(f"SELECT * FROM canary.{table}").fetchall():
                yield repr(row)
        for (state,) in connection.execute("SELECT state FROM canary._dlt_pipeline_state").fetchall():
            yield zlib.decompress(base64.b64decode(state)).decode()
