"""The table of writes: every disposition on every engine that ladle has, beside dlt at its best settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cases import DLT_BEST, Case, Side, Sizes

_ROOT = Path(__file__).resolve().parents[1]
_PEERS = _ROOT / ".venv-peers"
_SLING = "lib/python3*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"
_TIMES = 2
_NO_UPSERT = "dlt has no upsert there, this is its delete-insert"
_ROWS_BUDGET = 10.0
_ARROW_BUDGET = 1.0
_ALONE = "only the SQL of the merge, by statements of our own; a loader has to bring the rows there first"

_LEAST = "whatever the SQL: no rows are read, normalised or looked for, which a loader has to do"
_SCD2_LIMIT_S = {
    ("postgres", "rows"): 90,
    ("postgres", "arrow"): 60,
    ("mysql", "rows"): 200,
    ("mysql", "arrow"): 90,
}
"""dlt takes many minutes there: it is stopped once it is clear that the budget is met."""


@dataclass(frozen=True)
class _Engine:
    """An engine as it is measured.

    Args:
        title: in the table.
        formats: dlt's fastest file format for rows and for Arrow.
        upserts: whether dlt has upsert there.
    """

    title: str
    formats: tuple[str, str] = ("parquet", "parquet")
    upserts: bool = True


_OVER_SQLALCHEMY = ("typed-jsonl", "parquet")
_ENGINES = {
    "duckdb": _Engine("DuckDB"),
    "postgres": _Engine("Postgres", ("csv", "csv")),
    "files": _Engine("Parquet files"),
    "sqlite": _Engine("SQLite", _OVER_SQLALCHEMY, upserts=False),
    "mysql": _Engine("MariaDB", _OVER_SQLALCHEMY, upserts=False),
}
_MERGES = ("delete-insert", "upsert", "scd2")


def engine_cases(sizes: Sizes) -> list[Case]:
    """Return the cases of all engines and merge strategies that this ladle has."""
    found = []
    for name, engine in _ENGINES.items():
        merges = _merges(name)
        if merges is not None:
            found += _writes(sizes, name, engine, merges)
    return [*found, *_copies(sizes)]


def _merges(engine: str) -> tuple[str, ...] | None:
    """Return the merge strategies of an engine, None where ladle can't load to it here."""
    sys.path.insert(0, str(_ROOT / "src"))  # this checkout, whatever is installed
    from ladle.destinations.registry import ENTRIES, factory
    from ladle.errors import MissingDependency

    name, target = {"files": ("filesystem", "."), "mysql": ("mysql", "mysql://u:p@h")}.get(
        engine, (engine, "postgresql://u:p@h/d" if engine == "postgres" else "x")
    )
    if name not in ENTRIES:
        return None
    try:
        found: tuple[str, ...] = factory(name)(target).limits.merges
    except MissingDependency:
        return None
    return found


def _writes(sizes: Sizes, name: str, engine: _Engine, merges: tuple[str, ...]) -> list[Case]:
    def case(form: str, write: str, what: str, **arguments: Any) -> Case:
        asked = {"measure": "write", "engine": name, "write": write, "form": form, **arguments}
        if name == "files":  # both libraries write JSON lines where nothing is said
            asked["options"] = {"loader_file_format": "parquet"}
        budget = _ROWS_BUDGET if form == "rows" else _ARROW_BUDGET
        short = f"{name}-{write}" + ("-arrow" if form == "arrow" else "")
        thing = f"{arguments['count']:,} {'rows' if form == 'rows' else 'rows as Arrow'}"
        return Case(
            short,
            what.format(thing, engine.title),
            Side("ladle", "ladle", asked, times=_TIMES),
            _dlt(engine, asked),
            "faster",
            budget,
            note=_NO_UPSERT if write == "upsert" and not engine.upserts else "",
        )

    merge = {"count": sizes.merged, "base": sizes.base}
    known = f"{sizes.base:,} in {{1}}, half of them known"
    replaced = {"base": sizes.seed}
    cases = [
        case("rows", "append", "{0}, nested, added to {1}", count=sizes.nested * 2, rows="nested"),
        case("rows", "replace", "{0} replace a table in {1}", count=sizes.flat, rows="flat", **replaced),
        case("arrow", "replace", "{0} replace a table in {1}", count=sizes.frame, **replaced),
    ]
    alone = [_alone(name, engine, s, merge) for s in ("upsert", "scd2") if s in merges]
    strategies = [(s, form) for s in _MERGES if s in merges for form in ("rows", "arrow")]
    cases += [case(form, s, f"{{0}} by {s} into {known}", **merge) for s, form in strategies]
    if name == "postgres":
        alone += [_least(engine, "replace", {"count": sizes.flat, "rows": "flat", **replaced})]
        alone += [_least(engine, s, merge) for s in ("delete-insert", "upsert")]
    return [*cases, *alone]


def _least(engine: _Engine, write: str, sizes: Mapping[str, Any]) -> Case:
    """Return the case that tells what is left of a write into Postgres whatever the SQL."""
    asked = {"engine": "postgres", "write": write, "form": "rows", **sizes}
    what = f"{sizes['count']:,} rows by {write} into {sizes['base']:,} in {engine.title}"
    ours = Side("ladle", "ladle", {"measure": "write", **asked}, times=_TIMES)
    bare = "COPY of ready bytes" + ("" if write == "replace" else ", known rows deleted by arithmetic")
    return Case(
        f"postgres-{write}-least",
        what,
        ours,
        Side(bare, "engine", {"measure": "least", **asked}, times=2),
        "shown",
        note=_LEAST,
    )


def _alone(name: str, engine: _Engine, write: str, merge: Mapping[str, int]) -> Case:
    """Return the case that tells what an engine takes for a merge by itself: nobody can take less."""
    asked = {"engine": name, "write": write, "form": "rows", **merge}
    what = f"{merge['count']:,} rows by {write} into {merge['base']:,} in {engine.title}"
    ours = Side("ladle", "ladle", {"measure": "write", **asked}, times=_TIMES)
    peer = Side(f"{engine.title} alone, rows there already", "engine", {"measure": "merge", **asked}, times=2)
    return Case(f"{name}-{write}-alone", what, ours, peer, "shown", note=_ALONE)


def _dlt(engine: _Engine, asked: Mapping[str, Any]) -> Side:
    file_format = engine.formats[asked["form"] == "arrow"]
    arguments = {**asked, "options": {"loader_file_format": file_format}, "settings": DLT_BEST}
    if asked["write"] == "scd2":
        arguments["versioned"] = True
    if asked["write"] == "upsert" and not engine.upserts:
        arguments["write"] = "delete-insert"
    limits = _SCD2_LIMIT_S if asked["write"] == "scd2" else {}
    side = Side(f"dlt, best settings ({file_format})", "dlt", arguments, times=1)
    return replace(side, limit_s=limits.get((asked["engine"], asked["form"]), side.limit_s))


def _copies(sizes: Sizes) -> list[Case]:
    asked = {"measure": "copied", "engine": "postgres", "count": sizes.narrow, "lean": False}
    lean = {**asked, "lean": True}
    what = f"{sizes.narrow:,} narrow rows, Postgres to Postgres"
    ours = Side("ladle", "ladle", asked, "rows_s", 3)
    copy = {"measure": "piped", "engine": "postgres", "count": sizes.narrow}
    bare = Side("binary COPY, `psql` to `psql`", "postgres", copy, "rows_s", 3)
    how = "read as Arrow by a client of `ladle.dataset`, in batches of 4 MB"
    without = (
        "as installed by `ladle[postgres]`: pandas, which Arrow imports where it is installed, is kept out"
    )
    cases = [
        Case("copy-rate", what, ours, bare, "at least", 0.8, "rows/s", how),
        Case(
            "copy-memory",
            f"{what}: peak memory",
            Side("ladle", "ladle", lean, "peak_mb", 1),
            None,
            "below",
            200,
            "MB",
            without,
        ),
    ]
    for name, program in _programs().items():
        call = {"measure": name, "engine": "postgres", "count": sizes.narrow, "program": str(program)}
        peer = Side(f"`{name}`", "copiers", call, "rows_s", 1)
        cases.append(Case(f"copy-{name}", what, ours, peer, "shown", unit="rows/s", note=_OLD[name]))
    return cases


_OLD = {
    "ingestr": "0.15, the last version whose package has the program; later ones download it when they run",
    "sling": "1.4.10, the last version whose package has the program; later ones download it when they run",
}


def _programs() -> dict[str, Path]:
    """Return the programs of others that are installed, in `.venv-peers` or where LADLE_PEERS says."""
    folder = Path(os.environ.get("LADLE_PEERS") or _PEERS)
    found = {"ingestr": folder / "bin/ingestr"}
    found["sling"] = next(folder.glob(_SLING), folder / "bin/sling-linux-amd64")
    return {name: path for name, path in found.items() if path.exists()}
