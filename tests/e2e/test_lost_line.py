"""The line to Postgres breaks, or the server dies: nothing is lost, nothing is loaded twice."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import PostgresServer, postgres_binaries
from tests.contract.tcp_proxy import CUT, CUT_ANSWER, FORWARD, HOLD, Proxy
from tests.e2e import content
from tests.e2e.sites import Site
from tests.e2e.victim import DATASET, PIPELINE, Hook, live, made, place, source

import ladle
from ladle.errors import CommitUnknown, DestinationError

Picks = Callable[[bytes, bytes], bool]


def is_commit(kind: bytes, payload: bytes) -> bool:
    return kind == b"Q" and payload.upper().startswith(b"COMMIT")


def is_copy_data(kind: bytes, payload: bytes) -> bool:
    return kind == b"d"


def port_of(url: str) -> str:
    return url.rpartition(":")[2].partition("/")[0]


def loaded_once(site: Site) -> None:
    """Let a pipeline with a sound line finish; check that both batches are there, once."""
    live(site.job(2), Hook(None))
    tables = site.tables()
    assert len(content.load_ids(tables)) == 2
    assert len(content.content(tables)["orders"]) == 6
    assert len(tables["rates"]) == 2
    assert len(tables["readings"]) == 4


def run_through(proxy: Proxy, site: Site) -> BaseException | None:
    """Run batch 1 through the proxy; return the error of the run."""
    url = site.destination.replace(port_of(site.destination), str(proxy.port))
    p = ladle.pipeline(PIPELINE, site.folder / "work", dataset_name=DATASET, destination=place(url))
    try:
        p.run([source("shop", 1)])
    except DestinationError as error:
        return error
    return None


@pytest.mark.parametrize("back", [True, False], ids=["back at once", "away"])
@pytest.mark.parametrize(
    ("fate", "picks"), [(CUT, is_copy_data), (CUT, is_commit), (CUT_ANSWER, is_commit), (HOLD, is_commit)]
)
def test_a_line_that_breaks_in_copy_or_commit_neither_loses_nor_repeats(
    postgres_url: str, tmp_path: Path, fate: str, picks: Picks, back: bool
) -> None:
    site = Site("postgres", tmp_path / f"line_{fate}_{picks.__name__}_{back}", postgres_url).made()
    made(site.job(3), None).run([source("shop", 0)])

    def decide(kind: bytes, payload: bytes) -> str:
        if proxy.cuts or not picks(kind, payload):
            return FORWARD
        proxy.reachable = back
        return fate

    with Proxy(int(port_of(postgres_url)), decide) as proxy:
        error = run_through(proxy, site)
        assert proxy.cuts == 1
    if not back:
        # Nobody can look whether the commit came through, and nobody claims to know.
        assert isinstance(error, CommitUnknown) == (picks is is_commit)
    elif fate == CUT_ANSWER:
        assert error is None
    loaded_once(site)


@pytest.fixture
def own_server() -> Iterator[tuple[PostgresServer, str]]:
    # Not below tmp_path, which only this user may enter.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = PostgresServer(postgres_binaries(), Path(folder))
        with server as url:
            yield server, url


@pytest.mark.slow
@pytest.mark.parametrize("picks", [is_copy_data, is_commit])
def test_a_server_that_dies_in_copy_or_commit_neither_loses_nor_repeats(
    own_server: tuple[PostgresServer, str], tmp_path: Path, picks: Picks
) -> None:
    server, url = own_server
    site = Site("postgres", tmp_path / "crash", url).made()
    made(site.job(3), None).run([source("shop", 0)])

    def decide(kind: bytes, payload: bytes) -> str:
        if picks(kind, payload) and proxy.reachable:
            proxy.reachable = False
            server.process.send_signal(signal.SIGQUIT)
            server.process.wait(30)
        return FORWARD

    with Proxy(int(port_of(url)), decide) as proxy:
        assert run_through(proxy, site) is not None
    server.process = subprocess.Popen(
        server.process.args,
        user=server.user,
        cwd=server.folder / "data",
        stdin=subprocess.DEVNULL,
        stdout=server.log,
        stderr=server.log,
        start_new_session=True,
    )
    server.wait_for(int(port_of(url)))
    loaded_once(site)
