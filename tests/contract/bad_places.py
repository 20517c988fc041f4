"""Destinations that are really there, and what may go wrong with them: for the table of `test_bad_input.py`."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pymysql
import pytest
from tests.contract.reading import mysql_arguments
from tests.e2e import content
from tests.e2e.forks import FORKS, ended, start

import ladle

Row = dict[str, Any]
SERVED = ("postgres", "sqlalchemy")
"""Kinds that have a database of their own in Postgres."""
_PATIENCE = "options=-c%20lock_timeout%3D300"


class Place:
    """A destination that is really there, and a way to work on it by hand.

    `url`: of the server. `dataset`: a name of its own on MariaDB, where it is a database.
    """

    def __init__(self, kind: str, folder: Path, url: str = "", dataset: str = "ds") -> None:
        self.kind, self.folder, self.url, self.dataset = kind, folder, url, dataset
        self.way: Any = "append"
        self.options: dict[str, Any] = {}
        self.open: list[Any] = []

    @property
    def where(self) -> str:
        names = {"duckdb": "x.duckdb", "filesystem": "lake", "sqlite": "x.db"}
        return str(self.folder / names[self.kind]) if self.kind in names else self.url

    @property
    def file(self) -> Path:
        """The file of the dataset, on SQLite."""
        return self.folder / "x__ds.db"

    def __truediv__(self, name: str) -> Path:
        """Return a folder of the dataset."""
        return self.folder / "lake" / "ds" / name

    def sql(self, *statements: str) -> None:
        """Run statements by hand, in the dataset."""
        with closing(self.session()) as session:
            for statement in statements:
                session.execute(statement)

    def session(self) -> Any:
        """Return a session of its own in the dataset."""
        if self.kind == "duckdb":
            db = duckdb.connect(self.where)
            db.execute("SET schema = 'ds'")
            return db
        if self.kind == "sqlite":
            return sqlite3.connect(self.file, isolation_level=None)
        if self.kind == "mysql":
            return _MySql(self.url, self.dataset)
        return psycopg.connect(
            self.url,
            autocommit=True,
            options="-c search_path=ds -c lock_timeout=5s -c application_name=by_hand",
        )

    def pipeline(self) -> ladle.Pipeline:
        login = self.options.get("login", self.where)
        given = {k: v for k, v in self.options.items() if k != "login"}
        if self.kind == "sqlalchemy":
            # it has no patience of its own to set
            given.pop("lock_wait_s", None)
            url = login.replace("postgresql:", "postgresql+psycopg:", 1)
            made = ladle.destinations.sqlalchemy(
                f"{url}{'&' if '?' in url else '?'}{_PATIENCE}", generic=True
            )
        else:
            made = getattr(ladle.destinations, self.kind)(login)
        return ladle.pipeline(
            "p", self.folder / "work", destination=replace(made, **given), dataset_name=self.dataset
        )

    def load(self, rows: list[Row]) -> None:
        merges = isinstance(self.way, dict)
        key = {"primary_key": "id"} if merges else {}
        data = ladle.resource(rows, name="t", write_disposition=self.way, **key)
        self.pipeline().run(data, loader_file_format="jsonl" if self.kind == "filesystem" else None)

    def tables(self) -> content.Tables:
        place = f"{self.where}{self.dataset}" if self.kind == "mysql" else self.where
        return content.read(f"{self.kind}:{place}", self.dataset)

    def ids(self) -> list[int]:
        return sorted(row["id"] for row in self.tables().get("t", []) if row.get("id") is not None)

    def loads(self) -> int:
        return len(content.load_ids(self.tables()))


class _MySql:
    """A session by hand on MariaDB."""

    def __init__(self, url: str, dataset: str) -> None:
        self._db = pymysql.connect(**mysql_arguments(url), autocommit=True)
        self.execute(
            "SET lock_wait_timeout = 5", f"CREATE DATABASE IF NOT EXISTS {dataset}", f"USE {dataset}"
        )

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        with self._db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def close(self) -> None:
        self._db.close()


Act = Callable[[Place], Any]


def sql(*statements: str, **others: tuple[str, ...]) -> Act:
    """Return an act that runs statements by hand; `others` by kind."""
    return lambda place: place.sql(*others.get(place.kind, statements))


def retyped(sql_type: str) -> Act:
    """Return an act that gives the column `n` another type, keeping what is in it."""

    def act(place: Place) -> None:
        if place.kind == "mysql":
            place.sql(f"ALTER TABLE t MODIFY COLUMN n {sql_type}")
        elif place.kind == "sqlite":
            place.sql(
                f"ALTER TABLE t ADD COLUMN other {sql_type}",
                "UPDATE t SET other = n",
                "ALTER TABLE t DROP COLUMN n",
                "ALTER TABLE t RENAME COLUMN other TO n",
            )
        else:
            place.sql(f"ALTER TABLE t ALTER COLUMN n TYPE {sql_type}")

    return act


def needed_column(place: Place) -> None:
    """Add a column that may not be null and has no default."""
    if place.kind == "sqlite":
        with closing(place.session()) as db:
            [(made,)] = db.execute("SELECT sql FROM sqlite_master WHERE name = 't'")
            db.execute(made.replace('"t" (', '"t_new" (extra BIGINT NOT NULL, ', 1))
            db.execute("INSERT INTO t_new SELECT 0, * FROM t")
        place.sql("DROP TABLE t", "ALTER TABLE t_new RENAME TO t")
        return
    place.sql("ALTER TABLE t ADD COLUMN extra bigint DEFAULT 0")
    if place.kind == "mysql":
        place.sql("ALTER TABLE t MODIFY COLUMN extra bigint NOT NULL")
        return
    place.sql(
        "ALTER TABLE t ALTER COLUMN extra SET NOT NULL", "ALTER TABLE t ALTER COLUMN extra DROP DEFAULT"
    )


VIEW = sql("ALTER TABLE t RENAME TO t_old", "CREATE VIEW t AS SELECT * FROM t_old LIMIT 5")
NO_VIEW = sql("DROP VIEW t", "ALTER TABLE t_old RENAME TO t")


# -- who may do what


def login(user: str = "") -> Act:
    """Let loads go in as somebody else; nobody: as before."""

    def act(place: Place) -> None:
        place.options["login"] = (
            place.url.replace("//ladle:ladle@", f"//{user}:secret@") if user else place.url
        )

    return act


def grant(rights: str) -> Act:
    """Return an act that lets loads go in as a user who has some rights on the dataset's tables."""

    def act(place: Place) -> None:
        if place.kind == "mysql":
            place.sql("DROP USER IF EXISTS guest", "CREATE USER guest@'%' IDENTIFIED BY 'secret'")
            place.sql(f"GRANT {rights} ON {place.dataset}.* TO guest@'%'")
            place.open.append(Undo(place, "DROP USER guest"))
        else:
            place.sql(
                "DROP ROLE IF EXISTS guest",
                "CREATE ROLE guest LOGIN",
                "GRANT USAGE ON SCHEMA ds TO guest",
                f"GRANT {rights} ON ALL TABLES IN SCHEMA ds TO guest",
            )
            place.open.append(Undo(place, "DROP OWNED BY guest", "DROP ROLE guest"))
        login("guest")(place)

    return act


def more_rights(right: str, on: str) -> Act:
    """Return an act that grants the guest one more right; `on`: what, on Postgres."""
    return lambda place: place.sql(
        f"GRANT {right} ON {place.dataset}.* TO guest@'%'"
        if place.kind == "mysql"
        else f"GRANT {right} ON {on} TO guest"
    )


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


def _renamed(place: Place, before: str, after: str) -> None:
    with psycopg.connect(f"{place.url.rpartition('/')[0]}/postgres", autocommit=True) as db:
        db.execute(f'ALTER DATABASE "{before}" RENAME TO "{after}"')


def gone(place: Place) -> None:
    """Take away the database of the credentials."""
    if place.kind == "mysql":
        place.options["login"] = f"{place.url}nowhere"
        return
    name = place.url.rpartition("/")[2]
    place.options["login"] = place.url
    _renamed(place, name, f"{name}_"[-60:])
    place.url = f"{place.url}_"


def back(place: Place) -> None:
    """Bring it back."""
    if place.kind == "mysql":
        place.options.pop("login")
        return
    name = place.url.rpartition("/")[2]
    _renamed(place, name, name[:-1])
    place.url = place.url[:-1]


def read_only(place: Place) -> None:
    """Take away the right to write the folder of the file; root keeps it otherwise."""
    folder = str(place.folder)
    if os.geteuid():
        for path in (place.file, place.folder):
            path.chmod(path.stat().st_mode & 0o555)
        return
    # the working folder of the pipeline is in it
    place.file.rename(_aside(place) / place.file.name)
    place.file.symlink_to(_aside(place) / place.file.name)
    folder = str(_aside(place))
    commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
    for command in commands:
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("root can't make a folder that is only read here")
    place.open.append(Disk(folder))


def writable(place: Place) -> None:
    """Give the right back."""
    if os.geteuid():
        for path in (place.file, place.folder):
            path.chmod(path.stat().st_mode | 0o200)
        return
    subprocess.run(["mount", "-o", "remount,rw,bind", str(_aside(place))], check=True)


def _aside(place: Place) -> Path:
    folder = place.folder / "aside"
    folder.mkdir(exist_ok=True)
    return folder


# -- somebody else is there


def lock(table: str, mode: str = "ACCESS EXCLUSIVE") -> Act:
    """Return an act that holds a lock in a session of its own: of a table, or where it is SQLite of the file."""

    def act(place: Place) -> None:
        place.options["lock_wait_s"] = 0.3
        session = place.session()
        if place.kind == "sqlite":
            session.execute("BEGIN IMMEDIATE")
        elif place.kind == "mysql":
            session.execute("BEGIN", f"SELECT * FROM {table} FOR UPDATE")
        else:
            session.execute("BEGIN")
            session.execute(f"LOCK TABLE {table} IN {mode} MODE")
        place.open.append(session)

    return act


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


# -- disks

LARGE = {"v": os.urandom(1_500_000).hex()}


def small_disk(place: Place) -> None:
    """Move the table, or SQLite's file, to a disk of 1 MB; root can make one."""
    folder = tempfile.mkdtemp(prefix="ladle-small-")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True
    ).returncode:
        os.rmdir(folder)
        pytest.skip("only root can mount a small disk")
    place.open.append(Disk(folder, made=True))
    if place.kind == "sqlite":
        shutil.move(place.file, f"{folder}/x.db")
        place.file.symlink_to(f"{folder}/x.db")
        return
    shutil.chown(folder, "nobody")
    name = Path(folder).name
    place.open.append(Undo(place, f'DROP TABLESPACE "{name}"'))
    place.sql(f"CREATE TABLESPACE \"{name}\" LOCATION '{folder}'", f'ALTER TABLE t SET TABLESPACE "{name}"')


def large_disk(place: Place) -> None:
    """Move it back."""
    if place.kind == "sqlite":
        real = os.path.realpath(place.file)
        place.file.unlink()
        shutil.move(real, place.file)
    else:
        place.sql("ALTER TABLE t SET TABLESPACE pg_default")


@dataclass(frozen=True)
class Disk:
    """A disk that is taken away at the end of the test."""

    folder: str
    made: bool = False

    def close(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)
        if self.made:
            os.rmdir(self.folder)


# -- files


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


def no_database(place: Place) -> None:
    """Put another file where SQLite's was."""
    place.file.rename(place.file.with_name("_aside"))
    place.file.write_text("a text, and no database at all\n" * 100)


def database_again(place: Place) -> None:
    place.file.with_name("_aside").rename(place.file)


def deleted(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
