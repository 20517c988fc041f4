"""The examples of the seed, with one changed import, against servers of this machine that behave as theirs do.

`EXAMPLES` has every piece of code in the seed by its lines: the test that runs it, or why none does. The files in
`seed_examples` hold the code that is run, and a test compares them with the seed line by line. Prose that names a way
to write a source (endpoints in a list, day shards, ...) has a test here too.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import runpy
import sys
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pandas
import pytest
import requests
from tests.e2e.seed_api import Api, Request, serving
from tests.unit.config.places import write

import ladle as dlt
from ladle.sources.config import with_config

HERE = Path(__file__).parent / "seed_examples"
SPEC = Path(os.environ.get("LADLE_SPEC") or Path(__file__).parents[3] / "shared" / "spec") / "seed.txt"
CODE = re.compile(
    r"import \w+$|from [\w.]+ import |@\w|def \w+\(|for .+:$|while .+:$|if .+:$|return \w+\(|yield |pip install"
    r"|export \w+=|terraform (plan|apply)$|python \w+\.py$|provider \"|variable \"|\w+ \{$|\[[\w.]+\]$|# "
    r"|\w[\w.\[\]\"]* = \S|\w[\w.]*\(.*\)$|\w+\(.*,$|[\])}'\"]+\)?\S{0,20}$|\"\w+\":|\w+_\w+,$|[├└│]"
    r"|spreadsheetId=|valueInputOption=|print\(|.*pipeline\.run\("
)
NOT_PYTHON = "no Python of ours in it: "
EXAMPLES: dict[tuple[int, int], str] = {
    (383, 383): "test_rows_of_any_kind_become_a_table",
    (516, 516): NOT_PYTHON + "installs Google's clients; the test stands in for them",
    (520, 578): "test_a_function_puts_rows_into_a_sheet, test_the_function_of_the_sheet_gets_its_settings",
    (587, 595): "test_the_function_of_the_sheet_gets_its_settings: secrets.toml",
    (599, 599): "test_the_function_of_the_sheet_gets_its_settings: config.toml",
    (605, 622): "test_a_function_puts_rows_into_a_sheet, test_the_rows_of_the_sheet_load_anywhere",
    (896, 896): NOT_PYTHON + "a login for Terraform",
    (903, 916): NOT_PYTHON
    + "a listing of files; what the cloud function does: test_files_of_events_are_loaded_once",
    (926, 930): NOT_PYTHON + "Terraform",
    (936, 949): NOT_PYTHON + "Terraform",
    (957, 958): NOT_PYTHON + "Terraform",
    (977, 979): NOT_PYTHON
    + "names for a publisher that isn't shown; it sends to Pub/Sub, not by this library",
    (983, 983): NOT_PYTHON + "a command",
    (991, 998): NOT_PYTHON + "Terraform",
    (
        1106,
        1109,
    ): "test_a_generated_source_is_corrected_and_loads: the login before its correction is refused",
    (1113, 1115): "test_a_generated_source_is_corrected_and_loads",
    (1123, 1124): "test_a_generated_source_is_corrected_and_loads: the first page only",
    (1128, 1134): "test_a_generated_source_is_corrected_and_loads",
    (1142, 1142): NOT_PYTHON + "a line of the generator's own script, which the seed doesn't show",
}
# file of ours: the lines of the seed that stand in it as they are, but for the import and the indentation
FILES = {
    "sheets_destination.py": [(520, 578)],
    "sheets_run.py": [(605, 622)],
    "chargebee.py": [(1106, 1109), (1113, 1115), (1123, 1124), (1128, 1134)],
}


@pytest.fixture(scope="module")
def seed() -> list[str]:
    """Return the lines of the seed; skip where it isn't beside the checkout."""
    if not SPEC.is_file():
        pytest.skip(f"no seed at {SPEC}; set LADLE_SPEC to the folder it is in")
    return SPEC.read_text(encoding="utf-8").split("\n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, as a user's script does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADLE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def rows(query: str, file: str = "shop") -> list[tuple[Any, ...]]:
    with duckdb.connect(f"{file}.duckdb") as connection:
        return connection.sql(query).fetchall()


def shop() -> Any:
    return dlt.pipeline("shop", destination="duckdb", dataset_name="d")


# -- the table


def test_every_piece_of_code_is_in_the_table(seed: list[str]) -> None:
    code = [number for number, line in enumerate(seed, 1) if CODE.match(line)]
    assert len(code) > 100
    assert [n for n in code if not any(first <= n <= last for first, last in EXAMPLES)] == []
    assert [span for span in EXAMPLES if not any(span[0] <= n <= span[1] for n in code)] == []


def test_the_table_names_tests_that_exist() -> None:
    named = {name for text in EXAMPLES.values() for name in re.findall(r"test_\w+", text)}
    assert named <= globals().keys()
    assert all(text.startswith((NOT_PYTHON, "test_")) for text in EXAMPLES.values())


@pytest.mark.parametrize("name", FILES)
def test_what_is_run_is_what_the_seed_says(name: str, seed: list[str]) -> None:
    ours = [line.strip() for line in (HERE / name).read_text(encoding="utf-8").split("\n")]
    ours = [line.replace("import ladle as dlt", "import dlt") for line in ours if line]
    for first, last in FILES[name]:
        theirs = [line.strip() for line in seed[first - 1 : last] if line.strip()]
        starts = [n for n, line in enumerate(ours) if line == theirs[0]]
        assert theirs in [ours[n : n + len(theirs)] for n in starts], f"lines {first} to {last}"


# -- "pipeline.run(data, table_name="table")", and what it does


@pytest.mark.parametrize(
    "data",
    [
        [{"id": 1}, {"id": 2}],
        ({"id": n} for n in (1, 2)),
        pandas.DataFrame({"id": [1, 2]}),
    ],
    ids=["list", "generator", "dataframe"],
)
def test_rows_of_any_kind_become_a_table(data: Any) -> None:
    pipeline = shop()
    pipeline.run(data, table_name="table")
    assert rows('select id from d."table" order by id') == [(1,), (2,)]


def test_loading_is_robust() -> None:
    pipeline = shop()
    pipeline.run(
        [{"id": 1, "at": "2024-01-01T00:00:00Z", "who": {"name": "Ada"}, "tags": ["x"]}], table_name="t"
    )
    info = pipeline.run([{"id": "two", "at": None, "new": 1.5}], table_name="t")
    assert set(info.load_packages[0].schema_update["t"]["columns"]) == {"id__v_text", "new"}
    types = dict(row[:2] for row in rows("describe d.t"))
    assert (types["at"], types["who__name"], types["new"]) == (
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR",
        "DOUBLE",
    )
    assert rows("select value from d.t__tags") == [("x",)]
    pipeline.run([{"id": 3}], table_name="t", write_disposition="replace")
    assert rows("select id from d.t") == [(3,)]


# -- "Examples of dynamic resources"


EVENTS = [
    {"type": "click", "x": 1, "at": "2024-01-01T08:00:00Z"},
    {"type": "view", "page": "/", "at": "2024-01-01T09:00:00Z"},
    {"type": "click", "x": 2, "at": "2024-01-02T08:00:00Z"},
]
CUSTOMERS = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]


def answer(request: Request) -> Any:
    """A small API: lists, and details behind a login."""
    known = {"/customers": CUSTOMERS, "/orders": [{"id": 7, "lines": [{"sku": "tea"}]}], "/events": EVENTS}
    if request.path.startswith("/customers/"):
        number = int(request.path.rpartition("/")[2])
        return {"id": number, "city": f"city {number}"} if request.headers.get("x-key") == "k" else 401
    return known.get(request.path, 404)


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(answer) as running:
        yield running


def get(url: str, **options: Any) -> Any:
    response = requests.get(url, timeout=10, **options)
    response.raise_for_status()
    return response.json()


def test_endpoints_in_a_list(api: Api) -> None:
    @dlt.source
    def web_shop(base_url: str = dlt.config.value) -> Any:
        def fetch(endpoint: str) -> Any:
            yield get(f"{base_url}/{endpoint}")

        for endpoint in ("customers", "orders"):
            yield dlt.resource(fetch(endpoint), name=endpoint)

    write("config", f'[sources.web_shop]\nbase_url = "{api.url}"\n')
    pipeline = shop()
    pipeline.run(web_shop())
    assert rows("select name from d.customers order by id") == [("Ada",), ("Bob",)]
    assert rows("select sku from d.orders__lines") == [("tea",)]
    pipeline.run(web_shop().with_resources("customers"))
    assert [r.path for r in api.seen] == ["/customers", "/orders", "/customers"]


def test_an_endpoint_with_many_schemas_is_split_by_a_column(api: Api) -> None:
    def split(kind: str) -> Any:
        yield from (event for event in get(f"{api.url}/events") if event["type"] == kind)

    shop().run([dlt.resource(split(kind), name=kind) for kind in ("click", "view")])
    assert rows("select x from d.click order by x") == [(1,), (2,)]
    assert rows("select page from d.view") == [("/",)]


def test_events_of_a_webhook_are_dispatched_to_their_tables() -> None:
    received: list[Any] = []
    with serving(lambda request: received.append(request.body) or {}) as hook:
        for event in EVENTS:
            assert requests.post(hook.url, json=event, timeout=10).ok

    @dlt.resource(table_name=lambda event: event["type"])
    def webhook() -> Any:
        yield received

    assert shop().run(webhook).row_counts == {"click": 2, "view": 1, "_dlt_pipeline_state": 1}


def test_a_stream_is_sharded_by_day(api: Api) -> None:
    @dlt.resource(name=lambda arguments: f"events_{arguments['day'].replace('-', '_')}")
    def day_of_events(day: str) -> Any:
        yield [event for event in get(f"{api.url}/events") if event["at"].startswith(day)]

    info = shop().run([day_of_events("2024-01-01"), day_of_events("2024-01-02")])
    assert info.row_counts == {"events_2024_01_01": 2, "events_2024_01_02": 1, "_dlt_pipeline_state": 1}


# -- "reasons to group resources into sources", and what that spares


def test_resources_of_one_api_are_configured_together_and_run_alone_too(api: Api) -> None:
    @dlt.resource(selected=False)
    def customers(base_url: str = dlt.config.value) -> Any:
        yield get(f"{base_url}/customers")

    @dlt.transformer(data_from=customers, primary_key="id")
    def details(page: Any, base_url: str = dlt.config.value, key: str = dlt.secrets.value) -> Any:
        @dlt.defer
        def detail(customer: Any) -> Any:
            return get(f"{base_url}/customers/{customer['id']}", headers={"x-key": key})

        for customer in page:
            yield detail(customer)

    @dlt.source(section="web_shop")
    def web_shop() -> Any:
        return customers, details

    write(
        "config", f'[sources.web_shop]\nbase_url = "{api.url}"\n[sources.test_seed]\nbase_url = "{api.url}"\n'
    )
    write("secrets", '[sources]\nkey = "k"\n')
    pipeline = shop()
    info = pipeline.run(web_shop())
    assert info.row_counts == {"details": 2, "_dlt_pipeline_state": 1}
    assert rows("select city from d.details order by id") == [("city 1",), ("city 2",)]
    pipeline.run(details())
    assert rows("select count(*) from d.details") == [(4,)]


def test_columns_of_the_top_are_pushed_down() -> None:
    @dlt.source(root_key=True)
    def web_shop() -> Any:
        return dlt.resource([{"id": 7, "lines": [{"parts": [{"n": 1}]}]}], name="orders")

    shop().run(web_shop())
    joined = "select id, n from d.orders__lines__parts p join d.orders o on o._dlt_id = p._dlt_root_id"
    assert rows(joined) == [(7, 1)]


def test_requests_run_at_once(api: Api) -> None:
    together = asyncio.Barrier(2)

    @dlt.transformer
    async def details(page: Any) -> Any:
        await together.wait()  # comes back only when both requests are under way
        return await asyncio.to_thread(get, f"{api.url}/customers/{page}", headers={"x-key": "k"})

    info = shop().run([1, 2] | details)
    assert info.row_counts["details"] == 2


# -- reverse ETL: the sheet


class Sheet:
    """Google's Sheets API, as far as the example calls it: one sheet, cells by rows."""

    def __init__(self) -> None:
        self.cells: list[list[Any]] = []
        self.ranges: list[str] = []

    def __call__(self, request: Request) -> Any:
        if request.headers.get("authorization") != "Bearer robot@example.org":
            return 401
        if request.method == "GET":
            return {"values": self.cells[:1]} if self.cells else {}
        self.ranges.append(request.path.rpartition("/")[2])
        if request.method == "PUT":
            self.cells[:1] = request.body["values"]
            return {}
        self.cells += request.body["values"]
        return {"updates": {"updatedRows": len(request.body["values"])}}


@pytest.fixture
def sheet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sheet]:
    """Serve a sheet, and stand in for Google's two clients, which talk to it."""
    there = Sheet()
    with serving(there) as api:

        def call(method: str, spreadsheetId: str, range: str, body: Any = None, **_: Any) -> Any:  # noqa: A002
            def execute() -> Any:
                url = f"{api.url}/v4/spreadsheets/{spreadsheetId}/values/{range}"
                response = requests.request(method, url, json=body, headers=login, timeout=10)
                response.raise_for_status()
                return response.json()

            return SimpleNamespace(execute=execute)

        login: dict[str, str] = {}

        def build(name: str, version: str, credentials: str) -> Any:
            assert (name, version) == ("sheets", "v4")
            login["authorization"] = f"Bearer {credentials}"
            kinds = {"get": "GET", "update": "PUT", "append": "POST"}
            values = {name: partial(call, method) for name, method in kinds.items()}
            return SimpleNamespace(
                spreadsheets=lambda: SimpleNamespace(values=lambda: SimpleNamespace(**values))
            )

        account = SimpleNamespace(from_service_account_info=lambda info: info["client_email"])
        for name, content in {
            "google.oauth2.service_account": {"Credentials": account},
            "googleapiclient": {},
            "googleapiclient.discovery": {"build": build},
        }.items():
            module = ModuleType(name)
            module.__dict__.update(content)
            monkeypatch.setitem(sys.modules, name, module)
        yield there


def settings_of_the_sheet() -> None:
    """Write the two files that the seed shows; what it leaves out of the account is filled in."""
    account = {"type": "service_account", "project_id": "p", "client_email": "robot@example.org"}
    write(
        "secrets",
        f"[destination.google_sheets]\ncredentials_json = '''\n{json.dumps(account, indent=2)}\n'''\n",
    )
    write("config", 'sheets_id = "1xj6APSKhepp8-sJIucbD9DDx7eyBt4UI2KlAYaQ9EKs"\n')


def function_of(file: str, name: str, **known: Any) -> Any:
    """Return one function of an example, without its decorators."""
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    kept = [
        node
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom)) or getattr(node, "name", "") == name
    ]
    for node in kept:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    content = {"__name__": "example", **known}
    exec(compile(ast.Module(kept, []), file, "exec"), content)
    return content[name]


def test_the_rows_of_the_sheet_load_anywhere() -> None:
    shop().run(function_of("sheets_run.py", "dict_row_generator"))
    assert sorted(row[:2] for row in rows("describe d.dict_row_generator") if row[0] in "abcrow") == [
        ("a", "VARCHAR"),
        ("b", "VARCHAR"),
        ("c", "VARCHAR"),
        ("row", "BIGINT"),
    ]
    assert rows("select a from d.dict_row_generator where a is not null order by a") == [("1",), ("a",)]


def test_the_function_of_the_sheet_gets_its_settings(
    sheet: Sheet, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_of_the_sheet()
    send = with_config(
        function_of("sheets_destination.py", "google_sheets"), sections=("destination", "google_sheets")
    )
    send([{"row": 1, "a": "a"}], None)
    send([{"row": 2, "b": "b"}], None, range_name="named_range")
    assert [set(sheet.cells[0]), *map(len, sheet.cells[1:])] == [{"row", "a", "b"}, 2, 3]
    assert sheet.ranges == ["Sheet1!A1", "Sheet1", "Sheet1!A1", "named_range"]
    assert capsys.readouterr().out == "1 rows have been added to the sheet.\n" * 2


@pytest.mark.skipif(
    not hasattr(dlt, "destination"), reason="functions as destinations come with the write strategies"
)
def test_a_function_puts_rows_into_a_sheet(sheet: Sheet) -> None:
    settings_of_the_sheet()
    before = runpy.run_path(str(HERE / "sheets_destination.py"))
    done = runpy.run_path(str(HERE / "sheets_run.py"), before)
    assert sheet.ranges[-1] == "named_range"
    assert len(sheet.cells) == 7
    assert done["info"].has_failed_jobs is False


# -- "Case Study": a source made by a generator


PAGES = {"": (["a", "b"], "p2"), "p2": (["c"], None)}


def chargebee(request: Request) -> Any:
    """Chargebee's API: the key as user, pages by `next_offset`."""
    if request.headers.get("authorization") != "Basic " + b64encode(b"test_key").decode():
        return 401
    ids, following = PAGES[request.query.get("offset", "")]
    page = {"list": [{"id": i, "of": request.path} for i in ids]}
    return page if following is None else {**page, "next_offset": following}


def test_a_generated_source_is_corrected_and_loads() -> None:
    example = runpy.run_path(str(HERE / "chargebee.py"))
    with serving(chargebee) as api:
        write("config", f'[sources.chargebee]\nbase_url = "{api.url}"\n')
        write("secrets", '[sources.chargebee.credentials]\napi_key = "test_key"\n')

        source = example["chargebee_source"]()
        assert list(source.resources) == ["ListEventsResponse200ListItem", "ListInvoicesResponse200ListItem"]
        for name in list(source.resources):
            source.resources[name].table_name = name.removeprefix("List").partition("Response")[0].lower()
        info = shop().run(source)
        assert info.row_counts == {"events": 3, "invoices": 3, "_dlt_pipeline_state": 1}
        assert rows("select id from d.invoices order by id") == [("a",), ("b",), ("c",)]

        generated = example["GeneratedCredentials"](api_key="test_key", username="u")
        wrong = {"method": "get", "url": api.url, **generated.to_http_params()}
        with pytest.raises(dlt.errors.LadleError, match="401"):
            list(example["one_page"](wrong))
        right = example["ChargebeeCredentials"](api_key="test_key").to_http_params()
        assert [len(page["list"]) for page in example["one_page"]({**wrong, **right})] == [2]


# -- "goodbye segment": events in files


def test_files_of_events_are_loaded_once(folder: Path) -> None:
    """What the cloud function does: files that the subscriber wrote, each once. The bucket is a folder here, and
    DuckDB stands for BigQuery; Pub/Sub and Terraform are no part of a library."""
    bucket = folder / "tel_storage"
    bucket.mkdir()

    @dlt.resource(table_name=lambda event: event["type"])
    def telemetry() -> Any:
        done = dlt.current.resource_state().setdefault("files", [])
        for file in sorted(bucket.glob("telemetry-*")):
            if file.name not in done:
                done.append(file.name)
                yield [json.loads(line) for line in file.read_text().splitlines()]

    def publish(name: str, events: Any) -> None:
        (bucket / f"telemetry-{name}").write_text("\n".join(map(json.dumps, events)))

    pipeline = shop()
    publish("1", EVENTS[:2])
    assert pipeline.run(telemetry).row_counts == {"click": 1, "view": 1, "_dlt_pipeline_state": 1}
    publish("2", EVENTS[2:])
    assert pipeline.run(telemetry).row_counts["click"] == 1
    assert pipeline.run(telemetry).is_empty
    assert rows("select x from d.click order by x") == [(1,), (2,)]
