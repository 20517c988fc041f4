"""The differences that are meant, each with its reason and an example; docs/differences.md lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.parity.compare import Case, Difference, Known
from tests.parity.dataset import VARIANT, Row, base_of, comparable


def columns_of(case: Case, table: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The columns of a table on both sides; none where the table isn't."""
    left, right = case.reference.tables.get(table), case.ladle.tables.get(table)
    return left.columns if left else {}, right.columns if right else {}


def beside(row: Row | None, base: str) -> list[Any]:
    """The values a row has in a column and in the columns beside it."""
    return list(row.beside(base).values()) if row else []


def values_in(case: Case, difference: Difference, column: str | None = None) -> list[Any]:
    """All values ladle has in the column of a difference."""
    table = case.ladle.tables.get(difference.table)
    rows = table.rows if table else []
    name = column or difference.column
    return [row.values[name] for row in rows if name in row.values]


def same_number(value: Any, number: Any) -> bool:
    """Whether a value, or the number a text spells, is this number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return bool(float(value) == number)
    except (ValueError, OverflowError):
        return False


def numbers_join(difference: Difference, case: Case) -> bool:
    base = difference.column.removesuffix("__v_double")
    reference, ladle = columns_of(case, difference.table)
    if reference.get(base) != "BIGINT" or ladle.get(base) != "DOUBLE" or f"{base}__v_double" in ladle:
        return False
    if difference.kind != "value":
        return difference.kind in ("column", "type")
    left, right = difference.rows
    kept = right.values.get(base) if right else None
    # The reference stores doubles beyond 64 bits as 0.
    return any(same_number(value, kept) or abs(kept or 0) >= 2**63 for value in beside(left, base))


def doubles_kept(difference: Difference, case: Case) -> bool:
    if difference.kind == "value" and difference.reference is not None:
        return bool(difference.reference == 0) and repr(difference.ladle) == "-0.0"
    if difference.kind == "value":
        return _is_not_finite(difference.ladle)
    if difference.kind == "column" and difference.reference is None:
        return all(map(_is_not_finite, values_in(case, difference)))
    return False


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def same_names(difference: Difference, case: Case) -> bool:
    if difference.kind == "row":
        return difference.reference is None and case.spellings.shared_table(difference.table)
    # A name may look like one beside another column and be a key's own.
    bases = {difference.column, base_of(difference.column)}
    base = next((name for name in bases if case.spellings.shared_column(difference.table, name)), None)
    if base is None or difference.kind == "error":
        return False
    if difference.kind != "value":
        return difference.kind == "type" or difference.reference is None
    left, right = difference.rows
    kept = [comparable(value) for value in beside(right, base)]
    return all(comparable(value) in kept for value in beside(left, base))


def text_variants(difference: Difference, case: Case) -> bool:
    if difference.kind == "error":
        failed = "Cannot coerce type `text` to `timestamp`" in str(difference.reference)
        return failed and "__v_text`." in str(difference.reference) and difference.ladle is None
    if not difference.column.endswith("__v_text"):
        return False
    if difference.kind == "type":
        return str(difference.reference).startswith("TIMESTAMP") and difference.ladle == "VARCHAR"
    return difference.kind == "value" and _instant(difference.ladle) == difference.reference


def _instant(text: Any) -> datetime | None:
    """The naive UTC time that an ISO text spells."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def nothing_lost(difference: Difference, case: Case) -> bool:
    base = base_of(difference.column)
    if difference.kind == "column":
        variant = difference.reference is None and difference.column != base
        return variant and VARIANT.fullmatch(difference.column) is not None
    if difference.kind != "value":
        return False
    left, right = difference.rows
    stored = left.values.get(base) if left else None
    kept = _variants(right, base)
    return stored is not None and len(kept) == 1 and loses(kept[0], stored)


def _variants(row: Row | None, base: str) -> list[Any]:
    """The values in variant columns of a row that has none in the column itself."""
    values = row.beside(base) if row else {}
    return [] if base in values else [value for name, value in values.items() if VARIANT.fullmatch(name)]


def loses(value: Any, stored: Any) -> bool:
    """Whether what was stored can't give the value back."""
    if isinstance(stored, datetime):
        return _instant(value) != stored or not isinstance(value, str)
    if isinstance(stored, bool):
        return str(value).lower() not in (str(stored).lower(), str(int(stored)))
    return str(stored) != str(value)


def text_kept(difference: Difference, case: Case) -> bool:
    if difference.kind == "error":
        return "surrogates not allowed" in str(difference.reference) and difference.ladle is None
    if difference.kind == "value" and "\0" in str(difference.ladle):
        return bool(str(difference.ladle).replace("\0", "") == difference.reference)
    return difference.kind in ("column", "type", "value") and _starts_private(difference, case)


def _starts_private(difference: Difference, case: Case) -> bool:
    """Whether a column's texts start with one of the characters that the reference marks types with."""
    texts = values_in(case, difference, base_of(difference.column))
    return bool(texts) and all(isinstance(text, str) and "\uf026" <= text[:1] <= "\uf03f" for text in texts)


def big_integers(difference: Difference, case: Case) -> bool:
    return (
        difference.kind == "error" and "exceeds 64-bit" in str(difference.reference) and not difference.ladle
    )


def own_root_id(difference: Difference, case: Case) -> bool:
    place = (difference.kind, difference.column)
    return place == ("type", "_dlt_root_id") and difference.reference == f"{difference.ladle} NOT NULL"


KNOWN_DIFFERENCES: tuple[Known, ...] = (
    Known(
        "numbers-join",
        "integers and doubles in a column that is new are one column of doubles, not two with half of the"
        " values each",
        numbers_join,
        [{"v": 1, "l": [1, 2.5]}, {"v": 2.5}, {"v": 3}],
    ),
    Known(
        "doubles-kept",
        "NaN, infinities and -0.0 stay what they are; the reference makes them null, null and 0.0",
        doubles_kept,
        [{"v": float("nan"), "w": 1.5}, {"v": -0.0, "w": float("-inf"), "only": float("nan")}],
    ),
    Known(
        "same-names",
        "keys whose names come out equal keep all their values; in the reference the last one wins",
        same_names,
        [{"aB": 1, "a_b": 2, "A_B": "x"}, {"l": [1], "L": [2, 3]}],
    ),
    Known(
        "text-variants",
        "the type of a variant column is what its name says; in the reference it is that of its first"
        " text, and others fail",
        text_variants,
        [{"v": 1}, {"v": "2024-01-02T03:04:05Z"}],
    ),
    Known(
        "nothing-lost",
        "a value that can't become its column's type without loss goes beside it; the reference coerces"
        " what it can",
        nothing_lost,
        [{"b": True, "t": "2024-01-02T03:04:05Z"}, {"b": 17}],
    ),
    Known(
        "text-kept",
        "any text loads as it is, NUL, half a surrogate pair (escaped) and private-use marks at its start;"
        " the reference drops the first, fails on the second and takes the third for its own type marks",
        text_kept,
        [{"a": "x\0y", "b": "\uf02a0xff"}],
    ),
    Known(
        "big-integers",
        "integers beyond 64 bits load; the reference fails in extract",
        big_integers,
        [{"v": 2**70}],
    ),
    Known(
        "own-root-id",
        "a `_dlt_root_id` in rows of a root table is data: it may be null; in the reference a row without it fails",
        own_root_id,
        [{"_dlt_root_id": "x", "a": 1}],
    ),
)
