"""A load into SQLite: rows that wait, and new tables that are merged into, have indexes on their keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import orjson
from sqlglot import exp

from ladle.destinations import dialect as statements
from ladle.destinations.dialect import Dialect
from ladle.destinations.looked_up import looked_up
from ladle.destinations.sql import SqlConnection, SqlSession
from ladle.schema.scd2 import has_history, history_of
from ladle.schema.table import Table

_KEPT, _ROW_ID = " kept", "_dlt_id"
# Those that are as we make them; of others nobody knows how they are to be made again.
_INDEXES = (
    "SELECT l.name, json_group_array(i.name), l.partial FROM pragma_index_list(?2, ?1) AS l, "
    "pragma_index_info(l.name, ?1) AS i JOIN {}.sqlite_master AS m ON m.name = l.name "
    """WHERE l.origin = 'c' AND NOT l."unique" AND substr(l.name, 1, 3) = 'ix_' """
    """AND (NOT l.partial OR m.sql LIKE '%("' || ?3 || '") WHERE "' || ?3 || '" IS NOT NULL') """
    "GROUP BY l.name HAVING max(i.name = ?3) = 1 AND count(*) = count(i.name)"
)


class SqliteSession(SqlSession):
    """A load into a file: G4, one transaction.

    SQLite makes an index of its own for each statement that joins, with all columns that the statement reads.
    One that is made once, after the rows, serves all statements of a merge.

    Args:
        connection: open.
        dialect: of the engine.
        dataset: name of the schema.
        create_indexes: whether new tables that are merged into get an index on each key that merges go by.
    """

    def __init__(
        self, connection: SqlConnection, dialect: Dialect, dataset: str, create_indexes: bool
    ) -> None:
        super().__init__(connection, dialect, dataset)
        self._create_indexes = create_indexes
        self._waits: dict[str, list[list[str]]] = {}

    def _waiting(self, here: exp.Table, table: Table, columns: Sequence[str]) -> exp.Expression:
        self._waits[table.name] = [key for key in looked_up(table) if set(key) <= set(columns)]
        return super()._waiting(here, table, columns)

    def _analyze(self, table: exp.Table, columns: Collection[str]) -> None:
        """Index rows that wait, or those chosen of them, now that all are there."""
        names = {number: name for name, number in self._staged.items()}
        name = names[table.name].removesuffix(_KEPT)
        for key in self._waits.get(name, ()):
            self._run(_index(table, key))
        super()._analyze(table, ())  # its ANALYZE knows no columns

    def _run(self, statement: exp.Expression) -> int:
        """Run a statement; a column that goes, or changes its type, can't be in an index meanwhile."""
        action = statement.args["actions"][0] if isinstance(statement, exp.Alter) else None
        if not isinstance(action, (exp.AlterColumn, exp.Drop)):
            return super()._run(statement)
        stays, table = isinstance(action, exp.AlterColumn), statement.this
        column = action.this.name if stays else next(action.find_all(exp.Column)).name
        found = _INDEXES.format(self._dialect.sql(exp.to_identifier(self._dataset, quoted=True)))
        indexes = self._connection.query(found, [self._dataset, table.name, column])
        for name, *_ in indexes:
            super()._run(statements.drop_unique(self._dataset, table.name, name, constraint=False))
        count = super()._run(statement)
        for _, columns, partial in indexes if stays else ():
            super()._run(_index(table, orjson.loads(columns), bool(partial)))
        return count

    def _index(self, tables: Iterable[Table]) -> None:
        tables = list(tables)
        super()._index(tables)
        for table in tables if self._create_indexes else ():
            if table.write_disposition != "merge" and not table.keys("root_key"):
                continue
            with self._connection.errors(f"indexing table `{table.name}`"):
                typed = {column.name for column in table.typed_columns()}
                for key in _old_keys(table):
                    if set(key) <= typed and not self._has_index(table, key):
                        self._run(_index(self.place(table.name), key))
                for number, name in enumerate(_moments(table)):
                    self._run(_index(self.place(table.name), [name], partial=number > 0))

    def _has_index(self, table: Table, key: Sequence[str]) -> bool:
        """Whether a constraint or a unique index of the table serves the key."""
        unique = self._dialect.unique_indexes and len(key) == 1 and key[0] in table.keys("unique")
        return unique or (self._dialect.primary_keys and key == table.keys("primary_key"))


def _old_keys(table: Table) -> list[list[str]]:
    """Return the columns of each key by which old rows are found.

    A version that is a hash is looked for among the rows of its key: hashes come in no order, and each load
    would write all over an index of them.
    """
    history, other = history_of(table), table.keys("merge_key")
    hashed = has_history(table) and history is not None and history.version == _ROW_ID
    return [k for k in looked_up(table) if not hashed or k != [_ROW_ID] or other in ([], k)]


def _moments(table: Table) -> Sequence[str]:
    """Return the columns with the moments at which rows of a history began and ended to hold.

    Each load asks for the latest of them. None are returned where a row that holds has a moment at which it
    ends: each row would be in that index, and change its place in it.
    """
    history = history_of(table) if has_history(table) else None
    return () if history is None or history.active is not None else history.columns


def _index(table: exp.Table, key: Sequence[str], partial: bool = False) -> exp.Create:
    """CREATE INDEX; a partial one has the rows with a value."""
    params = exp.IndexParameters(columns=[statements.column_ref(name) for name in key])
    if partial:
        # In these words: behind NOT (x IS NULL), SQLite doesn't find the index for a comparison.
        known = exp.Is(this=statements.column_ref(key[0]), expression=exp.not_(exp.Null()))
        params.set("where", exp.Where(this=known))
    # Somebody else's, or that of a table that was renamed, may have the name: then there is none.
    return exp.Create(this=exp.Index(table=table.copy(), params=params), kind="INDEX", exists=True)
