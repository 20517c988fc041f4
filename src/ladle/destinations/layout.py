"""Where a data file goes: a template such as `{table_name}/{load_id}.{file_id}.{ext}`, and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import Formatter
from typing import Any

from ladle.errors import DestinationError, UsageError

DEFAULT_LAYOUT = "{table_name}/{load_id}.{file_id}.{ext}"
_EXTENSIONS = re.compile(r".+\.(?:jsonl|csv|parquet|insert_values)(?:\.gz)?")
_UNIQUE = ("load_id", "file_id")

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_MOMENT: Mapping[str, Callable[[datetime], str]] = {
    "timestamp": lambda t: str(int(t.timestamp())),
    "timestamp_ms": lambda t: str(int(t.timestamp()) * 1000 + t.microsecond // 1000),
    "curr_date": lambda t: f"{t:%Y-%m-%d}",
    "YYYY": lambda t: f"{t.year:04}",
    "YY": lambda t: f"{t.year % 100:02}",
    "Y": lambda t: str(t.year),
    "MMMM": lambda t: _MONTHS[t.month - 1],
    "MMM": lambda t: _MONTHS[t.month - 1][:3],
    "MM": lambda t: f"{t.month:02}",
    "M": lambda t: str(t.month),
    "DD": lambda t: f"{t.day:02}",
    "D": lambda t: str(t.day),
    "HH": lambda t: f"{t.hour:02}",
    "H": lambda t: str(t.hour),
    "mm": lambda t: f"{t.minute:02}",
    "m": lambda t: str(t.minute),
    "ss": lambda t: f"{t.second:02}",
    "s": lambda t: str(t.second),
    "SSSS": lambda t: f"{t.microsecond:06}"[:4],
    "SSS": lambda t: f"{t.microsecond:06}"[:3],
    "SS": lambda t: f"{t.microsecond:06}"[:2],
    "S": lambda t: f"{t.microsecond:06}"[:1],
    "dddd": lambda t: _DAYS[t.weekday()],
    "ddd": lambda t: _DAYS[t.weekday()][:3],
    "dd": lambda t: _DAYS[t.weekday()][:2],
    "d": lambda t: str(t.isoweekday() % 7),
    "Q": lambda t: str((t.month + 2) // 3),
}
"""Parts of a moment, in English whatever the locale; names and case as the reference has them."""

_FILE = ("schema_name", "table_name", "load_id", "file_id", "ext")
_FOUND_BY = ("schema_name", "table_name", "ext")
_PACKAGE = ("load_package_timestamp", "load_package_timestamp_ms")
PLACEHOLDERS = (*_FILE, *_PACKAGE, *_MOMENT)

_PATTERNS = {"load_id": r"\d+(?:\.\d+)?", "file_id": r"[0-9a-z]+", "ext": r"\w+(?:\.gz)?"}


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's path is made of. `ext`: with `.gz` where compressed."""

    schema_name: str
    table_name: str
    load_id: str
    file_id: str
    ext: str


@dataclass(frozen=True)
class Layout:
    """A template for paths of data files below the dataset's folder, checked when it is made.

    Args:
        template: with placeholders; `.{ext}` is added where it has no `{ext}`.
        extra: values of further placeholders, or functions of `(schema_name, table_name, load_id, file_id,
            ext)` that return one. They win over the built-in ones.
        moment: what the date placeholders show, or a function that returns it; None for the time of the
            load id. A moment without zone is UTC.

    Raises:
        UsageError: an unknown placeholder; no `{table_name}`, or tables couldn't be told apart; two loads
            would write the same file; or files wouldn't be found again by their extension.
    """

    template: str = DEFAULT_LAYOUT
    extra: Mapping[str, Any] = field(default_factory=dict)
    moment: datetime | Callable[[], datetime] | None = None

    def __post_init__(self) -> None:
        names = self._names()
        for name in names:
            if name not in PLACEHOLDERS and name not in self.extra:
                raise UsageError.unknown_choice("placeholder in layout:", name, [*PLACEHOLDERS, *self.extra])
        self._check_spelling()
        self._check_table()
        if not any(name in names and name not in self.extra for name in _UNIQUE):
            raise _wrong(self.template, "`{load_id}` or `{file_id}`: else loads would overwrite files")
        if "ext" not in names:
            object.__setattr__(self, "template", self.template + ".{ext}")
        elif not self.template.endswith(".{ext}"):
            raise _wrong(self.template, "`.{ext}` at its end: files are known by it")

    def _parts(self) -> list[tuple[str, str | None]]:
        """Literal text and the placeholder after it."""
        try:
            return [(text, name) for text, name, _, _ in Formatter().parse(self.template)]
        except ValueError as exc:
            raise _wrong(self.template, "a closed pair of braces around each placeholder") from exc

    def _names(self) -> list[str]:
        return [name for _, name in self._parts() if name is not None]

    def _check_table(self) -> None:
        names = self._names()
        if "table_name" not in names:
            raise _wrong(self.template, "`{table_name}`")
        before = set(names[: names.index("table_name")]) - {"schema_name"}
        if before:
            raise _wrong(self.template, "no placeholder but `{schema_name}` before `{table_name}`")
        after = self.template.split("{table_name}", 1)[1]
        if after[:1] == "{" or after[:1].isalnum():
            raise _wrong(self.template, "a separator after `{table_name}`, such as `/`")
        if self.template.startswith("/") or ".." in self.template.split("/"):
            raise _wrong(self.template, "a path below the dataset's folder")

    def _check_spelling(self) -> None:
        """Files are found again by what these placeholders show, which so is theirs alone."""
        for _, name, spec, conversion in Formatter().parse(self.template):
            if name in _FILE and (spec or conversion):
                raise _wrong(self.template, f"`{{{name}}}` without a format")
            if name in _FOUND_BY and name in self.extra:
                raise UsageError(
                    f"extra_placeholders can't give `{name}` another value: files are found by it",
                    hint=f"use a placeholder of another name in the layout `{self.template}`",
                )

    @property
    def splits(self) -> bool:
        """Whether a table may have several files per load."""
        return "file_id" in self._names() and "file_id" not in self.extra

    @property
    def names_load(self) -> bool:
        """Whether the load id is part of the path."""
        return "load_id" in self._names() and "load_id" not in self.extra

    def path(self, file: FileName) -> str:
        """Return the path of a file.

        Raises:
            DestinationError: a value in it leads out of the folder.
        """
        values = {name: self._value(name, file) for name in self._names()}
        path = self.template.format(**values)
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise DestinationError(
                f"table `{file.table_name}` would be stored at `{path}`",
                expected="a path below the dataset's folder",
                hint="check the layout and the values of its placeholders",
            )
        return path

    def _value(self, name: str, file: FileName) -> str:
        if name in self.extra:
            value = self.extra[name]
            parts = (file.schema_name, file.table_name, file.load_id, file.file_id, file.ext)
            return str(value(*parts) if callable(value) else value)
        if name in _FILE:
            return str(getattr(file, name))
        created = datetime.fromtimestamp(float(file.load_id), UTC)
        if name in _PACKAGE:
            return _MOMENT[name.removeprefix("load_package_")](created)
        return _MOMENT[name](self._moment(created))

    def _moment(self, created: datetime) -> datetime:
        if self.moment is None:
            return created
        moment = self.moment() if callable(self.moment) else self.moment
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def prefix(self, schema_name: str, table: str) -> str:
        """Return what the paths of all files of a table start with, the separator included."""
        head, tail = self.template.split("{table_name}", 1)
        return head.replace("{schema_name}", schema_name) + table + tail[:1]

    def owned(self, paths: Iterable[str], schema_name: str, table: str, others: Iterable[str]) -> list[str]:
        """Return those of `paths` that are data files of `table`.

        Args:
            paths: that start with `prefix`.
            schema_name: of the table.
            table: its name.
            others: names of all tables; where a path fits several, it belongs to the longest name.

        With a folder per table all data files in it are the table's, also those of an earlier layout.
        """
        found = [path for path in paths if _EXTENSIONS.fullmatch(path)]
        if self.prefix(schema_name, table).endswith("/"):
            return found
        mine = self._pattern(schema_name, table)
        longer = [self._pattern(schema_name, t) for t in others if t.startswith(table) and t != table]
        return [p for p in found if mine.fullmatch(p) and not any(other.fullmatch(p) for other in longer)]

    def _pattern(self, schema_name: str, table: str) -> re.Pattern[str]:
        known = {"schema_name": re.escape(schema_name), "table_name": re.escape(table), **_PATTERNS}
        pattern = ""
        for text, name in self._parts():
            pattern += re.escape(text)
            if name is not None:
                pattern += ".*?" if name in self.extra else known.get(name, r"[\w-]+")
        return re.compile(pattern)


def _wrong(template: str, expected: str) -> UsageError:
    return UsageError(
        f"the layout `{template}` can't be used", expected=expected, hint=f"for example {DEFAULT_LAYOUT}"
    )
