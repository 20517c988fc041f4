"""What goes wrong at a destination has its message and its remedy, leaves nothing half-written, and heals.

Each case loads, spoils something, loads again, and looks: the error is four lines at most and says what to do; nothing
of the load is there. Then what the hint says is done, and the next run brings all rows, once. The messages are kept in
`tests/golden/bad_input.txt`; `WRITE_GOLDEN=1` writes them anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pymysql
import pytest
from tests.contract import test_mysql_faults, test_postgres_faults
from tests.contract.bad_places import (
    LARGE,
    NO_VIEW,
    SERVED,
    VIEW,
    Act,
    Place,
    Row,
    back,
    database_again,
    deleted,
    gone,
    grant,
    hold,
    in_the_way,
    large_disk,
    lock,
    login,
    more_rights,
    needed_column,
    no_database,
    out_of_the_way,
    read_only,
    restore_file,
    retyped,
    small_disk,
    spoil_file,
    sql,
    unlock,
    writable,
)
from tests.contract.reading import mysql_arguments
from tests.contract.tcp_proxy import CUT
from tests.contract.test_postgres_faults import once

from ladle.errors import LadleError

GOLDEN = Path(__file__).parents[1] / "golden" / "bad_input.txt"
WRITE = bool(os.environ.get("WRITE_GOLDEN"))

FIRST: list[Row] = [{"id": 1, "v": "a", "n": 1, "tags": ["x"]}]
SECOND: list[Row] = [{"id": 2, "v": "b", "n": 70_000, "tags": ["y"]}, {"id": 3, "v": "b", "n": 3, "tags": []}]

ALL = ("duckdb", "postgres", "sqlite", "mysql", "sqlalchemy")
SERVERS = ("postgres", "mysql", "sqlalchemy")


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong.

    `spoil`: done after a first load. `remedy`: what the hint says. `heals`: the next load does without.
    `ids`: that are there in the end, after `loads` loads. `more`: columns of the second load's rows.
    """

    name: str
    spoil: Act
    remedy: Act | None = None
    kinds: tuple[str, ...] = ALL
    ids: tuple[int, ...] = (1, 2, 3)
    way: Any = "append"
    more: Row = field(default_factory=dict)
    loads: int = 2

    @property
    def heals(self) -> bool:
        return self.remedy is None


UPSERT = {"disposition": "merge", "strategy": "upsert"}

_TYPE_AGAIN = sql("ALTER TABLE t DROP COLUMN n", "ALTER TABLE t ADD COLUMN n bigint")

CASES = (
    # -- a table that was changed by hand
    Case("a column was dropped", sql("ALTER TABLE t DROP COLUMN v")),
    Case("a column was renamed", sql("ALTER TABLE t RENAME COLUMN v TO w")),
    Case("the table was dropped", sql("DROP TABLE t"), ids=(2, 3)),
    Case("a table of lists was dropped", sql("DROP TABLE t__tags")),
    Case(
        "the dataset was dropped",
        lambda place: (
            deleted(place.file)
            if place.kind == "sqlite"
            else place.sql(
                f"DROP {'DATABASE' if place.kind == 'mysql' else 'SCHEMA'} {place.dataset}{_cascade(place)}"
            )
        ),
        ids=(2, 3),
        loads=1,
    ),
    Case("a column has another type", retyped("varchar(20)"), _TYPE_AGAIN),
    Case("a column has another type, and rows are merged", retyped("varchar(20)"), _TYPE_AGAIN, way=UPSERT),
    # SQLite keeps any number in any column
    Case(
        "a value is out of range",
        retyped("smallint"),
        retyped("bigint"),
        kinds=("duckdb", "postgres", "mysql", "sqlalchemy"),
    ),
    Case(
        "a value is out of range, and rows are merged",
        retyped("smallint"),
        retyped("bigint"),
        kinds=("mysql", "sqlalchemy"),
        way=UPSERT,
    ),
    Case(
        "a column that may not be null was added",
        needed_column,
        sql(
            "ALTER TABLE t ALTER COLUMN extra DROP NOT NULL",
            mysql=("ALTER TABLE t MODIFY extra bigint NULL",),
            sqlite=("ALTER TABLE t DROP COLUMN extra",),
        ),
    ),
    Case(
        "a unique index was added",
        sql("CREATE UNIQUE INDEX one_v ON t (v)", mysql=("CREATE UNIQUE INDEX one_v ON t (v(10))",)),
        sql("DROP INDEX one_v", mysql=("DROP INDEX one_v ON t",)),
    ),
    Case("a view stands where the table was", VIEW, NO_VIEW),
    Case("a view stands where the table was, and rows are merged", VIEW, NO_VIEW, way=UPSERT),
    # -- who may do what
    Case("the login is unknown", login("nobody"), login(), kinds=SERVERS),
    Case("the password is wrong", login("ladle"), login(), kinds=("mysql",)),
    Case("the database is gone", gone, back, kinds=SERVERS),
    Case(
        "no permission to change a table",
        grant("SELECT, INSERT"),
        login(),
        kinds=SERVERS,
        more={"brand_new": 1},
    ),
    Case(
        "no permission to make a table",
        grant("SELECT, INSERT"),
        more_rights("CREATE", "SCHEMA ds"),
        kinds=SERVERS,
        more={"parts": [{"k": 1}]},
    ),
    Case(
        "no permission to insert",
        grant("SELECT"),
        more_rights("INSERT", "ALL TABLES IN SCHEMA ds"),
        kinds=SERVERS,
    ),
    Case(
        "a quota of the user is used up",
        lambda place: (grant("ALL")(place), place.sql("ALTER USER guest@'%' WITH MAX_QUERIES_PER_HOUR 20")),
        sql("ALTER USER guest@'%' WITH MAX_QUERIES_PER_HOUR 0"),
        kinds=("mysql",),
    ),
    Case("the file can't be written", read_only, writable, kinds=("sqlite",)),
    # -- somebody else is there
    Case("another session holds a lock", lock("t"), unlock, kinds=("postgres", "sqlite", "sqlalchemy")),
    Case(
        "another session holds a lock, and rows are merged",
        lock("t"),
        unlock,
        kinds=SERVERS,
        way=UPSERT,
    ),
    Case(
        "another session holds a lock on the loads",
        lock("_dlt_loads"),
        unlock,
        kinds=("postgres", "sqlalchemy"),
    ),
    Case(
        "another session reads, and a column has to be added",
        lock("t", "ACCESS SHARE"),
        unlock,
        kinds=SERVERS,
        more={"brand_new": 1},
    ),
    Case(
        "its disk is full",
        small_disk,
        large_disk,
        kinds=("postgres", "sqlite", "sqlalchemy"),
        more=LARGE,
    ),
    Case("another process has the file", hold, unlock, kinds=("duckdb",)),
    # -- files
    Case("another file stands where the database was", no_database, database_again, kinds=("sqlite",)),
    Case(
        "a file stands where a table's folder was",
        lambda place: in_the_way(place / "t"),
        lambda place: out_of_the_way(place / "t"),
        kinds=("filesystem",),
    ),
    Case(
        "the folder of schemas can't be read",
        lambda place: spoil_file(place / "_dlt_version"),
        lambda place: restore_file(place / "_dlt_version"),
        kinds=("filesystem",),
    ),
    Case(
        "the files of a table were deleted",
        lambda place: deleted(place / "t"),
        kinds=("filesystem",),
        ids=(2, 3),
    ),
    Case(
        "the folder was deleted",
        lambda place: deleted(place / ""),
        kinds=("filesystem",),
        ids=(2, 3),
        loads=1,
    ),
)


_SLOW = (
    "a value is out of range, and rows are merged",
    "the password is wrong",
    "a column was renamed",
    "a table of lists was dropped",
    "a column has another type",
    "a view stands where the table was, and rows are merged",
    "another session holds a lock, and rows are merged",
    "another session holds a lock on the loads",
    "no permission to insert",
    "its disk is full",
)
"""Cases that others stand for in each run of the suite."""


_ALIKE = (
    "a column was dropped",
    "a value is out of range",
    "a view stands where the table was",
    "the login is unknown",
    "the table was dropped",
    "the dataset was dropped",
    "a column that may not be null was added",
    "another session holds a lock",
    "another session reads, and a column has to be added",
    "no permission to change a table",
    "no permission to make a table",
    "the database is gone",
)
"""Cases that Postgres stands for: SQLAlchemy works on it too."""


def cases() -> Iterator[Any]:
    for case in CASES:
        for kind in case.kinds:
            slow = case.name in _SLOW or (kind == "sqlalchemy" and case.name in _ALIKE)
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(kind, case, id=f"{kind}-{case.name.replace(' ', '_')}", marks=marks)


def _cascade(place: Place) -> str:
    return "" if place.kind == "mysql" else " CASCADE"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind = request.param
    name = f"bad_{tmp_path.name}"[:60]
    server = ""
    if kind == "mysql":
        server = request.getfixturevalue("mysql_url")
        made = Place(kind, tmp_path, server, name)
    elif kind in SERVED:
        server = request.getfixturevalue("postgres_url")
        _on_postgres(server, f'CREATE DATABASE "{name}"')
        made = Place(kind, tmp_path, f"{server.rpartition('/')[0]}/{name}")
    else:
        made = Place(kind, tmp_path)
    yield made
    for session in reversed(made.open):
        session.close()
    if kind == "mysql":
        with pymysql.connect(**mysql_arguments(server), autocommit=True) as db, db.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
    elif kind in SERVED:
        _on_postgres(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_postgres(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(statement)


MESSAGES: dict[str, str] = {}


def plain(text: str, place: Place) -> str:
    """Return a message without what is another in each run."""
    database = place.url.rpartition("/")[2] or "<database>"
    text = text.replace(place.where, "<place>").replace(str(place.folder), "<folder>")
    text = text.replace(database.rstrip("_"), "<database>").replace("<database>_", "<database>")
    text = re.sub(r"(load_id=`|load `|package `|for load )[\d.]+", r"\1<load>", text)
    text = re.sub(r"(process |terminate_backend\(|connection |KILL )\d+", r"\1<pid>", text)
    text = re.sub(r" for \d+ s,", " for <time> s,", text)
    text = text.replace(place.dataset, "<dataset>") if place.kind == "mysql" else text
    text = re.sub(r"another process \(.+?\)", "another process (<pid>, <program>)", text)
    text = re.sub(r"pg_tblspc/[^\"]+", "pg_tblspc/<file>", text)
    text = re.sub(r"p__[\d.]+__[0-9a-f]+", "p__<time>__<hash>", text)
    return re.sub(r"(127\.0\.0\.1:|port )\d+", r"\1<port>", text)


def checked(name: str, error: LadleError, place: Place) -> None:
    """Check the form of a message, and that it is the one that is kept."""
    lines = str(error).splitlines()
    assert len(lines) <= 4, str(error)
    assert error.hint, str(error)
    assert "secret" not in str(error)
    MESSAGES[name] = plain(f"{type(error).__name__}: {error}", place)
    other_words = place.kind == "duckdb" and duckdb.__version__.startswith("1.")
    if not WRITE and not other_words:
        assert MESSAGES[name] == kept().get(name), "WRITE_GOLDEN=1 keeps it, if it is right"


def kept() -> dict[str, str]:
    """Return the messages that are kept, by case."""
    if not GOLDEN.exists():
        return {}
    blocks = GOLDEN.read_text(encoding="utf-8").strip().split("\n\n")
    return {name: text for name, _, text in (block.removeprefix("# ").partition("\n") for block in blocks)}


@pytest.fixture(scope="module", autouse=True)
def written() -> Iterator[None]:
    yield
    if WRITE:
        found = sorted({**kept(), **MESSAGES}.items())
        GOLDEN.write_text("\n\n".join(f"# {name}\n{text}" for name, text in found) + "\n", encoding="utf-8")


@pytest.mark.parametrize(("place", "case"), list(cases()), indirect=["place"])
def test_it_is_told_mended_and_healed(place: Place, case: Case) -> None:
    place.way = case.way
    place.load(FIRST)
    case.spoil(place)
    rows = [{**row, **case.more} for row in SECOND]
    if case.remedy is None:
        place.load(rows)
    else:
        with pytest.raises(LadleError) as caught:
            place.load(rows)
        checked(f"{place.kind}: {case.name}", caught.value, place)
        case.remedy(place)
        assert (place.ids(), place.loads()) == ([1], 1), "something of the load is there"
        place.pipeline().run()
        assert not place.pipeline().has_pending_data
    assert place.ids() == list(case.ids)
    assert place.loads() == case.loads


# -- a line that breaks while rows are merged; while they are appended: test_*_faults.py

_POINTS = {
    "postgres": {
        "before the rows that wait": b"CREATE TEMPORARY",
        "before the lock": b"LOCK TABLE",
        "before the merge": b'DELETE FROM "ds"."t" ',
        "before the rows": b'INSERT INTO "ds"."t" ',
        "before the lists": b"DELETE FROM",
    },
    "mysql": {
        "before the rows that wait": b"CREATE TEMPORARY",
        "before the lock": b"SELECT GET_LOCK",
        "before the merge": b"`.`t` AS `old` WHERE EXISTS(",
        "before the rows": b"`.`t` (`id`, ",
        "before the lists": b"`.`t__tags` AS `old` ",
    },
    # it tells the server what to do in messages of another kind
    "sqlalchemy": {
        "before the rows that wait": b"CREATE TEMPORARY",
        "before the rows": b"INSERT INTO",
        "before the merge": b"UPDATE ",
        "before the lists": b"DELETE FROM",
        "before the loads row": b"_dlt_loads",
        "before the commit": b"COMMIT",
    },
}
_LINES = {"mysql": test_mysql_faults.line}


@pytest.mark.parametrize(
    ("place", "point"),
    [
        pytest.param(kind, p, marks=[] if p == "before the merge" else [pytest.mark.slow])
        for kind, points in _POINTS.items()
        for p in points
    ],
    indirect=["place"],
)
def test_a_line_that_breaks_while_rows_are_merged_loses_and_repeats_nothing(place: Place, point: str) -> None:
    place.way = UPSERT
    place.load(FIRST)
    text = _POINTS[place.kind][point]

    def matches(kind: bytes, payload: bytes) -> bool:
        return payload.startswith(text) if place.kind == "postgres" else text in payload

    line = _LINES.get(place.kind, test_postgres_faults.line)
    with line(place.url, once(matches, CUT)) as (proxy, url):
        place.options["login"] = url
        if place.kind != "sqlalchemy":
            place.options["fence_wait_s"] = 0.1
        place.load([*FIRST, *SECOND])  # tried again at once
        assert proxy.cuts == 1
    assert (place.ids(), place.loads()) == ([1, 2, 3], 2)
    assert len(place.tables()["t__tags"]) == 2
