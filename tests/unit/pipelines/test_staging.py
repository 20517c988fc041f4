"""A staging is accepted and passed by; nested hints have write dispositions of their own; misspelt arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import UsageError
from ladle.events import Event, Notice


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def test_a_run_loads_without_its_staging_and_says_so(site: Site) -> None:
    events: list[Event] = []
    staging = ladle.destinations.filesystem(str(site.root / "files"))
    pipeline = site.pipeline(staging=staging, progress=events.append)
    pipeline.run([{"a": 1}], table_name="t")
    assert site.table("t").values("a") == [1]
    assert pipeline.staging is not None
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["staging `filesystem` isn't used: ladle loads `duckdb` in bulk without it"]


def test_a_run_may_name_its_staging(site: Site) -> None:
    pipeline = site.pipeline()
    assert pipeline.staging is None
    pipeline.run([{"a": 1}], table_name="t", staging=ladle.destinations.filesystem(str(site.root / "files")))
    assert pipeline.staging is not None
    assert pipeline.staging.type_name == "filesystem"
    assert not (site.root / "files").exists()


def test_a_staging_holds_files(site: Site) -> None:
    with pytest.raises(UsageError, match="`duckdb` can't be a staging"):
        site.pipeline(staging="duckdb")


def rows(*data: Any, **hints: Any) -> Any:
    return ladle.resource(list(data), name="t", nested_hints={"pets": hints})


@pytest.mark.parametrize(
    ("root", "child", "left"),
    [
        ("append", "replace", [2]),
        ("replace", "append", [1, 2]),
        ("append", None, [1, 2]),
        ("replace", None, [2]),
    ],
)
def test_rows_of_a_child_table_follow_its_own_disposition(
    site: Site, root: str, child: str | None, left: list[int]
) -> None:
    hints = {} if child is None else {"write_disposition": child}
    for n in (1, 2):
        site.pipeline().run(
            rows({"id": n, "pets": [{"id": n, "toys": [{"id": n}]}]}, **hints), write_disposition=root
        )
    assert site.table("t").values("id") == ([1, 2] if root == "append" else [2])
    assert site.table("t__pets").values("id") == left
    assert site.table("t__pets__toys").values("id") == left


def test_a_child_table_cannot_be_skipped() -> None:
    with pytest.raises(UsageError, match="write_disposition of nested hints `skip`"):
        rows({"id": 1}, write_disposition="skip")


@pytest.mark.parametrize("name", ["run", "extract"])
def test_a_misspelt_argument_is_told_the_nearest(site: Site, name: str) -> None:
    with pytest.raises(TypeError, match="did you mean 'table_name'"):
        getattr(site.pipeline(), name)([{"a": 1}], tablename="t")
