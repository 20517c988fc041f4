"""The walk through the rooms, checked against the code: names exist, a traced run has the frames shown."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import threading
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.docs.snippets import ROOT

import ladle

PAGE = (ROOT / "docs" / "how_it_works.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
MARKED = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))
CODE = str(Path(ladle.__file__).parent)

DOTTED = [text for text in MARKED if re.fullmatch(r"ladle(\.\w+)+", text)]
MEMBERS = [text for text in MARKED if re.fullmatch(r"[A-Z]\w+\.\w+", text)]
CALLS = [text for text in MARKED if re.fullmatch(r"(pipeline\.)?\w+\(\)|pipeline\.\w+", text)]
PATHS = [text for text in MARKED if re.fullmatch(r"(src|tests|docs|examples|benchmarks)/[\w./]+", text)]
FRAMES = {
    name: int(count) for name, count in re.findall(r"^\|[^|]+\| `([\w.]+)` \| (\d+) \|$", PAGE, re.MULTILINE)
}


def resolve(dotted: str) -> Any:
    """Return what a dotted name stands for: the longest module it names, and what is inside."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise AttributeError(dotted)


@cache
def everything() -> dict[str, Any]:
    """Return classes and functions of ladle by name, wherever they live."""
    found: dict[str, Any] = {}
    for module in pkgutil.walk_packages(ladle.__path__, "ladle."):
        if module.name == "ladle.__main__":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if str(getattr(value, "__module__", "")).startswith("ladle"):
                found.setdefault(name, value)
    return found


@pytest.mark.parametrize("name", DOTTED)
def test_a_dotted_name_exists(name: str) -> None:
    resolve(name)


@pytest.mark.parametrize("name", [*MEMBERS, *(name for name in FRAMES if "." not in name)])
def test_a_class_has_the_member_or_a_function_exists(name: str) -> None:
    owner, _, member = name.partition(".")
    found = everything()[owner]
    assert not member or hasattr(found, member)


@pytest.mark.parametrize("call", CALLS)
def test_a_method_of_the_pipeline_exists(call: str) -> None:
    assert hasattr(ladle.Pipeline, call.removeprefix("pipeline.").removesuffix("()"))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_page_names_every_room_that_holds_code() -> None:
    rooms = {path.parent.name for path in Path(CODE).glob("*/*.py") if path.name != "__init__.py"}
    assert {room for room in rooms if f"`ladle.{room}`" not in PAGE} == set()


def test_there_is_something_to_check() -> None:
    assert len(DOTTED) > 30
    assert len(FRAMES) > 4
    assert MEMBERS
    assert CALLS
    assert PATHS


class Trace:
    """Hears every call on every thread; keeps the deepest stack of ladle's functions at each watched one."""

    def __init__(self) -> None:
        self.stacks: dict[str, list[str]] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_qualname
        if event != "call" or name not in FRAMES or not frame.f_code.co_filename.startswith(CODE):
            return
        stack = []
        below: FrameType | None = frame
        while below is not None:
            code = below.f_code
            # comprehensions are frames in some versions of Python only
            if code.co_filename.startswith(CODE) and not code.co_name.startswith("<"):
                stack.append(code.co_qualname)
            below = below.f_back
        if len(stack) > len(self.stacks.get(name, [])):
            self.stacks[name] = stack[::-1]


def test_a_run_has_the_frames_on_the_stack_that_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pipeline = ladle.pipeline("traced", tmp_path / "pipelines", destination="duckdb", dataset_name="ds")
    trace = Trace()
    before = sys.getprofile()
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        pipeline.run([{"id": 1, "lines": [{"sku": "tea"}]}], table_name="orders")
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]
        pipeline.deactivate()
    assert {name: len(stack) for name, stack in trace.stacks.items()} == FRAMES, "\n".join(
        f"{name}: {' > '.join(stack)}" for name, stack in trace.stacks.items()
    )
