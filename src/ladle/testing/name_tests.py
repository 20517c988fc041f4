"""Tests of names: what looks like SQL, a path or a pattern is a name, and nothing else changes."""

from __future__ import annotations

import pytest

from ladle.errors import DestinationError, LadleError, PipelineStepFailed
from ladle.schema.naming_rules import fits
from ladle.sources.decorators import resource
from ladle.testing.names import CASES, CHANGED, HOSTILE, PATHS, reserved
from ladle.testing.place import Place
from ladle.testing.type_tests import TypeTests

_IN_ONE_TABLE = 300


def _hostile(place: Place) -> list[str]:
    """Return the hostile names that a destination can have."""
    astral = place.destination.limits.astral_names
    return [name for name in HOSTILE if astral or max(name) < "\U00010000"]


class NameTests(TypeTests):
    """Names of tables, columns and datasets under the naming `direct`, which keeps them as they are."""

    @pytest.fixture
    def direct(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
        """Return the place with naming `direct`, and a table that has to stay as it is."""
        place.load([{"id": 1}], "victim")
        monkeypatch.setenv("SCHEMA__NAMING", "direct")
        return place

    def _check_victim(self, place: Place, *more: str) -> None:
        assert place.rows("victim") == [{"id": 1}]
        assert set(place.tables()) == {"victim", *more}

    def test_columns(self, direct: Place) -> None:
        """Every hostile name is a column; one that is too long is cut, and none meets another."""
        names = [*_hostile(direct), *CHANGED]
        row = {name: number for number, name in enumerate(names)}
        made = direct.pipeline("names")
        made.run([row], table_name="t", **direct.options)
        found = direct.rows("t", "names")[0]
        assert sorted(found.values()) == list(range(len(names)))
        limit = direct.destination.limits.max_column_name
        for number, name in enumerate(_hostile(direct)):
            if fits(name, limit):
                assert found.get(name) == number, name
        for name, kept in CHANGED.items():
            assert any(n.startswith(kept) and v == row[name] for n, v in found.items()), name
        assert all(fits(name, limit) for name in found)
        self._check_victim(direct, "t")

    def test_tables(self, direct: Place) -> None:
        """Every hostile name is a table, with a child table below it."""
        names = [*_hostile(direct), *CHANGED]
        made = direct.pipeline("names")
        rows = [resource([{"n": i, "l": [i]}], name=f"r{i}", table_name=n) for i, n in enumerate(names)]
        made.run(rows, **direct.options)
        limit = direct.destination.limits.max_table_name
        there = [name for name in direct.tables() if name != "victim"]
        assert len(there) == 2 * (len(_hostile(direct)) + len(set(CHANGED.values())))
        assert all(fits(name, limit) for name in there)
        with made.dataset() as dataset:
            for number, name in enumerate(_hostile(direct)):
                if fits(name, limit):
                    found = dataset.table(name).arrow()
                    assert found is not None, name
                    assert found.column("n").to_pylist() == [number], name
        assert direct.rows("victim") == [{"id": 1}]

    def test_names_beyond_the_basic_plane(self, direct: Place) -> None:
        """An emoji is a name, or is refused by name where the limits say that it can't be one."""
        made = direct.pipeline("names")
        if not direct.destination.limits.astral_names:
            with pytest.raises(DestinationError, match="🦆"):
                made.run([{"🦆": 1}], table_name="t", **direct.options)
            made.drop_pending_packages()
            self._check_victim(direct)
            return
        made.run([{"🦆": 1}], table_name="t", **direct.options)
        assert direct.rows("t", "names") == [{"🦆": 1}]

    @pytest.mark.parametrize("name", PATHS)
    def test_tables_that_look_like_paths(self, direct: Place, name: str) -> None:
        """A name with the look of a path is a table, or is refused by name."""
        made = direct.pipeline("names")
        try:
            made.run([{"id": 2}], table_name=name, **direct.options)
        except LadleError as error:
            assert type(error) is not PipelineStepFailed, error  # noqa: PT017 - either is right
            assert name in str(error)  # noqa: PT017 - either is right
            made.drop_pending_packages()
            self._check_victim(direct)
            return
        assert direct.rows(name, "names") == [{"id": 2}]
        self._check_victim(direct, name)

    @pytest.mark.parametrize(
        "name", ["Mixed Case; --", "per%cent {0}", "select", "ünïcödé 東京 '\" \\", "*?[a]"]
    )
    def test_datasets(self, direct: Place, name: str) -> None:
        """A hostile name is a dataset."""
        made = direct.pipeline("names", dataset_name=f"{name}{direct.dataset[-6:]}")
        made.run([{"id": 2}], table_name="t", **direct.options)
        found = made.dataset().table("t").arrow()
        assert found is not None
        assert found.column("id").to_pylist() == [2]
        self._check_victim(direct)

    def test_names_that_differ_by_case(self, direct: Place) -> None:
        """Names that differ by case only are apart, or refused by name where the limits say they are one."""
        made = direct.pipeline("names")
        rows = [{name: number for number, name in enumerate(CASES)}]
        if direct.destination.limits.folds_case:
            with pytest.raises(DestinationError, match="`id` and `Id`"):
                made.run(rows, table_name="t", **direct.options)
            made.drop_pending_packages()
            self._check_victim(direct)
            return
        made.run(rows, table_name="t", **direct.options)
        assert direct.rows("t", "names") == rows
        self._check_victim(direct, "t")

    def test_reserved_words(self, direct: Place) -> None:
        """Words that mean something in SQL are names of columns and of tables."""
        words = reserved(direct.destination.sql_dialect if hasattr(direct.destination, "sql_dialect") else "")
        made = direct.pipeline("names")
        tables = {f"t{i}": words[i : i + _IN_ONE_TABLE] for i in range(0, len(words), _IN_ONE_TABLE)}
        named = ("select", "table", "order", "user", "group", "from", "null", "default", "end")
        data = [resource([dict.fromkeys(w, 1)], name=t) for t, w in tables.items()]
        data += [resource([{"id": 2}], name=word) for word in named]
        made.run(data, **direct.options)
        for table, some in tables.items():
            assert direct.rows(table, "names") == [dict.fromkeys(some, 1)]
        for word in named:
            assert direct.rows(word, "names") == [{"id": 2}], word
        self._check_victim(direct, *tables, *named)
