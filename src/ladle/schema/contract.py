"""Contracts: what rows may change about tables, columns and data types, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ladle.errors import UsageError
from ladle.schema.table import Table

Mode = Literal["evolve", "freeze", "discard_row", "discard_value"]
Entity = Literal["tables", "columns", "data_type"]
MODES = ("evolve", "freeze", "discard_row", "discard_value")
ENTITIES = ("tables", "columns", "data_type")


@dataclass(frozen=True, slots=True)
class Contract:
    """A mode for each kind of change; what isn't given evolves.

    Attributes:
        tables: new tables.
        columns: new columns of tables that were loaded before.
        data_type: values that don't fit their column, and nulls in columns that allow none.
    """

    tables: Mode = "evolve"
    columns: Mode = "evolve"
    data_type: Mode = "evolve"

    @classmethod
    def of(cls, given: Any) -> Contract:
        """Return the contract that a mode, or a dict of modes by entity, spells.

        Raises:
            UsageError: an unknown entity or mode; names the nearest.
        """
        if isinstance(given, Contract):
            return given
        if not isinstance(given, Mapping):
            return cls(**dict.fromkeys(ENTITIES, _mode("schema_contract", given)))
        for entity in given:
            if entity not in ENTITIES:
                raise UsageError.unknown_choice("entity of schema_contract", entity, ENTITIES)
        return cls(**{entity: _mode(f"schema_contract for {entity}:", m) for entity, m in given.items()})

    @property
    def is_open(self) -> bool:
        """Whether it allows everything."""
        return self == _OPEN

    def for_new_table(self) -> Contract:
        """Return what holds for a table in the load that creates it: its columns and types are free."""
        return replace(self, columns="evolve", data_type="evolve")

    def to_dict(self) -> dict[str, str]:
        """Return the modes by entity."""
        return asdict(self)


_OPEN = Contract()


def _mode(what: str, given: Any) -> Mode:
    if given not in MODES:
        raise UsageError.unknown_choice(what, given, MODES)
    return given  # type: ignore[no-any-return]


def is_new(table: Table | None) -> bool:
    """Whether a table has no data yet, as far as the schema knows: its columns may still be anything."""
    if table is None or not (table.extra.get("x-normalizer") or {}).get("seen-data"):
        return True
    return not table.typed_columns()


def contract_of(
    table: Table | None, root: Table | None, settings: Mapping[str, Any], default: Contract
) -> Contract:
    """Return the contract of a table: its own, else its root table's, else the schema's, else the default.

    The first one found holds as a whole, as in the reference: a dict isn't filled up from the next.

    Args:
        table: as known before the load; None for one that isn't.
        root: its root table; may be the table itself.
        settings: of the schema.
        default: of the pipeline.
    """
    own = table.extra.get("schema_contract") if table is not None else None
    of_root = root.extra.get("schema_contract") if root is not None else None
    for given in (own, of_root, settings.get("schema_contract")):
        if given is not None:
            return Contract.of(given)
    return default
