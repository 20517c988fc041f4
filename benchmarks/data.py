"""Deterministic rows for the benchmarks, nested and flat; only the standard library is needed.

Every row follows from its number alone, so that ladle, the peer (in its own environment) and DuckDB get
the same data without any file between them. `nested` is shaped like one page of an issue tracker's API:
three levels of dicts, a list of dicts (`items`, two a row on average) and a list of scalars (`tags`, one a
row): 100,000 rows are 60 MB as JSON and 400,000 rows in three tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

NESTED_TABLES = ("t", "t__items", "t__tags")
_WORDS = [
    "load", "table", "schema", "nested", "stream", "cursor", "batch", "merge",
    "commit", "column", "replica", "budget", "parse", "window", "shard", "vector",
    "ledger", "branch", "socket", "kernel", "thread", "buffer", "digest", "tenant"
]  # fmt: skip
_CITIES = ("Berlin", "Lagos", "Lima", "Osaka", "Oslo", "Porto", "Quito", "Riga", "São Paulo", "Zürich")
_STATES = ("open", "closed", "merged", "draft")
_TAGS = (0, 1, 2, 1)
_MIX = 2654435761  # Knuth's multiplier: spreads consecutive numbers over 32 bits


def _mix(number: int) -> int:
    return (number * _MIX) & 0xFFFFFFFF


def _phrase(seed: int, words: int) -> str:
    return " ".join([_WORDS[_mix(seed * words + k) % len(_WORDS)] for k in range(words)])


_SENTENCES = [_phrase(seed, 10) for seed in range(997)]


def _moment(seed: int) -> str:
    day, second = seed % 28 + 1, seed % 60
    return f"202{seed % 6}-{seed % 12 + 1:02d}-{day:02d}T{seed % 24:02d}:{second:02d}:{(seed >> 6) % 60:02d}Z"


def nested_row(number: int) -> Row:
    """Return the nested row with this number: about 610 bytes as JSON."""
    seed = _mix(number + 1)
    return {
        "id": number,
        "title": f"{_WORDS[seed % 24]} {_WORDS[(seed >> 5) % 24]} {number}",
        "body": f"{_SENTENCES[seed % 997]} {seed:x} {_SENTENCES[(seed >> 7) % 997]} #{number}",
        "state": _STATES[seed % 4],
        "locked": seed % 7 == 0,
        "score": (seed % 100_000) / 7,
        "created_at": _moment(seed),
        "closed_at": _moment(seed >> 5) if seed % 3 == 0 else None,
        "user": {
            "id": seed % 50_000,
            "login": f"user{seed % 50_000}",
            "address": {
                "city": _CITIES[seed % 10],
                "zip": f"{seed % 100_000:05d}",
                "geo": {"lat": (seed % 18_000) / 100 - 90, "lng": (seed % 36_000) / 100 - 180},
            },
        },
        "items": [_item(seed + k) for k in range(number % 5)],
        "tags": [_WORDS[(seed + k) % 24] for k in range(_TAGS[number % 4])],
    }


def _item(seed: int) -> Row:
    return {
        "sku": f"sku-{seed % 9_999:04d}",
        "qty": seed % 17,
        "price": (seed % 10_000) / 100,
        "note": f"{_WORDS[seed % 24]} {_WORDS[(seed >> 9) % 24]}",
    }


def nested_rows(count: int) -> list[Row]:
    """Return `count` nested rows, alive in memory."""
    return [nested_row(number) for number in range(count)]


def iter_nested(count: int) -> Iterator[Row]:
    """Yield `count` nested rows, one alive at a time."""
    return (nested_row(number) for number in range(count))


def flat_row(number: int) -> Row:
    """Return the flat row with this number: twenty columns of five types."""
    seed = _mix(number + 1)
    row: Row = {"id": number, "at": _moment(seed), "name": f"name {seed % 90_000}", "ok": seed % 2 == 0}
    for k in range(6):
        row[f"int_{k}"] = (seed >> k) % (10 ** (k + 2))
        row[f"num_{k}"] = (seed >> k) / 97
    for k in range(4):
        row[f"text_{k}"] = f"{_WORDS[(seed >> k) % 24]} {(seed >> k) % 1_000}"
    return row


def flat_rows(count: int) -> list[Row]:
    """Return `count` flat rows, alive in memory."""
    return [flat_row(number) for number in range(count)]


def changed_rows(base: int, count: int) -> list[Row]:
    """Return flat rows to merge into `base` of them: half have keys spread over those, half have new ones."""
    half = count // 2
    known = [flat_row(number * (base // half)) | {"name": f"changed {number}"} for number in range(half)]
    return known + flat_rows_from(base, count - half)


def flat_rows_from(first: int, count: int) -> list[Row]:
    """Return `count` flat rows, from that with number `first` on."""
    return [flat_row(first + number) for number in range(count)]


ROWS = {"nested": nested_rows, "flat": flat_rows}


def write_jsonl(path: Path, rows: list[Row]) -> None:
    """Write rows as compact JSON lines, for DuckDB's `read_json`."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
