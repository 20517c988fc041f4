"""A story for victims: tables and columns are renamed and dropped between loads, by a process that may be killed.

Whatever it leaves, each value is in the column that it belongs to, under the name of before or of after; and
the newest stored schema has the very columns that are there.
"""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.content import Tables, read
from tests.e2e.victim import DATASET, Hook, Job, made

import ladle

RUNS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (),
    (("column", "users", "email", "mail"), ("table", "users", "people"), ("drop", "people", "oops")),
    (("column", "people", "mail", 'E "mail"'), ("drop_table", "people__pets"), ("table", "people", "users")),
)
"""Edits before each run's batch."""


def rows(run: int) -> list[dict[str, Any]]:
    """Return a batch; what was dropped keeps coming, and a variant and a child table are new in the second."""
    found = []
    for seq in range(run * 2, run * 2 + 2):
        email = seq if run == 1 and seq % 2 else f"e{seq}@x"
        row: dict[str, Any] = {
            "seq": seq,
            "email": email,
            "n": 0,
            "oops": f"oops {seq}",
            "pets": [{"name": "p"}],
        }
        found.append({**row, **({"cars": [{"brand": f"c{seq}"}]} if run else {})})
    return found


def live(job: Job, hook: Hook) -> None:
    """Bring each run to an end: its edits, one by one, then its batch; first what a killed process left."""
    p = made(job, hook)
    p.run()
    for run in range(job.runs):
        for edit in RUNS[run]:
            if edit not in done(job):
                plan_of(p, *edit).apply(confirm=True)
        if run not in loaded(job):
            p.run(rows(run), table_name="users", schema="shop")
    p.run()
    assert not p.has_pending_data


def plan_of(p: ladle.Pipeline, kind: str, *names: str) -> Any:
    """Return the plan of an edit."""
    how = {
        "column": p.rename_column,
        "table": p.rename_table,
        "drop": p.drop_column,
        "drop_table": p.drop_table,
    }
    return how[kind](*names)


def done(job: Job) -> list[tuple[str, ...]]:
    """Return the edits that are committed, as `_ladle_changes` has them."""
    changes = read(job.destination, DATASET, "_ladle_changes").get("_ladle_changes", [])
    kinds = {
        "rename_column": "column",
        "rename_table": "table",
        "drop_column": "drop",
        "drop_table": "drop_table",
    }
    found = []
    for row in changes:
        if kind := kinds.get(row["change"]):
            names = {
                "column": (row["table_name"], row["previous"], row["column_name"]),
                "table": (row["previous"], row["table_name"]),
                "drop": (row["table_name"], row["column_name"]),
                "drop_table": (row["table_name"],),
            }
            found.append((kind, *names[kind]))
    return found


def users(tables: Tables) -> tuple[str, list[dict[str, Any]]]:
    """Return the name of the root table as it is now, and its rows."""
    there = [name for name in ("users", "people") if name in tables]
    assert len(there) <= 1, there
    return (there[0], tables[there[0]]) if there else ("users", [])


def loaded(job: Job) -> set[int]:
    """Return the runs whose batch is there."""
    _, found = users(read(job.destination, DATASET))
    return {row["seq"] // 2 for row in found}


def check(tables: Tables, whole: bool) -> None:
    """Check that values are where they belong, and that the stored schema is what is there."""
    name, found = users(tables)
    if not found:
        return
    columns = {*found[0]}
    mail = columns & {"email", "mail", 'E "mail"'}
    assert len(mail) == 1, mail
    for row in found:
        assert row[min(mail)] == (str(row["seq"]) if row["seq"] == 3 else f"e{row['seq']}@x")
        assert row.get("oops") in (None, f"oops {row['seq']}")
    assert {n for n in tables if n.startswith(("users", "people"))} <= {
        name,
        f"{name}__pets",
        f"{name}__cars",
    }
    newest = max(tables["_dlt_version"], key=lambda row: row["version"])
    stored = json.loads(newest["schema"])["tables"]
    for table in (n for n in tables if not n.startswith("_")):
        typed = {c for c, hints in stored[table]["columns"].items() if "data_type" in hints}
        assert typed == {*tables[table][0]}, table
