"""What every runner shares: measure one thing in a fresh process, print one line. Standard library only."""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

Figures = dict[str, float]
Measure = Callable[[Mapping[str, Any]], Figures]


def _cpu_s() -> float:
    """Return the CPU seconds of this process, all its threads, and its finished child processes."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(call: Callable[[], object]) -> Figures:
    """Run `call` once; return wall and CPU seconds.

    Makes the file `$BENCH_CLOCK` before: who stops this process sees since when the clock runs.
    """
    os.sync()  # what an earlier measurement left in the page cache is not ours to write out
    if clock := os.environ.get("BENCH_CLOCK"):
        Path(clock).touch()
    cpu, start = _cpu_s(), time.perf_counter()
    call()
    return {"seconds": time.perf_counter() - start, "cpu_s": _cpu_s() - cpu}


def median_ms(call: Callable[[int], object], times: int) -> Figures:
    """Run `call(1)` .. `call(times)`; return the median and the least in milliseconds."""
    taken = []
    for number in range(1, times + 1):
        start = time.perf_counter()
        call(number)
        taken.append(1000 * (time.perf_counter() - start))
    return {"median_ms": statistics.median(taken), "min_ms": min(taken)}


def count_calls(package: str, call: Callable[[], object]) -> int:
    """Return how many Python calls into files below `package` happen while `call` runs, in all threads.

    A generator that is resumed counts as a call, as the profiler reports it.
    """
    inside = str(Path(package).resolve()) + os.sep
    counts: dict[str, int] = {}

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            name = frame.f_code.co_filename
            counts[name] = counts.get(name, 0) + 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return sum(count for name, count in counts.items() if os.path.realpath(name).startswith(inside))


class _Missing:
    """Lets an import fail as if the package weren't installed."""

    def find_spec(self, name: str, *more: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def without_pandas() -> None:
    """Keep out pandas, which Arrow imports where it is installed: 50 MB that ladle doesn't ask for."""
    sys.meta_path.insert(0, _Missing())  # type: ignore[arg-type]


def peak_mb() -> float:
    """Return this program's highest resident memory in MB (10**6 bytes).

    `ru_maxrss` would also see the parent that started it; the kernel's VmHWM begins anew with each program.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(found.group(1)) * 1024 / 1e6 if found else 0.0


def main(measures: Mapping[str, Measure]) -> None:
    """Run the measure that the first argument names, a JSON object; print its figures as one JSON line."""
    arguments = json.loads(sys.argv[1])
    figures = measures[arguments["measure"]](arguments)
    print(json.dumps({"peak_mb": peak_mb()} | figures))
