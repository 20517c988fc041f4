"""JSON documents made by hypothesis: half of them rows of one shape, as an API sends them, half of none."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache, partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.parity.documents import REPO, Document, select

COUNT = 100
KEYS = (
    "id",
    "Name",
    "userID",
    "a b",
    "x__y",
    "__v",
    "tags",
    "value",
    "list",
    "naïve",
    "日本",
    "n-1",
    "+1",
    "$ref",
    "T",
)
TEXTS = (
    "", "abc", "12", "1.5", "true", "no", "null", "[1]", '{"a": 1}', "O'Hara", 'say "x"', "日本語", "💥",
    "a\nb\tc", "2024-01-02", "2024-01-02T03:04:05Z", "2024-02-30T00:00:00Z", "2024-01-02 03:04:05.5+02:00",
    "2024-W01-1T00:00:00",
)  # fmt: skip

texts = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | floats | texts
keys = st.sampled_from(KEYS)
anything = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=3),
    max_leaves=8,
)


def of_one_shape() -> st.SearchStrategy[list[Any]]:
    """Rows that share one shape: each key holds one type, or nothing."""
    kinds = st.sampled_from([st.booleans(), integers, floats, texts])
    shape = st.recursive(
        kinds,
        lambda below: (
            below.map(partial(st.lists, max_size=3)) | st.dictionaries(keys, below, max_size=4).map(_fields)
        ),
        max_leaves=10,
    )
    rows = st.dictionaries(keys, shape, min_size=1, max_size=6).map(_fields)
    return rows.flatmap(lambda row: st.lists(row, min_size=1, max_size=5))


def _fields(shape: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {}, optional={key: below | below | st.none() for key, below in shape.items()}
    )


def generated() -> list[Document]:
    """`COUNT` documents, the same in every process; made when the first is asked for its records."""
    return [Document(f"generated {number}", partial(_numbered, number)) for number in range(COUNT)]


def _numbered(number: int, _where: str) -> list[Any]:
    return select(_all_records()[number], "")


@lru_cache(maxsize=1)
def _all_records() -> list[list[Any]]:
    """Drawn in a process of its own: hypothesis also tries constants from whatever modules are imported."""
    drawn = subprocess.run([sys.executable, "-m", __name__], cwd=REPO, capture_output=True, check=True)
    return list(json.loads(drawn.stdout))


def draw() -> list[list[Any]]:
    """Draw records without chance and keep the `COUNT` longest: hypothesis repeats itself in short ones."""
    found: dict[str, list[Any]] = {}

    @settings(
        max_examples=2 * COUNT,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(of_one_shape() | st.lists(st.dictionaries(keys, anything, max_size=5), min_size=1, max_size=5))
    def collect(records: list[Any]) -> None:
        found.setdefault(json.dumps(records), records)

    collect()
    longest = sorted(found, key=len)[-COUNT:]
    return [found[text] for text in sorted(longest)]


if __name__ == "__main__":
    print(json.dumps(draw()))
