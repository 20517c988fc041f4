"""Runs every snippet of README and docs, each page in its own empty folder, and compares what it prints."""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.docs.snippets import PAGES, ROOT, Snippet, matches, snippets

RUNNER = Path(__file__).with_name("runner.py")


@pytest.fixture(scope="module")
def door() -> Iterator[Path]:
    """Return where the process that runs the pages can be asked to run a command; such a path has to be short."""
    with tempfile.TemporaryDirectory(prefix="pages-", dir="/tmp") as folder:
        yield Path(folder) / "door"


@pytest.fixture(scope="module")
def commands(door: Path) -> Path:
    """Return a folder with `python` and `ladle`, as somebody has them who installed it."""
    for name, arguments in (("python", ""), ("ladle", " -m ladle")):
        script = door.with_name(name)
        client = f'exec "{sys.executable}" -I -S "{RUNNER.with_name("client.py")}" "{door}"'
        script.write_text(f'#!/bin/sh\n{client}{arguments} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return door.parent


@pytest.fixture(scope="module")
def runner(door: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the process that runs the pages."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        [sys.executable, RUNNER, door], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()  # it ends then


def run(
    runner: subprocess.Popen[str],
    page: Path,
    blocks: Sequence[Snippet],
    tmp_path: Path,
    extra: dict[str, str],
) -> list[str]:
    """Run the blocks of a page; return what each prints."""
    if not blocks:
        return []
    folder, report, log = tmp_path / "page", tmp_path / "report.json", tmp_path / "log"
    folder.mkdir()
    jobs = [
        {
            "page": page.name,
            "line": block.line,
            "language": block.language,
            "code": block.code,
            "raises": "raises" in block.flags,
            "file": block.options.get("file"),
        }
        for block in blocks
    ]
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONWARNINGS": "error",
        "COLUMNS": "120",
        **extra,
    }
    order = {"jobs": jobs, "env": env, "folder": str(folder), "report": str(report), "log": str(log)}
    assert runner.stdin is not None
    assert runner.stdout is not None
    runner.stdin.write(json.dumps({**order, "timeout_s": 120}) + "\n")
    runner.stdin.flush()
    assert runner.stdout.readline() == "0\n", log.read_text(encoding="utf-8")
    return json.loads(report.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


SERVERS = ("postgres", "mysql")


def settings(server: str, request: pytest.FixtureRequest) -> dict[str, str] | None:
    """Return the settings of a server to load to, or None where there is none."""
    try:
        url = request.getfixturevalue(f"{server}_url")
    except pytest.skip.Exception:
        return None
    return {f"DESTINATION__{server.upper()}__CREDENTIALS": url}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_snippets_of_a_page_run_and_print_what_it_shows(
    page: Path,
    tmp_path: Path,
    runner: subprocess.Popen[str],
    commands: Path,
    request: pytest.FixtureRequest,
) -> None:
    blocks = [block for block in snippets(page.read_text(encoding="utf-8")) if block.runs]
    extra = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    for server in {block.options.get("needs") for block in blocks}.intersection(SERVERS):
        if (found := settings(server, request)) is None:
            blocks = [block for block in blocks if block.options.get("needs") != server]
        extra |= found or {}
    if importlib.util.find_spec("openlineage") is None:
        blocks = [block for block in blocks if block.options.get("needs") != "openlineage"]
    outputs = run(runner, page, blocks, tmp_path, extra)
    for block, found in zip(blocks, outputs, strict=True):
        if block.output is not None and not matches(block.output, found):
            lines = difflib.unified_diff(
                block.output.splitlines(), found.splitlines(), "shown", "printed", lineterm=""
            )
            pytest.fail(f"{page.name}, line {block.line}:\n" + "\n".join(lines))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_blocks_that_do_not_run_say_why(page: Path) -> None:
    blocks = [b for b in snippets(page.read_text(encoding="utf-8")) if "no-run" in b.flags]
    assert [b.line for b in blocks if not b.code.startswith("# Not run ")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_flags_of_blocks_are_known(page: Path) -> None:
    for block in snippets(page.read_text(encoding="utf-8")):
        assert block.flags <= {"raises", "no-run"}, (page.name, block.line)
        assert set(block.options) <= {"file", "needs"}, (page.name, block.line)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [to for to in re.findall(r"\]\(([^)]+)\)", text) if "://" not in to]
    for target in targets:
        path, _, anchor = target.partition("#")
        file = page if not path else page.parent / path
        assert file.exists() or file.name == "benchmarks.md", f"{page.name}: {target}"
        if anchor and file.exists():
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page.name}: {target}"


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a", True),
        ("a\n", "b\n", False),
        ("id ... end\n", "id 17.5 end\n", True),
        ("id ...\n", "id 1\nmore\n", False),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\nz\n", "a\nz\n", True),
        ("a.c\n", "abc\n", False),
    ],
)
def test_dots_stand_for_anything_in_a_line(expected: str, found: str, same: bool) -> None:
    assert matches(expected, found) is same


def test_a_text_block_is_the_output_of_the_block_right_before_it() -> None:
    page = "```python\nprint(1)\n```\n\n```text\n1\n```\n\nWords.\n\n```text\nonly shown\n```\n"
    assert [(s.language, s.output) for s in snippets(page)] == [("python", "1\n"), ("text", None)]
