"""OpenLineage events of a load: what ran, what it read, what it wrote; made with the client's own classes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from ladle.dataset.history import tags
from ladle.destinations.base import Destination
from ladle.destinations.location import table_place
from ladle.errors import LadleError, MissingDependency
from ladle.package.manifest import Manifest
from ladle.schema.provenance import Code, without_secrets
from ladle.schema.records import is_record
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import Table

_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]+")
_LANGUAGE = "PYTHON"


class Repository(Protocol):
    """What an event tells of the working tree that code is in."""

    @property
    def commit(self) -> str | None:
        """That is checked out."""

    @property
    def branch(self) -> str | None:
        """That is checked out."""

    @property
    def remote(self) -> str | None:
        """The repository's URL, without login."""


@dataclass(frozen=True, slots=True)
class Run:
    """One load, as events tell of it.

    Attributes:
        load_id: of its package.
        pipeline: that runs.
        source: whose rows it loads: name of the schema.
        manifest: of the package, once it is known what it holds.
    """

    load_id: str
    pipeline: str
    source: str
    manifest: Manifest | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Run:
        """Build from a package that is normalised."""
        return cls(manifest.load_id, manifest.pipeline, manifest.schema["name"], manifest)

    @property
    def job(self) -> str:
        """Name of the job: the pipeline's, and the source's where that is another."""
        return self.pipeline if self.source == self.pipeline else f"{self.pipeline}.{self.source}"


def client(module: str) -> Any:
    """Return a module of the OpenLineage client.

    Raises:
        MissingDependency: it isn't installed.
    """
    try:
        return importlib.import_module(f"openlineage.client.{module}")
    except ImportError as exc:
        raise MissingDependency(
            "OpenLineage events need the OpenLineage client", hint='pip install "ladle[openlineage]"'
        ) from exc


@dataclass(frozen=True, slots=True)
class Events:
    """Makes the events of loads to one dataset.

    Args:
        namespace: of jobs, and of resources where they stand for what can't be named better.
        destination: that is loaded to.
        dataset: its name there.
        version: of ladle.
        repository_of: returns the working tree that a module is in.
    """

    namespace: str
    destination: Destination | None
    dataset: str
    version: str
    repository_of: Callable[[str], Repository | None] = field(default=lambda module: None)

    def event(self, kind: str, run: Run, error: BaseException | None = None) -> Any:
        """Return one event.

        Args:
            kind: START, COMPLETE, FAIL or ABORT.
            run: that it is about.
            error: that ended it.

        Raises:
            MissingDependency: the OpenLineage client isn't installed.
        """
        made, at = client("event_v2"), datetime.now(UTC)
        return made.RunEvent(
            eventType=made.RunState[kind],
            eventTime=at.isoformat(),
            producer=self._producer,
            run=made.Run(runId=run_id(run), facets=self._run_facets(error)),
            job=made.Job(namespace=self.namespace, name=run.job, facets=self._job_facets(run)),
            inputs=list(self._inputs(run)),
            outputs=list(self._outputs(run)) if kind == "COMPLETE" else [],
        )

    def tables(
        self, schema: Schema, origins: Mapping[str, Mapping[str, tuple[str, str]]], only: str | None = None
    ) -> list[Any]:
        """Return an event for each data table of a schema, for catalogs: what is there, without a run.

        Args:
            schema: with tables that were loaded.
            origins: resource and path of columns, by table.
            only: name of the one table to tell of.
        """
        made, at = client("event_v2"), datetime.now(UTC).isoformat()
        found = []
        for table in schema.table_map.values():
            own = table.name in SYSTEM_TABLES or is_record(table.name)
            if own or not table.typed_columns() or only not in (None, table.name):
                continue
            namespace, name = self._place(table.name)
            facets = self._table_facets(table, schema.name, origins.get(table.name, {}))
            dataset = made.StaticDataset(namespace=namespace, name=name, facets=facets)
            found.append(made.DatasetEvent(eventTime=at, producer=self._producer, dataset=dataset))
        return found

    @property
    def _producer(self) -> str:
        return f"urn:ladle:{self.version}"

    def _place(self, table: str) -> tuple[str, str]:
        if self.destination is None:
            return self.namespace, f"{self.dataset}.{table}"
        return table_place(self.destination, self.dataset, table)

    def _run_facets(self, error: BaseException | None) -> dict[str, Any]:
        facets = client("facet_v2")
        found = {
            "processing_engine": facets.processing_engine_run.ProcessingEngineRunFacet(
                version=self.version, name="ladle", producer=self._producer
            )
        }
        if error is not None:
            found["errorMessage"] = facets.error_message_run.ErrorMessageRunFacet(
                message=self._message(error), programmingLanguage=_LANGUAGE, producer=self._producer
            )
        return found

    def _message(self, error: BaseException) -> str:
        """Return what happened, in one line: without values of rows, logins and passwords."""
        text = error.what if isinstance(error, LadleError) else f"{type(error).__name__}: {error}"
        return masked(text.splitlines()[0] if text else "", self.destination)

    def _job_facets(self, run: Run) -> dict[str, Any]:
        facets = client("facet_v2")
        found = {
            "jobType": facets.job_type_job.JobTypeJobFacet(
                processingType="BATCH", integration="LADLE", jobType="PIPELINE", producer=self._producer
            )
        }
        code = _first_code(run.manifest)
        tree = self.repository_of(code.module) if code is not None else None
        if code is not None and tree is not None and tree.remote is not None:
            found["sourceCodeLocation"] = facets.source_code_location_job.SourceCodeLocationJobFacet(
                type="git",
                url=tree.remote,
                repoUrl=tree.remote,
                path=code.file,
                version=code.version,
                branch=tree.branch,
                producer=self._producer,
            )
        return found

    def _inputs(self, run: Run) -> Iterator[Any]:
        """Yield what was read: the resources themselves, to which columns lead, and what they noted."""
        if run.manifest is None:
            return
        made, facets = client("event_v2"), client("facet_v2")
        for name in dict.fromkeys(r.name for r in run.manifest.resources):
            yield made.InputDataset(namespace=self.namespace, name=f"{run.source}.{name}")
        for found in run.manifest.inputs:
            counted = {}
            if found.rows is not None:
                counted["inputStatistics"] = (
                    facets.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                        rowCount=found.rows, producer=self._producer
                    )
                )
            yield made.InputDataset(namespace=found.namespace, name=found.name, inputFacets=counted)

    def _outputs(self, run: Run) -> Iterator[Any]:
        """Yield the tables that got rows."""
        if run.manifest is None:
            return
        made, facets = client("event_v2"), client("facet_v2")
        tables = Schema.from_dict(run.manifest.schema).table_map
        for name, rows in run.manifest.counts.items():
            if is_record(name):
                continue
            namespace, shown = self._place(name)
            described = self._table_facets(tables[name], run.source, run.manifest.origins.get(name, {}))
            described |= self._rule_facets(getattr(run.manifest, "checks", ()), name)
            counted = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=rows, producer=self._producer
            )
            yield made.OutputDataset(
                namespace=namespace,
                name=shown,
                facets=described,
                outputFacets={"outputStatistics": counted},
            )

    def _rule_facets(self, checks: Sequence[Mapping[str, Any]], table: str) -> dict[str, Any]:
        """Return what became of a table's data quality rules; nothing where it has none.

        Args:
            checks: with `table`, `rule`, `kind`, `columns`, `severity`, `checked` and `failed`.
            table: its name.
        """
        mine = [check for check in checks if check["table"] == table]
        if not mine:
            return {}
        made = client("facet_v2").data_quality_assertions_dataset
        found = [
            made.Assertion(
                assertion=check["kind"],
                success=check["failed"] == 0,
                column=check["columns"][0] if len(check["columns"]) == 1 else None,
                severity="warn" if check["severity"] == "warn" else "error",
                name=check["rule"],
                actual=f"{check['failed']} of {check['checked']} rows",
            )
            for check in mine
        ]
        facet = made.DataQualityAssertionsDatasetFacet(assertions=found, producer=self._producer)
        return {"dataQualityAssertions": facet}

    def _table_facets(
        self, table: Table, source: str, origins: Mapping[str, tuple[str, str]]
    ) -> dict[str, Any]:
        facets = client("facet_v2")
        fields = [
            facets.schema_dataset.SchemaDatasetFacetFields(
                name=c.name, type=c.data_type, description=c.description, ordinal_position=number
            )
            for number, c in enumerate(table.typed_columns(), 1)
        ]
        found: dict[str, Any] = {
            "schema": facets.schema_dataset.SchemaDatasetFacet(fields=fields, producer=self._producer)
        }
        lineage = {c: self._field(table, c, source, origin) for c, origin in origins.items()}
        if lineage:
            found["columnLineage"] = facets.column_lineage_dataset.ColumnLineageDatasetFacet(
                fields=lineage, producer=self._producer
            )
        if described := table.extra.get("description"):
            found["documentation"] = facets.documentation_dataset.DocumentationDatasetFacet(
                description=str(described), producer=self._producer
            )
        if noted := list(self._tags(table)):
            found["tags"] = facets.tags_dataset.TagsDatasetFacet(tags=noted, producer=self._producer)
        return found

    def _field(self, table: Table, column: str, source: str, origin: tuple[str, str]) -> Any:
        made = client("facet_v2").column_lineage_dataset
        known = table.columns.get(column)
        is_masked = known is not None and "protect" in tags(known.extra)
        how = made.Transformation(
            type="DIRECT", subtype="TRANSFORMATION" if is_masked else "IDENTITY", masking=is_masked
        )
        read = made.InputField(
            namespace=self.namespace, name=f"{source}.{origin[0]}", field=origin[1], transformations=[how]
        )
        return made.Fields(inputFields=[read])

    def _tags(self, table: Table) -> Iterator[Any]:
        made = client("facet_v2").tags_dataset
        for key, value in tags(table.extra).items():
            yield made.TagsDatasetFacetFields(key=key, value=str(value), source="LADLE")
        for column in table.typed_columns():
            for key, value in tags(column.extra).items():
                yield made.TagsDatasetFacetFields(
                    key=key, value=str(value), source="LADLE", field=column.name
                )


def run_id(run: Run) -> str:
    """Return the id of a run: the same for the same pipeline and load id, on whatever machine."""
    at = datetime.fromtimestamp(float(run.load_id), UTC)
    made = client("uuid").generate_static_uuid(at, f"{run.pipeline}/{run.load_id}".encode())
    return str(made)


def masked(text: str, destination: Destination | None = None) -> str:
    """Return a text without logins in its URLs, and without the secrets of the destination."""
    login = getattr(destination, "login", None)
    if login is not None:
        text = login.masked(text)
    return _URL_IN_TEXT.sub(lambda found: without_secrets(found[0]), text)


def _first_code(manifest: Manifest | None) -> Code | None:
    if manifest is None:
        return None
    return next((r.code for r in manifest.resources if r.code is not None), None)
