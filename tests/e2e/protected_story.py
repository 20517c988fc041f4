"""A source full of values that must not be written anywhere, and where to look for them."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

import ladle
from ladle.events import Durable, Event

KEY = "an-0dd-k3y-for-tests"
CANARY = "c4n4ry"
NUMBER = 987654321012345
MAIL = f"{CANARY}@secret.example"
SECRETS = (CANARY, str(NUMBER), "YzRuNHJ5", KEY)
BYTES = (struct.pack("<q", NUMBER), struct.pack("<d", float(NUMBER)))
DATASET = "people_data"


@dataclass(frozen=True)
class Job:
    """One process's order: `kill_at` is the durable step to die at."""

    folder: Path
    destination: str
    action: str
    kill_at: int | None = None


def place(destination: str) -> Any:
    kind, _, where = destination.partition(":")
    return getattr(ladle.destinations, kind)(where)


def people(action: str, folder: Path) -> Any:
    """Return resources in which each kind of value stands in a protected column, and some beside it."""
    hints = {"protect": action}
    names = ["mail", "age", "born", "person", "phones", "doc", "note", "user__mail", "blob"]
    columns = {name: dict(hints) for name in names}
    columns["mail"] |= {"tags": {"pii": "email"}, "description": "Where to write to"}
    columns["doc"] |= {"data_type": "json"}
    nested = {
        "mails": {"columns": {"value": hints}},
        "orders": {"columns": {"note": hints}},
        ("orders", "lines"): {"columns": {"text": hints}},
    }
    rows = [
        {
            "id": i,
            "Mail": MAIL,
            "age": NUMBER,
            "born": f"1970-01-01 {CANARY}",
            "person": {"name": CANARY, "ids": [NUMBER, {"x": CANARY}]},
            "phones": [CANARY, NUMBER],
            "doc": {"a": [CANARY, {"b": NUMBER}]},
            "note": [CANARY, float(NUMBER), {"n": CANARY}, Decimal(NUMBER), None][i % 5],
            "user": [{"mail": CANARY, "city": "x"}, [{"mail": CANARY}]][i % 2],
            "blob": CANARY.encode(),
            "mails": [[MAIL, None, {"x": CANARY}], MAIL, {"x": CANARY}][i % 3],
            "orders": [{"n": i, "note": CANARY, "lines": [{"text": CANARY, "q": 1}, {"text": NUMBER}]}],
        }
        for i in range(60)
    ]
    rows[7]["mail"] = CANARY + " spelt otherwise"
    table = pa.table(
        {
            "id": range(50),
            "mail": pa.array([MAIL] * 50).dictionary_encode(),
            "age": pa.array([NUMBER] * 50, pa.uint64()),
            "person": [{"name": CANARY}] * 50,
        }
    )
    flat = table.set_column(1, "mail", table["mail"].cast(pa.string())).drop_columns(["person"])
    pyarrow.parquet.write_table(flat, folder / "flat.parquet")
    pyarrow.csv.write_csv(flat, folder / "flat.csv")

    @ladle.resource(columns=columns, nested_hints=nested, tags={"owner": "crm"})
    def customers() -> Iterator[Any]:
        yield from rows
        yield rows[:20]

    @ladle.resource(columns=columns)
    def frames() -> Iterator[Any]:
        yield table
        yield ladle.mark.with_file_import(folder / "flat.parquet", "parquet")
        yield ladle.mark.with_file_import(folder / "flat.csv", "csv")

    @ladle.resource(columns=columns)
    def passing() -> Iterator[Any]:
        yield flat

    @ladle.resource(max_table_nesting=0, columns=columns, nested_hints=nested)
    def kept_whole() -> Iterator[Any]:
        yield rows[:30]

    @ladle.resource(table_name=lambda row: f"kind_{row['id'] % 2}", columns=columns)
    def dynamic() -> Iterator[Any]:
        yield [{k: row[k] for k in ("id", "Mail", "age", "person")} for row in rows[:10]]
        hints = ladle.mark.make_hints(table_name="late", columns={"secret": {"protect": action}})
        yield ladle.mark.with_hints({"id": 1, "Secret": CANARY}, hints, create_table_variant=True)

    @ladle.source(name="people", tags={"domain": "sales"})
    def source() -> Any:
        return customers, frames, passing, kept_whole, dynamic

    return source()


def pipeline(job: Job, progress: Any = None) -> ladle.Pipeline:
    os.environ["GOVERNANCE__PII_KEY"] = KEY
    work = job.folder / "work"
    return ladle.pipeline(
        "people", work, destination=place(job.destination), dataset_name=DATASET, progress=progress
    )


def live(job: Job) -> None:
    """Run in a process of its own, and die at a durable step."""
    seen = []

    def hook(event: Event) -> None:
        if isinstance(event, Durable):
            seen.append(event)
            if len(seen) == job.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    pipeline(job, hook).run(people(job.action, job.folder))


def leaks(data: bytes) -> list[str]:
    return [s for s in SECRETS if s.encode() in data] + [repr(b) for b in BYTES if b in data]


def read_whole(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, and those of the batches in it, uncompressed, where it is Arrow's: as far as it goes."""
    yield path.read_bytes()
    if path.suffix != ".arrows":
        return
    try:
        with pa.ipc.open_stream(path) as reader:
            for batch in reader:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, batch.schema) as writer:
                    writer.write_batch(batch)
                yield sink.getvalue().to_pybytes()
    except (pa.ArrowInvalid, OSError):
        return  # a process died while it wrote


def scan(folder: Path, seen: set[Any] | None = None) -> int:
    """Look through all files of a folder, those that are as `seen` passed over; return how many were looked at."""
    count = 0
    for path in sorted(folder.rglob("*")):
        try:
            status = path.stat()
            state = (path, status.st_size, status.st_mtime_ns)
            if not path.is_file() or (seen is not None and state in seen):
                continue
            for data in read_whole(path):
                count += 1
                assert not leaks(data), (path, leaks(data))
        except FileNotFoundError:
            continue  # moved or deleted meanwhile
        if seen is not None:
            seen.add(state)
    return count
