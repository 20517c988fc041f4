"""Writes the parts of the docs that come from declarations: docs/strategies.md and docs/destinations/<name>.md.

`python -m tests.docs.generated` (which `make docs` runs) writes them; a test fails where they are stale. What
stands between the marks is written anew, the rest of a page is by hand.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.docs.snippets import ROOT
from tests.e2e.proofs import PROOFS
from tests.strategies import ENGINES, FUNCTION, NEVER, WAYS, destination_types, of_type, promise, ways_of

from ladle.destinations.decorator import destination as decorated
from ladle.destinations.registry import ENTRIES, factory
from ladle.schema.table import Column
from ladle.schema.types import arrow_type

BEGIN, END = "<!-- generated: python -m tests.docs.generated -->", "<!-- end of what is generated -->"
SHAPES, FORMS = ("flat", "nested"), ("rows", "Arrow")
_TESTS = "../tests"
_COMPARED = """Each cell is loaded by `tests/contract/test_strategies.py` on the engine itself, and compared with what
plain Python makes of the same rows."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# -- strategies x engines


def strategies() -> str:
    """Return what docs/strategies.md says of all destinations."""
    parts = [
        "## What is promised",
        "The grade of each destination and strategy, and the test that kills processes to prove it.",
        _promises(),
        "## What works where",
        _COMPARED,
        _matrix(),
        *_reasons(),
    ]
    return "\n\n".join(parts)


def _promises() -> str:
    rows = []
    for way in WAYS:
        cells = []
        for kind in destination_types():
            proof = PROOFS.get((kind, way))
            grade = promise(kind, way).grade if way in ways_of(kind) else "-"
            cells.append(f"[{grade}]({_TESTS}/e2e/{proof.module}.py)" if proof and grade != "-" else grade)
        rows.append([f"`{way}`", *cells])
    return table(["strategy", *(f"`{kind}`" for kind in destination_types())], rows)


def _matrix() -> str:
    rows = []
    for way in WAYS:
        for shape in SHAPES:
            for form in FORMS:
                cells = [_cell(engine.kind, way) for engine in ENGINES]
                rows.append([f"`{way}`", shape, form, *cells])
    return table(["strategy", "data", "as", *(engine.name for engine in ENGINES)], rows)


def _cell(kind: str, way: str) -> str:
    reason = NEVER.get((kind, way))
    return "yes" if reason is None else f"never ({_numbers()[reason]})"


def _numbers() -> dict[str, int]:
    return {reason: number for number, reason in enumerate(dict.fromkeys(NEVER.values()), 1)}


def _reasons() -> Iterator[str]:
    yield "\n".join(f"{number}. {reason[0].upper()}{reason[1:]}." for reason, number in _numbers().items())


# -- a page for each destination


def destination(kind: str) -> str:
    """Return what the page of a destination says of it."""
    parts = [
        *_factory(kind),
        *_limits(kind),
        *_guarantees(kind),
        *_types(kind),
    ]
    return "\n\n".join(parts)


def _factory(kind: str) -> Iterator[str]:
    made: Callable[..., Any] = decorated if kind == FUNCTION else factory(kind)
    name = "ladle.destination" if kind == FUNCTION else f"ladle.destinations.{kind}"
    yield "## Arguments"
    yield f"```py\n{name}{_signature(made)}\n```"
    yield _sections(inspect.getdoc(made) or "")
    if kind != FUNCTION:
        extra = ENTRIES[kind].extra
        needs = f'`pip install "ladle[{extra}]"`' if extra else "nothing more than ladle"
        settings = f"`[destination.{kind}]` and `DESTINATION__{kind.upper()}__...`"
        yield f'It needs {needs}. By name: `destination="{kind}"`; settings are looked for in {settings}.'


def _signature(made: Callable[..., Any]) -> str:
    found = inspect.signature(made)
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    lines, star = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            lines.append("*")
            star = True
        lines.append(str(parameter))
    return "(\n    " + ",\n    ".join(lines) + ",\n)"


def _sections(doc: str) -> str:
    """Return a docstring in Google's form as Markdown."""
    out = []
    for block in doc.split("\n\n"):
        head = re.match(r"(Args|Raises|Returns|Attributes):\n", block)
        if head is None:
            out.append(" ".join(block.split()))
            continue
        items = re.split(r"\n(?=\S)", textwrap.dedent(block[head.end() :]))
        shown = {"Args": "", "Raises": "It raises:\n\n"}.get(head[1], f"{head[1]}:\n\n")
        out.append(shown + "\n".join(_item(item) for item in items))
    return "\n\n".join(out)


def _item(text: str) -> str:
    name, colon, rest = " ".join(text.split()).partition(": ")
    return f"- `{name}`: {rest}" if colon and " " not in name else f"- {name}{colon}{rest}"


_LIMITS = (
    ("max_table_name", "characters in the name of a table", "no limit"),
    ("max_column_name", "characters in the name of a column", "no limit"),
    ("naming", "names of new schemas are made by", ""),
    ("max_nesting", "levels of nesting that become tables and columns", "all"),
    ("decimal_digits", "digits of a decimal", ""),
    ("wei_digits", "digits of `wei`", ""),
    ("timestamp_digits", "digits of a second's fraction", ""),
    ("holds_nul", "NUL in text is kept", ""),
    ("renames", "tables and columns that are there can be renamed", ""),
    ("writers", "tables that may be written at once", ""),
    ("lanes", "tables that may be written at once while the source is read, each by one call", ""),
)


def _limits(kind: str) -> Iterator[str]:
    limits = of_type(kind).limits
    rows = []
    for name, text, none in _LIMITS:
        value = getattr(limits, name)
        shown = (
            {True: "yes", False: "no", None: none}[value] if isinstance(value, bool | None) else str(value)
        )
        rows.append([text, shown])
    yield "## Limits and names"
    yield table(["", ""], rows)
    if limits.max_table_name or limits.max_column_name:
        yield "A longer name is cut, and has a hash of the whole in it."


def _guarantees(kind: str) -> Iterator[str]:
    found = [promise(kind, way) for way in ways_of(kind)]
    rows = [[f"`{one.strategy}`", one.grade, one.text, _proof(kind, one.strategy)] for one in found]
    yield "## Guarantees"
    yield table(["strategy", "grade", "which is", "proven by"], rows)
    rests = dict.fromkeys(line for one in found for line in one.rests_on)
    yield "It rests on:\n\n" + "\n".join(f"- {line}" for line in rests)
    never = {way: NEVER[kind, way] for way in WAYS if (kind, way) in NEVER}
    if never:
        names = ", ".join(f"`{way}`" for way in never)
        yield f"Never: {names}. {' '.join(dict.fromkeys(reason[0].upper() + reason[1:] for reason in never.values()))}."


def _proof(kind: str, way: str) -> str:
    proof = PROOFS.get((kind, way))
    return "" if proof is None else f"[{proof.module}](../{_TESTS}/e2e/{proof.module}.py)"


_COLUMNS = (
    Column("c", "text"),
    Column("c", "text", precision=20),
    Column("c", "bigint"),
    Column("c", "bigint", precision=32),
    Column("c", "double"),
    Column("c", "bool"),
    Column("c", "timestamp"),
    Column("c", "timestamp", timezone=False),
    Column("c", "date"),
    Column("c", "time"),
    Column("c", "decimal"),
    Column("c", "decimal", precision=10, scale=2),
    Column("c", "wei"),
    Column("c", "binary"),
    Column("c", "json"),
)


def _types(kind: str) -> Iterator[str]:
    spelled = _column_type(kind)
    if spelled is None:
        return
    yield "## Types"
    yield "What a new column becomes; a column that is there keeps its type."
    yield table(["data type", "column"], [[_named(column), f"`{spelled(column)}`"] for column in _COLUMNS])


def _named(column: Column) -> str:
    size = ",".join(str(part) for part in (column.precision, column.scale) if part is not None)
    more = ", `timezone: False`" if column.timezone is False else ""
    return f"`{column.data_type}{f'({size})' if size else ''}`{more}"


def _column_type(kind: str) -> Callable[[Column], object] | None:
    """Return what spells a column's type: the dialect's, or Arrow's for files; None for a function."""
    if kind == FUNCTION:
        return None
    module = importlib.import_module(ENTRIES[kind].module)
    dialect = getattr(module, "DIALECT", None)
    found = getattr(dialect, "column_type", None) or getattr(module, "column_type", None)
    if found is not None:
        return found  # type: ignore[no-any-return]
    digits = of_type(kind).limits.wei_digits
    return lambda column: arrow_type(replace(column), digits)


# -- pages


def pages() -> dict[Path, str]:
    """Return the generated part of each page."""
    docs = ROOT / "docs"
    return {
        docs / "strategies.md": strategies(),
        **{docs / "destinations" / f"{kind}.md": destination(kind) for kind in destination_types()},
    }


def renewed(text: str, part: str) -> str:
    """Return a page with its generated part as it should be.

    Raises:
        ValueError: it has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"a page needs the lines `{BEGIN}` and `{END}`")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def main() -> int:
    """Write all pages anew; a page that isn't there has to be begun by hand."""
    missing = [path for path in pages() if not path.exists()]
    for path in missing:
        print(f"{path} is missing: write what it is for and an example, and the two marks", file=sys.stderr)
    for path, part in pages().items():
        if path.exists():
            path.write_text(renewed(path.read_text(encoding="utf-8"), part), encoding="utf-8")
    return len(missing)


if __name__ == "__main__":
    sys.exit(main())
