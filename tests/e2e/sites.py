"""Where a victim works: its folder and destination, which can be copied to start again from there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg
from tests.e2e import content
from tests.e2e.forks import call, error_of
from tests.e2e.victim import DATASET, PIPELINE, Job, main


@dataclass(frozen=True)
class Site:
    """A working folder and a destination beside it; on Postgres a database named after the folder.

    `server`: URL of the Postgres server, with its database `postgres`.
    """

    kind: str
    folder: Path
    server: str = ""

    @property
    def destination(self) -> str:
        """The destination as `kind:place`."""
        if self.kind == "postgres":
            return f"postgres:{self.server.rpartition('/')[0]}/{self.folder.name}"
        return f"{self.kind}:{self.folder / {'duckdb': 'x.duckdb', 'filesystem': 'lake'}[self.kind]}"

    def made(self) -> Site:
        """Make the folder and an empty destination."""
        self.folder.mkdir()
        self._create("template1")
        return self

    def copied(self, folder: Path) -> Site:
        """Copy both."""
        copy = Site(self.kind, folder, self.server)
        shutil.copytree(self.folder, folder)
        copy._create(self.folder.name)
        return copy

    def _create(self, template: str) -> None:
        if self.kind == "postgres":
            with psycopg.connect(self.server, autocommit=True) as db:
                db.execute(f'CREATE DATABASE "{self.folder.name}" TEMPLATE "{template}"')

    def removed(self) -> None:
        """Remove both."""
        if self.kind == "postgres":
            with psycopg.connect(self.server, autocommit=True) as db:
                db.execute(f'DROP DATABASE "{self.folder.name}" WITH (FORCE)')
        shutil.rmtree(self.folder)

    def job(self, runs: int, kill_at: int | None = None, finish_first: bool = False) -> Job:
        """Return an order for a process that works here."""
        return Job(self.folder, self.destination, runs, kill_at, finish_first)

    def finish(self, runs: int, finish_first: bool = False) -> None:
        """Let a process that isn't killed bring `runs` runs to an end."""
        code = call(main, self.job(runs, finish_first=finish_first))
        assert code == 0, error_of(self.folder)

    def tables(self) -> content.Tables:
        """Read what was loaded."""
        return content.read(self.destination, DATASET)

    def left_over(self) -> list[str]:
        """Return what a finished pipeline has no use for in its working folder."""
        packages = self.folder / "work" / PIPELINE / "packages"
        return sorted(str(p.relative_to(packages)) for p in packages.rglob("*")) if packages.exists() else []
