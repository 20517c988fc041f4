"""The JSON files of the shared data as lists of records, each with the selector its FACTS were counted by."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
MAX_BYTES = 10_000_000
"""Unpacked size above which a file is left out (nothing in the data is near it today)."""
MAX_ROWS = 2_000
"""Records of one document sent through both sides; the reference writes some 2,000 flat rows a second."""
TABLE = "t"
"""The root table's name, on both sides."""
FOLDERS = ("json", "peers")
SUFFIXES = (".json", ".jsonl", ".ndjson", ".singer", ".log", ".txt")

SELECTORS: Mapping[str, str] = {
    "json/apache_builds.json": "jobs",
    "json/canada.json.gz": "features",
    "json/caniuse_data-2.0.json.gz": "data.*",
    "json/gsoc-2018.json.gz": "*",
    "json/openfoodfacts_product.json": "product",
    "json/overpass/": "elements",
    "json/stripe_fixtures3.json": "resources.*",
    "json/twitter.json.gz": "statuses",
    "json/twitterescaped.json.gz": "statuses",
    "json/update-center.json.gz": "plugins.*",
    "json/usgs_earthquakes.json.gz": "features",
    "peers/airbyte_expected_records/": "lines:data",
    "peers/airbyte_protocol_faros/": "lines:record.data",
}
"""Where the records of a file or of a folder's files are, as INDEX.md says; others are their own records."""

_SIMPLE_STREAMS = "peers/airbyte_normalization/test_simple_streams/data_input"
_LOADING = "peers/dlt_tests/load/cases/loading"
SKIPPED: Mapping[str, str] = {
    "peers/singer_target_postgres/tap_aapl.singer.gz": "76,000 columns: the reference needs minutes",
    f"{_SIMPLE_STREAMS}/messages.txt": "comments between its JSON lines",
    f"{_SIMPLE_STREAMS}/messages_incremental.txt": "comments between its JSON lines",
    f"{_SIMPLE_STREAMS}/messages_schema_change.txt": "comments between its JSON lines",
    f"{_LOADING}/event_loop_interrupted.1234.0.jsonl": "not JSON: a file that is never read",
    f"{_LOADING}/event_user.1234.0.jsonl": "not JSON: a file that is never read",
}
"""Files that are no list of records, or that take the reference minutes, each with its reason."""


@dataclass(frozen=True)
class Sample:
    """What of a document goes through both sides where the whole would take the reference minutes."""

    selector: str | None = None
    rows: int = MAX_ROWS
    items: int | None = None


SAMPLES: Mapping[str, Sample] = {
    "json/canada.json.gz": Sample(items=30),  # 167,000 child rows
    "json/caniuse_data-2.0.json.gz": Sample(rows=60),  # 750 columns
    "json/citm_catalog.json.gz": Sample(selector="performances"),  # 300 child tables of one record
    "json/emoji_by_emoji.json": Sample(items=100),  # 11,000 columns, as all names come out equal
    "peers/singer_target_postgres/reserved_keywords.singer": Sample(
        selector="lines:record"
    ),  # 831 child tables
}


@dataclass(frozen=True)
class Document:
    """Records under a name: `id` is the path in the data folder, with `#member` for a part of an archive."""

    id: str
    load: Callable[[str], list[Any]] = field(repr=False, compare=False)
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Hints for the resource that both sides know, e.g. `max_table_nesting`."""

    def records(self) -> list[Any]:
        """Every record of the document, as `json.loads` makes it: what FACTS counted."""
        return self.load(selector(self.id))

    def sample(self) -> list[Any]:
        """The records that go through both sides: the same, but for the caps above."""
        part = SAMPLES.get(self.id, Sample())
        rows = self.load(selector(self.id) if part.selector is None else part.selector)[: part.rows]
        return rows if part.items is None else [_cap(row, part.items) for row in rows]


def data_folder() -> Path:
    """The shared data: `LADLE_TEST_DATA`, or `shared/data` beside the checkout. May not exist."""
    return Path(os.environ.get("LADLE_TEST_DATA", REPO.parent / "shared" / "data"))


def facts() -> dict[str, Any]:
    """FACTS.json.gz: per file the record count and the elements of every list, counted without a loader."""
    with gzip.open(data_folder() / "FACTS.json.gz") as file:
        return dict(json.load(file))


def documents() -> Iterator[Document]:
    """Every document of the data folder, in a stable order; nothing is read before `Document.records`."""
    root = data_folder()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if name.endswith(".zip"):
                yield Document(name, partial(_slack_messages, path))
            elif name.endswith("JSONTestSuite.tar.gz"):
                yield from _suite_documents(name, path)
            elif path.is_file() and skip_reason(name, path) is None:
                yield Document(name, partial(_read, path))


def skip_reason(name: str, path: Path) -> str | None:
    """Why a file is no document, or None when it is one."""
    if name in SKIPPED:
        return SKIPPED[name]
    if not name.removesuffix(".gz").endswith(SUFFIXES):
        return "not a JSON file"
    return f"more than {MAX_BYTES} bytes" if len(_unpacked(path)) > MAX_BYTES else None


def selector(name: str) -> str:
    """The record selector of a file: by its name, else its folder's, else empty for the document itself."""
    return SELECTORS.get(name) or next(
        (s for k, s in SELECTORS.items() if k.endswith("/") and name.startswith(k)), ""
    )


def select(document: Any, path: str) -> list[Any]:
    """The records at a dotted path; `*` takes the values of a map; a single object is one record."""
    for step in filter(None, path.split(".")):
        document = list(document.values()) if step == "*" else document[step]
    return document if isinstance(document, list) else [document]


def _read(path: Path, where: str) -> list[Any]:
    text = _unpacked(path).decode("utf-8")
    if where.startswith("lines:"):
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
        return [record for line in lines if (record := _dig(line, where.removeprefix("lines:"))) is not None]
    try:
        return select(json.loads(text), where)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def _dig(record: Any, path: str) -> Any:
    for key in path.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return record


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.name.endswith(".gz") else data


def _slack_messages(path: Path, _where: str) -> list[Any]:
    """All messages of the export's day files, the records its FACTS count."""
    with zipfile.ZipFile(path) as archive:
        days = sorted(name for name in archive.namelist() if "/" in name and name.endswith(".json"))
        return [message for name in days for message in json.loads(archive.read(name))]


def _suite_documents(name: str, path: Path) -> Iterator[Document]:
    """The parser suite's `y_` (must parse) cases: each object on its own, other values as one document."""
    with tarfile.open(path) as archive:
        cases = {
            Path(m.name).stem: archive.extractfile(m) for m in archive if Path(m.name).name.startswith("y_")
        }
        parsed = {
            case: json.loads(file.read().decode("utf-8-sig")) for case, file in sorted(cases.items()) if file
        }
    for case, value in parsed.items():
        if isinstance(value, dict):
            yield Document(f"{name}#{case}", partial(select, value))
    rest = [{"case": case, "parsed": value} for case, value in parsed.items() if not isinstance(value, dict)]
    yield Document(f"{name}#values", partial(select, rest))


def _cap(value: Any, items: int) -> Any:
    """The value with the first items of each list and dict in it."""
    if isinstance(value, list):
        return [_cap(item, items) for item in value[:items]]
    if isinstance(value, dict):
        return {key: _cap(item, items) for key, item in list(value.items())[:items]}
    return value
