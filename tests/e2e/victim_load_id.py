"""A run whose package gets the load id of somebody else's load; the process is killed at one of its steps."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import ladle
from ladle.destinations.base import LoadRecord
from ladle.events import Durable
from ladle.package import store
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema

ID = "1795401053.1234567"
VALUES = [1, 2, 3]


def destination(kind: str, root: Path) -> Any:
    return getattr(ladle.destinations, kind)(str(root / f"x.{kind}"))


def pipeline(kind: str, root: Path, progress: Any = None) -> Any:
    options = {"destination": destination(kind, root), "dataset_name": "ds", "progress": progress}
    return ladle.pipeline("p", root / "pipelines", **options)


def commit_another(kind: str, root: Path) -> None:
    """Commit a load with the id, of another schema."""
    session = destination(kind, root).bound("p").open("ds")
    session.begin(LoadRecord(ID, Schema("theirs").bumped(None).to_dict(), "another", None, inserted_at=1.5))
    session.apply([AddTable(table) for table in SYSTEM_TABLE_MAP.values()])
    session.commit()
    session.close()


def run(kind: str, root: Path, kill: int, recovers: bool) -> None:
    """Load, or finish what is pending, up to the durable step `kill`, in a process of its own.

    Each step is noted in `steps` before; the first package gets the load id that is taken.
    """
    count, real, planned = 0, store._load_id, [] if recovers else [ID]
    store._load_id = lambda now_s: planned.pop(0) if planned else real(now_s)
    with (root / "steps").open("a") as steps:

        def watch(event: Any) -> None:
            nonlocal count
            if isinstance(event, Durable):
                count += 1
                steps.write(f"{'after' if event.done else 'before'} {event.name}\n")
                steps.flush()
                if count == kill:
                    os.kill(os.getpid(), signal.SIGKILL)

        made = pipeline(kind, root, watch)
        if recovers:
            made.run()
        else:
            made.run([{"v": v} for v in VALUES], table_name="t")
