"""Settings of how schemas evolve, and the look at the destination that one kind of widening needs."""

from __future__ import annotations

from contextlib import closing
from functools import cache

from sqlglot import exp

from ladle.config.settings import setting
from ladle.destinations import dialect as statements
from ladle.destinations.base import Destination, readable
from ladle.errors import ConfigError
from ladle.normalize.nulls import NullColumns
from ladle.schema.given_names import GivenNames, in_given_names
from ladle.schema.lattice import Exact
from ladle.schema.schema import Schema
from ladle.schema.table import DATA_TYPES

_POLICIES = ("variant", "widen")
_NULLS = ("remember", "create")


def widens_by_value() -> bool:
    """Whether a value that doesn't fit may change its column's type: `schema.on_type_change`.

    Raises:
        ConfigError: neither `variant` nor `widen`.
    """
    return _choice("on_type_change", "variant", _POLICIES) == "widen"


def null_columns() -> NullColumns:
    """Return what becomes of columns that saw only nulls: `schema.null_columns`, `schema.null_columns_type`.

    Raises:
        ConfigError: neither `remember` nor `create`, or no data type.
    """
    if _choice("null_columns", "remember", _NULLS) == "remember":
        return NullColumns()
    return NullColumns(create=True, data_type=_choice("null_columns_type", "text", DATA_TYPES))


def _choice(key: str, default: str, choices: tuple[str, ...]) -> str:
    found = setting("schema", key, default=default)
    if found not in choices:
        raise ConfigError(
            f"the setting `SCHEMA__{key.upper()}` can't be `{found}`", expected=" or ".join(choices)
        )
    return str(found)


def exact_doubles(
    destination: Destination | None, dataset: str | None, schema: Schema | None = None
) -> Exact | None:
    """Return what tells whether doubles hold every number of a column; None where nothing can be read.

    Args:
        destination: None for none.
        dataset: of the table.
        schema: where it is asked by derived names: has the given ones.
    """
    if destination is None or not hasattr(destination, "reader"):
        return None
    place = readable(destination)

    @cache
    def exact(table: str, column: str) -> bool:
        with closing(place.reader(str(dataset))) as reader:
            if table not in reader.tables():
                return True
            query: exp.Expression = statements.beyond_doubles(str(dataset), table, column)
            with reader.stream(reader.dialect.sql(query)) as rows:
                return not any(batch.num_rows for batch in rows.batches)

    return exact if schema is None else in_given_names(exact, GivenNames.of(schema))
