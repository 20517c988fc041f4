"""`ladle.destination`: with and without arguments, by name, by import path, filled from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.destinations.function import FunctionDestination
from ladle.destinations.registry import resolve
from ladle.errors import ConfigFieldMissingException, UsageError

TAKEN: list[Any] = []


@ladle.destination
def of_module(items: Any, table: Any) -> None:
    """Keep what comes."""
    TAKEN.append((table["name"], items))


def run(destination: Any, folder: Path, data: Any = ({"a": 1}, {"a": 2}), **options: Any) -> Any:
    pipeline = ladle.pipeline("p", folder / "pipelines", destination=destination)
    return pipeline.run(list(data), table_name="t", **options)


@pytest.fixture(autouse=True)
def empty() -> None:
    TAKEN.clear()


def test_bare_decorator(tmp_path: Path) -> None:
    info = run(of_module, tmp_path)
    assert TAKEN == [("t", [{"a": 1}, {"a": 2}])]
    assert (info.destination_name, info.destination_type) == ("of_module", "dlt.destinations.destination")
    assert info.guarantee == "G1"
    assert info.dataset_name == "None"
    assert (of_module.__name__, of_module.__doc__) == ("of_module", "Keep what comes.")
    of_module.__wrapped__([{"a": 3}], {"name": "direct"})
    assert TAKEN[-1] == ("direct", [{"a": 3}])


def test_arguments_of_the_decorator_and_of_the_call(tmp_path: Path) -> None:
    @ladle.destination(batch_size=1, name="mine")
    def sink(items: Any, table: Any, prefix: str = "x") -> None:
        TAKEN.append((prefix, len(items)))

    assert sink().name == "mine"
    run(sink, tmp_path / "1")
    run(sink(prefix="y", batch_size=2, destination_name="other"), tmp_path / "2")
    assert TAKEN == [("x", 1), ("x", 1), ("y", 2)]
    assert sink(destination_name="other").destination_name == "other"
    assert ladle.destination(sink.__wrapped__, batch_size=3, prefix="z")().given == {"prefix": "z"}


@pytest.mark.parametrize("destination", ["tests.unit.destinations.test_decorator.of_module"])
def test_by_import_path(destination: str, tmp_path: Path) -> None:
    run(destination, tmp_path / "1")
    run(ladle.destination("named", destination_callable=destination), tmp_path / "2")
    run(ladle.destination("named", destination_callable=of_module.__wrapped__, batch_size=1), tmp_path / "3")
    assert [len(items) for _, items in TAKEN] == [2, 2, 1, 1]
    assert ladle.destination("named", destination_callable=destination).name == "named"
    with pytest.raises(UsageError, match="can't be imported"):
        resolve("tests.unit.nowhere.sink")
    with pytest.raises(UsageError, match="can't be imported"):
        ladle.destination("named", destination_callable="tests.nothing")


def test_a_name_has_its_type_from_the_argument_or_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = ladle.destination("wh", destination_type="duckdb", credentials="w.duckdb")
    assert (made.name, made.type_name, made.path) == ("wh", "duckdb", "w.duckdb")
    monkeypatch.setenv("DESTINATION__LAKE__DESTINATION_TYPE", "filesystem")
    made = ladle.destination("lake", bucket_url="/lake", naming_convention="direct", max_table_nesting=2)
    assert (made.name, made.bucket_url) == ("lake", "file:///lake")
    assert (made.limits.naming, made.limits.max_nesting) == ("direct", 2)
    assert ladle.destination("duckdb").name == "duckdb"
    monkeypatch.setenv(
        "DESTINATION__OUT__DESTINATION_TYPE", "tests.unit.destinations.test_decorator.of_module"
    )
    assert isinstance(resolve("out"), FunctionDestination)
    assert resolve("out").name == "out"
    with pytest.raises(UsageError, match="unknown destination `nowhere`"):
        ladle.destination("nowhere")


def test_parameters_are_filled_from_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @ladle.destination
    def crm(items: Any, table: Any, key: str = ladle.secrets.value, retries: int = 3) -> None:
        TAKEN.append((key, retries))

    with pytest.raises(ConfigFieldMissingException, match="key"):
        run(crm, tmp_path / "1")
    monkeypatch.setenv("DESTINATION__CRM__KEY", "s3cret")
    monkeypatch.setenv("P__DESTINATION__CRM__RETRIES", "7")
    run(crm, tmp_path / "2")
    run(crm(key="given"), tmp_path / "3")
    assert TAKEN == [("s3cret", 7), ("given", 7)]


def test_a_spec_fills_parameters_without_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ladle.config.spec import BaseConfiguration, configspec

    @configspec
    class Crm(BaseConfiguration):
        key: str = None  # type: ignore[assignment]

    @ladle.destination(spec=Crm)
    def crm(items: Any, table: Any, key: str) -> None:
        TAKEN.append(key)

    monkeypatch.setenv("DESTINATION__CRM__KEY", "k")
    run(crm, tmp_path)
    assert TAKEN == ["k"]


def wants(items: Any, table: Any, key: str) -> None: ...


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ladle.destination(lambda items: None), "can't take a batch and its table"),
        (lambda: ladle.destination(wants)(), "no value for `key`"),
        (lambda: ladle.destination(wants)(kee="x"), "did you mean `key`"),
        (lambda: ladle.destination(wants, batch_size=-1), "batch_size can't be `-1`"),
        (lambda: ladle.destination(wants, batch_size=True), "batch_size can't be `True`"),
        (lambda: ladle.destination(loader_file_format="parket"), "did you mean `parquet`"),
        (lambda: ladle.destination(loader_parallelism_strategy="table"), "table-sequential"),
        (lambda: ladle.destination(max_parallel_load_jobs=0), "max_parallel_load_jobs can't be `0`"),
        (lambda: ladle.destination(wants, naming_convention="nothing"), "naming convention"),
        (lambda: ladle.destination(wants, max_table_nesting=-1), "max_table_nesting can't be `-1`"),
    ],
)
def test_wrong_arguments_are_refused_at_once(make: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4
