"""Schema files: YAML or JSON in the reference's form, read with the place of what is wrong, and written."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ladle.errors import UsageError
from ladle.schema.hints_by_name import HINTS
from ladle.schema.system import ENGINE_VERSION
from ladle.schema.table import COLUMN_KEYS, DATA_TYPES, WRITE_DISPOSITIONS

Node = Any
"""A node of PyYAML, which is imported where a file is read or written: most runs do neither."""

TOP_KEYS = (
    "version",
    "version_hash",
    "engine_version",
    "name",
    "description",
    "tables",
    "settings",
    "normalizers",
    "previous_hashes",
    "imported_version_hash",
)
TABLE_KEYS = (
    "name",
    "description",
    "columns",
    "write_disposition",
    "resource",
    "parent",
    "references",
    "schema_contract",
    "table_sealed",
    "filters",
    "table_format",
    "file_format",
    "variant_name",
)
SETTING_KEYS = ("schema_contract", "detections", "default_hints", "preferred_types")
NORMALIZER_KEYS = (
    "names",
    "json",
    "detections",
    "allow_identifier_change_on_table_with_data",
    "use_break_path_on_normalize",
)
_NEAR = 0.75  # how alike a key must be to one that is known for it to be taken as misspelt


def to_yaml(stored: Mapping[str, Any]) -> str:
    """Return a stored schema as YAML, keys in their order."""
    import yaml

    text: str = yaml.safe_dump(plain(stored), allow_unicode=True, default_flow_style=False, sort_keys=False)
    return text


def to_json(stored: Mapping[str, Any]) -> str:
    """Return a stored schema as indented JSON, keys in their order."""
    return json.dumps(plain(stored), indent=2, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return what is stored as plain dicts, lists and scalars; what is none of these as its text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def read_file(path: Path) -> dict[str, Any]:
    """Read a schema file; `.json` is JSON, anything else YAML.

    Raises:
        UsageError: there is no such file, it can't be parsed, or it is no schema; names line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no schema file `{path}`") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"the schema file `{path}` isn't UTF-8: {error}") from None
    return read(text, str(path), "json" if path.suffix == ".json" else "yaml")


def read(text: str, where: str, kind: str = "yaml") -> dict[str, Any]:
    """Read the text of a schema file. Keys are always text, dates stay text.

    Args:
        text: of the file.
        where: what it is, for errors.
        kind: `yaml` or `json`.

    Raises:
        UsageError: it can't be parsed, or it is no schema; names line and column.
    """
    import yaml

    if kind == "json":
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            raise _error(where, error.lineno, error.colno, error.msg) from None
        # Valid JSON is read as YAML, which knows where things are; only tabs it doesn't take.
        text = json.dumps(json.loads(text), ensure_ascii=False) if "\t" in text else text
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _error(where, line, column, str(error.problem or error.context)) from None
    except yaml.YAMLError as error:
        raise _error(where, 1, 1, str(error).splitlines()[0]) from None
    checks = _Checks(where)
    checks.mapping(root, "a schema")
    stored: dict[str, Any] = checks.value(root)
    for key in ("name", "tables"):
        if key not in stored:
            raise _error(where, 1, 1, f"a schema needs `{key}`", "name, tables, and what else dlt exports")
    if int(stored.get("engine_version") or ENGINE_VERSION) >= ENGINE_VERSION:
        checks.schema(root)
    return stored


def _error(
    where: str, line: int, column: int, what: str, expected: str | None = None, hint: str | None = None
) -> UsageError:
    return UsageError(
        f"schema file `{where}`, line {line}, column {column}: {what}", expected=expected, hint=hint
    )


class _Checks:
    """Turns nodes of YAML into values, and tells where one is wrong."""

    def __init__(self, where: str) -> None:
        self._where = where

    def error(
        self, node: Node, what: str, expected: str | None = None, hint: str | None = None
    ) -> UsageError:
        mark = node.start_mark
        return _error(self._where, mark.line + 1, mark.column + 1, what, expected, hint)

    # -- values

    def value(self, node: Node) -> Any:
        if node.id == "mapping":
            return self._dict(node)
        if node.id == "sequence":
            return [self.value(n) for n in node.value]
        text: str = node.value
        kind = node.tag.rpartition(":")[2]
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return text.lower() in ("true", "yes", "on")
            if kind == "int":
                return int(text.replace("_", ""), 0)
            return float(text.replace("_", "")) if kind == "float" else text
        except ValueError:
            return text  # such as 012 or 1:30, which YAML takes for numbers

    def _dict(self, node: Node) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, inner in node.value:
            if key.tag.endswith(":merge"):
                bases = inner.value if inner.id == "sequence" else [inner]
                for base in bases:
                    made = {**self.value(base), **made}
                continue
            name = str(key.value)
            if name in made and any(name == k.value for k, _ in node.value[: node.value.index((key, inner))]):
                raise self.error(key, f"the key `{name}` is there twice", hint="remove one of them")
            made[name] = self.value(inner)
        return made

    def mapping(self, node: Node | None, what: str) -> list[tuple[Node, Node]]:
        if node is None:
            raise _error(self._where, 1, 1, "it is empty", "a schema: name, tables, settings, normalizers")
        if node.id == "scalar" and node.tag.endswith(":null"):
            return []
        if not node.id == "mapping":
            raise self.error(node, f"{what} must be a mapping", expected="`key: value` lines")
        return [(key, value) for key, value in node.value if not key.tag.endswith(":merge")]

    # -- what belongs where

    def schema(self, root: Node) -> None:
        """Check keys and values; keys that nobody knows are kept, unless they look misspelt."""
        for key, node in self._known(root, "a schema", TOP_KEYS):
            if key == "tables":
                for name, table in self.mapping(node, "`tables`"):
                    self._table(str(name.value), table)
            elif key == "settings":
                self._settings(node)
            elif key == "normalizers":
                self._known(node, "`normalizers`", NORMALIZER_KEYS)

    def _table(self, name: str, node: Node) -> None:
        for key, value in self._known(node, f"table `{name}`", TABLE_KEYS):
            if key == "columns":
                for column, hints in self.mapping(value, f"`columns` of table `{name}`"):
                    self._column(f"column `{column.value}` of table `{name}`", hints)
            elif key == "write_disposition":
                self._one_of(value, f"write_disposition of table `{name}`", WRITE_DISPOSITIONS)

    def _column(self, what: str, node: Node) -> None:
        for key, value in self._known(node, what, ("name", *COLUMN_KEYS)):
            if key == "data_type":
                self._one_of(value, f"data_type of {what}", DATA_TYPES)

    def _settings(self, node: Node) -> None:
        for key, value in self._known(node, "`settings`", SETTING_KEYS):
            if key == "default_hints":
                self._known(value, "`default_hints`", HINTS)
            elif key == "preferred_types":
                for rule, data_type in self.mapping(value, "`preferred_types`"):
                    self._one_of(data_type, f"the preferred type for `{rule.value}`", DATA_TYPES)

    def _known(self, node: Node, what: str, known: Sequence[str]) -> Iterable[tuple[str, Node]]:
        found = [(key, value) for key, value in self.mapping(node, what)]
        for key, _ in found:
            name = str(key.value)
            if name in known or name.startswith("x-"):
                continue
            near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
            if near:
                raise self.error(key, f"unknown key `{name}` of {what}", hint=f"did you mean `{near[0]}`?")
        return [(str(key.value), value) for key, value in found]

    def _one_of(self, node: Node, what: str, choices: Sequence[str]) -> None:
        value = self.value(node)
        if value is None or value in choices:
            return
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"did you mean `{near[0]}`?" if near else None
        raise self.error(node, f"{what} can't be `{value}`", "one of " + ", ".join(choices), hint)
