"""A function as destination: one program, with the reference and with ladle, calls it with the same things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.parity.function_calls import CASES

pytestmark = pytest.mark.needs_reference
PROGRAM = Path(__file__).with_name("function_calls.py")


def called(python: Path | str, module: str, folder: Path, **environment: str) -> dict[str, Any]:
    folder.mkdir()
    done = subprocess.run(
        [python, PROGRAM, module, folder],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def both(reference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = tmp_path_factory.mktemp("function")
    ours = called(sys.executable, "ladle", folder / "ladle", PYTHONPATH=str(ROOT / "src"))
    return called(reference_python, "dlt", folder / "dlt", PYTHONPATH=""), ours


@pytest.mark.parametrize("case", [*CASES, "resumed"])
def test_the_function_gets_what_the_references_gets(case: str, both: tuple[Any, Any]) -> None:
    theirs, ours = both
    assert ours[case] == theirs[case]
