"""Give every column its type: infer it from the first value, coerce the rest, keep what doesn't fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.normalize.arrays import has_byte, keep
from ladle.normalize.coerce import coerce, kind_data_type
from ladle.normalize.detect import DETECTORS
from ladle.normalize.growth import Growth, needed
from ladle.normalize.names import Kinds, Named, Names
from ladle.normalize.nulls import without_mark
from ladle.schema.hints_by_name import NameRules
from ladle.schema.table import DATA_TYPES, Column, Table
from ladle.schema.types import arrow_type, column_of, same_type

_DETECTABLE = ("text", "bigint", "double", "wei", "binary")
_RANK = {"s": 0, "ms": 1, "us": 2, "ns": 3}
_PRECISION = {"s": 0, "ms": 3, "us": None, "ns": 9}
_NO_RULES = NameRules()
_DETECTED_IN_TEXT = ("timestamp", "date")


@dataclass(frozen=True, slots=True)
class Typing:
    """What typing columns depends on besides the data.

    Attributes:
        names: for the names of variant columns.
        wei_digits: digits the destination keeps of integers beyond 64 bits.
        timestamp_digits: fraction digits of a second the destination keeps with a time zone.
        holds_nul: whether the destination's text can hold NUL characters.
        detections: detectors for new columns, in order.
        frame: the batch comes from a frame, whose types are meant as they are.
        fresh: names of the columns of this table that got their type within this package.
        joined: those of them whose type grew since.
        growth: whether columns may grow to a wider type; None where none can.
        rules: what a new column gets because of its name; not for frames.
        coerces: whether values of another type become the column's where they can without loss.
    """

    names: Names
    wei_digits: int = 38
    holds_nul: bool = True
    timestamp_digits: int = 6
    detections: tuple[str, ...] = ("iso_timestamp",)
    frame: bool = False
    fresh: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()
    growth: Growth | None = None
    rules: NameRules = _NO_RULES
    coerces: bool = True

    def named_type(self, column: str) -> str | None:
        """Return the data type that a name like that of a variant column promises: it always holds that."""
        found = column.rpartition(f"{self.names.naming.separator}v_")[2]
        return found if found in DATA_TYPES and found != column else None


@dataclass(frozen=True, slots=True)
class Typed:
    """Columns of one table in destination types.

    Attributes:
        table: the table with new columns added and fresh ones joined.
        arrays: by column name; all of the piece's row count.
        fresh: names of columns that got their type in this batch.
        joined: names of fresh columns whose type grew in this batch.
        spilled: what didn't fit: its column, the variant column it went to, and there its values.
        grown: columns that took a wider type of the lattice in this batch: all of the package has to have it.
    """

    table: Table
    arrays: dict[str, pa.Array]
    fresh: frozenset[str]
    joined: frozenset[str]
    spilled: tuple[tuple[str, str, pa.Array], ...] = ()
    grown: Mapping[str, Column] = field(default_factory=dict)


def type_columns(named: Iterable[Named], table: Table, typing: Typing) -> Typed:
    """Type each named column; row count and order stay.

    A new column takes the type of its first value in row order; bigint and double join to double while
    the column is fresh. Other kinds then still have to fit the bigint: those before the first double had to,
    and where a batch ends must not decide. A value that can't become the column's type without loss goes to
    the variant column `<column>__v_<type>`, or widens the column where `growth` has a type for both: then
    values are taken in row order, each by the type that those before it left.
    """
    growth = typing.growth
    grown: dict[str, Column] = {}
    arrays: dict[str, pa.Array] = {}
    spilled: list[tuple[str, str, pa.Array]] = []
    columns: dict[str, Column] = dict(table.columns)
    added: set[str] = set()
    joined: set[str] = set()
    for name, _, kinds in named:
        # A frame's type is known where all its values are null; that of Python's None isn't.
        present = tuple((k, a) for k, a in kinds if typing.frame or a.null_count < len(a))
        column = columns.get(name) or Column(name)
        if not present:
            columns[name] = column
            continue
        if column.data_type is None:
            column = _infer(column, present, typing)
            added.add(name)
        if growth is not None:
            known = growth.again(column)
            column = _grown(known, present, typing, growth)
            if name not in added and not same_type(known, column):
                grown[name] = column
        if name in added or name in typing.fresh:
            wider = _join(column, present, typing)
            if wider is not column:
                joined.add(name)
                column = wider
        columns[name] = column
        whole = column.data_type == "double" and (name in joined or name in typing.joined)
        for target, array in _fit(column, present, typing, columns, added, whole):
            if target == name:
                arrays[target] = array
            else:
                spilled.append((name, target, array))
    # Only now: what came under the very name of a variant column keeps its place.
    for _, target, array in spilled:
        _put(target, array, arrays, columns, typing)
    made = replace(table, columns=columns)
    return Typed(made, arrays, frozenset(added), frozenset(joined), tuple(spilled), grown)


def _put(
    name: str, array: pa.Array, arrays: dict[str, pa.Array], columns: dict[str, Column], typing: Typing
) -> None:
    """Add the values of a variant; in rows where another value has its place, they go one further."""
    while name in arrays:
        there = arrays[name]
        if there.type.equals(array.type):
            clash = pc.and_(there.is_valid(), array.is_valid())
            arrays[name] = pc.coalesce(there, array)
            if not pc.any(clash).as_py():
                return
            array = keep(array, clash)
        variant = columns[name]
        name = typing.names.suffixed(name, f"v_{variant.data_type}")
        if name not in columns or columns[name].data_type is None:
            columns[name] = replace(variant, name=name, variant=True)
    arrays[name] = array


def _infer(hint: Column, kinds: Kinds, typing: Typing) -> Column:
    hint = without_mark(hint)
    if not typing.frame and (named := typing.named_type(hint.name)):
        return replace(hint, data_type=named)
    if not typing.frame:
        hint = typing.rules.hinted(hint)
        if preferred := typing.rules.data_type(hint.name):
            return replace(hint, data_type=preferred)
    first_kind, first = min(kinds, key=lambda pair: first_valid(pair[1]))
    found = column_of(hint.name, first.type, typing.frame)
    data_type = kind_data_type(first_kind)
    if first_kind in _DETECTABLE and first.null_count < len(first):
        value = first[first_valid(first)].as_py()
        for name in typing.detections:
            if detected := DETECTORS[name](value):
                data_type = detected
                break
    found = found if found.data_type == data_type else Column(hint.name, data_type=data_type)
    if data_type == "timestamp" and (found.precision or 6) > typing.timestamp_digits:
        # Digits the destination would cut: values that have them go to a variant, the others stay.
        found = replace(found, precision=None)
    return replace(
        hint,
        data_type=data_type,
        precision=hint.precision if hint.precision is not None else found.precision,
        scale=hint.scale if hint.scale is not None else found.scale,
    )


def first_valid(array: pa.Array) -> int:
    """Return the row number of the first value that is not null; the row count where there is none."""
    if array.null_count == 0 or array[0].is_valid:
        return 0
    found = int(pc.index(array.is_valid(), True).as_py())
    return found if found >= 0 else len(array)


def _join(column: Column, kinds: Kinds, typing: Typing) -> Column:
    by_kind = dict(kinds)
    named = not typing.frame and typing.named_type(column.name)
    by_value = typing.growth is not None and typing.growth.by_value
    joins = typing.coerces and not by_value
    if column.data_type == "bigint" and "double" in by_kind and not named and joins:
        return replace(column, data_type="double", precision=None)
    same = next((a for k, a in kinds if kind_data_type(k) == column.data_type), None)
    if same is None or not typing.frame:
        return column
    found = column_of(column.name, same.type, from_frame=True)
    if found.data_type == "timestamp" and (found.precision or 6) > typing.timestamp_digits:
        found = replace(found, precision=None)
    return _widen(column, found)


def _grown(column: Column, kinds: Kinds, typing: Typing, growth: Growth) -> Column:
    """Return a column as wide as these values make it; one value after the other, in row order."""
    if typing.frame:
        same = next((a for k, a in kinds if kind_data_type(k) == column.data_type), None)
        if same is not None:
            column = growth.with_digits(column, column_of(column.name, same.type, from_frame=True))
    if not growth.by_value or (not typing.frame and typing.named_type(column.name)):
        return column
    while (wider := _first_wider(column, kinds, typing, growth)) is not None:
        column = wider
    return column


def _first_wider(column: Column, kinds: Kinds, typing: Typing, growth: Growth) -> Column | None:
    """Return what the first value makes of a column that doesn't fit it and can change it; None for none."""
    target = arrow_type(column, typing.wei_digits)
    found: list[tuple[int, Column]] = []
    for kind, values in kinds:
        _, failed = _coerce(values, kind, column, target, typing)
        if failed is not None:
            for row, wanted in needed(kind, kind_data_type(kind), values, failed):
                wider = growth.wider(column, wanted)
                if wider is not None:
                    found.append((row, wider))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _widen(column: Column, found: Column) -> Column:
    """Join two frame types of one data type to the one that holds both."""
    if column.data_type == "bigint" and column.precision != found.precision:
        return replace(column, precision=max(column.precision or 64, found.precision or 64) % 64 or None)
    if column.data_type == "timestamp" and column.precision != found.precision:
        units = [arrow_type(c).unit for c in (column, found)]
        return replace(column, precision=_PRECISION[max(units, key=_RANK.__getitem__)])
    if column.data_type == "decimal" and (column.precision, column.scale) != (found.precision, found.scale):
        scale = max(column.scale or 0, found.scale or 0)
        whole = max((c.precision or 38) - (c.scale or 0) for c in (column, found))
        return replace(column, precision=min(whole + scale, 76), scale=scale)
    return column


def _fit(
    column: Column,
    kinds: Kinds,
    typing: Typing,
    columns: dict[str, Column],
    added: set[str],
    whole: bool = False,
) -> list[tuple[str, pa.Array]]:
    """Coerce each kind to the column; return arrays for it and for its variants.

    `whole`: kinds other than bigint and double fit only as whole numbers.
    """
    target = arrow_type(column, typing.wei_digits)
    fitted: pa.Array | None = None
    out: list[tuple[str, pa.Array]] = []
    for kind, values in kinds:
        if not typing.holds_nul and kind in ("text", "json"):
            values = _without_nul(values)
        if not (typing.coerces or typing.frame or _is_kind_of(column, kind)):
            out.extend(_spill(column, kind, values, typing, columns, added))
            continue
        if whole and kind not in ("bigint", "double"):
            given, as_given = values, kind
            values, failed = coerce(given, as_given, replace(column, data_type="bigint", precision=None))
            kind = "bigint"
            if failed is not None:
                out.extend(_spill(column, as_given, keep(given, failed), typing, columns, added))
        array, failed = _coerce(values, kind, column, target, typing)
        fitted = array if fitted is None else pc.coalesce(fitted, array)
        if failed is not None:
            left = keep(values, failed)
            out.extend(_spill(column, kind, left, typing, columns, added))
    if fitted is not None:
        out.insert(0, (column.name, fitted))
    return out


def _is_kind_of(column: Column, kind: str) -> bool:
    """Whether values of a kind are what the column holds; text can be a detected timestamp or date."""
    return kind_data_type(kind) == column.data_type or (
        kind == "text" and column.data_type in _DETECTED_IN_TEXT
    )


def _coerce(
    values: pa.Array, kind: str, column: Column, target: pa.DataType, typing: Typing
) -> tuple[pa.Array, pa.Array | None]:
    if values.type.equals(target) and kind_data_type(kind) == column.data_type and kind != "wei":
        return values, None
    return coerce(values, kind, column, typing.wei_digits)


def _spill(
    column: Column, kind: str, values: pa.Array, typing: Typing, columns: dict[str, Column], added: set[str]
) -> list[tuple[str, pa.Array]]:
    """Put what didn't fit into variant columns of its own type; digits no decimal type holds become text."""
    out: list[tuple[str, pa.Array]] = []
    for choice in dict.fromkeys((kind_data_type(kind), "text")):
        name = typing.names.suffixed(column.name, f"v_{choice}")
        variant = columns.get(name) or Column(name)
        if variant.data_type is None:
            variant = replace(variant, data_type=choice, variant=True)
            trial, failed = coerce(values, kind, variant, typing.wei_digits)
            if trial.null_count == len(trial):
                continue
            columns[name] = variant
            added.add(name)
        elif variant.data_type != choice:
            # Left so by another loader: the column's real type decides, the rest goes one further.
            return [*out, *_fit(variant, ((kind, values),), typing, columns, added)]
        else:
            trial, failed = coerce(values, kind, variant, typing.wei_digits)
        out.append((name, trial))
        if failed is None:
            return out
        values = keep(values, failed)
    return out


def _without_nul(values: pa.Array) -> pa.Array:
    """Replace NUL by U+2400 (its visible symbol): some engines can't hold NUL in text."""
    if not has_byte(values, b"\0"):
        return values
    return pc.replace_substring(values, "\0", "\u2400")


def check_not_null(typed: Typed, named: Iterable[Named], resource: str) -> None:
    """Refuse rows without a value in columns that are declared not nullable, or that rows are merged by.

    A key may be null where it is declared so, but not because its value went to a variant column: no later
    row would be found to have the same key.

    Args:
        typed: what `type_columns` made of `named`.
        named: the values as they came, to tell a null from a value that went to a variant column.
        resource: whose rows these are.

    Raises:
        DataError: names the column and the row within the piece.
    """
    merges = typed.table.parent is None and typed.table.write_disposition == "merge"
    for name, column in typed.table.columns.items():
        array = typed.arrays.get(name)
        keyed = merges and (column.primary_key or column.merge_key)
        if (
            (column.nullable and not keyed)
            or column.data_type is None
            or (array is not None and array.null_count == 0)
        ):
            continue
        row = 0 if array is None else int(pc.index(array.is_valid(), False).as_py())
        if column.nullable:
            if (beside := _first_beside(name, array, named)) is None:
                continue
            row = beside
        came = [(k, a[row]) for n, _, kinds in named if n == name for k, a in kinds if a[row].is_valid]
        if came:
            raise _misfit_error(typed.table.name, column, row, resource, came[0], keyed)
        raise null_error(typed.table.name, name, row, resource)


def _first_beside(name: str, array: pa.Array | None, named: Iterable[Named]) -> int | None:
    """Return the first row whose value isn't in its column but in a variant of it."""
    found = []
    for values in (a for n, _, kinds in named if n == name for _, a in kinds):
        lacks = values.is_valid() if array is None else pc.and_(values.is_valid(), array.is_null())
        found.append(int(pc.index(lacks, True).as_py()))
    return min((row for row in found if row >= 0), default=None)


def _misfit_error(
    table: str, column: Column, row: int, resource: str, came: tuple[str, pa.Scalar], keyed: bool
) -> DataError:
    kind, value = came
    why, hint = (
        "which may not be null",
        ", or declare the column nullable: the value then goes to a variant column",
    )
    if keyed:
        why, hint = "by which rows are merged", ": what went to a variant column would be no key"
    return DataError(
        f"a value of type `{kind_data_type(kind)}` doesn't fit column `{column.name}`, {why}",
        resource=resource,
        table=table,
        column=column.name,
        row=row,
        value=value.as_py(),
        expected=f"what becomes `{column.data_type}` without loss",
        hint=f"mend it with add_map{hint}",
    )


def null_error(table: str, column: str, row: int | None, resource: str) -> DataError:
    """The error for a null in a column that allows none."""
    return DataError(
        f"cannot store null in column `{column}`, which is declared not nullable",
        resource=resource,
        table=table,
        column=column,
        row=row,
        expected="a value in every row",
        hint=f'fill it with add_map, or declare it nullable: columns={{"{column}": {{"nullable": True}}}}',
    )
