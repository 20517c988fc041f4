"""An editor and a type checker see through the decorators."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SNIPPET = """
from __future__ import annotations
from collections.abc import AsyncIterator, Iterator
from typing import Any
import ladle

@ladle.resource
def bare(limit: int, name: str = "x") -> Iterator[int]:
    yield limit

@ladle.resource(name="n", primary_key="id", write_disposition="replace")
def dressed(limit: int) -> Iterator[int]:
    yield limit

@ladle.resource
async def later(page: str) -> AsyncIterator[int]:
    yield 1

@ladle.transformer
def details(item: Any, mul: int) -> Iterator[Any]:
    yield item

@ladle.transformer(data_from=bare(1))
def more(item: dict[str, int], mul: int = 2) -> Any:
    return item

@ladle.source
def shop(key: str = ladle.config.value, *, pages: int = 3) -> Any:
    return bare(pages)

@ladle.source(name="other", max_table_nesting=1)
def other(key: str) -> Any:
    return bare(1)

@ladle.defer
def work(number: int) -> str:
    return ""

@ladle.resource
async def anything(page: str) -> Any:
    yield 1

@ladle.resource
def bald(a, b=1):  # type: ignore[no-untyped-def]
    yield a

def with_meta(item: dict[str, int], meta: Any) -> Any:
    return item

reveal_type(anything)
reveal_type(bald)
reveal_type(bare(1).add_map(with_meta).add_map(str).add_filter(lambda row: row["a"]))
reveal_type(bare)
reveal_type(bare(5))
reveal_type(dressed(5).add_map(str).add_limit(3))
reveal_type(later)
reveal_type(details)
reveal_type(more(mul=3))
reveal_type(bare(1) | details(3))
reveal_type(shop)
reveal_type(shop("a", pages=2))
reveal_type(other("k").with_resources("bare"))
reveal_type(shop.clone(name="b"))
reveal_type(work(5))
reveal_type(ladle.resource([{"a": 1}], name="rows"))
bare("wrong")
dressed(unknown=1)
details()
shop(pages="many")
other(5)
work("x")
ladle.resource([1], name="r", write_disposition="apend")
ladle.source(lambda: 1, nam="x")
"""

# What the decorators' types don't lead to is left out: with it, mypy reads a thousand modules more.
APART = (
    "cli", "dataset", "destinations", "extract", "governance", "integrations", "load", "normalize", "package",
    "pipelines", "testing",
)  # fmt: skip
OTHERS = (
    "cryptography",
    "duckdb",
    "hypothesis",
    "numpy",
    "pandas",
    "polars",
    "pydantic",
    "rich",
    "sqlalchemy",
    "sqlglot",
)
SETTINGS = f"""
[mypy]
strict = True

[mypy-{",".join(f"ladle.{room}.*" for room in APART)}]
follow_imports = skip

[mypy-{",".join(f"{name}.*" for name in OTHERS)}]
follow_imports = skip

[mypy-fsspec.*,jsonpath_ng.*,pyarrow.*,requests.*,yaml.*]
ignore_missing_imports = True
"""

REVEALED = [
    'ResourceFunction[[page: str]]',
    'ResourceFunction[[a: Any, b: Any =]]',
    'Resource',
    'ResourceFunction[[limit: int, name: str =]]',
    'Resource',
    'Resource',
    'ResourceFunction[[page: str]]',
    'ResourceFunction[[mul: int]]',
    'Resource',
    'Resource',
    'SourceFactory[[key: str =, *, pages: int =]]',
    'Source',
    'Source',
    'SourceFactory[[key: str =, *, pages: int =]]',
    'def () -> str',
    'Resource',
]  # fmt: skip


def test_mypy_sees_through_the_decorators(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    settings = tmp_path / "mypy.ini"
    settings.write_text(SETTINGS)
    options = ["--config-file", str(settings), "--cache-dir", os.devnull]
    source = Path(__file__).parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(snippet)],
        cwd=tmp_path, capture_output=True, text=True, env={"MYPYPATH": str(source), "PATH": ""},
    )  # fmt: skip
    revealed = [
        re.sub(r"ladle\.sources\.\w+\.", "", r) for r in re.findall(r'Revealed type is "(.*)"', done.stdout)
    ]
    assert revealed == REVEALED, done.stdout
    # nothing that they do lead to is missing
    assert not [line for line in done.stdout.splitlines() if ": error:" in line and "snippet.py" not in line]
    wrong = re.findall(r"snippet.py:(\d+): error:", done.stdout)
    first = SNIPPET.splitlines().index('bare("wrong")') + 1
    assert sorted({int(line) for line in wrong}) == list(range(first, first + 8)), done.stdout
