"""Given names in normalize: rows land where they belong, what was dropped stays out and is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.normalize.folding import data, extracted, normalized, raw

from ladle.events import Event, Notice, silent
from ladle.normalize.run import Options, normalize
from ladle.schema.change import Limits
from ladle.schema.given_names import GivenNames, derived_form
from ladle.schema.schema import Schema

NAMES = (
    GivenNames().with_table("t", "people").with_column("t", "email", "mail").with_dropped_column("t", "oops")
)
ROWS = [
    {"email": "a", "oops": 1, "pets": [{"name": "x"}]},
    {"email": 5, "oops": None},
    {"email": "b", "oops": 3},
]


def names(names: GivenNames) -> Schema:
    return names.noted(Schema("s"))


def notices(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice)]


def test_rows_are_written_under_given_names(tmp_path: Path) -> None:
    events: list[Event] = []
    package = normalized(tmp_path, raw(ROWS), schema=names(NAMES), emit=events.append)
    assert data(package) == {
        "people": [{"mail": "a"}, {"mail": "5"}, {"mail": "b"}],
        "people__pets": [{"name": "x"}],
    }
    assert package.manifest.counts == {"people": 3, "people__pets": 1}
    assert [r.table for r in package.manifest.resources] == ["people"]
    assert notices(events) == ["left out 2 values of column `oops` of table `people`, which was dropped"]
    stored = Schema.from_dict(package.manifest.schema)
    assert stored.table_map["people__pets"].parent == "people"
    assert GivenNames.of(stored).table("t__pets") == "people__pets"


def test_the_next_load_finds_its_columns(tmp_path: Path) -> None:
    first = Schema.from_dict(normalized(tmp_path / "1", raw(ROWS), schema=names(NAMES)).manifest.schema)
    package = normalized(tmp_path / "2", raw(ROWS), schema=derived_form(first), stored=first)
    assert Schema.from_dict(package.manifest.schema).version_hash == first.version_hash


def test_a_variant_is_named_after_its_column(tmp_path: Path) -> None:
    rows = [{"email": 1}, {"email": "x"}]
    package = normalized(tmp_path, raw(rows), schema=names(NAMES))
    assert data(package) == {
        "people": [{"mail": 1, "mail__v_text": None}, {"mail": None, "mail__v_text": "x"}]
    }


def test_a_dropped_variant_stays_out(tmp_path: Path) -> None:
    events: list[Event] = []
    schema = names(GivenNames().with_dropped_column("t", "n__v_text"))
    package = normalized(tmp_path, raw([{"n": 1}, {"n": "x"}, {"n": "y"}]), schema=schema, emit=events.append)
    assert data(package) == {"t": [{"n": 1}, {"n": None}, {"n": None}]}
    assert notices(events) == ["left out 2 values of column `n__v_text` of table `t`, which was dropped"]


@pytest.mark.parametrize(
    "rows", [[{"email": 1, "mail": 2}, {"mail": 3}], [{"mail": 2, "email": 1}, {"mail": 3}]]
)
def test_a_key_spelt_like_a_given_name_has_a_column_of_its_own(tmp_path: Path, rows: list[Any]) -> None:
    (found,) = data(normalized(tmp_path, raw(rows), schema=names(NAMES))).values()
    other = next(n for n in found[0] if n.startswith("mail__"))
    assert [(r["mail"], r[other]) for r in found] == [(1, 2), (None, 3)]


def test_a_table_spelt_like_a_given_name_is_a_table_of_its_own(tmp_path: Path) -> None:
    parts = raw([{"a": 1}], resource="r"), raw([{"a": 2}], resource="q", table="people")
    found = data(normalized(tmp_path, *parts, schema=names(NAMES)))
    other = next(n for n in found if n != "people")
    assert found == {"people": [{"a": 1}], other: [{"a": 2}]}
    assert other.startswith("people__")


def test_rows_of_a_dropped_table_stay_out_with_those_below(tmp_path: Path) -> None:
    events: list[Event] = []
    rows = [{"id": 1, "pets": [{"name": "x", "toys": [1, 2]}, {"name": "y"}]}]
    schema = names(GivenNames().with_dropped_table("t__pets"))
    package = normalized(tmp_path, raw(rows), schema=schema, emit=events.append)
    assert data(package) == {"t": [{"id": 1}]}
    assert notices(events) == ["left out 2 rows of table `t__pets`, which was dropped"]


def test_all_rows_of_a_dropped_root_stay_out(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw(ROWS), schema=names(GivenNames().with_dropped_table("t")))
    assert data(package) == {}
    assert "t" not in Schema.from_dict(package.manifest.schema).table_map


def test_frames_follow(tmp_path: Path) -> None:
    frame = pa.table({"email": ["a", None], "oops": [1, 2], "n": [1, 2]})
    found = data(normalized(tmp_path, raw(frame), schema=names(NAMES)))
    assert found == {"people": [{"mail": "a", "n": 1}, {"mail": None, "n": 2}]}


def test_a_frame_passes_as_it_is_where_only_its_table_is_renamed(tmp_path: Path) -> None:
    schema = names(GivenNames().with_table("t", "people"))
    package = normalized(tmp_path, raw(pa.table({"n": [1, 2]})), schema=schema)
    assert [(f.name[:4], f.table) for f in package.files("ready")] == [("raw/", "people")]
    assert data(package) == {"people": [{"n": 1}, {"n": 2}]}


def test_columns_that_grow_late_are_written_anew_under_their_names(tmp_path: Path) -> None:
    schema = names(GivenNames().with_table("t", "people").with_column("t", "n", "number"))
    found = data(normalized(tmp_path, raw([{"n": 1}], [{"n": 1.5}]), schema=schema))
    assert found == {"people": [{"number": 1.0}, {"number": 1.5}]}


def test_keys_that_come_late_are_written_under_their_names(tmp_path: Path) -> None:
    schema = names(GivenNames().with_table("t", "people").with_column("t", "n", "number"))
    parts = raw(pa.table({"n": [1]}), [{"n": 2}])
    package = normalized(tmp_path, parts, schema=schema)
    assert data(package) == {"people": [{"number": 1}, {"number": 2}]}


def test_hints_of_a_dropped_column_do_not_bring_it_back(tmp_path: Path) -> None:
    declared = Schema.from_dict(
        {
            **names(NAMES).to_dict(),
            "tables": {"t": {"columns": {"oops": {"data_type": "text", "nullable": False}, "email": {}}}},
        }
    )
    package = normalized(tmp_path, raw([{"email": "a", "oops": "x"}]), schema=declared)
    assert data(package) == {"people": [{"mail": "a"}]}


def test_changes_on_record_have_given_names(tmp_path: Path) -> None:
    package = normalized(tmp_path, raw(ROWS), schema=names(NAMES), options=Options(record_changes=True))
    (file,) = package.files("ready", "_ladle_changes")
    rows = [row for batch in package.read([file]) for row in batch.to_pylist()]
    found = {(r["table_name"], r["column_name"]): r["path"] for r in rows}
    assert found["people", "mail"] == "email"
    assert found["people__pets", "name"] == "pets.name"


def test_it_may_be_done_again(tmp_path: Path) -> None:
    package = extracted(tmp_path, raw(ROWS), schema=names(NAMES))
    first = normalize(package, None, Limits(), Options(), silent)
    again = normalize(package, None, Limits(), Options(), silent)
    assert data(first) == data(again)
