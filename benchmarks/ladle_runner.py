"""Our side: one measurement of ladle in a fresh process, through its public API only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import everyday
import ladle
import narrow
import writing
from clock import Figures, count_calls, main, median_ms, peak_mb, timed, without_pandas
from data import ROWS, iter_nested

Arguments = Mapping[str, Any]
_ARROW_ROWS = 100_000
_FIRST_ROWS = 1_000


def _pipeline(arguments: Arguments, dataset: str = "ds") -> Any:
    return ladle.pipeline(
        "bench",
        destination=writing.destination(ladle, arguments),
        dataset_name=dataset,
        pipelines_dir=arguments["folder"] + "/pipelines",
    )


def _warm_up(arguments: Arguments) -> None:
    """Load one row elsewhere: imports and drivers are measured by cases of their own."""
    elsewhere = writing.elsewhere(arguments)
    _pipeline(elsewhere, "warm").run([{"id": 0, "items": [{"at": "2024-01-02T03:04:05Z"}]}], table_name="t")


def rows(arguments: Arguments) -> Figures:
    """Load rows that are alive in memory; the clock runs from making the pipeline to the end of the run."""
    data = ROWS[arguments["rows"]](arguments["count"])
    _warm_up(arguments)
    return timed(lambda: _pipeline(arguments).run(data, table_name="t"))


def generator(arguments: Arguments) -> Figures:
    """Load a generator of rows, one alive at a time."""
    return timed(lambda: _pipeline(arguments).run(iter_nested(arguments["count"]), table_name="t"))


def arrow(arguments: Arguments) -> Figures:
    """Load an Arrow table that is alive in memory."""
    from tables import read_ipc

    table = read_ipc(Path(arguments["prepared"]), ("flat",))["flat"]
    _warm_up(arguments)
    return timed(lambda: _pipeline(arguments).run(table, table_name="t"))


def contract(arguments: Arguments) -> Figures:
    """Load an Arrow table into a table that is there, under the contract given, or none."""
    from tables import read_ipc

    table = read_ipc(Path(arguments["prepared"]), ("flat",))["flat"]
    _warm_up(arguments)
    _pipeline(arguments).run(table.slice(0, _FIRST_ROWS), table_name="t")
    options = {"schema_contract": arguments["modes"]} if arguments["modes"] else {}
    return timed(lambda: _pipeline(arguments).run(table.slice(_FIRST_ROWS), table_name="t", **options))


def parquet(arguments: Arguments) -> Figures:
    """Load a Parquet file, read by pyarrow in batches."""
    import pyarrow.parquet as pq

    def batches() -> Iterator[Any]:
        yield from pq.ParquetFile(Path(arguments["prepared"]) / "flat.parquet").iter_batches(_ARROW_ROWS)

    _warm_up(arguments)
    return timed(lambda: _pipeline(arguments).run(batches(), table_name="t"))


def one_row(arguments: Arguments) -> Figures:
    """Load one row again and again in one process, after a first run; then count calls in one more run."""
    pipeline = _pipeline(arguments)
    pipeline.run([{"id": 0, "name": "x"}], table_name="t")
    figures = median_ms(lambda n: pipeline.run([{"id": n, "name": "x"}], table_name="t"), arguments["runs"])
    folder = str(Path(ladle.__file__ or "").parent)
    calls = count_calls(folder, lambda: pipeline.run([{"id": -1, "name": "x"}], table_name="t"))
    return figures | {"calls": calls}


def _made(arguments: Arguments) -> tuple[Any, Any]:
    _warm_up(arguments)
    return ladle, _pipeline(arguments)


def copied(arguments: Arguments) -> Figures:
    """Load the narrow rows of another Postgres database, read as Arrow by a client of `ladle.dataset`."""
    rows = ladle.resource(narrow.batches(narrow.source(arguments["target"])), name="t")
    if arguments["lean"]:
        without_pandas()
    else:
        _warm_up(arguments)
    figures = timed(lambda: _pipeline(arguments).run(rows))
    figures["peak_mb"] = peak_mb()  # what looks at the rows isn't ladle
    narrow.check(arguments["target"], arguments["count"])
    return figures | {"rows_s": arguments["count"] / figures["seconds"]}


if __name__ == "__main__":
    own = {
        "copied": copied,
        "rows": rows,
        "generator": generator,
        "arrow": arrow,
        "contract": contract,
        "parquet": parquet,
        "one_row": one_row,
    }
    main(own | everyday.measures(_made) | writing.measures(_made))
