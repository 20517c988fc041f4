"""What becomes of Postgres' types in Arrow: a column is known by its type's number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from ladle.destinations.postgres_rows import Kind

NUMBER = pa.opaque(pa.string(), "numeric", "PostgreSQL")

# The numbers are fixed: pg_type.dat.
_KINDS = {
    16: Kind("?", pa.bool_()),
    17: Kind("s", pa.binary()),
    18: Kind("s", pa.string()),  # "char"
    19: Kind("s", pa.string()),  # name
    20: Kind("q", pa.int64()),
    21: Kind("h", pa.int16()),
    22: Kind("[h", pa.list_(pa.int16())),  # int2vector
    23: Kind("i", pa.int32()),
    24: Kind("o", pa.uint32()),  # regproc
    25: Kind("s", pa.string()),
    26: Kind("o", pa.uint32()),  # oid
    114: Kind("s", pa.json_()),
    700: Kind("f", pa.float32()),
    701: Kind("d", pa.float64()),
    705: Kind("s", pa.string()),  # unknown
    790: Kind("q", pa.int64()),  # money
    1042: Kind("s", pa.string()),  # char(n)
    1043: Kind("s", pa.string()),
    1082: Kind("D", pa.date32()),
    1083: Kind("t", pa.time64("us")),
    1114: Kind("T", pa.timestamp("us")),
    1184: Kind("T", pa.timestamp("us", "UTC")),
    1186: Kind("I", pa.month_day_nano_interval()),
    1700: Kind("n", NUMBER),
    2950: Kind("u", pa.uuid()),
    3802: Kind("j", pa.json_()),
}
_TYPE = (
    "SELECT typname::text, typtype::text, typbasetype::int8, typrelid::int8, "
    "CASE WHEN typreceive = 'pg_catalog.array_recv'::regproc THEN typelem ELSE 0 END::int8 "
    "FROM pg_catalog.pg_type WHERE oid = $1::int8::oid"
)
_FIELDS = (
    "SELECT attname::text, atttypid::int8 FROM pg_catalog.pg_attribute "
    "WHERE attrelid = $1::int8::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


class Kinds:
    """Looks up types; the server is asked once for each that isn't built into it and has no fields.

    Args:
        query: runs SQL with parameters and returns the rows.
    """

    def __init__(self, query: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]) -> None:
        self._query = query
        self._known = dict(_KINDS)

    def of(self, oid: int) -> Kind:
        """Return what becomes of a type."""
        kind = self._known.get(oid) or self._asked(oid)
        if "(" not in kind.code:  # others may get other fields meanwhile, as tables do, whose rows they are
            self._known[oid] = kind
        return kind

    def _asked(self, oid: int) -> Kind:
        ((name, form, base, relation, element),) = self._query(_TYPE, [oid]) or [("unknown", "b", 0, 0, 0)]
        if form == "d":
            return self.of(base)
        if form == "e":
            return Kind("s", pa.string())
        if form == "c":
            fields = [(field, self.of(number)) for field, number in self._query(_FIELDS, [relation])]
            arrow = pa.struct([(field, kind.arrow) for field, kind in fields])
            return Kind(f"({''.join(kind.code for _, kind in fields)})", arrow)
        if element:
            kind = self.of(element)
            return Kind("[" + kind.code, pa.list_(kind.arrow))
        return Kind("s", pa.opaque(pa.binary(), name, "PostgreSQL"))
