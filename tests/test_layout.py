"""Holds the layout of `src/ladle`: which room may import which, and how big things get.

The rooms and their arrows are those of the table in CONTRIBUTING.md. A rule that has to give way
gives way here, by name and with a reason, so that the next reader sees it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "ladle"

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7
MAX_NESTING = 4

SHARED = {"errors", "events", "progress", "schema", "config", "state", "package"}
PHASES = {"sources", "extract", "normalize", "load", "destinations", "dataset"}

# room: what it may import besides itself. `a.b` allows that one module of room `a` and what is below it.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "events": set(),
    "progress": {"errors", "events"},
    "schema": {"errors"},
    "config": {"errors"},
    "state": {"schema", "errors"},
    "package": {"schema", "state", "errors", "events"},
    "sources": {"schema", "state", "config", "errors"},
    "extract": {"sources", "package", "schema", "state", "errors", "events"},
    "normalize": {"package", "schema", "errors", "events"},
    "load": {"destinations.base", "package", "schema", "state", "errors", "events"},
    "destinations": {"schema", "state", "config", "errors"},
    "dataset": {"destinations", "schema", "errors"},
    "governance": {"schema", "config", "errors", "events", "package", "state", "dataset", "destinations"},
    "pipelines": SHARED | PHASES | {"governance"},
    "cli": SHARED | PHASES | {"governance", "pipelines", "__init__"},
    "integrations": SHARED | PHASES | {"pipelines", "__init__"},
    "testing": SHARED | PHASES | {"pipelines", "__init__"},
    "__init__": SHARED | PHASES | {"governance", "pipelines"},
    "__main__": {"cli"},
}

FORBIDDEN_ROOMS = {"common", "utils", "util", "helpers", "core", "base", "misc", "lib"}

# Modules that resolve names to modules on demand: the public names, the registry of destinations, and the
# declaration of a cursor or a model, which need Arrow when a frame comes.
LAZY_IMPORTS = {
    "ladle",
    "ladle.config",
    "ladle.dataset",
    "ladle.destinations",
    "ladle.destinations.registry",
    "ladle.governance",
    "ladle.sources",
    "ladle.sources.incremental",
    "ladle.sources.validator",
    "ladle.testing",
}

# Signatures people call by keyword, which take what they take in the reference.
LONG_SIGNATURES: dict[str, str] = {
    "ladle.cli.rejects.replay": "the options of the command",
    "ladle.destinations.decorator.destination": "the public decorator: how a function is called",
    "ladle.pipelines.entry.pipeline": "the settings of a pipeline",
    "ladle.pipelines.pipeline.Pipeline.__init__": "what `ladle.pipeline` takes",
    "ladle.pipelines.pipeline.Pipeline.run": "what may be set for one run",
    "ladle.pipelines.pipeline.Pipeline.extract": "what may be set for one run",
    "ladle.pipelines.pipeline.Pipeline.replay": "which rejects, and how they are mended",
    "ladle.pipelines.pipeline.Pipeline.backfill": "what may be set for one backfill",
    "ladle.sources.incremental.Incremental.__init__": "what the reference's `incremental` takes",
    "ladle.sources.decorators.resource": "the public decorator: what may be set for a table",
    "ladle.sources.decorators.source": "the public decorator: what may be set for a source",
    "ladle.sources.decorators.transformer": "the public decorator: what may be set for a table",
    "ladle.sources.hinted.Hinted.apply_hints": "what may be set for a table",
    "ladle.sources.mark.make_hints": "what may be set for a table",
    "ladle.sources.source.SourceFactory.clone": "what `source` takes",
}

# Files over the limit: generated tables and dialects as data only.
LONG_FILES: dict[str, str] = {
    "ladle.errors": "every error class in one place, a few lines each",
    "ladle.pipelines.pipeline": "the face of the library: the reference's forty methods, each of which hands on",
}

# Where Arrow becomes Python values: on failure, or over something that is small by its nature.
TO_PYLIST: dict[str, str] = {
    "ladle.normalize.quality.functions": "functions of users that judge a row at a time, and say so",
    "ladle.normalize.quality.whole": "where rows that were left out at the end came from",
    "ladle.normalize.quality.sweep": "rows that were left out at the end, on their way to the rejects",
    "ladle.normalize.arrays": "spellings that Arrow can't read are parsed once per distinct value",
    "ladle.normalize.digests": "texts for hashlib, where nothing was compiled",
    "ladle.normalize.findings": "numbers of refused rows, which become JSON one by one",
    "ladle.normalize.rejects": "refused rows become JSON",
    "ladle.normalize.versions": "ids of rows of which some were refused, on their way to the rejects",
    "ladle.normalize.growth": "decimals that don't fit: one row for each number of digits",
}

# Classes with a second base that is no protocol, generic or enum.
SECOND_BASES: dict[str, str] = {
    "ladle.errors.UsageError": "also a ValueError, so that code which expects one catches it",
    "ladle.errors.TableNotFound": "also a KeyError: `dataset[name]` is a look-up",
    "ladle.errors.ConfigFieldMissingException": 'also a KeyError: `secrets["x"]` raises it',
    "ladle.errors.MissingDependency": "also an ImportError, so that code which expects one catches it",
}

BASES_THAT_ARE_NO_PARENTS = {"Protocol", "Generic", "ABC", "NamedTuple", "TypedDict"}


@dataclass(frozen=True)
class Module:
    """One source file, parsed."""

    path: Path

    @cached_property
    def name(self) -> str:
        parts = ("ladle", *self.path.relative_to(SRC).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def room(self) -> str:
        return self.path.relative_to(SRC).with_suffix("").parts[0]

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @property
    def is_empty(self) -> bool:
        return self.path.name == "__init__.py" and not self.tree.body


MODULES = [Module(path) for path in sorted(SRC.rglob("*.py"))]
BY_NAME = {module.name: module for module in MODULES}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def imported(module: Module, node: ast.AST) -> Iterator[str]:
    """Yield the modules of ours that an import statement names, a submodule by its own name."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module.name}:{node.lineno} imports relatively"
        names = []
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            names.append(full if full in BY_NAME else str(node.module))
    else:
        return
    yield from (name for name in names if name == "ladle" or name.startswith("ladle."))


def imports(module: Module) -> list[tuple[int, str]]:
    """List what a file imports of ours, anywhere in it, with the line; for the type checker too."""
    return [(node.lineno, name) for node in ast.walk(module.tree) for name in imported(module, node)]


def functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Yield every function and method below `tree` with its dotted name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}.{node.name}", node
            yield from functions(node, f"{prefix}.{node.name}")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}.{node.name}")
        else:
            yield from functions(node, prefix)


def code_lines(function: Function) -> int:
    """Count the lines of a function from `def` to its end, its docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def parameters(function: Function) -> int:
    """Count the parameters, `self`, `cls`, `*args` and `**kwargs` left out."""
    args = function.args
    named = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return len([name for name in named if name not in {"self", "cls"}])


def nesting(node: ast.AST, depth: int = 0) -> int:
    """Return how deep blocks stand in each other; `elif` goes no deeper, a nested function starts anew."""
    blocks = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.Match
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, nesting(child, depth + (isinstance(child, blocks) and not is_elif)))
    return deepest


def each_function() -> Iterator[tuple[Module, str, Function]]:
    for module in MODULES:
        for name, function in functions(module.tree, module.name):
            yield module, name, function


def is_allowed(importer: Module, target: str) -> bool:
    room = target.split(".")[1] if "." in target else "__init__"
    if room == importer.room:
        return True
    inner = target.removeprefix("ladle.")
    return any(
        inner == to or inner.startswith(f"{to}.") or room == to for to in ARROWS.get(importer.room, ())
    )


def test_every_room_is_in_the_table() -> None:
    rooms = {module.room for module in MODULES}
    assert rooms <= ARROWS.keys(), f"give {sorted(rooms - ARROWS.keys())} arrows, here and in CONTRIBUTING.md"


def test_no_room_is_a_drawer() -> None:
    # `sources.helpers` is a name that people import, as in the reference.
    kept = {SRC / "sources" / "helpers"}
    folders = {path.name for path in SRC.rglob("*") if path.is_dir() and path not in kept} | {
        path.stem for path in SRC.glob("*.py")
    }
    assert not folders & FORBIDDEN_ROOMS, "a helper lives in the room that owns the noun"


def test_imports_never_go_up() -> None:
    wrong = [
        f"{module.name}:{line} imports {target}"
        for module in MODULES
        for line, target in imports(module)
        if not is_allowed(module, target)
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_of_ours_is_imported_inside_a_function() -> None:
    wrong = {
        f"{name}:{node.lineno} imports {target}"
        for module, name, function in each_function()
        if module.name not in LAZY_IMPORTS
        for node in ast.walk(function)
        for target in imported(module, node)
    }
    assert not wrong, "\n".join(sorted(wrong))


def test_no_module_is_part_of_an_import_cycle() -> None:
    edges = {
        module.name: {target for _, target in imports(module) if target in BY_NAME} for module in MODULES
    }
    for name in LAZY_IMPORTS & edges.keys():
        edges[name] = set()  # resolved at run time, after everything is imported
    cycles = [sorted(group) for group in strongly_connected(edges) if len(group) > 1]
    assert not cycles, cycles


def strongly_connected(edges: dict[str, set[str]]) -> list[set[str]]:
    """Group nodes that reach each other; quadratic, which is fine for some hundred modules."""
    reach = {node: reachable(node, edges) for node in edges}
    return [{other for other in reach[node] if node in reach[other]} | {node} for node in edges]


def reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in edges[todo.pop()] - seen:
            seen.add(target)
            todo.append(target)
    return seen


def test_files_stay_short() -> None:
    wrong = [
        f"{module.name}: {lines} lines"
        for module in MODULES
        if (lines := module.text.count("\n")) > MAX_FILE_LINES and module.name not in LONG_FILES
    ]
    assert not wrong, "\n".join(wrong)


def test_functions_stay_short() -> None:
    wrong = [
        f"{name}: {lines} lines"
        for _, name, function in each_function()
        if (lines := code_lines(function)) > MAX_FUNCTION_LINES
    ]
    assert not wrong, "\n".join(wrong)


def test_functions_take_few_parameters() -> None:
    wrong = [
        f"{name}: {count} parameters"
        for _, name, function in each_function()
        if (count := parameters(function)) > MAX_PARAMETERS and name not in LONG_SIGNATURES
    ]
    assert not wrong, "\n".join(wrong)


def test_blocks_do_not_nest_deep() -> None:
    wrong = [
        f"{name}: {depth} levels"
        for _, name, function in each_function()
        if (depth := nesting(function)) > MAX_NESTING
    ]
    assert not wrong, "\n".join(wrong)


def test_classes_have_one_parent_and_no_magic() -> None:
    wrong = []
    for module in MODULES:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
            parents = [base for base in bases if base not in BASES_THAT_ARE_NO_PARENTS]
            name = f"{module.name}.{node.name}"
            if len(parents) > 1 and name not in SECOND_BASES:
                wrong.append(f"{name} has {len(parents)} parents")
            if any(keyword.arg == "metaclass" for keyword in node.keywords) or "Mixin" in node.name:
                wrong.append(f"{name} is a mixin or has a metaclass")
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_is_for() -> None:
    wrong = [module.name for module in MODULES if not module.is_empty and not ast.get_docstring(module.tree)]
    assert not wrong, wrong


def test_every_module_postpones_annotations() -> None:
    wrong = [
        module.name
        for module in MODULES
        if len(module.tree.body) > 1
        and not any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in module.tree.body
        )
    ]
    assert not wrong, wrong


def test_nothing_prints_and_nothing_is_global() -> None:
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
            and module.room != "cli"
        )
    ]
    assert not wrong, wrong


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"#\s*type:\s*ignore(?!\[)", "says which error it silences"),
        (r"#\s*noqa(?!:)", "says which rule it silences"),
        (r"\b(TODO|FIXME|XXX)\b", "is done, or is an issue"),
    ],
)
def test_no_loose_ends(pattern: str, why: str) -> None:
    wrong = [
        f"{module.name}:{number} {why}"
        for module in MODULES
        for number, line in enumerate(module.text.splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not wrong, "\n".join(wrong)


def test_rows_stay_arrow() -> None:
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        if module.room in {"normalize", "load"} and module.name not in TO_PYLIST
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "to_pylist"
    ]
    assert not wrong, (
        f"{wrong}: rows stay Arrow; a file that must leave it is listed in TO_PYLIST with the reason"
    )


def test_no_exemption_is_left_over() -> None:
    names = {name for _, name, _ in each_function()} | BY_NAME.keys() | LAZY_IMPORTS
    names |= {
        f"{module.name}.{node.name}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }
    exempt = LONG_SIGNATURES.keys() | LONG_FILES.keys() | TO_PYLIST.keys() | SECOND_BASES.keys()
    assert exempt <= names, f"no longer there: {sorted(exempt - names)}"
