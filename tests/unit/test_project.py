"""Holds what the project says about itself: README, Makefile, pyproject and CI agree; README's code runs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

CORE = {
    "pyarrow", "pytz", "duckdb", "sqlglot", "orjson", "requests", "fsspec", "pyyaml", "jsonpath-ng", "rich", "typer",
}  # fmt: skip
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def requirement_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE))


def test_readme_starts_with_the_two_commands() -> None:
    lines = [line.split("#")[0].strip() for line in README.splitlines()[1:3]]
    assert lines == ["make demo", "make test"]


def test_every_python_snippet_of_the_readme_runs_in_order(tmp_path: Path) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert snippets
    program = tmp_path / "readme.py"
    program.write_text("\n".join(snippets), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error"}
    done = subprocess.run([sys.executable, program], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Ada" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_in_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    missing = [to for to in targets if "://" not in to and not (document.parent / to).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document: Path) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)\b(?=`|   #|\n)", document.read_text(encoding="utf-8")))
    assert named <= make_targets()


def test_every_make_target_explains_itself() -> None:
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, flags=re.MULTILINE))
    assert make_targets() == explained


def test_the_core_depends_on_what_the_design_names_and_nothing_else() -> None:
    assert {requirement_name(requirement) for requirement in PROJECT["dependencies"]} == CORE


def test_every_dependency_has_a_lower_bound() -> None:
    assert all(">=" in requirement for requirement in PROJECT["dependencies"])


def test_the_installed_version_is_the_projects() -> None:
    ladle = pytest.importorskip("ladle")
    assert ladle.__version__ == PROJECT["version"]


def test_the_license_is_the_whole_of_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["license"] == "Apache-2.0"
    assert text.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text


def test_types_are_shipped() -> None:
    assert (ROOT / "src" / "ladle" / "py.typed").exists()


def test_ci_is_a_bash_script_that_parses_and_runs_what_the_readme_promises() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    text = script.read_text(encoding="utf-8")
    assert all(f" make {target}\n" in text for target in ("check", "demo", "test", "test-slow"))


def test_the_demo_names_packages_that_its_extra_installs() -> None:
    text = (ROOT / "examples" / "demo.py").read_text(encoding="utf-8")
    extra = {requirement_name(requirement) for requirement in PROJECT["optional-dependencies"]["demo"]}
    assert set(re.findall(r'(?:read_json\(|files\()"(\w+)"', text)) == extra


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="Arrow's own choice is kept elsewhere"
)
@pytest.mark.parametrize(
    ("program", "chosen", "backend"),
    [
        ("import ladle, pyarrow", None, "jemalloc"),
        ("import ladle, pyarrow", "system", "system"),
        ("import pyarrow, ladle", None, "mimalloc"),
    ],
)
def test_arrow_takes_memory_from_jemalloc_unless_somebody_chose(
    program: str, chosen: str | None, backend: str
) -> None:
    name = "ARROW_DEFAULT_MEMORY_POOL"
    env = {n: v for n, v in os.environ.items() if n != name} | ({name: chosen} if chosen else {})
    tell = f"{program}; print(pyarrow.default_memory_pool().backend_name)"
    done = subprocess.run([sys.executable, "-c", tell], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == backend
