"""What goes wrong at a destination has its message and its remedy, leaves nothing half-written, and heals.

Each case loads, spoils something, loads again, and looks: the error is four lines at most and says what to do; nothing
of the load is there. Then what the hint says is done, and the next run brings all rows, once. The messages are kept in
`tests/golden/bad_input.txt`; `WRITE_GOLDEN=1` writes them anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from tests.contract.tcp_proxy import CUT
from tests.contract.test_postgres_faults import line, once
from tests.e2e import content
from tests.e2e.forks import FORKS, ended, start

import ladle
from ladle.errors import LadleError

GOLDEN = Path(__file__).parents[1] / "golden" / "bad_input.txt"
WRITE = bool(os.environ.get("WRITE_GOLDEN"))

Row = dict[str, Any]
FIRST: list[Row] = [{"id": 1, "v": "a", "n": 1, "tags": ["x"]}]
SECOND: list[Row] = [{"id": 2, "v": "b", "n": 70_000, "tags": ["y"]}, {"id": 3, "v": "b", "n": 3, "tags": []}]


class Place:
    """A destination that is really there, and a way to work on it by hand."""

    def __init__(self, kind: str, folder: Path, url: str = "") -> None:
        self.kind, self.folder, self.url = kind, folder, url
        self.way: Any = "append"
        self.options: dict[str, Any] = {}
        self.open: list[Any] = []

    @property
    def where(self) -> str:
        return {"duckdb": str(self.folder / "x.duckdb"), "filesystem": str(self.folder / "lake")}.get(
            self.kind, self.url
        )

    def __truediv__(self, name: str) -> Path:
        """Return a folder of the dataset."""
        return self.folder / "lake" / "ds" / name

    def sql(self, *statements: str) -> None:
        """Run statements by hand, in the dataset."""
        if self.kind == "duckdb":
            with duckdb.connect(self.where) as db:
                db.execute("SET schema = 'ds'")
                for statement in statements:
                    db.execute(statement)
            return
        with psycopg.connect(self.url, autocommit=True, options="-c search_path=ds -c lock_timeout=5s") as db:
            for statement in statements:
                db.execute(statement)

    def pipeline(self) -> ladle.Pipeline:
        made = getattr(ladle.destinations, self.kind)(self.options.get("login", self.where))
        given = {k: v for k, v in self.options.items() if k != "login"}
        return ladle.pipeline(
            "p", self.folder / "work", destination=replace(made, **given), dataset_name="ds"
        )

    def load(self, rows: list[Row]) -> None:
        merges = isinstance(self.way, dict)
        key = {"primary_key": "id"} if merges else {}
        data = ladle.resource(rows, name="t", write_disposition=self.way, **key)
        self.pipeline().run(data, loader_file_format="jsonl" if self.kind == "filesystem" else None)

    def tables(self) -> content.Tables:
        return content.read(f"{self.kind}:{self.where}", "ds")

    def ids(self) -> list[int]:
        return sorted(row["id"] for row in self.tables().get("t", []) if row.get("id") is not None)

    def loads(self) -> int:
        return len(content.load_ids(self.tables()))


Act = Callable[[Place], Any]


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong.

    `spoil`: done after a first load. `remedy`: what the hint says. `heals`: the next load does without.
    `ids`: that are there in the end, after `loads` loads. `more`: columns of the second load's rows.
    """

    name: str
    spoil: Act
    remedy: Act | None = None
    kinds: tuple[str, ...] = ("duckdb", "postgres")
    ids: tuple[int, ...] = (1, 2, 3)
    way: Any = "append"
    more: Row = field(default_factory=dict)
    loads: int = 2

    @property
    def heals(self) -> bool:
        return self.remedy is None


def sql(*statements: str) -> Act:
    return lambda place: place.sql(*statements)


def login(user: str = "") -> Act:
    """Let loads go in as somebody else; nobody: as before."""

    def act(place: Place) -> None:
        place.options["login"] = (
            place.url.replace("//ladle:ladle@", f"//{user}:secret@") if user else place.url
        )

    return act


def guest(place: Place, *grants: str) -> None:
    """Let loads go in as a user who may look, and do what is granted."""
    place.sql(
        "DROP ROLE IF EXISTS guest",
        "CREATE ROLE guest LOGIN",
        "GRANT USAGE ON SCHEMA ds TO guest",
        *grants,
    )
    place.open.append(Undo(place, "DROP OWNED BY guest", "DROP ROLE guest"))
    login("guest")(place)


@dataclass(frozen=True)
class Undo:
    """Statements for the end of the test."""

    place: Place
    statements: tuple[str, ...]

    def __init__(self, place: Place, *statements: str) -> None:
        object.__setattr__(self, "place", place)
        object.__setattr__(self, "statements", statements)

    def close(self) -> None:
        self.place.sql(*self.statements)


def renamed(place: Place, before: str, after: str) -> None:
    with psycopg.connect(f"{place.url.rpartition('/')[0]}/postgres", autocommit=True) as db:
        db.execute(f'ALTER DATABASE "{before}" RENAME TO "{after}"')


def gone(place: Place) -> None:
    name = place.url.rpartition("/")[2]
    place.options["login"] = place.url
    renamed(place, name, f"{name}_"[-60:])
    place.url = f"{place.url}_"


def back(place: Place) -> None:
    name = place.url.rpartition("/")[2]
    renamed(place, name, name[:-1])
    place.url = place.url[:-1]


def lock(place: Place, table: str, mode: str = "ACCESS EXCLUSIVE") -> None:
    """Hold a lock in a session of its own."""
    place.options["lock_wait_s"] = 0.3
    session = psycopg.connect(place.url, options="-c search_path=ds -c application_name=by_hand")
    session.execute(f"LOCK TABLE {table} IN {mode} MODE")
    place.open.append(session)


def unlock(place: Place) -> None:
    place.open.pop().close()


def _held(path: str, held: Any, enough: Any) -> None:
    with duckdb.connect(path):
        held.set()
        enough.wait(60)


def hold(place: Place) -> None:
    """Have the file open in a process of its own."""
    place.options["lock_wait_s"] = 0.3
    held, enough = FORKS.Event(), FORKS.Event()
    process = start(_held, place.where, held, enough)
    assert held.wait(60)
    place.open.append(Holder(process, enough))


@dataclass(frozen=True)
class Holder:
    """A process that has the file open."""

    process: Any
    enough: Any

    def close(self) -> None:
        self.enough.set()
        assert ended(self.process) == 0


def let_go(place: Place) -> None:
    place.open.pop().close()


LARGE = {"v": os.urandom(1_500_000).hex()}


def small_disk(place: Place) -> None:
    """Move the table to a disk of 1 MB; root can make one."""
    folder = tempfile.mkdtemp(prefix="ladle-small-")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True
    ).returncode:
        os.rmdir(folder)
        pytest.skip("only root can mount a small disk")
    place.open.append(Disk(folder))
    shutil.chown(folder, "nobody")
    name = Path(folder).name
    place.open.append(Undo(place, f'DROP TABLESPACE "{name}"'))
    place.sql(f"CREATE TABLESPACE \"{name}\" LOCATION '{folder}'", f'ALTER TABLE t SET TABLESPACE "{name}"')


@dataclass(frozen=True)
class Disk:
    """A disk that is taken away at the end of the test."""

    folder: str

    def close(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)
        os.rmdir(self.folder)


def in_the_way(folder: Path) -> None:
    folder.rename(folder.with_name("_aside"))
    folder.write_text("not a folder")


def out_of_the_way(folder: Path) -> None:
    folder.unlink()
    folder.with_name("_aside").rename(folder)


def spoil_file(folder: Path) -> None:
    (path,) = folder.iterdir()
    shutil.copy(path, folder.parent / "_aside")
    path.write_text("{")


def restore_file(folder: Path) -> None:
    (path,) = folder.iterdir()
    (folder.parent / "_aside").rename(path)


def deleted(folder: Path) -> None:
    shutil.rmtree(folder)


UPSERT = {"disposition": "merge", "strategy": "upsert"}

CASES = (
    # -- a table that was changed by hand
    Case("a column was dropped", sql("ALTER TABLE t DROP COLUMN v")),
    Case("a column was renamed", sql("ALTER TABLE t RENAME COLUMN v TO w")),
    Case("the table was dropped", sql("DROP TABLE t"), ids=(2, 3)),
    Case("a table of lists was dropped", sql("DROP TABLE t__tags")),
    Case(
        "a column has another type",
        sql("ALTER TABLE t ALTER COLUMN n TYPE varchar"),
        sql(
            "ALTER TABLE t DROP COLUMN n",
            "ALTER TABLE t ADD COLUMN n bigint",
        ),
    ),
    Case(
        "a column has another type, and rows are merged",
        sql("ALTER TABLE t ALTER COLUMN n TYPE varchar"),
        sql(
            "ALTER TABLE t DROP COLUMN n",
            "ALTER TABLE t ADD COLUMN n bigint",
        ),
        way=UPSERT,
    ),
    Case(
        "a value is out of range",
        sql("ALTER TABLE t ALTER COLUMN n TYPE smallint"),
        sql("ALTER TABLE t ALTER COLUMN n TYPE bigint"),
    ),
    Case(
        "a column that may not be null was added",
        sql(
            "ALTER TABLE t ADD COLUMN extra bigint DEFAULT 0",
            "ALTER TABLE t ALTER COLUMN extra SET NOT NULL",
            "ALTER TABLE t ALTER COLUMN extra DROP DEFAULT",
        ),
        sql("ALTER TABLE t ALTER COLUMN extra DROP NOT NULL"),
    ),
    Case(
        "a unique index was added",
        sql("CREATE UNIQUE INDEX one_v ON t (v)"),
        sql("DROP INDEX one_v"),
    ),
    Case(
        "a view stands where the table was",
        sql("ALTER TABLE t RENAME TO t_old", "CREATE VIEW t AS SELECT * FROM t_old"),
        sql("DROP VIEW t", "ALTER TABLE t_old RENAME TO t"),
    ),
    Case(
        "a view stands where the table was, and rows are merged",
        sql("ALTER TABLE t RENAME TO t_old", "CREATE VIEW t AS SELECT * FROM t_old LIMIT 5"),
        sql("DROP VIEW t", "ALTER TABLE t_old RENAME TO t"),
        way=UPSERT,
    ),
    # -- who may do what
    Case("the login is unknown", login("nobody"), login(), kinds=("postgres",)),
    Case("the database is gone", lambda place: gone(place), lambda place: back(place), kinds=("postgres",)),
    Case(
        "no permission to change a table",
        lambda place: guest(place, "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ds TO guest"),
        login(),
        kinds=("postgres",),
        more={"brand_new": 1},
    ),
    Case(
        "no permission to make a table",
        lambda place: guest(place, "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ds TO guest"),
        sql("GRANT CREATE ON SCHEMA ds TO guest"),
        kinds=("postgres",),
        more={"parts": [{"k": 1}]},
    ),
    Case(
        "no permission to insert",
        lambda place: guest(place, "GRANT SELECT ON ALL TABLES IN SCHEMA ds TO guest"),
        sql("GRANT INSERT ON ALL TABLES IN SCHEMA ds TO guest"),
        kinds=("postgres",),
    ),
    # -- somebody else is there
    Case("another session holds a lock", lambda place: lock(place, "t"), unlock, kinds=("postgres",)),
    Case(
        "another session holds a lock, and rows are merged",
        lambda place: lock(place, "t"),
        unlock,
        kinds=("postgres",),
        way=UPSERT,
    ),
    Case(
        "another session holds a lock on the loads",
        lambda place: lock(place, "_dlt_loads"),
        unlock,
        kinds=("postgres",),
    ),
    Case(
        "another session reads, and a column has to be added",
        lambda place: lock(place, "t", "ACCESS SHARE"),
        unlock,
        kinds=("postgres",),
        more={"brand_new": 1},
    ),
    Case(
        "its disk is full",
        small_disk,
        sql("ALTER TABLE t SET TABLESPACE pg_default"),
        kinds=("postgres",),
        more=LARGE,
    ),
    Case("another process has the file", hold, let_go, kinds=("duckdb",)),
    # -- files
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


def cases() -> Iterator[Any]:
    for case in CASES:
        for kind in case.kinds:
            marks = [pytest.mark.slow] if case.name in _SLOW else []
            yield pytest.param(kind, case, id=f"{kind}-{case.name.replace(' ', '_')}", marks=marks)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind = request.param
    url = ""
    if kind == "postgres":
        server = request.getfixturevalue("postgres_url")
        name = f"bad_{tmp_path.name}"[:60]
        with psycopg.connect(server, autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}"')
        url = f"{server.rpartition('/')[0]}/{name}"
    made = Place(kind, tmp_path, url)
    yield made
    for session in reversed(made.open):
        session.close()
    if kind == "postgres":
        with psycopg.connect(server, autocommit=True) as db:
            db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


MESSAGES: dict[str, str] = {}


def plain(text: str, place: Place) -> str:
    """Return a message without what is another in each run."""
    database = place.url.rpartition("/")[2] or "<database>"
    text = text.replace(place.where, "<place>").replace(str(place.folder), "<folder>")
    text = text.replace(database.rstrip("_"), "<database>").replace("<database>_", "<database>")
    text = re.sub(r"(load_id=`|load `|package `|for load )[\d.]+", r"\1<load>", text)
    text = re.sub(r"(process |terminate_backend\()\d+", r"\1<pid>", text)
    text = re.sub(r"another process \(.+?\)", "another process (<pid>, <program>)", text)
    text = re.sub(r"pg_tblspc/[^\"]+", "pg_tblspc/<file>", text)
    text = re.sub(r"p__[\d.]+__[0-9a-f]+", "p__<time>__<hash>", text)
    return re.sub(r"(127\.0\.0\.1:|port )\d+", r"\1<port>", text)


def checked(name: str, error: LadleError, place: Place) -> None:
    """Check the form of a message, and that it is the one that is kept."""
    lines = str(error).splitlines()
    assert len(lines) <= 4, str(error)
    assert error.hint, str(error)
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


# -- a line that breaks while rows are merged; while they are appended: test_postgres_faults.py

_POINTS = {
    "before the rows that wait": b"CREATE TEMPORARY",
    "before the lock": b"LOCK TABLE",
    "before the merge": b"UPDATE ",
    "before the lists": b"DELETE FROM",
}


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "point",
    [pytest.param(p, marks=[] if p == "before the merge" else [pytest.mark.slow]) for p in _POINTS],
)
def test_a_line_that_breaks_while_rows_are_merged_loses_and_repeats_nothing(place: Place, point: str) -> None:
    place.way = UPSERT
    place.load(FIRST)

    def matches(kind: bytes, payload: bytes) -> bool:
        return payload.startswith(_POINTS[point])

    with line(place.url, once(matches, CUT)) as (proxy, url):
        place.options |= {"login": url, "fence_wait_s": 0.1}
        place.load([*FIRST, *SECOND])  # tried again at once
        assert proxy.cuts == 1
    assert (place.ids(), place.loads()) == ([1, 2, 3], 2)
    assert len(place.tables()["t__tags"]) == 2
