"""Settings: both libraries are asked the same, in folders with the same files. Spec 7.1 to 7.3, 7.9, 1.15."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("configured.py")

# docs/differences.md says why; `credentials missing`: the reference nests what was tried in objects of its own.
DIFFERENT = {"config.get(x5)", "config.get(xt)", "config.get(xl)", "get spec", "credentials missing"}


def answers(python: Path | str, library: str, folder: Path, **environment: str) -> dict[str, Any]:
    folder.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run(
        [python, SCRIPT, library], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.needs_reference
def test_both_answer_the_same(reference_python: Path, tmp_path: Path) -> None:
    ours = answers(sys.executable, "ladle", tmp_path / "ladle", PYTHONPATH=str(ROOT / "src"))
    theirs = answers(
        reference_python,
        "dlt",
        tmp_path / "dlt",
        DLT_DATA_DIR=str(tmp_path / "data"),
        RUNTIME__DLTHUB_TELEMETRY="false",
    )
    assert len(ours) > 40
    assert {k for k in ours if ours[k] != theirs[k]} == DIFFERENT
    assert ours["missing"][0] == "ConfigFieldMissingException"
    assert ours["secret in the wrong file"] == "ValueNotSecretException"
    assert ours["credentials"]["password"] == "p"
    assert ours["get spec"]["host"] == "h"
    assert ours["config.get(x5)"] == ours["config[x5]"] == 5
