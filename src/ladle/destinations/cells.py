"""Arrow columns as text, for CSV and JSON lines: whole columns at a time, no Python value per cell."""

from __future__ import annotations

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.schema.table import Column

_TEXT = pa.large_string()
"""64-bit offsets: one batch of escaped text may pass 2 GB."""

_FREQUENT = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
"""The backslash first: the others bring new ones."""

_CONTROLS = bytes(range(0x20))


def json_lines(batch: pa.RecordBatch, columns: list[Column]) -> pa.Buffer:
    """Return one JSON object per row, each with a line end; nulls are left out.

    Args:
        batch: columns named as `columns`.
        columns: tell JSON text from other text: it is embedded as it is.

    Numbers stay numbers; decimals are text, as JSON readers make doubles of them; NaN and infinities, which
    JSON has not, are null; bytes are base64; times are ISO 8601, UTC with `+00:00`.
    """
    members = []
    for column, array in zip(columns, batch.columns, strict=True):
        key = f",{orjson.dumps(column.name).decode()}:"
        if column.data_type == "json":
            # Line ends in JSON text can only stand between its tokens.
            text = array.cast(_TEXT)
            for end in "\r\n":
                text = _substituted(text, end, " ")
            members.append(_joined(key, text, ""))
        elif _is_number(array.type):
            members.append(_joined(key, number_text(array, finite=True), ""))
        else:
            members.append(_joined(f'{key}"', json_escaped(scalar_text(array)), '"'))
    # Arrow's own way to skip nulls drops a row of nothing but nulls.
    return _lines(members, batch.num_rows, "", ("{", "}\n"), first=1)


def csv_lines(batch: pa.RecordBatch, columns: list[Column]) -> pa.Buffer:
    """Return one CSV line per row. Null is nothing, empty text is `""`; all but numbers is quoted.

    Values as in `json_lines`, but decimals are bare numbers, and NaN and infinities are `nan`, `inf`.
    """
    cells = []
    for array in batch.columns:
        if _is_number(array.type):
            cells.append(number_text(array))
        elif pa.types.is_decimal(array.type):
            cells.append(decimal_text(array))
        else:
            cells.append(_joined('"', _substituted(scalar_text(array), '"', '""'), '"'))
    return _lines(cells, batch.num_rows, ",", ("", "\n"))


def csv_header(names: list[str]) -> bytes:
    """Return the header line, all names quoted."""
    return (",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n").encode()


def _lines(
    cells: list[pa.Array], rows: int, separator: str, ends: tuple[str, str], first: int = 0
) -> pa.Buffer:
    """Join the cells of each row, nulls as nothing; the first `first` bytes of a row are left out."""
    if not cells:
        return pa.py_buffer("".join(ends).encode() * rows)
    row = pc.binary_join_element_wise(
        *cells, _scalar(separator), null_handling="replace", null_replacement=""
    )
    lines = _joined(ends[0], pc.binary_replace_slice(row, 0, first, "") if first else row, ends[1])
    text_bytes = pc.sum(pc.binary_length(lines)).as_py() or 0
    return lines.buffers()[2].slice(0, text_bytes)


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)


def _joined(before: str, text: pa.Array, after: str) -> pa.Array:
    """Put text around the values; null stays null."""
    return pc.binary_join_element_wise(_scalar(before), text, _scalar(after), _scalar(""))


def has_any(text: pa.Array, chars: bytes) -> bool:
    """Say whether one of some ASCII characters is in a column of text: much faster than Arrow's search."""
    if not len(text):
        return False
    offsets = memoryview(text.buffers()[1]).cast("q" if pa.types.is_large_string(text.type) else "i")
    begin, end = offsets[text.offset], offsets[text.offset + len(text)]
    data = memoryview(text.buffers()[2] or b"")[begin:end].tobytes()
    return chars in data if len(chars) == 1 else len(data.translate(None, chars)) < len(data)


def _has(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _is_number(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow) or pa.types.is_floating(arrow) or pa.types.is_boolean(arrow))


def number_text(array: pa.Array, finite: bool = False) -> pa.Array:
    """Return integers, doubles and bools as JSON spells them; whole doubles end in `.0`.

    Args:
        array: of one of these types.
        finite: make NaN and infinities null.
    """
    text = array.cast(_TEXT)
    if not pa.types.is_floating(array.type):
        return text
    text = pc.replace_substring_regex(text, r"^(-?\d+)$", r"\1.0")
    if finite:
        return pc.if_else(pc.is_finite(array), text, pa.scalar(None, _TEXT))
    return text


def scalar_text(array: pa.Array) -> pa.Array:
    """Return text, decimals, bytes, dates and times as unquoted, unescaped text."""
    kind = array.type
    if pa.types.is_decimal(kind):
        return decimal_text(array)
    if pa.types.is_timestamp(kind):
        # An aware timestamp holds UTC: without its zone it shows just that, and needs no zone database.
        text = _checked(array.cast(pa.timestamp(kind.unit)).cast(_TEXT))
        iso = pc.replace_substring(text, " ", "T", max_replacements=1)
        return _joined("", _without_zeros(iso), "" if kind.tz is None else "+00:00")
    if pa.types.is_time(kind):
        return _without_zeros(array.cast(_TEXT))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return base64_text(array)
    return _checked(array.cast(_TEXT)) if pa.types.is_date(kind) else array.cast(_TEXT)


def _checked(text: pa.Array) -> pa.Array:
    # Arrow writes `<value out of range: ...>` for years that it can't spell.
    if _has(text, "^<"):
        raise DataError(
            "a date lies too far from today to be written as text",
            expected="a year between -32767 and 32767",
            hint='load it as Parquet: loader_file_format="parquet"',
        )
    return text


def _without_zeros(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, r"\.0+$", "")


def json_escaped(text: pa.Array) -> pa.Array:
    """Return text as it stands between the quotes of a JSON string."""
    if not has_any(text, _CONTROLS + b'"\\'):
        return text
    for char, escape in _FREQUENT:
        text = _substituted(text, char, escape)
    if has_any(text, _CONTROLS):
        for code in range(0x20):
            text = _substituted(text, chr(code), f"\\u{code:04x}")
    return text


def _substituted(text: pa.Array, char: str, escape: str) -> pa.Array:
    return pc.replace_substring(text, char, escape) if has_any(text, char.encode()) else text


def decimal_text(array: pa.Array) -> pa.Array:
    """Return decimals with all digits of their scale and never an exponent."""
    scale = array.type.scale
    if scale <= 0:
        return array.cast(_TEXT)
    whole = pa.decimal128(38, 0) if pa.types.is_decimal128(array.type) else pa.decimal256(76, 0)
    unscaled = pa.Array.from_buffers(whole, len(array), array.buffers(), offset=array.offset)
    digits = unscaled.cast(_TEXT)
    negative = pc.starts_with(digits, "-")
    padded = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), scale + 1, "0")
    before = pc.utf8_slice_codeunits(padded, 0, -scale)
    sign = pc.if_else(negative, _scalar("-"), _scalar(""))
    return pc.binary_join_element_wise(
        sign, before, _scalar("."), pc.utf8_slice_codeunits(padded, -scale), _scalar("")
    )


def base64_text(array: pa.Array) -> pa.Array:
    """Return bytes as base64, by DuckDB, as Arrow has no such function."""
    import duckdb  # few loads need it

    table = pa.table({"bytes": array})
    with duckdb.connect() as connection:
        connection.register("source", table)
        found = connection.sql("SELECT base64(bytes) AS text FROM source").to_arrow_table()
    return found.column("text").combine_chunks().cast(_TEXT)
