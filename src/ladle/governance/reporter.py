"""Send OpenLineage events of loads; a failure to send is told, and never fails the load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

from ladle.dataset.history import Lineage
from ladle.destinations.base import Destination
from ladle.errors import MissingDependency
from ladle.events import Emit, Notice
from ladle.governance.openlineage import Events, Repository, Run, client, masked
from ladle.governance.target import NAMESPACE, Target, target
from ladle.schema.schema import Schema

_RETRIES = {"total": 1, "read": 1, "connect": 1}


@dataclass(frozen=True)
class Reporter:
    """Tells of the loads of one pipeline.

    Args:
        events: makes them.
        target: where they go; None for nowhere: then it does nothing.
        emit: hears of failures.
    """

    events: Events
    target: Target | None
    emit: Emit
    _failed: set[str] = field(default_factory=set)

    def tell(
        self,
        kind: Literal["START", "COMPLETE", "FAIL", "ABORT"],
        run: Run,
        error: BaseException | None = None,
    ) -> None:
        """Make an event and send it. Waits for the server, `timeout_s` and one more try at most."""
        if self.target is None:
            return
        try:
            event = self.events.event(kind, run, error)
            for transport in self._transports:
                transport.emit(event)
        except MissingDependency as missing:
            self.emit(Notice(f"no OpenLineage event was sent: {missing.what}; {missing.hint}"))
        except Exception as failure:  # noqa: BLE001 - whatever it is, the data matters more
            told = masked(f"{type(failure).__name__}: {failure}", self.events.destination)
            if self.target.api_key:
                told = told.replace(self.target.api_key, "***")
            self.emit(Notice(f"the OpenLineage event {kind} of load `{run.load_id}` was not sent: {told}"))

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """Tell that a run failed, or was stopped, where the block raises; once, of blocks in blocks."""
        try:
            yield
        except BaseException as error:
            if run.load_id not in self._failed:
                self._failed.add(run.load_id)
                self.tell("FAIL" if isinstance(error, Exception) else "ABORT", run, error)
            raise

    @contextmanager
    def telling(self, run: Run) -> Iterator[Callable[[], None]]:
        """Tell that a run begins, and that it fails where the block raises.

        Yields what is called where the run ends here, as there is nothing to load.
        """
        self.tell("START", run)
        with self.watching(run):
            yield partial(self.tell, "COMPLETE", run)

    @cached_property
    def _transports(self) -> list[Any]:
        target, found = self.target, []
        assert target is not None
        if target.file:
            made = client("transport.file")
            found.append(made.FileTransport(made.FileConfig(log_file_path=target.file, append=True)))
        if target.url:
            made = client("transport.http")
            key = {"api_key": target.api_key}
            auth = made.ApiKeyTokenProvider(key) if target.api_key else made.TokenProvider({})
            config = made.HttpConfig(
                url=target.url,
                endpoint=target.endpoint,
                timeout=target.timeout_s,
                auth=auth,
                retry={**client("transport.http_common").DEFAULT_RETRY_CONFIG, **_RETRIES},
            )
            found.append(made.HttpTransport(config))
        return found or [client("client").OpenLineageClient()]


def reporter(
    destination: Destination | None,
    dataset: str,
    emit: Emit,
    repository_of: Callable[[str], Repository | None],
) -> Reporter:
    """Return who tells of loads to a dataset, as the settings say now."""
    found = target()
    if found is None:
        return Reporter(Events("", destination, dataset, "", repository_of), None, emit)
    return Reporter(Events(found.namespace, destination, dataset, _version(), repository_of), found, emit)


def table_events(
    lineage: Lineage, schemas: Iterable[Schema], destination: Destination, dataset: str, only: str | None
) -> list[str]:
    """Return OpenLineage events of tables as they are, without a run: each as one line of JSON.

    Args:
        lineage: of the dataset.
        schemas: with its tables.
        destination: where it is.
        dataset: its name there.
        only: name of the one table to tell of.

    Raises:
        TableNotFound: there is none of that name.
        MissingDependency: the OpenLineage client isn't installed.
    """
    origins: dict[str, dict[str, tuple[str, str]]] = {}
    for told in lineage.columns(only).to_pylist():
        if told["path"] is not None:
            place = (told["resource"], told["path"])
            origins.setdefault(told["table_name"], {})[told["column_name"]] = place
    where = target()
    events = Events(where.namespace if where is not None else NAMESPACE, destination, dataset, _version())
    serde = client("serde").Serde
    return [serde.to_json(event) for schema in schemas for event in events.tables(schema, origins, only)]


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("ladle")
    except metadata.PackageNotFoundError:
        return "unknown"
