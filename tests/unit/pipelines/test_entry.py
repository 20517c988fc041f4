"""The ways in: arguments checked, defaults found, pipelines attached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.config import chain, files
from ladle.errors import InvalidPipelineName, LadleError, UsageError


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a\\b", "a:b", "\0", "x" * 256, "a\ud800", 5])
def test_names_that_are_no_folder_names_are_refused(name: Any, site: Site) -> None:
    if name == "":
        assert site.pipeline(name).pipeline_name.startswith("dlt_")
        return
    with pytest.raises(InvalidPipelineName) as caught:
        site.pipeline(name)
    assert str(caught.value).encode()
    assert not (site.root / "pipelines").exists()


def test_configuration_files_are_looked_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(chain, "chosen", lambda name: looked.append(name) or files.chosen(name))
    site.pipeline("p")
    assert sorted(looked) == ["config.toml", "secrets.toml"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"refresh": "drop_all"},
        {"on_running": "kill"},
        {"progress": "loud"},
        {"destination": "duckbd"},
        {"destination": 5},
    ],
    ids=str,
)
def test_wrong_arguments_make_no_pipeline(wrong: dict[str, Any], site: Site) -> None:
    before = site.pipeline("before")
    with pytest.raises(UsageError):
        site.pipeline("p", **wrong)
    assert before.is_active


@pytest.mark.parametrize(
    ("name", "dataset", "stored"),
    [("p", None, "p_dataset"), ("My Pipe-1", None, "my_pipe_1_dataset"), ("p", "My Data", "my_data")],
)
def test_dataset_names_are_normalised(name: str, dataset: str | None, stored: str, site: Site) -> None:
    assert site.pipeline(name, dataset_name=dataset).dataset_name == stored


def test_a_pipeline_remembers_its_dataset(site: Site) -> None:
    site.pipeline(dataset_name="kept").run([{"a": 1}], table_name="t")
    assert site.pipeline(dataset_name=None).dataset_name == "kept"
    assert site.pipeline(dataset_name="given").dataset_name == "given"


def test_attach_takes_the_place_of_the_destination_from_the_folder(site: Site) -> None:
    site.pipeline().run([{"a": 1}], table_name="t")
    found = ladle.attach("p", site.root / "pipelines")
    assert found.destination is not None
    assert found.destination.displayable() == str(site.file)


def test_attach_finds_a_pipeline_that_has_only_pending_packages(site: Site) -> None:
    site.pipeline().extract([{"a": 1}], table_name="t")
    assert ladle.attach("p", site.root / "pipelines").has_pending_data


def test_a_failed_attach_is_not_active(site: Site) -> None:
    with pytest.raises(LadleError):
        ladle.attach("none", site.root)
    assert ladle.pipeline(pipelines_dir=site.root).pipeline_name != "none"


def test_public_names_are_all_there() -> None:
    assert {n for n in ladle.__all__ if getattr(ladle, n, None) is None} == set()
    assert set(ladle.__all__) <= set(dir(ladle))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ladle.nothing
