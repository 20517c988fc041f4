"""Files as a destination: Parquet, CSV or JSON lines in a folder, in the reference's layout."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ladle.config.settings import flag, not_found, searched, setting
from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.file_folder import FileFolder
from ladle.destinations.file_reader import FileReader
from ladle.destinations.file_session import FILE_BYTES, FileOptions, FileSession
from ladle.destinations.files import Files, FsspecFiles, LocalFiles
from ladle.destinations.layout import DEFAULT_LAYOUT, Layout
from ladle.destinations.reading import Reader
from ladle.errors import InvalidPipelineName, UsageError
from ladle.schema.change import Limits
from ladle.schema.lattice import EVERYWHERE
from ladle.schema.naming_rules import ByteLength

_TYPE = "filesystem"
# A folder's name has 255 bytes; common readers take decimals of 38 digits.
# Files stay as they are. What a reader makes of an older one's narrower type isn't spelled as normalize does.
_SPELLED_OTHERWISE = {(kind, "text") for kind in ("bool", "decimal", "double", "timestamp", "time")}
_LIMITS = Limits(
    max_table_name=ByteLength(200),
    max_column_name=None,
    wei_digits=38,
    in_place=EVERYWHERE - _SPELLED_OTHERWISE,
    decimal_digits=38,
    folds_case=True,  # to the engines that read them
    lanes=8,
)
_MAX_PIPELINE_BYTES = 160
"""What load id, hash and ending leave of the 255 bytes of a file's name."""

_ARGUMENTS = (
    "bucket_url",
    "credentials",
    "layout",
    "extra_placeholders",
    "current_datetime",
    "destination_name",
    "max_state_files",
    "recommended_file_size",
)


@dataclass(frozen=True)
class Filesystem:
    """A folder with a folder per dataset.

    Args:
        bucket_url: `file:///...` or `memory://...`.
        options: layout and sizes.
        name: of the destination.

    Guarantee: G3. The row of a load in `_dlt_loads` is one file, written last; who counts only files of loads
    with a row sees all tables of a load at once. `FileSession` says what others see.
    """

    bucket_url: str
    options: FileOptions = field(compare=False)
    name: str = _TYPE
    type_name: str = _TYPE
    guarantee: str = "G3"
    dataset_named: bool = True
    sql_dialect: str = "duckdb"
    limits: Limits = _LIMITS

    @property
    def destination_name(self) -> str:
        """The same as `name`."""
        return self.name

    @property
    def streams(self) -> bool:
        """Whether loads may begin while extract goes on: in folders of this machine."""
        return _local_path(self.bucket_url) is not None

    @property
    def rests_on(self) -> tuple[str, ...]:
        """What its guarantee rests on."""
        return (
            "the row of `_dlt_loads` is one file, written last: only files of loads that have it count",
            "a plain glob sees files of one table before those of another, for a moment",
            "before a load is tried again, its load id is looked for",
        )

    def capabilities(self) -> Capabilities:
        """Return what it can hold and how names are made for it."""
        return capabilities(self.limits)

    def bound(self, pipeline: str) -> Filesystem:
        """Return the destination as it is: its folder doesn't depend on the pipeline.

        Raises:
            InvalidPipelineName: too long for the file that keeps the pipeline's state.
        """
        if self.streams and len(pipeline.encode()) > _MAX_PIPELINE_BYTES:
            raise InvalidPipelineName(
                f"the name of a pipeline, `{pipeline[:20]}...`, is too long for destination `{self.name}`",
                expected=f"at most {_MAX_PIPELINE_BYTES} bytes: it is in the name of the file of its state",
            )
        return self

    def displayable(self) -> str:
        """Return the URL."""
        return self.bucket_url

    def open(self, dataset: str) -> Session:
        """Start a session; nothing is written before data is."""
        return FileSession(self._files(dataset), f"{self.bucket_url.rstrip('/')}/{dataset}", self.options)

    def reader(self, dataset: str) -> Reader:
        """Read the dataset's files with a DuckDB in memory."""
        files = self._files(dataset)
        where = f"{self.bucket_url.rstrip('/')}/{dataset}"
        session = FileSession(files, where, self.options)
        path = _local_path(self.bucket_url)
        if path is not None:
            return FileReader(FileFolder(files, session, where, f"{path / dataset}/"), dataset)
        import fsspec  # a local folder needs none of it

        filesystem, root = fsspec.url_to_fs(self.bucket_url)
        prefix = f"{filesystem.unstrip_protocol(root.rstrip('/'))}/{dataset}/"
        return FileReader(FileFolder(files, session, where, prefix, filesystem), dataset)

    def _files(self, dataset: str) -> Files:
        path = _local_path(self.bucket_url)
        if path is not None:
            return LocalFiles(path / dataset)
        import fsspec  # a local folder needs none of it

        filesystem, root = fsspec.url_to_fs(self.bucket_url)
        return FsspecFiles(filesystem, f"{root.rstrip('/')}/{dataset}")


def _local_path(url: str) -> Path | None:
    """Return the folder that a `file:` URL names; None for other URLs."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if os.name == "nt":
        path = path.lstrip("/")
    return Path(path)


def _url(given: str) -> str:
    """Return the URL of a folder: absolute, so that it stays where the current folder changes.

    Raises:
        UsageError: a scheme that isn't supported, or a host.
    """
    scheme, mark, rest = given.partition("://")
    if not mark or len(scheme) == 1:
        return Path(os.path.abspath(os.path.expanduser(given))).as_uri()
    if scheme == "memory":
        return given
    if scheme != "file":
        raise UsageError.unknown_choice("scheme of bucket_url:", f"{scheme}://", ["file://", "memory://"])
    if rest.startswith("localhost/"):
        rest = rest.removeprefix("localhost")
    return Path(os.path.abspath(unquote(rest))).as_uri()


def filesystem_destination(
    bucket_url: str | os.PathLike[str] | None = None,
    credentials: Mapping[str, Any] | None = None,
    *,
    layout: str | None = None,
    extra_placeholders: Mapping[str, Any] | None = None,
    current_datetime: datetime | Callable[[], datetime] | None = None,
    destination_name: str | None = None,
    max_state_files: int = 100,
    **capability: Any,
) -> Filesystem:
    """Load into files.

    Args:
        bucket_url: folder to load to, made where it is missing: a path, `file://` or `memory://`. None: that
            of the configuration, `[destination.filesystem]` or `DESTINATION__FILESYSTEM__BUCKET_URL`.
        credentials: a local folder has none.
        layout: paths of data files below the dataset's folder; None: that of the configuration, else
            `{table_name}/{load_id}.{file_id}.{ext}`.
        extra_placeholders: values of placeholders of your own in the layout, or functions of
            `(schema_name, table_name, load_id, file_id, ext)` that return one.
        current_datetime: what `{YYYY}` and the other dates in the layout show, or a function that returns it.
        destination_name: a name of its own; its settings are `DESTINATION__<NAME>__...`.
        max_state_files: states kept per pipeline.
        capability: `naming_convention`, `max_table_nesting` and others of `Capabilities`, and
            `recommended_file_size`: Arrow bytes after which a table goes on in a new file.

    `DATA_WRITER__DISABLE_COMPRESSION=true` leaves CSV and JSON lines uncompressed, without `.gz`.

    Raises:
        UsageError: a scheme that isn't supported, a layout that would mix tables or lose files; a capability
            that it hasn't.
        ConfigError: no `bucket_url`.
    """
    name = destination_name or _TYPE
    file_bytes = capability.pop("recommended_file_size", None) or FILE_BYTES
    limits = overridden(_LIMITS, capability, _TYPE, _ARGUMENTS)
    url = os.fspath(bucket_url) if bucket_url is not None else _setting(name, "bucket_url")
    if not url:
        error = not_found(name, {"bucket_url": False}, ("destination", name))
        error.what = f"the destination `{name}` has no bucket_url"
        error.hint = (
            f"pass it, set DESTINATION__{name.upper()}__BUCKET_URL, or bucket_url below"
            f" [destination.{name}] in .ladle/config.toml"
        )
        raise error
    if credentials:
        raise UsageError("a local folder takes no credentials", hint="pass only bucket_url")
    template = layout or _setting(name, "layout") or DEFAULT_LAYOUT
    options = FileOptions(
        Layout(template, dict(extra_placeholders or {}), current_datetime),
        compressed=not any(
            flag(*path, "data_writer", "disable_compression") for path in ((), ("normalize",))
        ),
        max_file_bytes=file_bytes,
        max_state_files=max_state_files,
    )
    return Filesystem(_url(url), options, name, limits=limits)


def _setting(name: str, key: str) -> str | None:
    return searched(key, ("destination", name)) or setting("destination", _TYPE, key)
