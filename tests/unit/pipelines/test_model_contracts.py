"""The table at the end of 2.15 (N36), through a pipeline: which rows are loaded under which contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pydantic
import pytest
from tests.loading import Site

import ladle
from ladle.errors import LadleError


class Row(pydantic.BaseModel):
    id: int
    name: str


DATA: list[dict[str, Any]] = [
    {"id": 1, "name": "a"},
    {"id": "zz", "name": "b"},
    {"id": 3, "name": "c", "more": 1},
]
ONE, THREE, MORE = (1, "a", None), (3, "c", None), (3, "c", 1)
REFUSED = ("row", "id")
N36: list[tuple[Any, Any, Any]] = [
    (None, "doesn't fit model", []),
    ({"data_type": "freeze"}, "doesn't fit model", []),
    ({"data_type": "discard_row"}, [ONE, THREE], [REFUSED, ("value", "more")]),
    ({"columns": "evolve", "data_type": "discard_row"}, [ONE, MORE], [REFUSED]),
    ({"columns": "freeze", "data_type": "discard_row"}, "Extra inputs", []),
    ({"columns": "discard_row", "data_type": "discard_row"}, [ONE], [REFUSED, ("row", "more")]),
    ({"columns": "discard_value", "data_type": "discard_row"}, [ONE, THREE], [REFUSED, ("value", "more")]),
    ({"data_type": "evolve"}, "doesn't fit column `id`, which may not be null", []),
    ("freeze", "table", []),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


@pytest.mark.parametrize(("contract", "expected", "refused"), N36, ids=lambda v: str(v)[:60])
@pytest.mark.parametrize("pages", [True, False])
def test_n36_contracts_of_models(
    site: Site, contract: Any, expected: Any, refused: list[Any], pages: bool
) -> None:
    rows = [list(DATA)] if pages else DATA
    if contract == "freeze":
        rows = DATA[:1]  # the table is new, whatever the rows are
    made = ladle.resource(rows, name="r", columns=Row, schema_contract=contract)
    pipeline = site.pipeline()
    if isinstance(expected, str):
        with pytest.raises(LadleError, match=expected):
            pipeline.run(made)
        assert "r" not in site.names()
        pipeline.run([{"ok": 1}], table_name="other")
        assert site.table("other").values("ok") == [1]
        return
    pipeline.run(made)
    assert [(r["id"], r["name"], r.get("more")) for r in site.table("r").rows] == expected
    assert [(r.action, r.column_path) for r in pipeline.rejects()] == refused


class First(pydantic.BaseModel):
    id: int


class Grown(First):
    more: int | None = None


class Authoritative(Grown):
    dlt_config: ClassVar[dict[str, bool]] = {"is_authoritative_model": True}


@pytest.mark.parametrize(
    ("model", "contract", "expected"),
    [
        (Grown, None, [(1, None), (2, 3)]),
        (Grown, {"columns": "evolve"}, [(1, None), (2, 3)]),
        (Grown, {"columns": "freeze"}, "more"),
        (Grown, {"columns": "discard_value"}, [(1,), (2,)]),
        (Grown, {"columns": "discard_row"}, [(1,)]),
        (Authoritative, {"columns": "freeze"}, [(1, None), (2, 3)]),
        (Authoritative, {"columns": "discard_value"}, [(1, None), (2, 3)]),
        (Authoritative, {"columns": "discard_row"}, [(1, None), (2, 3)]),
    ],
)
def test_a_model_that_grows(site: Site, model: Any, contract: Any, expected: Any) -> None:
    pipeline = site.pipeline()
    pipeline.run(ladle.resource([{"id": 1}], name="r", columns=First))
    made = ladle.resource([{"id": 2, "more": 3}], name="r", columns=model, schema_contract=contract)
    if isinstance(expected, str):
        with pytest.raises(LadleError, match=expected):
            pipeline.run(made)
        return
    pipeline.run(made)
    assert site.table("r").data == expected
    if len(expected) == 1 or len(expected[0]) == 1:
        assert [(r.value, r.column_path) for r in pipeline.rejects()] == [("3", "more")]
