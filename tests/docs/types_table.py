"""Loads every value of `ladle.testing` into every engine and writes the tables of docs/types.md.

`python -m tests.docs.types_table` writes them anew; a test fails where the page is stale. Another engine is one more
suite class in `SUITES`.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.conformance.test_duckdb import TestDuckDb
from tests.conformance.test_files import TestCsv, TestJsonLines, TestParquet
from tests.conformance.test_postgres import TestPostgres
from tests.conformance.test_sqlite import TestSqlite

import ladle
from ladle.testing import CASES, CONVERSIONS, DestinationSuite, Place
from ladle.testing.fidelity import Cell
from ladle.testing.matrix import matrix

PAGE = Path(__file__).parents[2] / "docs" / "types.md"
BEGIN, END = "<!-- what follows is written by tests/docs/types_table.py -->", "<!-- end -->"
SUITES: Mapping[str, type[DestinationSuite]] = {
    "DuckDB": TestDuckDb,
    "Postgres": TestPostgres,
    "SQLite": TestSqlite,
    "Parquet": TestParquet,
    "JSON lines": TestJsonLines,
    "CSV": TestCsv,
}


def destination(name: str, folder: Path, urls: Mapping[str, str]) -> Any:
    """Return a fresh place of an engine; `urls` has those of servers, by engine."""
    if name == "DuckDB":
        return ladle.destinations.duckdb(str(folder / "types.duckdb"))
    if name == "SQLite":
        return ladle.destinations.sqlite(str(folder / "types.db"))
    if name in urls:
        return getattr(ladle.destinations, name.lower())(urls[name])
    return ladle.destinations.filesystem(folder / "files")


def cells(name: str, folder: Path, urls: Mapping[str, str]) -> list[Cell]:
    """Return what becomes of every value on an engine."""
    suite = SUITES[name]
    place = Place(destination(name, folder, urls), folder, f"types_{uuid.uuid4().hex[:8]}", suite.options)
    return matrix(place, suite.refused())


def rendered(found: Mapping[str, Sequence[Cell]]) -> str:
    """Return the tables, one for each data type, and what the conversions are."""
    lines: list[str] = []
    by_case = {name: _by_case(some) for name, some in found.items()}
    for kind in dict.fromkeys(case.data_type for case in CASES):
        lines += [f"### {kind}", "", f"| value | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
        for case in (c for c in CASES if c.data_type == kind):
            shown = case.name.partition(": ")[2]
            lines.append(f"| {shown} | {' | '.join(by_case[name][case.name] for name in found)} |")
        lines.append("")
    used = {cell.outcome for some in found.values() for cell in some}
    lines += ["## Conversions", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in CONVERSIONS.items() if name in used]
    return "\n".join(lines) + "\n"


def _by_case(found: Sequence[Cell]) -> dict[str, str]:
    by_way: dict[str, dict[str, str]] = {}
    for cell in found:
        by_way.setdefault(cell.case, {})[cell.way] = cell.text
    return {
        case: next(iter(ways.values()))
        if len(set(ways.values())) == 1
        else "; ".join(f"{text} ({'Arrow' if way == 'arrow' else way})" for way, text in ways.items())
        for case, ways in by_way.items()
    }


def stored() -> str:
    """Return the tables as the page has them."""
    return PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip() + "\n"


def write(tables: str) -> None:
    """Put tables into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    """Write the page anew, with a Postgres of its own."""
    from tests.conftest import PostgresServer, postgres_binaries

    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        server = folder / "postgres"
        server.mkdir()
        folder.chmod(0o755)
        urls = {"Postgres": opened.enter_context(PostgresServer(postgres_binaries(), server))}
        found = {}
        for number, name in enumerate(SUITES):
            (folder / str(number)).mkdir()
            found[name] = cells(name, folder / str(number), urls)
        write(rendered(found))
    sys.stdout.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main()
