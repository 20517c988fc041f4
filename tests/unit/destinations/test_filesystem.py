"""The destination: where it is, from arguments and environment, and what is refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.unit.destinations.places import X_ROWS, record, table

from ladle.destinations.filesystem import filesystem_destination
from ladle.destinations.registry import resolve
from ladle.errors import ConfigError, UsageError


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/a/b", "file:///a/b"), ("/a/b c", "file:///a/b%20c"), ("file:///a/b", "file:///a/b"),
        ("file://localhost/a", "file:///a"), (Path("/a/b"), "file:///a/b"), ("/a/../b/", "file:///b"),
        ("memory://x/y", "memory://x/y"),
    ],
)  # fmt: skip
def test_urls(given: Any, url: str) -> None:
    destination = filesystem_destination(given)
    assert destination.bucket_url == destination.displayable() == url
    assert destination.bound("p") is destination
    assert destination.guarantee == "G3"


def test_a_relative_path_stays_where_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    destination = filesystem_destination("data/x")
    monkeypatch.chdir("/")
    assert destination.bucket_url == (tmp_path / "data" / "x").as_uri()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert filesystem_destination("~/x").bucket_url == (tmp_path / "x").as_uri()


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="DESTINATION__FILESYSTEM__BUCKET_URL"):
        resolve("filesystem")
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "/env")
    monkeypatch.setenv("DESTINATION__FILESYSTEM__LAYOUT", "{table_name}/{file_id}")
    made: Any = resolve("filesystem")
    assert made.bucket_url == "file:///env"
    assert made.options.layout.template == "{table_name}/{file_id}.{ext}"
    monkeypatch.setenv("DESTINATION__LAKE__DESTINATION_TYPE", "filesystem")
    monkeypatch.setenv("DESTINATION__LAKE__BUCKET_URL", "/lake")
    named: Any = resolve("lake")
    assert (named.name, named.type_name, named.bucket_url) == ("lake", "filesystem", "file:///lake")


@pytest.mark.parametrize(
    "name", ["DATA_WRITER__DISABLE_COMPRESSION", "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"]
)
def test_compression_can_be_switched_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filesystem_destination("/a").options.compressed
    monkeypatch.setenv(name, "true")
    assert not filesystem_destination("/a").options.compressed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bucket_url": "s3://bucket"}, "unknown scheme of bucket_url: `s3://`"),
        ({"bucket_url": "/a", "credentials": {"key": "k"}}, "takes no credentials"),
        ({"bucket_url": "/a", "layout": "{table}/{file_id}"}, "did you mean `table_name`?"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        filesystem_destination(**arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_opening_writes_nothing_and_loading_makes_folders(kind: str, tmp_path: Path) -> None:
    destination = filesystem_destination(f"{kind}://{tmp_path}/new/lake")
    with closing(destination.open("ds")) as session:
        assert not session.exists()
    assert not (tmp_path / "new").exists()
    entry, arrow = table("t", X_ROWS)
    with closing(destination.open("ds")) as session:
        session.begin(record("100", entry))
        session.append(entry, arrow.schema, arrow.to_batches())
        session.commit()
    with closing(destination.open("ds")) as session:
        assert session.exists()
        assert session.has_load("100")
        assert len(session.data_files("shop", "t")) == 1  # type: ignore[attr-defined]
    assert (tmp_path / "new" / "lake" / "ds" / "init").exists() is (kind == "file")
