"""The two sides: a batch of documents through the reference in its own process, one through ladle in ours."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.parity.dataset import Dataset, read, read_from
from tests.parity.documents import TABLE, Document

DATASET = "parity"
PROCESSES = min(2, os.cpu_count() or 1)
SCRIPT = Path(__file__).with_name("reference.py")


@dataclass(frozen=True)
class ReferenceRun:
    """Where the reference left a batch: a database per document, and the error of each load that failed."""

    databases: Mapping[str, Path]
    errors: Mapping[str, str | None]

    def dataset(self, document: Document) -> Dataset:
        """Read back what the reference made of a document."""
        return read(self.databases[document.id], DATASET, self.errors[document.id])


def run_reference(python: Path, documents: Iterable[Document], folder: Path) -> ReferenceRun:
    """Load all documents with the reference, once per folder however many test processes ask for it.

    Whoever comes first runs the batch, in `PROCESSES` processes; the others wait for the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = sorted(documents, key=lambda document: document.id)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _run_batch(python, [_job(d, number, folder) for number, d in enumerate(documents)], folder)
            (folder / "done").touch()
    lines = [line for file in folder.glob("results-*") for line in file.read_text().splitlines()]
    errors = {result["id"]: result["error"] for result in map(json.loads, lines)}
    return ReferenceRun({d.id: folder / f"{n}.duckdb" for n, d in enumerate(documents)}, errors)


def load_with_ladle(document: Document, records: Sequence[Any], folder: Path) -> Dataset:
    """Load records with ladle into a new DuckDB and read it back; a failed load is its error.

    It is in memory: a file is opened, written and closed twice for each load, which other tests look at.
    """
    import duckdb

    import ladle

    with duckdb.connect() as connection:
        pipeline = ladle.pipeline(
            "parity",
            destination=ladle.destinations.duckdb(connection),
            dataset_name=DATASET,
            pipelines_dir=str(folder / "pipelines"),
        )
        try:
            pipeline.run(ladle.resource(records, name=TABLE, **document.options))
        except Exception as error:
            return Dataset(error=f"{type(error).__name__}: {error}")
        return read_from(connection, DATASET)


def _job(document: Document, number: int, folder: Path) -> dict[str, Any]:
    rows = folder / f"{number}.json"
    rows.write_text(json.dumps(document.sample()))
    database = str(folder / f"{number}.duckdb")
    names = {"id": document.id, "rows": str(rows), "table": TABLE, "database": database, "dataset": DATASET}
    return {**names, "options": dict(document.options)}


def _run_batch(python: Path, jobs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Share the jobs out, the largest first, so that all processes end at about the same time."""
    by_size = sorted(jobs, key=lambda job: Path(job["rows"]).stat().st_size, reverse=True)
    shares = list(zip_longest(*[iter(by_size)] * PROCESSES))
    running = []
    for number, share in enumerate(zip(*shares, strict=True)):
        jobs_file = folder / f"jobs-{number}"
        jobs_file.write_text("".join(json.dumps(job) + "\n" for job in share if job is not None))
        command = [str(python), str(SCRIPT), str(jobs_file), str(folder / f"results-{number}")]
        running.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)
        )
    for process in running:
        _, stderr = process.communicate()
        assert process.returncode == 0, f"the reference's process failed: {stderr.decode()[-2000:]}"
