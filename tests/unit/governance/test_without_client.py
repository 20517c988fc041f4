"""Without the OpenLineage client, loads go on, and it is told what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.loading import Site

from ladle.errors import MissingDependency


@pytest.fixture(autouse=True)
def no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("openlineage")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openlineage", None)


def test_the_load_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENLINEAGE__FILE", str(tmp_path / "events.jsonl"))
    site = Site(tmp_path)
    site.pipeline().run([{"a": 1}], table_name="t")
    assert site.table("t").values("a") == [1]
    assert (
        'no OpenLineage event was sent: OpenLineage events need the OpenLineage client; pip install "ladle[openlineage]"'
        in caplog.text
    )


def test_who_asks_for_events_gets_an_error(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.pipeline().run([{"a": 1}], table_name="t")
    with pytest.raises(MissingDependency, match="need the OpenLineage client"):
        site.pipeline().lineage_events()


def test_nothing_of_it_is_imported_unless_it_is_set(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.pipeline().run([{"a": 1}], table_name="t")
    assert [n for n in sys.modules if n.startswith("openlineage.")] == []
