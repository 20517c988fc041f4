"""What is measured against what, and the budget of each: the table of docs/design as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Rule = Literal["faster", "at most", "at least", "below", "shown"]

# dlt's fastest way on this data among those its performance page advises, found by trying combinations:
# pages instead of rows, Parquet, file rotation so that two processes normalize, larger buffers, no
# compression between stages.
DLT_BEST = {
    "NORMALIZE__WORKERS": "2",
    "SOURCES__DATA_WRITER__FILE_MAX_ITEMS": "25000",
    "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}
_DLT_GB = 12.0  # free memory that dlt's defaults ask for: 100,000 nested rows took 9.1 GB, 200,000 flat 5.5
_COLD = (
    "import {0} as d; d.pipeline('cold', destination=d.destinations.duckdb('cold.duckdb'), dataset_name='ds',"
    " pipelines_dir='.').run([dict(id=1)], table_name='t')"
)


@dataclass(frozen=True)
class Side:
    """One measurement: which runner, what it is asked, how often, and which of its figures counts.

    Args:
        label: how the table names it.
        runner: key of `run.RUNNERS`, or `start` for the time a command takes.
        arguments: for the runner, as JSON.
        figure: name of the figure in the runner's answer.
        times: fresh processes; the best counts.
        needs_gb: free memory without which it is left out.
        limit_s: after this long it is stopped, with all that it does before the clock starts.
    """

    label: str
    runner: str
    arguments: Mapping[str, Any]
    figure: str = "seconds"
    times: int = 3
    needs_gb: float = 0.0
    limit_s: int = 240

    @property
    def is_dlt(self) -> bool:
        """Whether dlt does the work."""
        return self.runner == "dlt" or self.arguments.get("python") == "dlt"


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        name: for `--only`.
        what: first column.
        ours: our side.
        peer: the other side, if there is one.
        rule: `faster`: the peer takes at least `budget` times ours; `at most`: ours is at most `budget` times
            the peer's; `at least`: ours is at least `budget` times the peer's, of a figure of which more is
            better; `below`: ours is at most `budget` units, the peer is for information; `shown`: there is
            no budget.
        budget: the number.
        unit: of both figures: s, CPU s, ms, MB, calls, rows/s.
        note: what a reader has to know to judge the row.
    """

    name: str
    what: str
    ours: Side
    peer: Side | None
    rule: Rule
    budget: float = 0.0
    unit: str = "s"
    note: str = ""


@dataclass(frozen=True)
class Sizes:
    """Row counts; `--quick` divides them by ten."""

    nested: int = 100_000
    flat: int = 200_000
    frame: int = 1_000_000
    memory: int = 2_000_000
    memory_less: int = 500_000
    memory_peer: int = 100_000
    cursor: int = 1_000_000
    resources: int = 1_000
    base: int = 1_000_000
    merged: int = 100_000
    seed: int = 10_000
    narrow: int = 2_000_000
    quick: bool = field(default=False, kw_only=True)

    @classmethod
    def for_quick(cls) -> Sizes:
        """Return a tenth of everything."""
        whole = cls()
        tenth = {f.name: getattr(whole, f.name) // 10 for f in fields(cls) if f.name not in ("quick", "seed")}
        return cls(**tenth, quick=True)


def _rows(count: int) -> str:
    return f"{count:,} rows"


def _ladle(measure: str, figure: str = "seconds", times: int = 3, **arguments: Any) -> Side:
    return Side("ladle", "ladle", {"measure": measure, **arguments}, figure, times)


def _dlt(
    label: str, measure: str, *, figure: str = "seconds", times: int = 1, gb: float = 0.0, **arguments: Any
) -> Side:
    return Side(f"dlt, {label}", "dlt", {"measure": measure, **arguments}, figure, times, gb)


def _dlt_best(rows: str, count: int, loader_file_format: str, **arguments: Any) -> Side:
    options = {"loader_file_format": loader_file_format}
    label = f"best settings ({loader_file_format})"
    best = {"rows": rows, "count": count, "options": options, "settings": DLT_BEST, **arguments}
    return _dlt(label, "pages", times=2, **best)


def _to_duckdb(sizes: Sizes) -> list[Case]:
    nested = {"rows": "nested", "count": sizes.nested}
    flat = {"rows": "flat", "count": sizes.flat}
    ours, ours_flat = _ladle("rows", **nested), _ladle("rows", **flat)
    what = f"nested dicts to DuckDB, {_rows(sizes.nested)}"
    what_flat = f"flat dicts of 20 columns to DuckDB, {_rows(sizes.flat)}"
    read_json = {"measure": "read_json", "count": sizes.nested}
    gb = 0.0 if sizes.quick else _DLT_GB
    cpu, duckdb = _ladle("rows", "cpu_s", **nested), "DuckDB read_json + SQL"
    duckdb_cpu, duckdb_wall = (Side(duckdb, "duckdb", read_json, figure) for figure in ("cpu_s", "seconds"))
    note = "DuckDB starts from a file of JSON lines, ladle from dicts in memory"
    return [
        Case("nested-default", what, ours, _dlt("defaults", "rows", gb=gb, **nested), "faster", 50),
        Case("nested-best", what, ours, _dlt_best("nested", sizes.nested, "parquet"), "faster", 10),
        Case("nested-cpu", f"{what}: CPU", cpu, duckdb_cpu, "at most", 2.5, "CPU s", note),
        Case("nested-wall", what, ours, duckdb_wall, "shown", note=note),
        Case("flat-default", what_flat, ours_flat, _dlt("defaults", "rows", gb=gb, **flat), "faster", 50),
        Case("flat-best", what_flat, ours_flat, _dlt_best("flat", sizes.flat, "parquet"), "faster", 10),
    ]


def _frames(sizes: Sizes) -> list[Case]:
    cases = []
    for measure, thing in (("arrow", "Arrow table"), ("parquet", "Parquet file")):
        what = f"{thing} of 20 columns to DuckDB, {_rows(sizes.frame)}"
        peer = Side("DuckDB, straight", "duckdb", {"measure": measure, "count": sizes.frame})
        cases.append(Case(measure, what, _ladle(measure, count=sizes.frame), peer, "at most", 1.3))
    return cases


def _to_postgres(sizes: Sizes) -> list[Case]:
    rows = {"rows": "nested", "count": sizes.nested, "engine": "postgres"}
    bare = {"count": sizes.nested, "engine": "postgres"}
    what = f"nested dicts to Postgres, {_rows(sizes.nested)}"
    ours = _ladle("rows", **rows)

    def copy(measure: str, label: str, note: str) -> Case:
        peer = Side(label, "postgres", {"measure": measure, **bare})
        return Case(f"postgres-{measure}", what, ours, peer, "at most", 1.5, note=note)

    return [
        Case("postgres-default", what, ours, _dlt("defaults", "rows", **rows), "faster", 20),
        Case(
            "postgres-best", what, ours, _dlt_best("nested", sizes.nested, "csv", engine="postgres"), "shown"
        ),
        copy("written", "binary COPY from the rows", "rows flattened in Python, psycopg `write_row`"),
        copy("adbc", "binary COPY of ready Arrow tables (ADBC)", "Arrow tables made before the clock starts"),
        copy(
            "encoded",
            "binary COPY of ready bytes",
            "bytes made before the clock starts: only the server works",
        ),
    ]


def _everyday(sizes: Sizes) -> list[Case]:
    def sides(measure: str, times: int = 1, **arguments: Any) -> tuple[Side, Side]:
        return _ladle(measure, **arguments), _dlt("defaults", measure, times=times, **arguments)

    what = f"{_rows(sizes.cursor)} through a cursor"
    rows = {"count": sizes.cursor, "pass": sizes.cursor}
    few = {"count": sizes.cursor, "pass": 1_000}
    many = f"one run of {sizes.resources:,} resources of a row each"
    asked = "100 requests to a local server that takes 50 ms for each, 20 at once, loaded"
    note = "the ideal is 250 ms; the budget is 1.3 times that"
    ours, peer = (Side(s.label, s.runner, s.arguments, "ms", s.times) for s in sides("requests", 2))
    return [
        Case("cursor-rows", f"{what}, dicts", *sides("incremental_rows", **rows), "faster", 20),
        Case("cursor-arrow", f"{what}, Arrow", *sides("incremental_arrow", 2, **rows), "faster", 3),
        Case("cursor-few", f"{what}, dicts, 1,000 pass", *sides("incremental_rows", 2, **few), "shown"),
        Case("resources", many, *sides("resources", count=sizes.resources), "shown"),
        Case("requests", asked, ours, peer, "below", 325, "ms", note),
    ]


def _contract(sizes: Sizes) -> list[Case]:
    what = f"a frozen contract on clean Arrow, {_rows(sizes.frame)}, against none"
    ours = _ladle("contract", "cpu_s", 5, count=sizes.frame, modes="freeze")
    without = _ladle("contract", "cpu_s", 5, count=sizes.frame, modes=None)
    peer = Side("ladle, no contract", without.runner, without.arguments, "cpu_s", 5)
    return [Case("contract", what, ours, peer, "at most", 1.10, "CPU s")]


def _one_row() -> list[Case]:
    what = "one row into an existing DuckDB dataset, warm"

    def sides(figure: str) -> tuple[Side, Side]:
        return _ladle("one_row", figure, runs=20), _dlt("defaults", "one_row", figure=figure, runs=10)

    note = "median of 20 runs (dlt: 10) of one process"
    calls = f"{what}: Python calls into the library"
    return [
        Case("one-row", what, *sides("median_ms"), "below", 50, "ms", note),
        Case("one-row-calls", calls, *sides("calls"), "below", 2_000, "calls"),
    ]


def _start() -> list[Case]:
    def started(label: str, python: str, command: list[str], less: bool = False) -> Side:
        runs = 15 if python == "ladle" else 7
        arguments = {"python": python, "command": command, "less": less, "runs": runs}
        return Side(label, "start", arguments, "ms", 1)

    note = "median of 15 fresh processes (dlt: 7), byte code cached"
    ours = started("ladle", "ladle", ["{python}", "-c", "import ladle"], less=True)
    ours_help = started("ladle", "ladle", ["{python}", "-m", "ladle", "--help"])
    peer = started("dlt, `import dlt`", "dlt", ["{python}", "-c", "import dlt"], less=True)
    peer_help = started("dlt, `dlt --help`", "dlt", ["{bin}/dlt", "--help"])
    ours_cold = started("ladle", "ladle", ["{python}", "-c", _COLD.format("ladle")])
    peer_cold = started("dlt, defaults", "dlt", ["{python}", "-c", _COLD.format("dlt")])
    cold = "a program that loads one row into a new DuckDB file, from start to exit"
    return [
        Case("cold", cold, ours_cold, peer_cold, "shown", unit="ms", note=note),
        Case("import", "`import ladle`, over Python itself", ours, peer, "below", 50, "ms", note),
        Case("help", "`ladle --help`", ours_help, peer_help, "below", 300, "ms", note),
    ]


def _memory(sizes: Sizes) -> list[Case]:
    what = f"peak memory, a generator of {sizes.memory:,} nested rows to DuckDB"
    ours = _ladle("generator", "peak_mb", 1, count=sizes.memory)
    fewer = {"measure": "generator", "count": sizes.memory_less}
    less = Side(f"ladle, {_rows(sizes.memory_less)}", "ladle", fewer, "peak_mb", 1)
    label = f"defaults, {_rows(sizes.memory_peer)}"
    gb = 0.0 if sizes.quick else _DLT_GB
    peer = _dlt(label, "generator", figure="peak_mb", gb=gb, count=sizes.memory_peer)
    note = "resident, the interpreter and all libraries included"
    return [
        Case("memory", what, ours, peer, "below", 400, "MB", note),
        Case(
            "memory-flat", f"{what}: growth", ours, less, "at most", 1.1, "MB", "flat in the number of rows"
        ),
    ]


def all_cases(sizes: Sizes) -> list[Case]:
    """Return every row of the table, in its order."""
    sized = (_to_duckdb, _frames, _to_postgres, _memory, _everyday, _contract)
    return [*(case for cases in sized for case in cases(sizes)), *_one_row(), *_start()]
