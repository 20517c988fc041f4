"""Rules that look beyond the load, with Postgres as destination."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import ladle
from ladle import rules


def test_counterparts_of_earlier_loads_are_looked_up(
    tmp_path: Path, postgres_url: str, dataset: str, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    pipeline = ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )

    def run(users: list[str], orders: list[str | None]) -> Any:
        rule = rules.exists_in("user", "users", "name")
        fair = rules.between("price", Decimal("0.01"), 10)
        rows = [{"user": user, "price": Decimal("0.01") * n} for n, user in enumerate(orders)]
        return pipeline.run(
            [
                ladle.resource(rows, name="orders", rules=[rule, fair]),
                ladle.resource([{"name": name} for name in users], name="users"),
            ]
        )

    run(["ann", "bob"], [None, "ann"])
    prices = [{"price": Decimal("0.01")}, {"price": Decimal("0.07")}]
    known = ladle.resource(prices, name="deals", rules=[rules.exists_in("price", "orders", "price")])
    assert pipeline.run(known).load_packages[0].rows["deals"] == 1
    info = run(["eve"], ["x", "bob", "eve", "joe", None])
    assert query(f'SELECT "user" FROM {dataset}.orders ORDER BY 1') == [("ann",), ("bob",), ("eve",), (None,)]
    found = {c["rule"]: (c["failed"], c["checked"]) for c in info.load_packages[0].checks}
    assert found == {"exists_in(user, users)": (1, 4), "between(price, 0.01, 10)": (1, 5)}
    refused = query(f"SELECT rule, value FROM {dataset}._ladle_rejects ORDER BY _dlt_load_id, rule")
    assert sorted(refused) == [
        ("between(price, 0.01, 10)", '"0"'),
        ("between(price, 0.01, 10)", '"0"'),
        ("exists_in(price, orders)", '"0.07"'),
        ("exists_in(user, users)", '"joe"'),
    ]
