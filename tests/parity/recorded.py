"""What the reference answers to a batch of questions: as recorded beside the tests, else asked of it now.

The reference needs a minute for what is the same each time: its version is held, and so are the questions. A record
is found by its question, the program that asks it and that version; after any change to them the reference itself is
asked. `test_recorded.py` asks it all again, and `make recorded` keeps what it says then.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import os
import pickle
import pprint
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.parity.documents import REPO

FOLDER = Path(__file__).with_name("recorded")
_NAMES = {
    "__builtins__": {},
    "datetime": datetime,
    "Decimal": Decimal,
    "nan": float("nan"),
    "inf": float("inf"),
}


@dataclass(frozen=True)
class Batch:
    """Questions to the reference, all in one process.

    Args:
        name: of the file that the answer is recorded in.
        script: the program, `python SCRIPT IN OUT` with the reference; IN and OUT are pickles.
        question: what is in IN.
    """

    name: str
    script: Path
    question: Any

    @property
    def key(self) -> str:
        """What the record is found by."""
        return fingerprint(self.script.read_text(encoding="utf-8"), packages(), repr(self.question))

    def answer(self, python: Path, folder: Path) -> Any:
        """Return what is recorded, or else what the reference says."""
        return recorded(self.name, self.key, lambda: self.live(python, folder))

    def live(self, python: Path, folder: Path) -> Any:
        """Ask the reference, whatever is recorded."""
        (folder / "in").write_bytes(pickle.dumps(self.question))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [python, self.script, folder / "in", folder / "out"],
            env={**environment, "DLT_DATA_DIR": str(folder / "reference")},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return pickle.loads((folder / "out").read_bytes())


def recorded(name: str, key: str, ask: Callable[[], Any]) -> Any:
    """Return what is recorded under a name, if it has the key; else what `ask` returns."""
    file = FOLDER / f"{name}.gz"
    if not file.exists():
        return ask()
    found_key, _, text = gzip.decompress(file.read_bytes()).decode("utf-8").partition("\n")
    return eval(text, dict(_NAMES)) if found_key == key else ask()


def record(name: str, key: str, answer: Any) -> None:
    """Store an answer as Python's literals, which have its dates, decimals and tuples too."""
    text = f"{key}\n{pprint.pformat(answer, width=200, compact=True, sort_dicts=False)}\n"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.gz").write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()


def packages() -> str:
    """Return the packages of the reference, with their versions, as the Makefile has them."""
    found = re.search(r"^REFERENCE_PACKAGES := (.*)$", (REPO / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1]
