"""Wrong calls and wrong values: each with its whole error, four lines at most, and nothing written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.errors import LadleError

LOOP: list[Any] = []
LOOP.append(LOOP)
KINDS = "null, bool, number, text, bytes, date, time, list or dict"
TIED = {"v": {"data_type": "bigint", "nullable": False}}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"k": value}
    return value


def failing() -> Iterator[Any]:
    yield {"a": 1}
    raise ValueError("no such page")


def nested(depth: int = 30) -> Iterator[Any]:
    yield nested(depth - 1)


class Broken:
    """A record whose reading fails."""

    def keys(self) -> Any:
        raise RuntimeError("gone")

    def __getitem__(self, key: str) -> Any: ...


def pair() -> list[Any]:
    dispositions = {"one": "append", "two": "replace"}
    return [
        ladle.resource([{"a": 1}], name=n, table_name="t", write_disposition=d)
        for n, d in dispositions.items()
    ]


# data and arguments of run; then type, what, facts, expected and hint of the error (None: no such line)
VALUES: dict[str, tuple[Any, dict[str, Any], tuple[str, str, str | None, str | None, str | None]]] = {
    "an object": (
        [{"a": 1}, {"a": object()}], {},
        ("DataError", "cannot store a value of type `object` in column `a`",
         "resource=`t` table=`t` column=`a` row=`1` step=`extract` pipeline=`p` load_id=`ID`", KINDS,
         'return text, or map it: t.add_map(lambda r: {**r, "a": str(r["a"])})'),
    ),
    "a complex number": (
        [{"a": 1j}], {},
        ("DataError", "cannot store a value of type `complex` in column `a`",
         "resource=`t` table=`t` column=`a` row=`0` step=`extract` pipeline=`p` load_id=`ID`", KINDS,
         'return text, or map it: t.add_map(lambda r: {**r, "a": str(r["a"])})'),
    ),
    "a range": (
        [{"a": range(3)}], {},
        ("DataError", "cannot store a value of type `range` in column `a`",
         "resource=`t` table=`t` column=`a` row=`0` step=`extract` pipeline=`p` load_id=`ID`", KINDS,
         'return a list, or map it: t.add_map(lambda r: {**r, "a": list(r["a"])})'),
    ),
    "an object in a list in a dict": (
        [{}, {"a": {"b": [1, {"c": object()}]}}], {},
        ("DataError", "cannot store a value of type `object` in column `a.b[1].c`",
         "resource=`t` table=`t` column=`a.b[1].c` row=`1` step=`extract` pipeline=`p` load_id=`ID`", KINDS,
         "convert it before it is yielded, for instance in a function given to t.add_map"),
    ),
    "an object in a column kept as JSON": (
        [{"a": {"b": [1, object()]}}], {"columns": {"a": {"data_type": "json"}}},
        ("DataError", "cannot store a value of type `object` in column `a.b[1]`",
         "resource=`t` table=`t` column=`a.b[1]` row=`0` step=`extract` pipeline=`p` load_id=`ID`", KINDS,
         "convert it before it is yielded, for instance in a function given to t.add_map"),
    ),
    "an object as a row": (
        [object()], {},
        ("DataError", "cannot store a value of type `object` in column `value`",
         "resource=`t` table=`t` column=`value` row=`0` step=`extract` pipeline=`p` load_id=`ID`", KINDS,
         'return text, or map it: t.add_map(lambda r: {**r, "value": str(r["value"])})'),
    ),
    "a list that contains itself": (
        [{"a": LOOP}], {},
        ("DataError",
         "cannot store a value of type `list` in column `a[0][0][0]`: nested deeper than 250 levels: it contains itself",
         "resource=`t` table=`t` column=`a[0][0][0]` row=`0` step=`extract` pipeline=`p` load_id=`ID`", None,
         "cut it short, or store it as text, as json.dumps makes it"),
    ),
    "too deep": (
        [deep(300)], {},
        ("DataError", "cannot store a value of type `dict` in column `PATH`: nested deeper than 250 levels",
         "resource=`t` table=`t` column=`PATH` row=`0` step=`extract` pipeline=`p` load_id=`ID`", None,
         "cut it short, or store it as text, as json.dumps makes it"),
    ),
    "a record that can't be read": (
        [{"a": Broken()}], {},
        ("DataError",
         "cannot store a value of type `Broken` in column `a`: reading it fails with RuntimeError: gone",
         "resource=`t` table=`t` column=`a` row=`0` step=`extract` pipeline=`p` load_id=`ID`", None,
         "convert it before it is yielded, for instance in a function given to t.add_map"),
    ),
    "null where none is allowed": (
        [{"v": 1}, {"v": None}], {"columns": TIED},
        ("DataError", "cannot store null in column `v`, which is declared not nullable",
         "resource=`t` table=`t` column=`v` row=`1` step=`normalize` pipeline=`p` load_id=`ID`",
         "a value in every row",
         'fill it with add_map, or declare it nullable: columns={"v": {"nullable": True}}'),
    ),
    "a key that never comes": (
        [{"v": 1}], {"primary_key": "k"},
        ("DataError", "cannot store null in column `k`, which is declared not nullable",
         "resource=`t` table=`t` column=`k` step=`normalize` pipeline=`p` load_id=`ID`", "a value in every row",
         'fill it with add_map, or declare it nullable: columns={"k": {"nullable": True}}'),
    ),
    "text in a number column that may not be null": (
        [{"v": 1}, {"v": "many"}], {"columns": TIED},
        ("DataError", "a value of type `text` doesn't fit column `v`, which may not be null",
         "resource=`t` table=`t` column=`v` row=`1` value=`many` step=`normalize` pipeline=`p` load_id=`ID`",
         "what becomes `bigint` without loss",
         "mend it with add_map, or declare the column nullable: the value then goes to a variant column"),
    ),
    "nanoseconds of a time": (
        pa.table({"ok": [1], "at": pa.array([1], pa.time64("ns"))}), {},
        ("DataError", "cannot store Arrow type `time64[ns]` of column `at`",
         "resource=`t` table=`t` column=`at` row=`0` step=`extract` pipeline=`p` load_id=`ID`",
         "values of microseconds at most, and types that have a logical type",
         "cast the column before it is yielded"),
    ),
    "a source that fails": (
        failing, {},
        ("ResourceExtractionError", "resource `failing` failed with ValueError: no such page",
         "resource=`failing` row=`1` step=`extract` pipeline=`p` load_id=`ID`", None,
         "nothing of this run was loaded; the row says how far it had come"),
    ),
    "generators without end": (
        nested, {},
        ("UsageError", "resource `nested` yields generators nested deeper than 20", None, None,
         "yield items, not the generator itself"),
    ),
    "a list whose table is taken": (
        [ladle.resource([{"l": [1]}], name="t"), ladle.resource([{"a": 1}], name="t__l")], {"table_name": None},
        ("DataError", "the list `l` of table `t` would go to `t__l`, the table of `t__l`",
         "resource=`t` table=`t` column=`l` step=`normalize` pipeline=`p` load_id=`ID`", "a table for each of them",
         "give resource `t__l` another table_name, or rename the key with add_map"),
    ),
    "dispositions that disagree": (
        pair(), {"table_name": None},
        ("UsageError", "resources `one` and `two` feed one table with different write dispositions", "table=`t`",
         "one for both: `append` or `replace`",
         "give one of them another table_name, or pass write_disposition to run"),
    ),
}  # fmt: skip
CALLS: dict[str, tuple[Any, dict[str, Any], tuple[str, str, str | None, str | None, str | None]]] = {
    "no name": (
        [{"a": 1}], {"table_name": None},
        ("ResourceNameMissing", "data of type `list` has no name to use for its table", None, None,
         'name it: table_name="..." in run, or ladle.resource(data, name="...")'),
    ),
    "an empty table name": (
        [], {"table_name": " "},
        ("UsageError", "table_name can't be `' '`", None, "a name that is not empty, or a function of the item", None),
    ),
    "a disposition spelt wrong": (
        [], {"write_disposition": "replcae"},
        ("UsageError", "unknown write_disposition `replcae`", None, "one of append, replace, merge, skip",
         "did you mean `replace`?"),
    ),
    "a merge by a strategy spelt wrong": (
        [], {"write_disposition": {"disposition": "merge", "strategy": "upsrt"}},
        ("UsageError", "unknown strategy of merge `upsrt`", None, "one of delete-insert, upsert, insert-only, scd2",
         "did you mean `upsert`?"),
    ),
    "a refresh spelt wrong": (
        [], {"refresh": "drop_source"},
        ("UsageError", "unknown refresh `drop_source`", None, "one of drop_sources, drop_resources, drop_data",
         "did you mean `drop_sources`?"),
    ),
    "a file format spelt wrong": (
        [], {"loader_file_format": "parket"},
        ("UsageError", "unknown loader_file_format `parket`", None, "one of parquet, jsonl, csv",
         "did you mean `parquet`?"),
    ),
    "a data type spelt wrong": (
        [{"a": 1}], {"columns": {"a": {"data_type": "bigent"}}},
        ("UsageError", "unknown data_type of column `a`: `bigent`", None,
         "one of text, bigint, double, bool, timestamp, date, time, decimal, wei, binary, json",
         "did you mean `bigint`?"),
    ),
    "columns of no known shape": (
        [], {"columns": "a"},
        ("UsageError", "columns can't be a `str`", None,
         (
             '{"price": {"data_type": "decimal"}}, [{"name": "price", "data_type": "decimal"}], '
             "a pydantic model, a dataclass or a TypedDict"
         ), None),
    ),
    "a key of no known shape": (
        [], {"primary_key": 5},
        ("UsageError", "a key can't be `5`", None, "a column name or a list of column names", None),
    ),
    "a schema name with a dash": (
        [], {"schema": "my-schema"},
        ("UsageError", "`my-schema` can't be the name of a schema", None,
         "at most 64 letters, digits and `_`, not beginning with a digit", None),
    ),
    "a destination spelt wrong": (
        [], {"destination": "duckbd"},
        ("UsageError", "unknown destination `duckbd`", None,
         "one of duckdb, postgres, mysql, mariadb, filesystem, sqlite, sqlalchemy",
         "did you mean `duckdb`?"),
    ),
    "a database that would be gone": (
        [], {"destination": "duckdb", "credentials": ":memory:"},
        ("UsageError", "a DuckDB database in memory is gone when the load ends", None, None,
         "open it yourself and pass it: ladle.destinations.duckdb(duckdb.connect())"),
    ),
}  # fmt: skip


def rendered(error: LadleError) -> str:
    text = re.sub(r"load_id=`[\d.]+`", "load_id=`ID`", f"{type(error).__name__}\n{error}")
    return re.sub(r"`k\.[k.]+…?`", "`PATH`", text)


def lines(kind: str, what: str, facts: str | None, expected: str | None, hint: str | None) -> str:
    parts = [
        f"  {facts}" if facts else None,
        expected and f"  expected: {expected}",
        hint and f"  hint: {hint}",
    ]
    return "\n".join([kind, what, *(p for p in parts if p)])


@pytest.mark.parametrize("name", [*VALUES, *CALLS])
def test_the_error_says_all_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    data, options, expected = {**VALUES, **CALLS}[name]
    site = Site(tmp_path)
    pipeline = site.pipeline()
    options = {"table_name": None if callable(data) else "t", **options}
    with pytest.raises(LadleError) as caught:
        pipeline.run(data, **options)
    assert rendered(caught.value) == lines(*expected)
    assert len(str(caught.value).splitlines()) <= 4
    assert site.tables() == {}
    assert not site.file.exists() or site.query("SELECT 1 FROM duckdb_tables()") == []
    assert (pipeline.first_run, pipeline.has_pending_data) == (True, False)
    left = [p for p in Path(pipeline.working_dir).rglob("*") if p.is_file()]
    assert {p.name for p in left} <= {"run.lock"}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_calls_are_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    _, options, _ = CALLS[name]
    if name == "no name":
        return
    read: list[int] = []

    def rows() -> Iterator[Any]:
        read.append(1)
        yield {"a": 1}

    with pytest.raises(LadleError):
        Site(tmp_path).pipeline().run(rows, **options)
    assert read == []
