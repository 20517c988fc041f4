"""`ladle schema`: each command shows its plan, asks, and does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loading import Site
from tests.unit.cli.test_cli import call

from ladle.errors import UsageError


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.pipeline().run([{"a.b": 1, "b": 2, "l": [1]}], table_name="t")
    return site


def columns(site: Site, table: str = "t") -> list[str]:
    return [*site.table(table).types]


def test_rename_asks(site: Site) -> None:
    code, text = call(site, "schema", "rename", "p", "t.b", "c", answer="n\n")
    assert (code, columns(site)) == (1, ["a_b", "b"])
    assert 'ALTER TABLE "ds"."t" RENAME COLUMN "b" TO "c"' in text
    assert text.endswith("nothing was changed\n")
    code, text = call(site, "schema", "rename", "p", "t.b", "c", answer="y\n")
    assert (code, columns(site)) == (0, ["a_b", "c"])
    assert "done by load" in text


def test_rename_of_a_table_and_of_what_has_dots_in_its_name(site: Site) -> None:
    assert call(site, "schema", "rename", "p", "t", "x.y", "--yes")[0] == 0
    assert call(site, "schema", "rename", "p", "x.y.b", "c.d", "--yes")[0] == 0
    assert call(site, "schema", "rename", "p", "x.y.c.d", "e", "--yes")[0] == 0
    assert columns(site, "x.y") == ["a_b", "e"]
    assert call(site, "schema", "rename", "p", "x.y", "t", "--yes")[0] == 0
    assert {*site.tables()} == {"t", "t__l"}


def test_drop_and_undrop(site: Site) -> None:
    code, text = call(site, "schema", "drop", "p", "t.b", "--dry-run")
    assert (code, columns(site)) == (0, ["a_b", "b"])
    assert "1 values of `t.b` are lost; this can't be undone" in text
    assert call(site, "schema", "drop", "p", "t.b", "--yes")[0] == 0
    assert columns(site) == ["a_b"]
    assert call(site, "schema", "undrop", "p", "t.b", "--yes")[0] == 0
    site.load([{"b": 3}])
    assert columns(site) == ["a_b", "b"]
    assert call(site, "schema", "drop", "p", "t__l", "--yes")[0] == 0
    assert {*site.tables()} == {"t"}
    assert call(site, "schema", "undrop", "p", "t__l", "--yes")[0] == 0


def test_diff_and_adopt(site: Site) -> None:
    assert call(site, "schema", "diff", "p")[1].endswith("no difference\n")
    assert call(site, "schema", "adopt", "p")[1] == "schema `p`: nothing to do\n"
    site.query("ALTER TABLE ds.t DROP COLUMN b")
    assert "column `b` of table `t` is in the schema" in call(site, "schema", "diff", "p")[1]
    assert call(site, "schema", "adopt", "p", "--yes")[0] == 0
    site.load([{"b": 3}])
    assert columns(site) == ["a_b"]


def test_what_is_not_there_is_named(site: Site) -> None:
    done = pytest.raises(UsageError)
    with done as caught:
        site.pipeline().rename_column("t", "bb", "c")
    code, _ = call(site, "schema", "rename", "p", "t.bb", "c", "--yes")
    assert code == 1
    assert "did you mean `b`?" in str(caught.value)
