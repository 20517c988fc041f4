"""Where a victim works: its folder and destination, which can be copied to start again from there."""

from __future__ import annotations

import importlib
import json
import shutil
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
from tests.e2e import content
from tests.e2e.forks import call, error_of
from tests.e2e.victim import DATASET, PIPELINE, Job, main


@dataclass(frozen=True)
class Steps:
    """The durable steps of a run in order: `before x` or `after x`, with a digest of what a kill would leave."""

    seen: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.seen]

    def number(self, name: str) -> int:
        """Return the number of the first step of that name, from 1."""
        return self.names.index(name) + 1

    def all(self) -> list[int]:
        """Return the numbers of all steps."""
        return list(range(1, len(self.seen) + 1))

    def distinct(self) -> list[int]:
        """Return the number of the last step for each state that a killed process leaves.

        Where files and server are the same at the next one, nothing happened in between that survives it.
        """
        left = [digest for _, digest in self.seen]
        return [i for i in self.all() if i == len(left) or left[i - 1] != left[i]]


SERVED = ("postgres", "sqlalchemy")
"""Kinds of destinations that are on the Postgres server."""


@dataclass(frozen=True)
class Site:
    """A working folder and a destination beside it; on Postgres and MySQL a database named after the folder.

    `server`: URL of the server, of Postgres with its database `postgres`. `ahead`: loads begin while extract goes on.
    `in_files`: ready rows go to files, as those of large packages do. `story`: the module that says what is loaded,
    see `Job`.
    """

    kind: str
    folder: Path
    server: str = ""
    ahead: bool = False
    in_files: bool = False
    story: str = Job.story

    @property
    def destination(self) -> str:
        """The destination as `kind:place`."""
        if self.kind in SERVED:
            server = self.server.rpartition("/")[0]
            if self.kind == "sqlalchemy":
                server = server.replace("postgresql:", "postgresql+psycopg:", 1)
            return f"{self.kind}:{server}/{self.folder.name}"
        if self.kind == "mysql":
            return f"mysql:{self.server}{self.database}"
        names = {"duckdb": "x.duckdb", "filesystem": "lake", "sqlite": "x.db"}
        return f"{self.kind}:{self.folder / names[self.kind]}"

    @property
    def database(self) -> str:
        """Its name on MySQL: that of a dataset, so one that stays as it is."""
        return f"at_{zlib.crc32(self.folder.name.encode())}"

    def made(self) -> Site:
        """Make the folder and an empty destination."""
        self.folder.mkdir()
        self._create(None)
        return self

    def copied(self, folder: Path) -> Site:
        """Copy both."""
        copy = replace(self, folder=folder)
        shutil.copytree(self.folder, folder)
        copy._create(self.folder.name)
        return copy

    def _create(self, template: str | None) -> None:
        if self.kind in SERVED:
            with psycopg.connect(self.server, autocommit=True) as db:
                db.execute(f'CREATE DATABASE "{self.folder.name}" TEMPLATE "{template or "template1"}"')
        if self.kind == "mysql" and template is not None:
            old_name = replace(self, folder=self.folder.with_name(template)).database
            find = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{old_name}'"
            statements = [f"CREATE DATABASE {self.database}"]
            for (name,) in self._on_mysql(find):
                new, old = f"{self.database}.`{name}`", f"{old_name}.`{name}`"
                statements += [f"CREATE TABLE {new} LIKE {old}", f"INSERT INTO {new} SELECT * FROM {old}"]
            self._on_mysql(*statements)

    def _on_mysql(self, *statements: str) -> list[tuple[Any, ...]]:
        url = urlsplit(self.server)
        at = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password}
        with pymysql.connect(**at, autocommit=True) as db, db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def removed(self) -> None:
        """Remove both."""
        if self.kind in SERVED:
            with psycopg.connect(self.server, autocommit=True) as db:
                db.execute(f'DROP DATABASE "{self.folder.name}" WITH (FORCE)')
        if self.kind == "mysql":
            self._on_mysql(f"DROP DATABASE IF EXISTS {self.database}")
        shutil.rmtree(self.folder)

    def job(self, runs: int, kill_at: int | None = None, finish_first: bool = False) -> Job:
        """Return an order for a process that works here."""
        return Job(
            self.folder,
            self.destination,
            runs,
            kill_at,
            finish_first,
            ahead=self.ahead,
            in_files=self.in_files,
            story=self.story,
        )

    def finish(self, runs: int, finish_first: bool = False) -> None:
        """Let a process that isn't killed bring `runs` runs to an end."""
        code = call(main, self.job(runs, finish_first=finish_first))
        assert code == 0, error_of(self.folder)

    def watch(self, runs: int) -> Steps:
        """As `finish`; returns the durable steps that it took."""
        code = call(main, replace(self.job(runs), watched=True))
        assert code == 0, error_of(self.folder)
        return Steps(tuple(map(tuple, json.loads((self.folder / "seen.json").read_text()))))

    @property
    def runs(self) -> int:
        """How many runs its story has."""
        return len(self._story.RUNS)

    @property
    def _story(self) -> Any:
        return importlib.import_module(self.story)

    def check(self, finished: bool) -> None:
        """Check what its story says must hold at any moment.

        `finished`: nothing is under way; until then, tables of files need not agree with each other, nor those of
        other kinds that the story names in `LOOSE`.
        """
        self.check_tables(self.tables(), finished)

    def check_tables(self, tables: content.Tables, finished: bool) -> None:
        """As `check`, of tables that were read."""
        loose = ("filesystem", *getattr(self._story, "LOOSE", ()))
        self._story.check(tables, finished or self.kind not in loose)

    def tables(self) -> content.Tables:
        """Read what was loaded."""
        return content.read(self.destination, DATASET)

    def left_over(self) -> list[str]:
        """Return what a finished pipeline has no use for in its working folder."""
        packages = self.folder / "work" / PIPELINE / "packages"
        return sorted(str(p.relative_to(packages)) for p in packages.rglob("*")) if packages.exists() else []
