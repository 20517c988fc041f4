"""The peer's side, run by the Python of the peer's own environment: the same rows through dlt's public API.

Settings come as environment variables, as its documentation advises; `bench` switches telemetry off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import everyday
import writing
from clock import Figures, count_calls, main, median_ms, timed
from data import ROWS, iter_nested

Arguments = Mapping[str, Any]


def _dlt(arguments: Arguments) -> Any:
    os.environ |= arguments.get("settings", {})
    import dlt

    return dlt


def _pipeline(dlt: Any, arguments: Arguments, dataset: str = "ds") -> Any:
    return dlt.pipeline(
        "bench",
        destination=writing.destination(dlt, arguments),
        dataset_name=dataset,
        pipelines_dir=arguments["folder"] + "/pipelines",
    )


def _options(arguments: Arguments) -> dict[str, Any]:
    return {"table_name": "t"} | arguments.get("options", {})


def _warm_up(dlt: Any, arguments: Arguments) -> None:
    """Load one row elsewhere: imports and drivers are measured by cases of their own."""
    elsewhere = writing.elsewhere(arguments)
    row = {"id": 0, "items": [{"at": "2024-01-02T03:04:05Z"}]}
    _pipeline(dlt, elsewhere, "warm").run([row], **_options(arguments))


def rows(arguments: Arguments) -> Figures:
    """Load rows that are alive in memory; the clock runs from making the pipeline to the end of the run."""
    dlt = _dlt(arguments)
    data = ROWS[arguments["rows"]](arguments["count"])
    _warm_up(dlt, arguments)
    return timed(lambda: _pipeline(dlt, arguments).run(data, **_options(arguments)))


def pages(arguments: Arguments) -> Figures:
    """The same rows handed over as pages of a thousand, as its documentation advises."""
    dlt = _dlt(arguments)
    data = ROWS[arguments["rows"]](arguments["count"])
    _warm_up(dlt, arguments)
    cut = (data[start : start + 1000] for start in range(0, len(data), 1000))
    return timed(lambda: _pipeline(dlt, arguments).run(cut, **_options(arguments)))


def generator(arguments: Arguments) -> Figures:
    """Load a generator of rows, one alive at a time."""
    dlt = _dlt(arguments)
    return timed(
        lambda: _pipeline(dlt, arguments).run(iter_nested(arguments["count"]), **_options(arguments))
    )


def one_row(arguments: Arguments) -> Figures:
    """Load one row again and again in one process, after a first run; then count calls in one more run."""
    dlt = _dlt(arguments)
    pipeline = _pipeline(dlt, arguments)
    pipeline.run([{"id": 0, "name": "x"}], table_name="t")
    figures = median_ms(lambda n: pipeline.run([{"id": n, "name": "x"}], table_name="t"), arguments["runs"])
    folder = str(Path(dlt.__file__).parent)
    calls = count_calls(folder, lambda: pipeline.run([{"id": -1, "name": "x"}], table_name="t"))
    return figures | {"calls": calls}


def _made(arguments: Arguments) -> tuple[Any, Any]:
    dlt = _dlt(arguments)
    _warm_up(dlt, arguments)
    return dlt, _pipeline(dlt, arguments)


if __name__ == "__main__":
    own = {"rows": rows, "pages": pages, "generator": generator, "one_row": one_row}
    main(own | everyday.measures(_made) | writing.measures(_made))
