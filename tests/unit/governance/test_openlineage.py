"""OpenLineage events of loads: to a file, and to a server on this machine."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conftest import free_port
from tests.loading import Site
from typer.testing import CliRunner

import ladle
from ladle.cli import app
from ladle.errors import DataError, LadleError, ResourceExtractionError

pytest.importorskip("openlineage.client", reason="needs the extra `openlineage`")

CANARY = "c4n4ry-k3y"
ORDERS = [{"id": 1, "user": {"mail": "m"}, "items": [{"n": 1}, {"n": 2}]}]


class Server:
    """Keeps what is posted to it; answers with `status`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.status = 201
        keeps = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                keeps.events.append(json.loads(body))
                keeps.headers.append(dict(self.headers))
                keeps.paths.append(self.path)
                self.send_response(keeps.status)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, daemon=True)
    thread.start()
    yield found
    found.http.shutdown()
    found.http.server_close()
    thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("URL", "API_KEY", "ENDPOINT", "NAMESPACE", "CONFIG", "DISABLED"):
        monkeypatch.delenv(f"OPENLINEAGE_{name}", raising=False)
    monkeypatch.setenv("OPENLINEAGE__FILE", str(tmp_path / "events.jsonl"))
    return tmp_path / "events.jsonl"


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def facets_of(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from event["run"]["facets"].values()
    yield from event["job"]["facets"].values()
    for found in (*event["inputs"], *event["outputs"]):
        for key in ("facets", "inputFacets", "outputFacets"):
            yield from found.get(key, {}).values()


def test_events_have_what_the_specification_asks_for(site: Site, file: Path) -> None:
    site.pipeline().run(orders())
    for event in events(file):
        assert {"eventTime", "producer", "schemaURL", "run", "job"} <= set(event)
        assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        assert urlsplit(event["producer"]).scheme == "urn"
        assert event["schemaURL"].startswith("https://openlineage.io/spec/")
        for found in (event["job"], *event["inputs"], *event["outputs"]):
            assert found["namespace"]
            assert found["name"]
        found_facets = list(facets_of(event))
        assert found_facets
        for facet in found_facets:
            assert facet["_producer"] == event["producer"]
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [event["eventType"] for event in found]


@ladle.resource
def orders(rows: Any = ORDERS):
    ladle.current.note_input("https://me:pw@api.x.com/orders?token=t", rows=1)
    yield rows


def outputs(event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {found["name"].rpartition(".")[2]: found for found in event["outputs"]}


def test_a_load_begins_and_completes_under_one_id(site: Site, file: Path) -> None:
    site.pipeline().run(orders())
    first, last = events(file)
    assert kinds([first, last]) == ["START", "COMPLETE"]
    assert first["run"]["runId"] == last["run"]["runId"]
    assert uuid.UUID(first["run"]["runId"]).version == 7
    assert first["job"]["namespace"] == "ladle"
    assert first["job"]["name"] == last["job"]["name"] == "p"
    assert last["job"]["facets"]["jobType"]["integration"] == "LADLE"
    assert last["run"]["facets"]["processing_engine"]["version"] == ladle.__version__
    assert (first["inputs"], first["outputs"]) == ([], [])


def test_the_id_of_a_run_is_that_of_its_load(site: Site, file: Path) -> None:
    from ladle.governance.openlineage import Run, run_id

    load_ids = [site.pipeline().run(orders()).loads_ids[0] for _ in range(2)]
    found = [event["run"]["runId"] for event in events(file)[::2]]
    assert found == [run_id(Run(load_id, "p", "other")) for load_id in load_ids]
    assert found == sorted(set(found))
    assert run_id(Run(load_ids[0], "q", "p")) != found[0]


def test_inputs_are_resources_and_what_they_noted(site: Site, file: Path) -> None:
    site.pipeline().run(orders())
    found = {(i["namespace"], i["name"]): i for i in events(file)[-1]["inputs"]}
    assert list(found) == [("ladle", "p.orders"), ("https://api.x.com", "/orders?token=***")]
    counted = found["https://api.x.com", "/orders?token=***"]["inputFacets"]["inputStatistics"]
    assert counted["rowCount"] == 1


def test_outputs_are_tables_with_schema_rows_and_the_way_of_each_column(site: Site, file: Path) -> None:
    columns = {
        "id": {"description": "the key"},
        "user__mail": {"x-annotation-pii": "email", "x-annotation-protect": "mask"},
    }
    data = orders()
    data.apply_hints(columns=columns)
    site.pipeline().run(data)
    site.pipeline().run(data)
    for event in events(file)[1::2]:
        found = outputs(event)
        assert {n: o["outputFacets"]["outputStatistics"]["rowCount"] for n, o in found.items()} == {
            "orders": 1,
            "orders__items": 2,
        }
        assert {o["namespace"] for o in found.values()} == {f"duckdb://{site.file}"}
        assert found["orders"]["name"] == "site.ds.orders"
        facets = found["orders"]["facets"]
        fields = {f["name"]: f for f in facets["schema"]["fields"]}
        assert (fields["id"]["type"], fields["id"]["description"]) == ("bigint", "the key")
        lineage = facets["columnLineage"]["fields"]
        assert set(lineage) == {"id", "user__mail"}
        (read,) = lineage["user__mail"]["inputFields"]
        assert (read["namespace"], read["name"], read["field"]) == ("ladle", "p.orders", "user.mail")
        assert [lineage[c]["inputFields"][0]["transformations"][0]["masking"] for c in lineage] == [
            False,
            True,
        ]
        tags = {(t["field"], t["key"], t["value"]) for t in facets["tags"]["tags"]}
        assert tags == {("user__mail", "pii", "email"), ("user__mail", "protect", "mask")}
        (item,) = found["orders__items"]["facets"]["columnLineage"]["fields"]["n"]["inputFields"]
        assert item["field"] == "items.n"


def test_the_code_is_told_where_it_is_in_a_repository(
    site: Site, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.sources.test_provenance import COMMIT, module_in, tree

    config = '[remote "origin"]\n\turl = https://me:pw@h.com/r.git\n'
    tree(tmp_path / "repo", "ref: refs/heads/main\n", refs__heads__main=COMMIT, config=config)
    made = module_in(tmp_path / "repo" / "etl", "told_code", monkeypatch)
    site.pipeline().run(ladle.resource(made, name="t"))
    found = events(file)[-1]["job"]["facets"]["sourceCodeLocation"]
    assert {k: v for k, v in found.items() if not k.startswith("_")} == {
        "type": "git",
        "url": "https://h.com/r.git",
        "repoUrl": "https://h.com/r.git",
        "path": "etl/told_code.py",
        "version": COMMIT,
        "branch": "main",
    }


def test_a_failed_extract_is_told_without_secrets(site: Site, file: Path) -> None:
    @ladle.resource
    def broken():
        yield {"a": 1}
        raise ValueError(f"no answer from https://me:{CANARY}@h.com/x?token={CANARY}\nsecond line")

    with pytest.raises(ResourceExtractionError):
        site.pipeline().run(broken)
    start, failed = events(file)
    assert kinds([start, failed]) == ["START", "FAIL"]
    assert start["run"]["runId"] == failed["run"]["runId"]
    message = failed["run"]["facets"]["errorMessage"]
    assert message["message"].endswith("no answer from https://h.com/x?token=***")
    assert message["programmingLanguage"] == "PYTHON"
    assert CANARY not in file.read_text()


def test_a_run_that_is_stopped_is_aborted(site: Site, file: Path) -> None:
    @ladle.resource
    def stopped():
        yield {"a": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.pipeline().run(stopped)
    assert kinds(events(file)) == ["START", "ABORT"]


def test_a_failed_load_is_told_and_the_run_that_finishes_it_completes_it(
    site: Site, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ladle.pipelines import work

    with monkeypatch.context() as broken:
        broken.setenv("LOAD__AHEAD_BYTES", "-1")
        broken.setattr(work, "load", lambda *args: (_ for _ in ()).throw(OSError("no network")))
        with pytest.raises(LadleError):
            site.pipeline().run(orders())
    assert kinds(events(file)) == ["START", "FAIL"]
    site.pipeline().run()
    found = events(file)
    assert kinds(found) == ["START", "FAIL", "COMPLETE"]
    assert len({event["run"]["runId"] for event in found}) == 1
    assert set(outputs(found[-1])) == {"orders", "orders__items"}


def test_a_package_that_cannot_be_normalised_fails_with_each_try(site: Site, file: Path) -> None:
    rows = ladle.resource(
        [{"id": None, "a": 1}], name="t", columns={"id": {"nullable": False, "data_type": "bigint"}}
    )
    site.pipeline().extract(rows)
    for _ in range(2):
        with pytest.raises(DataError):
            site.pipeline().run()
    found = events(file)
    assert kinds(found) == ["START", "FAIL", "FAIL"]
    assert len({event["run"]["runId"] for event in found}) == 1
    assert "id" in found[-1]["run"]["facets"]["errorMessage"]["message"]


def test_what_another_process_left_is_completed_by_the_next_run(site: Site, file: Path) -> None:
    pipeline = site.pipeline()
    pipeline.extract(orders())
    pipeline.normalize()
    assert kinds(events(file)) == ["START"]
    site.pipeline().run(orders([{"id": 2}]))
    found = events(file)
    assert kinds(found) == ["START", "COMPLETE", "START", "COMPLETE"]
    ids = [event["run"]["runId"] for event in found]
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_a_run_with_nothing_to_load_completes_without_tables(site: Site, file: Path) -> None:
    site.pipeline().run(orders())
    site.pipeline().run(ladle.resource([], name="orders"))
    found = events(file)[2:]
    assert kinds(found) == ["START", "COMPLETE"]
    assert found[1]["outputs"] == []


def test_loads_of_state_alone_are_not_told(site: Site, file: Path) -> None:
    site.pipeline().run(orders())
    before = len(events(file))
    with site.pipeline().managed_state(extract_state=True) as state:
        state["x"] = 1
    assert len(events(file)) == before


def test_another_source_has_a_job_of_its_own(site: Site, file: Path) -> None:
    @ladle.source
    def shop():
        return orders()

    site.pipeline().run(shop())
    assert events(file)[-1]["job"]["name"] == "p.shop"
    assert events(file)[-1]["inputs"][0]["name"] == "shop.orders"


def test_a_server_gets_the_events_with_the_key(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENLINEAGE__URL", server.url)
    monkeypatch.setenv("OPENLINEAGE__API_KEY", CANARY)
    monkeypatch.setenv("OPENLINEAGE__NAMESPACE", "prod")
    pipeline = site.pipeline()
    info = pipeline.run(orders())
    assert kinds(server.events) == ["START", "COMPLETE"]
    assert server.paths == ["/api/v1/lineage"] * 2
    assert {h["Authorization"] for h in server.headers} == {f"Bearer {CANARY}"}
    assert {e["job"]["namespace"] for e in server.events} == {"prod"}
    shown = [caplog.text, str(info), repr(info), str(pipeline.last_trace), json.dumps(server.events)]
    kept = [p.read_bytes().decode("latin-1") for p in site.root.rglob("*") if p.is_file()]
    assert all(CANARY not in text for text in (*shown, *kept))


def test_the_variables_of_openlineage_do(site: Site, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", server.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", CANARY)
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "x/lineage")
    site.pipeline().run(orders())
    assert kinds(server.events) == ["START", "COMPLETE"]
    assert set(server.paths) == {"/x/lineage"}
    assert server.headers[0]["Authorization"] == f"Bearer {CANARY}"


def test_the_clients_own_configuration_does(
    site: Site, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "openlineage.yml"
    config.write_text(f"transport:\n  type: http\n  url: {server.url}\n  endpoint: own\n")
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(config))
    site.pipeline().run(orders())
    assert kinds(server.events) == ["START", "COMPLETE"]
    assert set(server.paths) == {"/own"}


@pytest.mark.parametrize("broken", ["refuses", "nobody"])
def test_a_server_that_fails_never_fails_the_load(
    broken: str, site: Site, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 403
    url = server.url if broken == "refuses" else f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("OPENLINEAGE__URL", url.replace("http://", f"http://me:{CANARY}@"))
    monkeypatch.setenv("OPENLINEAGE__API_KEY", CANARY)
    info = site.pipeline().run(orders())
    assert site.table("orders").values("id") == [1]
    told = [r.getMessage() for r in caplog.records if r.name == "ladle"]
    load_id = info.loads_ids[0]
    assert [t.split(" was not sent")[0] for t in told if "OpenLineage" in t] == [
        f"the OpenLineage event START of load `{load_id}`",
        f"the OpenLineage event COMPLETE of load `{load_id}`",
    ]
    assert CANARY not in caplog.text


def test_tables_as_they_are_become_events(site: Site, file: Path) -> None:
    site.pipeline().run(orders())
    found = [json.loads(text) for text in site.pipeline().lineage_events()]
    assert [event["dataset"]["name"] for event in found] == ["site.ds.orders", "site.ds.orders__items"]
    fields = found[1]["dataset"]["facets"]["columnLineage"]["fields"]
    assert fields["n"]["inputFields"][0]["field"] == "items.n"
    assert len(site.pipeline().lineage_events("orders")) == 1

    command = ["lineage", "p", "orders__items", "--format", "openlineage"]
    done = CliRunner().invoke(app, [*command, "--pipelines-dir", str(site.root / "pipelines")])
    (told,) = [json.loads(line) for line in done.output.splitlines()]
    assert told["dataset"] == found[1]["dataset"]


def test_what_became_of_rules_is_told_as_assertions() -> None:
    from openlineage.client.serde import Serde

    from ladle.governance.openlineage import Events

    common = {"table": "t", "checked": 5}
    checks = [
        {
            **common,
            "rule": "not_null(a)",
            "kind": "not_null",
            "columns": ["a"],
            "severity": "reject",
            "failed": 2,
        },
        {
            **common,
            "rule": "a < b",
            "kind": "condition",
            "columns": ["a", "b"],
            "severity": "warn",
            "failed": 0,
        },
        {
            **common,
            "table": "u",
            "rule": "x",
            "kind": "unique",
            "columns": ["x"],
            "severity": "fail",
            "failed": 0,
        },
    ]
    facets = Events("n", None, "ds", "1")._rule_facets(checks, "t")
    told = Serde.to_dict(facets["dataQualityAssertions"])["assertions"]
    assert [(a["assertion"], a["success"], a.get("column"), a["severity"], a["actual"]) for a in told] == [
        ("not_null", False, "a", "error", "2 of 5 rows"),
        ("condition", True, None, "warn", "0 of 5 rows"),
    ]
    assert Events("n", None, "ds", "1")._rule_facets(checks, "nix") == {}
