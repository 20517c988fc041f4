"""One row or value that a contract or a rule doesn't allow: as an error, and as a reject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataValidationError
from ladle.normalize.keys import RowKeys
from ladle.normalize.rejects import plain, plain_of, to_json
from ladle.normalize.rows import Part
from ladle.normalize.unnest import Path, Piece
from ladle.package.manifest import Manifest
from ladle.schema.contract import Contract, Mode, contract_of, is_new
from ladle.schema.rejects import Reject
from ladle.schema.row_ids import final_id
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.schema.types import type_text

_ALLOW = {
    "tables": "another table_name, or allow new tables",
    "columns": "leave it out with add_map, or allow new columns",
    "data_type": "mend it with add_map, or allow other types",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What isn't allowed about one row.

    Attributes:
        part: that the row is of; whole, or what was left of it.
        row: its number in the part.
        rule: an entity and mode of the contract, or a data quality rule.
        reason: the same in words.
        column: that is concerned; None for a row of a new table, or a condition on rows.
        wanted: the type that the column has, or what the rule accepts.
        value: JSON; None where there is none.
    """

    part: Part
    row: int
    rule: str
    reason: str
    column: str | None = None
    wanted: str | None = None
    value: str | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Part and row, counted before any were left out."""
        return self.part.index, self.part.number(self.row)

    @property
    def path(self) -> Path:
        """Keys of the source from the row to the value."""
        found = (path for name, path, _ in self.part.named if name == self.column)
        return next(found, (self.column,) if self.column else ())


def value_of(part: Part, row: int, column: str | None) -> str | None:
    """Return the value of a column in one row as JSON, as it came."""
    for name, _, kinds in part.named:
        for kind, values in kinds:
            if name == column and values[row].is_valid:
                return to_json(plain_of(kind, values.slice(row, 1))[0])
    return None


def row_of(part: Part, row: int) -> Any:
    """Return a row as it came, what is below it included, as plain values."""
    assert part.piece.values is not None
    return plain(part.piece.values.slice(row, 1))[0]


def no_table(table: str) -> str:
    """The reason for rows of a new table."""
    return f"table `{table}` is new, and the contract allows no new tables"


def no_column(table: str, column: str) -> str:
    """The reason for a value in a new column."""
    return f"table `{table}` has no column `{column}`, and the contract allows no new columns"


def no_fit(column: Column) -> str:
    """The reason for a value of another type."""
    return f"the value doesn't fit column `{column.name}`, and the contract allows no other types"


def no_null(column: Column) -> str:
    """The reason for a null."""
    return f"column `{column.name}` is declared not nullable, and has no value"


@dataclass(frozen=True, slots=True)
class Law:
    """What held where something was found: names the schema, the table as it was, and its contract."""

    schema: str
    resource: str
    table: Table | None
    contract: Contract


def frozen_error(finding: Finding, entity: str, law: Law, row: int) -> DataValidationError:
    """Return the error for what a frozen contract doesn't allow.

    Args:
        finding: the first.
        entity: `tables`, `columns` or `data_type`.
        law: that holds.
        row: number of the item among those of its resource.
    """
    expected = {
        "tables": "rows for tables that are there",
        "columns": f"no other columns than {', '.join(_some(law.table))}",
        "data_type": f"what becomes `{finding.wanted}` without loss",
    }[entity]
    allow = f'run(..., schema_contract={{"{entity}": "evolve"}})'
    return DataValidationError(
        finding.reason.replace("the contract allows no", "a frozen contract allows no"),
        **_facts(finding, law, row),
        expected=expected,
        hint=f"{_ALLOW[entity]}: {allow}; `discard_row` or `discard_value` go on without it",
        schema_entity=entity,
        contract_mode="freeze",
        **({"step": "extract"} if entity == "tables" and finding.part.above is None else {}),
    )


def check_root_tables(manifest: Manifest, default: Contract) -> None:
    """Refuse rows of new root tables where tables are frozen; for an extract with no normalize beside it.

    Raises:
        DataValidationError: names the first of them.
    """
    schema = Schema.from_dict(manifest.schema)
    for resource in manifest.resources:
        table = schema.table_map.get(resource.table)
        contract = contract_of(table, table, schema.settings, default)
        if resource.rows and contract.tables == "freeze" and is_new(table):
            piece = Piece((), (), 1, values=pa.nulls(1))
            part = Part(piece, (), [], RowKeys(pa.nulls(1), pa.nulls(1)), None, resource.table)
            found = Finding(part, 0, mode_rule("tables", "freeze"), no_table(resource.table))
            raise frozen_error(found, "tables", Law(schema.name, resource.name, None, contract), 0)


def failed_error(finding: Finding, law: Law, row: int) -> DataValidationError:
    """Return the error for a broken rule of severity `fail`; arguments as for `frozen_error`."""
    return DataValidationError(
        f"rule `{finding.rule}` is broken in table `{finding.part.table}`",
        **_facts(finding, law, row),
        expected=finding.wanted,
        hint="mend the data; with severity `reject` such rows are refused, and the others loaded",
        schema_entity="rules",
        contract_mode="fail",
    )


def _facts(finding: Finding, law: Law, row: int) -> dict[str, Any]:
    return {
        "resource": law.resource,
        "table": finding.part.table,
        "column": finding.column,
        "row": row,
        "value": finding.value,
        "schema_name": law.schema,
        "table_name": finding.part.table,
        "column_name": finding.column,
        "table_schema": law.table.to_dict() if law.table is not None else None,
        "schema_contract": law.contract.to_dict(),
        "data_item": row_of(finding.part, finding.row),
    }


def _some(table: Table | None) -> list[str]:
    names = [n for n in (table.columns if table is not None else ()) if not n.startswith("_dlt_")]
    return [*(f"`{n}`" for n in names[:8]), *([f"{len(names) - 8} more"] if len(names) > 8 else [])]


def rejects_of(
    rows: dict[tuple[int, int], Finding],
    values: Sequence[Finding],
    parts: Sequence[Part],
    where: tuple[str, int],
) -> list[Reject]:
    """Return findings as rejects, by item.

    Args:
        rows: findings by the row that is left out, which is not that of the finding where a child refuses
            its root.
        values: findings of values that are left out.
        parts: the whole parts of the batch.
        where: resource, and number of the batch's first item among those of the resource.
    """
    records = _records(rows, parts)
    found: list[tuple[tuple[int, int], Finding]] = [*rows.items(), *((f.place, f) for f in values)]
    made = [(parts[i].root_row(row), i, row, finding) for (i, row), finding in found]
    made.sort(key=lambda entry: entry[:3])
    return [_reject(parts[i], row, finding, records.get((i, row)), where) for _, i, row, finding in made]


def _records(rows: Iterable[tuple[int, int]], parts: Sequence[Part]) -> dict[tuple[int, int], str]:
    """Return the rows that are left out as JSON."""
    of_part: dict[int, list[int]] = {}
    for index, row in rows:
        of_part.setdefault(index, []).append(row)
    records: dict[tuple[int, int], str] = {}
    for index, numbers in of_part.items():
        values = parts[index].piece.values
        assert values is not None
        taken = plain(values.take(pa.array(numbers, pa.int64())))
        records.update(((index, row), to_json(record)) for row, record in zip(numbers, taken, strict=True))
    return records


def _reject(part: Part, row: int, finding: Finding, record: str | None, where: tuple[str, int]) -> Reject:
    resource, first = where
    action: Literal["row", "value"] = "value" if record is None else "row"
    below = finding.part.path[len(part.path) :]
    parent_id = position = None
    if part.above is not None and part.piece.parent_rows is not None and part.piece.positions is not None:
        parent_id = part.above.keys.ids[part.piece.parent_rows[row].as_py()].as_py()
        position = part.piece.positions[row].as_py()
    return Reject(
        resource=resource,
        table_name=part.table,
        rule=finding.rule,
        action=action,
        reason=finding.reason,
        # some engines can't hold NUL; in the JSON of values and records it is escaped anyway
        column_path=".".join((*below, *finding.path)).replace("\0", "\\u0000") or None,
        value=finding.value,
        wanted=finding.wanted,
        position=first + part.root_row(row),
        parent_id=final_id(parent_id) if parent_id and action == "row" else None,
        row_id=final_id(part.keys.ids[row].as_py()),
        list_index=position,
        record=record,
    )


def wanted_of(column: Column) -> str:
    """Spell what a column takes."""
    return type_text(column) if column.nullable else f"{type_text(column)} not null"


def mode_rule(entity: str, mode: Mode) -> str:
    """Spell an entity and its mode as `rule` of rejects does."""
    return f"{entity}: {mode}"


def hits(mask: pa.Array) -> list[int]:
    """Return the numbers of the rows for which a mask is true."""
    return pc.indices_nonzero(mask).to_pylist()  # type: ignore[no-any-return]
