"""Measures ladle beside its peers, every figure in a fresh process; prints and stores the table of budgets.

`python benchmarks/run.py [--quick] [--only NAME ...] [--no-peer] [--output FILE]`. A full run writes
docs/benchmarks.md; a partial one only prints. Exits with 1 when a budget is not met.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mariadb
import postgres
from bench import Bench, NotMeasured
from cases import Case, Side, Sizes, all_cases
from engine_cases import engine_cases
from report import AtLeast, Result, document, table

_ROOT = Path(__file__).resolve().parents[1]
_SERVERS = {"postgres": postgres.server, "mysql": mariadb.server}
_PAGE = _ROOT / "docs" / "benchmarks.md"


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure ladle beside dlt, DuckDB and binary COPY.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows; nothing is stored")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="cases whose name starts with this; repeatable"
    )
    parser.add_argument("--no-peer", action="store_true", help="leave dlt out")
    parser.add_argument("--no-ladle", action="store_true", help="leave ladle out: only the peers")
    parser.add_argument(
        "--output", type=Path, help=f"write the page here (a full run: {_PAGE.relative_to(_ROOT)})"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    return parser.parse_args(argv)


def _chosen(options: argparse.Namespace) -> list[Case]:
    sizes = Sizes.for_quick() if options.quick else Sizes()
    cases = [*all_cases(sizes), *engine_cases(sizes)]
    chosen = [case for case in cases if not options.only or case.name.startswith(tuple(options.only))]
    if not chosen:
        raise SystemExit(f"no case is called that; there are: {', '.join(case.name for case in cases)}")
    return chosen


def _figure(bench: Bench, side: Side | None) -> float | str:
    """Return the best figure of a side, or a word on why there is none."""
    if side is None:
        return "-"
    try:
        figures = [answer[side.figure] for answer in bench.answers(side)]
    except NotMeasured as reason:
        print(f"  {side.label}: {reason}", file=sys.stderr)
        timed = side.figure == "seconds" and reason.over_s is not None
        return AtLeast(reason.over_s) if timed else reason.short
    return max(figures) if side.figure == "rows_s" else min(figures)


def _measure(bench: Bench, case: Case, options: argparse.Namespace) -> Result:
    print(f"{case.name}: {case.what}", file=sys.stderr, flush=True)
    peer = None if options.no_peer and case.peer and case.peer.is_dlt else case.peer
    ours = "not asked for" if options.no_ladle else _figure(bench, case.ours)
    result = Result(case, ours, _figure(bench, peer))
    print(f"  {result.line()}", file=sys.stderr, flush=True)
    return result


def main(argv: Sequence[str]) -> int:
    """Measure, print, store; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the servers would stay behind
    options = _arguments(argv)
    cases = _chosen(options)
    if options.list:
        print("\n".join(f"{case.name:20} {case.what}" for case in cases))
        return 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ladle-bench-")))
        wanted = {case.ours.arguments.get("engine") for case in cases} & _SERVERS.keys()
        running = {name: stack.enter_context(_SERVERS[name]()) for name in sorted(wanted)}
        bench = Bench(folder, running, cases)
        results = [_measure(bench, case, options) for case in cases]
        partial = options.quick or options.only or options.no_peer or options.no_ladle
        output = options.output or (None if partial else _PAGE)
        if output:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(document(results, bench.facts(), [sys.executable, *sys.argv]), encoding="utf-8")
    print(table(results))
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
