"""Random renames, drops and returns between loads: every value is in the column that it should be in."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loading import Site

from ladle.errors import UsageError

KEYS = ("a", "b", "c")
NAMES = (*KEYS, "d", 'E "x"', "select", "É")
TABLES = ("t", "u", "T able")

Value = int | str


@dataclass
class Model:
    """What should be there, by identity: the key of the source. `root`: what the table is called."""

    root: str = "t"
    child: str = "t__l"
    called: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    values: dict[str, dict[int, Value]] = field(default_factory=dict)
    rows: int = 0
    children: int = 0

    def load(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for key in KEYS:
                if key in row and key not in self.dropped:
                    self.values.setdefault(key, {})[row["id"]] = row[key]
                    self.called.setdefault(key, key)
            self.rows += 1
            self.children += len(row.get("l", ()))

    def key_of(self, name: str, there: list[str]) -> str | None:
        """Return the key whose column, which is there, has that name."""
        known = (k for k, n in self.called.items() if n == name and k not in self.dropped)
        return next(known, None) if name in there else None

    def tag(self, there: list[str]) -> None:
        """Note the names of columns that stand beside one which was given theirs."""
        for key in self.values:
            others = {n.casefold() for k, n in self.called.items() if k != key and k not in self.dropped}
            if self.called[key].casefold() in others and self.called[key] == key:
                self.called[key] = next(n for n in there if n.startswith(f"{key}__") and "__v_" not in n)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("load"),
            st.lists(
                st.dictionaries(
                    st.sampled_from(KEYS), st.integers(0, 9) | st.sampled_from(["x", "y"]), max_size=3
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("drop"), st.sampled_from(NAMES)),
        st.tuples(st.just("undrop"), st.sampled_from(KEYS)),
        st.tuples(st.just("rename_table"), st.sampled_from(TABLES)),
    ),
    min_size=3,
    max_size=9,
)


@given(steps=STEPS)
@settings(max_examples=20, deadline=None)
def test_every_value_is_where_it_should_be(steps: list[Any]) -> None:
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        site = Site.in_memory(Path(folder))
        load(site, model, [{"a": 0}])
        for step in steps:
            do(site, model, step)
            check(site, model)


def do(site: Site, model: Model, step: Any) -> None:
    """Do one step, both here and there; what can't be done is refused, and changes nothing."""
    p, (kind, *what) = site.pipeline(), step
    if kind == "load":
        load(site, model, what[0])
    elif kind == "rename":
        key, name = model.key_of(what[0], columns(site, model.root)), what[1]
        own = [n for n in columns(site, model.root) if n.startswith(f"{what[0]}__v_")]
        taken = {n.casefold() for n in columns(site, model.root)} - {what[0].casefold()}
        if key is None or name.casefold() in taken or name == what[0]:
            refused_or_nothing(lambda: p.rename_column(model.root, *what).apply(), site)
            return
        p.rename_column(model.root, *what).apply()
        model.called[key] = name
        assert len([n for n in columns(site, model.root) if n.startswith(f"{name}__v_")]) == len(own)
    elif kind == "drop":
        key = model.key_of(what[0], columns(site, model.root))
        if key is None:
            refused_or_nothing(lambda: p.drop_column(model.root, what[0]), site)
            return
        p.drop_column(model.root, what[0]).apply(confirm=True)
        model.dropped.add(key)
        model.values.pop(key, None)
    elif kind == "undrop":
        if what[0] not in model.dropped:
            return
        p.undrop(model.root, what[0]).apply()
        model.dropped.discard(what[0])
        taken = {n.casefold() for k, n in model.called.items() if k != what[0] and k not in model.dropped}
        if model.called[what[0]].casefold() in taken:
            model.called[what[0]] = what[0]
    elif what[0] != model.root:
        p.rename_table(model.root, what[0]).apply()
        model.root, model.child = what[0], f"{what[0]}__l"


def refused_or_nothing(attempt: Any, site: Site) -> None:
    before = site.tables()
    try:
        attempt()
    except UsageError:
        pass
    assert site.tables().keys() == before.keys()


def columns(site: Site, table: str) -> list[str]:
    return [*site.table(table).columns]


def load(site: Site, model: Model, rows: list[dict[str, Any]]) -> None:
    data = [{"id": model.rows + n, **row, "l": [1, 2]} for n, row in enumerate(rows)]
    site.pipeline().run(data, table_name="t")
    model.load(data)
    model.tag(columns(site, model.root))


def check(site: Site, model: Model) -> None:
    """Compare; a value that didn't fit is in a variant of its column."""
    found = site.table(model.root)
    assert len(found.rows) == model.rows
    assert len(site.table(model.child).rows) == model.children
    assert len(site.tables()) == 2
    for key, values in model.values.items():
        name = model.called[key]
        there = {}
        for row in found.rows:
            own = [v for n, v in row.items() if v is not None and (n == name or n.startswith(f"{name}__v_"))]
            assert len(own) <= 1, (key, row)
            if own:
                there[row["id"]] = str(own[0])
        assert there == {i: str(v) for i, v in values.items()}, key
