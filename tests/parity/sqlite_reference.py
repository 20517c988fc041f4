"""Run by the reference's interpreter: loads rows by its `sqlalchemy` destination into SQLite, twice."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

COLUMNS: dict[str, dict[str, Any]] = {
    "j": {"data_type": "json"},
    "naive": {"data_type": "timestamp", "timezone": False},
    "price": {"data_type": "decimal", "precision": 10, "scale": 2},
    "small": {"data_type": "bigint", "precision": 16},
    "code": {"data_type": "text", "precision": 5},
}


def rows(load: int) -> list[dict[str, Any]]:
    """Rows of one of two loads; the second changes one and brings a column."""
    first = {
        "id": 1,
        "name": "Zürich 🦆",
        "ok": True,
        "x": 1.5,
        "at": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "naive": datetime(2024, 1, 2, 3, 4, 5),
        "day": date(1969, 12, 31),
        "clock": time(3, 4, 5),
        "raw": b"\x00\xff",
        "j": {"a": [1, None]},
        "price": Decimal("12.34"),
        "total": Decimal("1234.5678"),
        "small": 7,
        "code": "abc",
        "tags": ["a", "b"],
        "lines": [{"n": 1, "below": [{"m": 2}]}],
    }
    if load == 0:
        return [first, {"id": 2, "name": None, "tags": []}]
    return [{**first, "name": "new", "tags": ["c"], "added": 5}, {"id": 3, "name": "three"}]


def main(folder: str) -> None:
    """Load into `main` and `ds` of `x.db`; into `ds` a second time, merged."""
    import dlt  # noqa: PLC0415 - the reference's interpreter has it

    url = f"sqlite:///{folder}/x.db"
    for dataset, loads in (("main", 1), ("ds", 2)):
        pipeline = dlt.pipeline(
            f"p_{dataset}", destination=dlt.destinations.sqlalchemy(url), dataset_name=dataset,
            pipelines_dir=f"{folder}/work",
        )  # fmt: skip
        for load in range(loads):
            pipeline.run(
                rows(load), table_name="t", columns=COLUMNS, primary_key="id", write_disposition="merge"
            )


if __name__ == "__main__":
    main(sys.argv[1])
