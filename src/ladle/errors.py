"""Every error class of ladle, sorted by what the caller should do.

LadleError
├── UsageError (also ValueError)       fix the call
│   ├── ResourceNameMissing
│   ├── InvalidPipelineName
│   ├── TableNotFound (also KeyError)  the dataset has no such table; lists those it has
│   └── LineageFailedException         a query names what the schema doesn't have
├── ConfigError                        fix a setting
│   └── MissingDependency              install an extra
├── CannotRestorePipelineException     name a pipeline that exists
├── PipelineIsRunning                  wait for the other run, or choose another policy
└── PipelineStepFailed                 one step of a run failed; `.step` says which
    ├── SourceError                    reading failed
    ├── DataError                      a value is wrong: resource, table, column, row
    ├── DestinationError               writing failed
    │   ├── CommitFailed               certainly not applied: run again
    │   └── CommitUnknown              may or may not be applied: the next run looks first
    └── PackageError                   files of a package are damaged or of another version
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "CannotRestorePipelineException",
    "CommitFailed",
    "CommitUnknown",
    "ConfigError",
    "DataError",
    "DestinationError",
    "InvalidPipelineName",
    "LadleError",
    "LineageFailedException",
    "MissingDependency",
    "PackageError",
    "PipelineIsRunning",
    "PipelineStepFailed",
    "ResourceNameMissing",
    "SourceError",
    "TableNotFound",
    "UsageError",
    "shorten",
]

_MAX_LISTED = 5
_MAX_VALUE_CHARS = 80
_WHOLE = ("working_dir", "path")  # of no use when cut


def shorten(value: object, max_chars: int = _MAX_VALUE_CHARS) -> str:
    """Return `repr(value)` cut to `max_chars` characters; never raises.

    Lists and tuples of more than five entries are cut to five and say how many more there are.
    """
    if isinstance(value, (list, tuple)) and len(value) > _MAX_LISTED:
        head = ", ".join(shorten(v, max_chars) for v in value[:_MAX_LISTED])
        return f"{head} and {len(value) - _MAX_LISTED} more"
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as exc:  # noqa: BLE001 - a user's repr may raise anything, an error text must not
        text = f"<{type(value).__name__} whose repr fails with {type(exc).__name__}>"
    text = text.replace("\n", "\\n")
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


class LadleError(Exception):
    """Base of every error ladle raises; renders as at most four lines.

    Args:
        what: what happened to which thing, one line.
        expected: what would have been right.
        hint: what to do now.
        facts: where it happened (resource, table, column, row, load_id, value, ...); also attributes.
            Values are shortened when rendered. Never put a secret here.
    """

    def __init__(
        self, what: str, *, expected: str | None = None, hint: str | None = None, **facts: Any
    ) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.hint = hint
        self.facts: dict[str, Any] = {k: v for k, v in facts.items() if v is not None}

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts")
        if facts is not None and name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def with_facts(self, **facts: Any) -> LadleError:
        """Add context at a room's border without wrapping; facts already known win."""
        for key, value in facts.items():
            if value is not None:
                self.facts.setdefault(key, value)
        return self

    def __str__(self) -> str:
        lines = [self.what]
        if self.facts:
            lines.append("  " + " ".join(f"{k}=`{_fact(k, v)}`" for k, v in self.facts.items()))
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.expected, self.hint, self.facts)


def _fact(name: str, value: object) -> str:
    return str(value) if name in _WHOLE else shorten(value)


def _rebuild(
    cls: type[LadleError], what: str, expected: str | None, hint: str | None, facts: Mapping[str, Any]
) -> LadleError:
    return cls(what, expected=expected, hint=hint, **facts)


class UsageError(LadleError, ValueError):
    """A call is wrong; raised before anything is read or written."""

    @classmethod
    def unknown_choice(cls, thing: str, value: object, choices: Sequence[str]) -> UsageError:
        """Name the value, the choices and the nearest match."""
        import difflib

        near = difflib.get_close_matches(str(value), choices, n=1)
        return cls(
            f"unknown {thing} `{shorten(value)}`",
            expected="one of " + ", ".join(choices),
            hint=f"did you mean `{near[0]}`?" if near else None,
        )


class ResourceNameMissing(UsageError):
    """Data was given without any name to use for its table."""


class InvalidPipelineName(UsageError):
    """A pipeline name can't be used as a folder name."""


class ConfigError(LadleError):
    """A setting is missing or can't be read; `tried` lists where it was looked for."""


class MissingDependency(ConfigError, ImportError):
    """An optional package is needed; the hint has the pip command."""


class CannotRestorePipelineException(LadleError):
    """`attach` found neither a working folder nor a dataset to restore from."""


class PipelineIsRunning(LadleError):
    """Another run of this pipeline holds it and the policy is not to wait."""


class PipelineStepFailed(LadleError):
    """A step of a run failed. `step` is extract, normalize, load, sync or run.

    Attributes:
        step: the step that failed.
        pipeline: the pipeline's name.
        load_id: the package at work, if there was one.
    """

    @property
    def step(self) -> str | None:
        """The step that failed: extract, normalize, load or sync."""
        return self.facts.get("step")

    @property
    def exception(self) -> BaseException:
        """The cause: what user code or a driver raised, else this error."""
        return self.__cause__ or self


class SourceError(PipelineStepFailed):
    """Reading a resource failed; the cause is what its code raised."""


class DataError(PipelineStepFailed):
    """A value can't be stored; names resource, table, column and row."""


class DestinationError(PipelineStepFailed):
    """Writing failed; nothing of the package is visible. `retryable` says whether to run again as is."""

    retryable: bool = False


class CommitFailed(DestinationError):
    """The commit was certainly not applied. The package is kept; the next run loads it."""

    retryable = True


class CommitUnknown(DestinationError):
    """The connection was lost while committing. The next run looks for the load id first."""

    retryable = True


class PackageError(PipelineStepFailed):
    """Files of a package are damaged, missing or of another version."""


class TableNotFound(UsageError, KeyError):
    """The schema of a dataset has no table of that name."""

    @classmethod
    def among(cls, name: str, tables: Sequence[str], dataset: str) -> TableNotFound:
        """Name the tables there are."""
        return cls(
            f"table `{name}` is not in the schema of dataset `{dataset}`",
            expected="one of " + ", ".join(tables),
        )


class LineageFailedException(UsageError):
    """A query names tables or columns that the schema of its dataset doesn't have."""
