"""Every error class of ladle, sorted by what the caller should do.

LadleError
├── UsageError (also ValueError)       fix the call
│   ├── ResourceNameMissing
│   ├── InvalidPipelineName
│   ├── ResourceError                  how a resource or a source is made is wrong
│   │   ├── ResourcesNotFoundError, ResourceNotFoundError, UnknownSourceReference
│   │   ├── SourceDataIsNone, SourceNotAFunction, SourceIsAClassTypeError, ExplicitSourceNameInvalid
│   │   ├── InvalidResourceDataType, InvalidResourceDataTypeMultiplePipes, DeletingResourcesNotSupported
│   │   ├── ResourceNotATransformer, InvalidTransformerGeneratorFunction, InvalidStepFunctionArguments
│   │   ├── ParametrizedResourceUnbound, PipeNotBoundToData
│   │   └── InconsistentTableTemplate, DataItemRequiredForDynamicTableHints
│   ├── FileImportNotFound
│   ├── TableNotFound (also KeyError)  the dataset has no such table; lists those it has
│   ├── LineageFailedException         a query names what the schema doesn't have
│   ├── IncrementalUnboundError        pass the function to the resource, not its generator
│   └── JoinSchedulerError             give the cursor a type that an interval of time converts to
├── ContextNotAvailable                `ladle.current.*` outside of what it asks for
│   ├── ResourceNameNotAvailable, SourceSectionNotAvailable, CurrentSourceNotAvailable
│   └── CurrentSourceSchemaNotAvailable, CurrentLoadPackageStateNotAvailable, PipelineNotActive
├── ConfigError                        fix a setting
│   ├── ConfigFieldMissingException    set it (also KeyError); lists all that was tried
│   ├── ConfigValueCannotBeCoercedException   give a value of its type
│   ├── ValueNotSecretException        move a secret from config.toml to secrets.toml
│   ├── ConfigFileNotFoundException, TomlProviderReadException   mend the file
│   ├── ConfigFieldMissingTypeHintException, FinalConfigFieldException   mend the spec, or the call
│   ├── DuplicateConfigProviderException, OAuth2ScopesRequired   name another, name some
│   ├── InvalidNativeValue             give credentials in a form that can be read
│   │   ├── InvalidConnectionString, InvalidGoogleServicesJson, InvalidGoogleOauth2Json
│   │   └── InvalidBoto3Session, InvalidAzureCredential
│   ├── MissingDependency              install an extra
│   └── ExternalSchedulerNotAvailable  set the interval, or don't ask for it
├── CannotRestorePipelineException     name a pipeline that exists
├── PipelineIsRunning                  wait for the other run, or choose another policy
└── PipelineStepFailed                 one step of a run failed; `.step` says which
    ├── SourceError                    reading failed
    │   └── ResourceExtractionError    the code of a resource raised
    ├── DataError                      a value is wrong: resource, table, column, row
    │   ├── DataValidationError        it breaks a contract or a rule: mend the data, or allow it
    │   │   ├── TooManyRejects         more was refused than `max_rejects` allows
    │   │   └── TooManyMissing         a listing lacks more rows than `max_missing` allows
    │   ├── IncrementalCursorPathMissing       a row has no cursor
    │   ├── IncrementalCursorPathHasValueNone  a row's cursor is None
    │   ├── IncrementalCursorInvalidCoercion   cursors of different types
    │   └── IncrementalPrimaryKeyMissing       a row has no key to compare it by
    ├── DestinationError               writing failed
    │   ├── CommitFailed               certainly not applied: run again
    │   ├── CommitUnknown              may or may not be applied: the next run looks first
    │   ├── DestinationTransientException   a function failed again and again: run again
    │   └── DestinationTerminalException    raise it in a function: trying again is of no use
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
    "ConfigFieldMissingException",
    "ConfigFieldMissingTypeHintException",
    "ConfigFileNotFoundException",
    "ConfigValueCannotBeCoercedException",
    "ConfigurationException",
    "ContextNotAvailable",
    "CurrentLoadPackageStateNotAvailable",
    "CurrentSourceNotAvailable",
    "CurrentSourceSchemaNotAvailable",
    "DataError",
    "DataItemRequiredForDynamicTableHints",
    "DataValidationError",
    "DeletingResourcesNotSupported",
    "DestinationError",
    "DestinationTerminalException",
    "DestinationTransientException",
    "DuplicateConfigProviderException",
    "ExplicitSourceNameInvalid",
    "ExternalSchedulerNotAvailable",
    "FileImportNotFound",
    "FinalConfigFieldException",
    "InconsistentTableTemplate",
    "IncrementalCursorInvalidCoercion",
    "IncrementalCursorPathHasValueNone",
    "IncrementalCursorPathMissing",
    "IncrementalPrimaryKeyMissing",
    "IncrementalUnboundError",
    "InvalidAzureCredential",
    "InvalidBoto3Session",
    "InvalidConnectionString",
    "InvalidGoogleOauth2Json",
    "InvalidGoogleServicesJson",
    "InvalidNativeValue",
    "InvalidPipelineName",
    "InvalidResourceDataType",
    "InvalidResourceDataTypeMultiplePipes",
    "InvalidStepFunctionArguments",
    "InvalidTransformerGeneratorFunction",
    "JoinSchedulerError",
    "LadleError",
    "LineageFailedException",
    "MissingDependency",
    "OAuth2ScopesRequired",
    "PackageError",
    "ParametrizedResourceUnbound",
    "PipeNotBoundToData",
    "PipelineIsRunning",
    "PipelineNotActive",
    "PipelineStepFailed",
    "ResourceError",
    "ResourceExtractionError",
    "ResourceNameMissing",
    "ResourceNameNotAvailable",
    "ResourceNotATransformer",
    "ResourceNotFoundError",
    "ResourcesNotFoundError",
    "SourceDataIsNone",
    "SourceError",
    "SourceIsAClassTypeError",
    "SourceNotAFunction",
    "SourceSectionNotAvailable",
    "TableNotFound",
    "TomlProviderReadException",
    "TooManyMissing",
    "TooManyRejects",
    "UnknownSourceReference",
    "UsageError",
    "ValueNotSecretException",
    "shorten",
]

_MAX_LISTED = 5
_MAX_VALUE_CHARS = 80
_WHOLE = ("working_dir", "path", "rejects")  # of no use when cut


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
        self.what = str(what)
        self.expected = expected
        self.hint = hint
        self.facts: dict[str, Any] = {k: v for k, v in facts.items() if v is not None}

    _UNSHOWN: frozenset[str] = frozenset()
    """Facts that are attributes and not part of the text."""

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
        if shown := [f"{k}=`{_fact(k, v)}`" for k, v in self.facts.items() if k not in self._UNSHOWN]:
            lines.append("  " + " ".join(shown))
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


class ResourceError(UsageError):
    """How a resource or a source is made is wrong; raised before anything is read."""


class ResourceNotFoundError(ResourceError):
    """A source has no resource of that name."""


class UnknownSourceReference(UsageError):
    """No source can be imported by that name."""


class ResourcesNotFoundError(ResourceNotFoundError):
    """A source lacks some of the resources that were named."""


class SourceDataIsNone(ResourceError):
    """A source function returned nothing."""


class SourceNotAFunction(ResourceError):
    """`source` was put on something that can't be called."""


class SourceIsAClassTypeError(ResourceError):
    """`source` was put on a class."""


class ExplicitSourceNameInvalid(ResourceError):
    """The name of a source can't be the name of a schema."""


class InvalidResourceDataType(ResourceError):
    """A resource can't be made of data of this type."""


class InvalidResourceDataTypeMultiplePipes(InvalidResourceDataType):
    """Two resources of a source have one name."""


class DeletingResourcesNotSupported(ResourceError):
    """A resource can't be deleted from a source; deselect it."""


class ResourceNotATransformer(ResourceError):
    """Data was piped to a resource that is no transformer."""


class InvalidTransformerGeneratorFunction(ResourceError):
    """A transformer's function doesn't take an item as its first argument."""


class InvalidStepFunctionArguments(ResourceError):
    """A function for a step doesn't take an item, or item and `meta`."""


class ParametrizedResourceUnbound(ResourceError):
    """A resource needs arguments that it wasn't called with."""


class PipeNotBoundToData(ResourceError):
    """A transformer has no resource to take items from."""


class InconsistentTableTemplate(ResourceError):
    """Hints of a table contradict one another."""


class DataItemRequiredForDynamicTableHints(ResourceError):
    """Hints are functions of the item, and no item was given."""


class FileImportNotFound(UsageError):
    """A file to import isn't there."""


class ContextNotAvailable(LadleError):
    """`ladle.current` was asked for something that isn't at work now."""


class ResourceNameNotAvailable(ContextNotAvailable):
    """No resource is being read here."""


class SourceSectionNotAvailable(ContextNotAvailable):
    """State was asked for where no source is being read."""


class CurrentSourceNotAvailable(ContextNotAvailable):
    """No source is being read here."""


class CurrentSourceSchemaNotAvailable(ContextNotAvailable):
    """No schema of a source is at work here."""


class CurrentLoadPackageStateNotAvailable(ContextNotAvailable):
    """No load package is at work here."""


class PipelineNotActive(ContextNotAvailable):
    """No pipeline is active."""


class ConfigError(LadleError):
    """A setting is missing or can't be read; `tried` lists where it was looked for."""


ConfigurationException = ConfigError  # as the reference calls it


class ConfigFieldMissingException(ConfigError, KeyError):
    """Settings (`fields`) of `spec_name` are missing.

    `traces` has, by name, the pairs (provider, key) that were tried; `files`: (path, whether it is there).
    """

    def __str__(self) -> str:
        if not self.facts.get("traces"):
            return super().__str__()
        lines = [self.what]
        for name, tried in self.facts["traces"].items():
            lines.append(f"for `{name}` these were tried, in this order:")
            lines += [f"  ({provider}, {key})" for provider, key in tried]
        for path, there in self.facts.get("files", ()):
            lines.append(f"file {path}{'' if there else ' (not there)'}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class ConfigValueCannotBeCoercedException(ConfigError):
    """A value that was found isn't of the type asked for; names key, provider and type, masks secrets."""


class ConfigFieldMissingTypeHintException(ConfigError):
    """A field of a spec has no type."""


class FinalConfigFieldException(ConfigError):
    """A value was given for a field that is final."""


class ConfigFileNotFoundException(ConfigError):
    """A configuration file can't be read."""


class TomlProviderReadException(ConfigError):
    """A configuration file isn't TOML; `path`, `line` and `column` say where."""


class DuplicateConfigProviderException(ConfigError):
    """A provider of that name is registered already."""


class ValueNotSecretException(ConfigError):
    """A secret stands where secrets don't belong: in `config.toml`."""


class InvalidNativeValue(ConfigError):
    """Credentials, or another spec, can't be read from the value given. Never shows the value."""


class InvalidConnectionString(InvalidNativeValue):
    """Not a connection string."""


class InvalidGoogleServicesJson(InvalidNativeValue):
    """Not the JSON of a service account."""


class InvalidGoogleOauth2Json(InvalidNativeValue):
    """Not the JSON of client secrets."""


class InvalidBoto3Session(InvalidNativeValue):
    """Not a session of boto3 or botocore."""


class InvalidAzureCredential(InvalidNativeValue):
    """Not a credential of azure-identity."""


class OAuth2ScopesRequired(ConfigError):
    """A refresh token is asked for without scopes."""


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


class ResourceExtractionError(SourceError):
    """The code of a resource raised; `.resource` names it and the cause is what it raised."""


class DataError(PipelineStepFailed):
    """A value can't be stored; names resource, table, column and row."""


class DataValidationError(DataError):
    """Rows break a schema contract or a data quality rule, and it says that nothing may be loaded then.

    Attributes:
        schema_name, table_name, column_name: where; the column is None where a table is new.
        schema_entity: `tables`, `columns` or `data_type`; `rules` for a data quality rule.
        contract_mode: `freeze`; `fail` for a rule.
        table_schema: the table in stored form, as it was before; None where it is new.
        schema_contract: the contract that holds, by entity.
        data_item: the row.
    """

    _UNSHOWN = frozenset(
        (
            "schema_name",
            "table_name",
            "column_name",
            "schema_entity",
            "contract_mode",
            "table_schema",
            "schema_contract",
            "data_item",
        )
    )

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        return facts.get(name) if name in self._UNSHOWN else super().__getattr__(name)


class TooManyRejects(DataValidationError):
    """More rows and values were refused than `max_rejects` allows; nothing was loaded."""


class TooManyMissing(DataValidationError):
    """A listing lacks more of the rows that are there than `max_missing` allows; nothing was loaded."""


class StateTooLarge(PipelineStepFailed):
    """The state of a source has grown beyond its limit; nothing of the run was loaded."""


class DestinationError(PipelineStepFailed):
    """Writing failed; nothing of the package is visible. `retryable` says whether to run again as is."""

    retryable: bool = False


class CommitFailed(DestinationError):
    """The commit was certainly not applied. The package is kept; the next run loads it."""

    retryable = True


class DestinationTerminalException(DestinationError):
    """A function destination can't take a batch, and never will: it isn't tried again within the run."""


class DestinationTransientException(DestinationError):
    """A function destination failed, and the last of its tries too. The package is kept; run again."""

    retryable = True


class CommitUnknown(DestinationError):
    """The connection was lost while committing. The next run looks for the load id first."""

    retryable = True


class PackageError(PipelineStepFailed):
    """Files of a package are damaged, missing or of another version."""


class TableNotFound(UsageError, KeyError):
    """The schema of a dataset has no table of that name."""


class LineageFailedException(UsageError):
    """A query names tables or columns that the schema of its dataset doesn't have."""


class IncrementalUnboundError(UsageError):
    """A cursor was used outside of a run of its resource."""


class JoinSchedulerError(UsageError):
    """The interval of a scheduler can't be turned into a range of this cursor."""


class ExternalSchedulerNotAvailable(ConfigError):
    """A cursor takes its range from a scheduler, and no interval was found."""


class IncrementalCursorPathMissing(DataError):
    """A row has nothing at the cursor path, and `on_cursor_value_missing` is `raise`."""


class IncrementalCursorPathHasValueNone(DataError):
    """A row's cursor is None or NaN, and `on_cursor_value_missing` is `raise`."""


class IncrementalCursorInvalidCoercion(DataError):
    """A row's cursor can't be compared with the bounds or with the rows before it."""


class IncrementalPrimaryKeyMissing(DataError):
    """A row at the boundary has no value under the primary key that finds repeated rows."""
