"""Histories of a resource with a cursor, made by hypothesis: options, and pages of rows for several runs."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.parity.documents import REPO
from tests.parity.recorded import fingerprint, recorded

COUNT = 100
NAME = "histories"
DAY = datetime(2024, 1, 1)
KINDS: dict[str, Any] = {
    "int": lambda n: n,
    "float": lambda n: n / 2,
    "decimal": lambda n: Decimal(n) / 4,
    "text": lambda n: "abcdefghijkl"[n],
    "day text": lambda n: f"2024-01-{n + 1:02}",
    "time text": lambda n: f"2024-01-{n + 1:02}T00:00:00Z",
    "date": lambda n: date(2024, 1, 1) + timedelta(days=n),
    "naive": lambda n: DAY + timedelta(hours=n),
    "aware": lambda n: (DAY + timedelta(hours=n)).replace(tzinfo=UTC),
}
LAGS = {
    "int": 2,
    "float": 1.0,
    "day text": 2,
    "time text": 86400.0,
    "date": 1,
    "naive": 7200.0,
    "aware": 3600.5,
}
NUMBERS = st.integers(0, 11)


@st.composite
def histories(draw: Any) -> dict[str, Any]:
    """A history: its rows have a number `n` of their own, an `id` out of few, and the cursor `c`."""
    name = draw(st.sampled_from(list(KINDS)))
    kind = KINDS[name]
    options: dict[str, Any] = {
        "cursor_path": "c",
        "range_start": draw(st.sampled_from(["closed", "closed", "open"])),
        "range_end": draw(st.sampled_from(["open", "closed"])),
        "primary_key": draw(st.sampled_from([None, None, "id", ["id", "n"], ()])),
        "on_cursor_value_missing": draw(st.sampled_from(["raise", "include", "exclude"])),
        "last_value_func": draw(st.sampled_from(["max", "max", "max", "min"])),
    }
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    first, last = (high, low) if options["last_value_func"] == "min" else (low, high)
    if draw(st.booleans()):
        options["initial_value"] = kind(first)
        if draw(st.integers(0, 3)) == 0:
            options["end_value"] = kind(last)
    if name in LAGS and draw(st.integers(0, 3)) == 0:
        options["lag"] = LAGS[name]
    gaps = draw(st.sampled_from(["no", "no", "none", "missing"]))
    form = draw(st.sampled_from(["rows", "rows", "arrow"]))
    rows = st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 9))
    numbers: dict[Any, int] = {}
    drawn = draw(st.lists(st.lists(st.lists(rows, max_size=5), max_size=3), min_size=2, max_size=4))
    down = options["last_value_func"] == "min"
    runs = []
    for number, pages in enumerate(drawn):
        # Later runs reach further, and overlap with those before.
        moved = [
            [(11 - 2 * number - c if down else 2 * number + c, i, luck) for c, i, luck in page]
            for page in pages
        ]
        runs.append([[_row(row, kind, gaps, numbers) for row in page] for page in moved])
    way = draw(st.sampled_from(["argument", "argument", "hint", "call"]))
    disposition = draw(st.sampled_from(["append"] * 5 + ["replace"]))
    made = {"options": options, "write_disposition": disposition, "way": way}
    return {**made, "runs": runs, "form": form, "kind": name}


def _row(row: tuple[int, int, int], kind: Any, gaps: str, numbers: dict[Any, int]) -> dict[str, Any]:
    cursor, key, luck = row
    made = {"n": numbers.setdefault((cursor, key), len(numbers)), "id": key, "c": kind(cursor)}
    if gaps == "none" and luck == 0:
        made["c"] = None
    if gaps == "missing" and luck == 0:
        del made["c"]
    return made


@lru_cache(maxsize=1)
def generated() -> list[dict[str, Any]]:
    """`COUNT` histories, as recorded; the same in every process."""
    return list(recorded(NAME, key(), drawn))


def key() -> str:
    """What the recorded histories are found by. Other versions of hypothesis draw others."""
    return fingerprint(Path(__file__).read_text(encoding="utf-8"))


def drawn() -> list[dict[str, Any]]:
    """Draw them in a process of its own, as hypothesis looks at imported modules."""
    done = subprocess.run([sys.executable, "-m", __name__], cwd=REPO, capture_output=True, check=True)
    return list(pickle.loads(base64.b64decode(done.stdout)))


def draw() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    @settings(
        max_examples=6 * COUNT,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories())
    def collect(history: dict[str, Any]) -> None:
        found.setdefault(repr(history), history)

    collect()
    # Hypothesis varies what it drew: of the histories that share their options, the longest two.
    alike: dict[str, list[str]] = {}
    for text, history in sorted(found.items(), key=lambda pair: -len(pair[0])):
        alike.setdefault(repr((history["options"], history["form"])), []).append(text)
    chosen = sorted(text for texts in alike.values() for text in texts[:2])
    step = max(1, len(chosen) // COUNT)
    return [{**found[text], "id": f"history {n}"} for n, text in enumerate(chosen[::step][:COUNT])]


if __name__ == "__main__":
    print(base64.b64encode(pickle.dumps(draw())).decode())
