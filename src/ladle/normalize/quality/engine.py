"""What DuckDB does for rules: conditions in SQL, and keys that are remembered over a package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.schema.rule_sql import without_columns

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "python_enable_replacements": "false",
}
_TOLD = ("Binder Error", "Catalog Error", "Parser Error")  # errors whose text is about the SQL, not a value


class NotComputed(Exception):
    """DuckDB can't compute a condition; the text holds no value of a row."""


class Engine:
    """A DuckDB in memory, without access to files, opened when it is first needed.

    Memory: of each remembered row the key's values; text and binary as their 128-bit digest.
    """

    def __init__(self) -> None:
        self._connection: Any = None
        self._types: dict[str, tuple[str, ...]] = {}

    def _open(self) -> Any:
        if self._connection is None:
            import duckdb

            self._connection = duckdb.connect(":memory:", config=_SETTINGS)
            self._connection.execute("SET TimeZone='UTC'")
            self._connection.execute("SET lock_configuration=true")
        return self._connection

    def close(self) -> None:
        """Forget everything."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._types.clear()

    def broken(self, sql: str, arrays: Mapping[str, pa.Array], columns: Sequence[str], rows: int) -> pa.Array:
        """Return where a condition is false: a boolean array without nulls.

        Args:
            sql: checked when the rule was made.
            arrays: of the batch; those it lacks are null.
            columns: that the condition names.
            rows: of the batch.

        Raises:
            NotComputed: the columns have other types than it needs, or a value can't be cast.
        """
        present = {n: _readable(arrays[n]) for n in columns if n in arrays}
        given = present or {"_": pa.nulls(rows, pa.bool_())}
        text = without_columns(sql, frozenset(columns) - present.keys())
        import duckdb

        connection = self._open()
        connection.register("batch", pa.table(given))
        try:
            # on a line of its own: the condition may end in a comment
            found = connection.sql(f"SELECT ({text}\n) AS kept FROM batch")
            # of a null alone, DuckDB says that it is a number
            if str(found.types[0]) not in ("BOOLEAN", '"NULL"') and present:
                raise NotComputed(f"it gives {found.types[0]}, not true or false")
            kept = found.to_arrow_table()["kept"].combine_chunks().cast(pa.bool_())
        except duckdb.Error as exc:
            told = str(exc).splitlines()[0]
            kind = told.partition(":")[0]
            raise NotComputed(told if kind in _TOLD else f"{kind} in one of the rows") from None
        return pc.fill_null(pc.invert(kept), False)

    def repeats(self, name: str, key: Sequence[pa.Array], skipped: pa.Array | None) -> pa.Array:
        """Remember the keys of a batch; return where a row has the key of an earlier one.

        Args:
            name: what the keys are remembered under.
            key: the columns of the key. Rows in which one is null have no key.
            skipped: true where a row doesn't count.
        """
        names = self._now(key, skipped)
        connection, seen = self._open(), _quoted(name)
        self._fit(name, names)
        listed = ", ".join(names)
        count, distinct = connection.execute(
            f"SELECT (SELECT count(*) FROM now), (SELECT count(*) FROM (SELECT DISTINCT {listed} FROM now))"
        ).fetchone()
        met = connection.execute(f"SELECT count(*) FROM {seen} JOIN now USING ({listed})").fetchone()[0]
        if count == distinct and not met:
            connection.execute(f"INSERT INTO {seen} SELECT {listed} FROM now")
            return pa.repeat(pa.scalar(False), len(key[0]))
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE first AS SELECT min(r) AS r, {listed} FROM now "
            f"ANTI JOIN {seen} USING ({listed}) GROUP BY {listed}"
        )
        connection.execute(f"INSERT INTO {seen} SELECT {listed} FROM first")
        found = connection.sql("SELECT r FROM now ANTI JOIN first USING (r)").to_arrow_table()["r"]
        return pc.is_in(pa.arange(0, len(key[0])), value_set=found.combine_chunks())

    def note(self, name: str, key: Sequence[pa.Array], first_row: int | None = None) -> None:
        """Remember the keys of a batch; with the numbers of their rows where `first_row` is given."""
        names = self._now(key, None)
        numbered = [] if first_row is None else [f"r + {first_row} AS r"]
        self._fit(name, [*(["r"] if numbered else []), *names])
        self._open().execute(f"INSERT INTO {_quoted(name)} SELECT {', '.join([*numbered, *names])} FROM now")

    def missing(self, own: str, referenced: str) -> pa.Array:
        """Return the numbers of the noted rows whose key isn't among those noted under `referenced`.

        Raises:
            NotComputed: the keys are of types that can't be compared.
        """
        if own not in self._types:
            return pa.array([], pa.int64())
        connection = self._open()
        if referenced not in self._types:
            return (
                connection.sql(f"SELECT r FROM {_quoted(own)} ORDER BY r")
                .to_arrow_table()["r"]
                .combine_chunks()
            )
        ours, theirs = self._types[own][1:], self._types[referenced]
        for left, right in zip(ours, theirs, strict=True):
            if _family(left) != _family(right):
                raise NotComputed(f"it compares {_family(left)} with {_family(right)}")
        names = ", ".join(f"k{n}" for n in range(len(theirs)))
        found = connection.sql(
            f"SELECT r FROM {_quoted(own)} ANTI JOIN {_quoted(referenced)} USING ({names}) ORDER BY r"
        )
        return found.to_arrow_table()["r"].combine_chunks()

    def forget(self, name: str) -> None:
        """Forget the keys remembered under a name."""
        if self._types.pop(name, None) is not None:
            self._open().execute(f"DROP TABLE {_quoted(name)}")

    def _now(self, key: Sequence[pa.Array], skipped: pa.Array | None) -> list[str]:
        """Make the table `now` of the rows with a key: number and key. Return the key's columns."""
        connection = self._open()
        given = {f"c{n}": _readable(values) for n, values in enumerate(key)}
        if skipped is not None:
            given["skipped"] = skipped
        connection.register("batch", pa.table({"r": pa.arange(0, len(key[0])), **given}))
        digest = [pa.types.is_string(v.type) or pa.types.is_binary(v.type) for v in given.values()]
        made = [f"{'md5_number' if d else ''}(c{n}) AS k{n}" for n, d in enumerate(digest[: len(key)])]
        wanted = [f"c{n} IS NOT NULL" for n in range(len(key))]
        if skipped is not None:
            wanted.append("NOT skipped")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE now AS SELECT r, {', '.join(made)} FROM batch "
            f"WHERE {' AND '.join(wanted)}"
        )
        return [f"k{n}" for n in range(len(key))]

    def _fit(self, name: str, columns: list[str]) -> None:
        """Make the table of a name, or widen its columns to those of the batch: a bigint becomes a double."""
        connection = self._open()
        table, listed = _quoted(name), ", ".join(columns)
        types = tuple(map(str, connection.sql(f"SELECT {listed} FROM now").types))
        known = self._types.get(name)
        if types == known:
            return
        before = f"SELECT {listed} FROM {table} UNION ALL " if known else ""
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS {before}(SELECT {listed} FROM now LIMIT 0)")
        self._types[name] = tuple(map(str, connection.sql(f"SELECT {listed} FROM {table}").types))


def _readable(values: pa.Array) -> pa.Array:
    """Return values in a type that DuckDB reads, one for all texts: it has no decimals beyond 38 digits."""
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        return values.cast(pa.string())
    if pa.types.is_large_binary(values.type) or pa.types.is_binary_view(values.type):
        return values.cast(pa.binary())
    if not pa.types.is_decimal256(values.type):
        return values
    try:
        return values.cast(pa.decimal128(38, values.type.scale))
    except pa.ArrowInvalid:
        return values.cast(pa.string())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _family(type_: str) -> str:
    if type_ == "UHUGEINT":  # a digest
        return "text"
    if type_.endswith("INT") or type_.startswith("DECIMAL") or type_ in ("INTEGER", "DOUBLE", "FLOAT"):
        return "number"
    return type_.partition("_")[0].partition(" ")[0].lower()
