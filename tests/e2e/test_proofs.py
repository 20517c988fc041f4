"""Each declared guarantee has a kill test; the tables of the docs link them."""

from __future__ import annotations

import inspect

import pytest
from tests.e2e.killing import ENGINES
from tests.e2e.proofs import PROOFS
from tests.strategies import destination_types, ways_of

CELLS = [(kind, way) for kind in destination_types() for way in ways_of(kind)]


@pytest.mark.parametrize(("kind", "way"), CELLS, ids=lambda part: part)
def test_each_destination_and_strategy_has_a_kill_test(kind: str, way: str) -> None:
    assert (kind, way) in PROOFS, (
        f"no kill test proves what `{kind}` promises of `{way}`: kill a load by it (tests/e2e/killing.py), then "
        "name the test in tests/e2e/proofs.py"
    )
    proof = PROOFS[kind, way]
    for name in proof.tests:
        assert callable(getattr(proof.test_module, name, None)), f"{proof.module} has no {name}"
    source = inspect.getsource(proof.test_module)
    listed = "ENGINES" in source and kind in ENGINES
    assert listed or f'"{kind}"' in source or kind in proof.module, f"{proof.module} doesn't run on {kind}"
    assert f'"{way}"' in proof.told or kind == "function", f"{proof.story} has no {way}"


def test_no_proof_is_left_of_what_is_gone() -> None:
    assert set(PROOFS) == set(CELLS)
