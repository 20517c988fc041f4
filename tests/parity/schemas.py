"""Schemas to pass between ladle and the reference, real and generated, and rows that fit them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ladle.schema.schema import Schema

GENERATED = 50
_SEED = 20261126
_VALUES: Mapping[str, Any] = {
    "text": "x",
    "bigint": 1,
    "double": 1.5,
    "bool": True,
    "timestamp": "2024-01-02T03:04:05Z",
    "date": "2024-01-02",
    "time": "03:04:05",
    "decimal": "1.5",
    "wei": 5,
    "binary": "bytes:abc",
    "json": {"a": 1},
}


def real(folder: Path) -> dict[str, dict[str, Any]]:
    """Return every schema among the test data of peers, by its path."""
    found = {}
    for path in sorted((folder / "peers").rglob("*schema*")):
        if path.suffix not in (".json", ".yaml", ".yml") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        stored = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if isinstance(stored, dict) and "tables" in stored and "engine_version" in stored:
            # dates of YAML aren't JSON
            found[str(path.relative_to(folder))] = json.loads(json.dumps(stored, default=str))
    return found


def generated() -> dict[str, dict[str, Any]]:
    """Return fifty schemas with all hints there are, the same ones each time."""
    return {f"generated {n}": _schema(random.Random(_SEED + n), f"made_{n}") for n in range(GENERATED)}


def _schema(rng: random.Random, name: str) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for number in range(rng.randint(1, 3)):
        root = f"root{number}"
        tables[root] = {
            "name": root,
            "resource": root,
            "write_disposition": rng.choice(["append", "replace"]),
            "columns": _columns(rng),
            **_table_hints(rng),
        }
        parent = root
        for depth in range(rng.randint(0, 2)):
            child = f"{parent}__list{depth}"
            tables[child] = {"name": child, "parent": parent, "columns": _columns(rng)}
            parent = child
    return {
        "version": rng.randint(1, 9),
        "version_hash": "",
        "previous_hashes": [],
        "engine_version": 11,
        "name": name,
        "tables": tables,
        "settings": _settings(rng),
        "normalizers": {
            "names": rng.choice(
                ["snake_case", "snake_case", "direct", "sql_cs_v1", "sql_ci_v1", "duck_case"]
            ),
            "json": _json(rng),
        },
    }


def _columns(rng: random.Random) -> dict[str, Any]:
    types = rng.sample(sorted(_VALUES), rng.randint(1, 6))
    columns: dict[str, Any] = {}
    for number, data_type in enumerate(types):
        column: dict[str, Any] = {
            "name": f"c{number}",
            "data_type": data_type,
            "nullable": rng.random() < 0.8,
        }
        if data_type == "decimal" and rng.random() < 0.5:
            column |= {"precision": 12, "scale": 3}
        if data_type == "timestamp" and rng.random() < 0.5:
            column |= {"timezone": False}
        if data_type == "bigint" and rng.random() < 0.5:
            column |= {"precision": rng.choice([16, 32])}
        for hint in ("primary_key", "merge_key", "unique", "partition", "cluster", "sort"):
            if rng.random() < 0.1:
                column[hint] = True
        if rng.random() < 0.2:
            column |= {"description": 'a "quoted": text\nof two lines, é', "x-annotation-pii": "email"}
        columns[column["name"]] = column
    if rng.random() < 0.2:
        columns["unknown"] = {"name": "unknown", "nullable": True}
    return columns


def _table_hints(rng: random.Random) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    if rng.random() < 0.4:
        hints["description"] = "what: it is"
    if rng.random() < 0.4:
        hints["x-owner"] = {"team": "data", "tags": ["a", "b"]}
    if rng.random() < 0.3:
        hints["references"] = [{"columns": ["c0"], "referenced_table": "root0", "referenced_columns": ["c0"]}]
    return hints


def _settings(rng: random.Random) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "detections": rng.sample(
            ["iso_timestamp", "iso_date", "timestamp", "large_integer"], rng.randint(0, 3)
        )
    }
    if rng.random() < 0.5:
        settings["preferred_types"] = {"re:_at$": "timestamp", "code": "text"}
    if rng.random() < 0.5:
        settings["default_hints"] = {"not_null": ["re:^must"], "sort": ["code"], "unique": ["re:_at$"]}
    if rng.random() < 0.3:
        settings["schema_contract"] = {"data_type": "evolve", "columns": "evolve"}
    return settings


def _json(rng: random.Random) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if rng.random() < 0.3:
        config["max_nesting"] = rng.randint(1, 3)
    if rng.random() < 0.3:
        config["propagation"] = {"tables": {"root0": {"code": "root_code"}}}
    block: dict[str, Any] = {"module": "dlt.common.normalizers.json.relational"}
    return {**block, "config": config} if config else block


def rows(schema: Schema, more: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return one row for each root table, with a value in each column and a row in each child table.

    Args:
        schema: what the rows fit.
        more: values of columns that the schema doesn't have, for each root row.
    """
    separator = schema.convention.separator
    made: dict[str, list[dict[str, Any]]] = {}
    by_table: dict[str, dict[str, Any]] = {}
    for table in schema.table_map.values():
        row: dict[str, Any] = {}
        for column in table.typed_columns():
            if not column.name.startswith("_dlt_"):
                _put(row, column.name.split(separator), _VALUES[str(column.data_type)])
        by_table[table.name] = row
        if table.parent is None:
            made[table.name] = [row]
            row.update(more)
        else:
            _put(
                by_table[table.parent],
                table.name.removeprefix(table.parent + separator).split(separator),
                [row],
            )
    return {name: found for name, found in made.items() if found != [{}]}


def with_bytes(value: Any) -> Any:
    """Return rows with bytes where they say so: JSON has none."""
    if isinstance(value, dict):
        return {k: with_bytes(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_bytes(v) for v in value]
    return value[6:].encode() if isinstance(value, str) and value.startswith("bytes:") else value


def _put(row: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value where its name says, unless another value is in the way."""
    for key in path[:-1]:
        inner = row.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        row = inner
    row.setdefault(path[-1], value)
