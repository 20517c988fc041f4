"""What a run tells about itself: infos of the steps, packages, and the trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ladle.errors import LadleError


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """One package. `state`: extracted, normalized, loaded or aborted; `rows`: loaded rows by table.

    `schema_update`: new tables and columns by table, as the load made them.
    `custom_metrics`: what resources counted, by resource.
    `checks`: each data quality rule of its tables: `table`, `rule`, `kind`, `columns`, `severity`, and how
    many rows were `checked` and `failed`; those included that no row broke.
    `accounts`: by table, the rows extracted, loaded and rejected: extracted = loaded + rejected.
    `resource_accounts`: by resource, rows read, filtered, deduplicated, rejected by a model, and extracted:
    read = filtered + deduplicated + rejected + extracted.
    `merged`: by root table that was merged, how many rows were `inserted`, `updated`, `deleted` (or marked as
    missing) and left `unchanged` at the destination.
    `guarantees`: by table, the grade of what the destination promises of it, `G4` to `G0`.
    `from_earlier_run`: an earlier run had left it unfinished and this one finished it.
    """

    load_id: str
    state: str
    schema_name: str
    schema_hash: str | None = None
    package_path: str = ""
    completed_at: datetime | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    schema_update: Mapping[str, Any] = field(default_factory=dict)
    from_earlier_run: bool = False
    custom_metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: tuple[Mapping[str, Any], ...] = ()
    accounts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    resource_accounts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    merged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    guarantees: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, Any] = field(default_factory=lambda: {"completed_jobs": [], "failed_jobs": []})

    def asstr(self) -> str:
        """Return one line: id, state, rows."""
        rows = ", ".join(f"{name} {count:,}" for name, count in self.rows.items() if name[:5] != "_dlt_")
        early = " (left by an earlier run)" if self.from_earlier_run else ""
        text = f"Load package {self.load_id} is {self.state.upper()} and contains no failed jobs{early}"
        known = [f"  rows: {rows}"] if rows else []
        lines = [text, *known, *self._merged(), *self._left_out(), *self._broken()]
        return "\n".join(lines)

    def _merged(self) -> list[str]:
        return [
            f"  merged {table}: "
            + (", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "0 rows")
            for table, counts in self.merged.items()
        ]

    def _broken(self) -> list[str]:
        broken = [
            f"{c['table']}: {c['rule']} ({c['failed']:,} of {c['checked']:,}, {c['severity']})"
            for c in self.checks
            if c["failed"]
        ]
        return [f"  rules broken: {'; '.join(broken)}"] if broken else []

    def _left_out(self) -> list[str]:
        """Return a line for each resource and table of which rows were left out."""
        told = [
            _account_line(f"resource {name}: read", account, "read", "extracted")
            for name, account in self.resource_accounts.items()
            if account["read"] != account["extracted"]
        ]
        return told + [
            _account_line(f"table {name}: extracted", account, "extracted", "loaded")
            for name, account in self.accounts.items()
            if account["extracted"] != account["loaded"]
        ]


def _account_line(what: str, account: Mapping[str, int], first: str, last: str) -> str:
    rest = [(n, c) for n, c in account.items() if n not in (first, last) and c]
    named = ", ".join(f"{count:,} {name}" for name, count in [*rest, (last, account[last])])
    return f"  {what} {account[first]:,}: {named}"


@dataclass(frozen=True, slots=True)
class StepInfo:
    """Common part of the infos."""

    pipeline: Any = field(repr=False, compare=False)
    started_at: datetime
    finished_at: datetime
    load_packages: tuple[PackageInfo, ...]
    first_run: bool

    @property
    def loads_ids(self) -> list[str]:
        """Load ids in the order they were worked on."""
        return [p.load_id for p in self.load_packages]

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to do."""
        return not self.load_packages

    @property
    def row_counts(self) -> dict[str, int]:
        """Rows by table over all packages."""
        counts: dict[str, int] = {}
        for package in self.load_packages:
            for table, rows in package.rows.items():
                counts[table] = counts.get(table, 0) + rows
        return counts

    @property
    def merged(self) -> dict[str, dict[str, int]]:
        """By root table that was merged, what became of its rows at the destination, over all packages."""
        found: dict[str, dict[str, int]] = {}
        for package in self.load_packages:
            for table, counts in package.merged.items():
                known = found.setdefault(table, {})
                known.update((what, known.get(what, 0) + n) for what, n in counts.items())
        return found

    @property
    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """For each load id: start, end, and rows and seconds by table."""
        return {
            p.load_id: [
                {
                    "started_at": self.started_at,
                    "finished_at": self.finished_at,
                    "schema_name": p.schema_name,
                    "table_metrics": {
                        n: {"items_count": c, "seconds": p.seconds.get(n)} for n, c in p.rows.items()
                    },
                    "custom_metrics": {n: dict(counted) for n, counted in p.custom_metrics.items()},
                }
            ]
            for p in self.load_packages
        }

    def asdict(self) -> dict[str, Any]:
        """Return plain values, ready to be loaded as data themselves."""
        out: dict[str, Any] = {
            "pipeline": {"pipeline_name": self.pipeline.pipeline_name},
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "first_run": self.first_run,
            "loads_ids": self.loads_ids,
            "load_packages": [_package_dict(p) for p in self.load_packages],
        }
        return out

    def _took(self, step: str) -> str:
        took = (self.finished_at - self.started_at).total_seconds()
        if self.is_empty:
            return (
                f"Pipeline {self.pipeline.pipeline_name}: {step} step did not start, there was nothing to do"
            )
        return f"Pipeline {self.pipeline.pipeline_name} {step} step completed in {took:.2f} seconds"


def _package_dict(package: PackageInfo) -> dict[str, Any]:
    out = asdict(package)
    # As lists of rows: loaded as data, these become child tables instead of a column for every table.
    out["rows"] = [{"table_name": n, "items_count": c} for n, c in package.rows.items()]
    out["seconds"] = [{"table_name": n, "seconds": s} for n, s in package.seconds.items()]
    out["custom_metrics"] = [
        {"resource_name": r, "name": n, "value": v}
        for r, found in package.custom_metrics.items()
        for n, v in found.items()
    ]
    out["checks"] = [{**c, "columns": ", ".join(c["columns"])} for c in package.checks]
    out["merged"] = [{"table_name": n, **counts} for n, counts in package.merged.items()]
    out["accounts"] = [{"table_name": n, **account} for n, account in package.accounts.items()]
    out["resource_accounts"] = [
        {"resource_name": n, **account} for n, account in package.resource_accounts.items()
    ]
    out["guarantees"] = [{"table_name": n, "grade": g} for n, g in package.guarantees.items()]
    out["schema_update"] = [
        {"table_name": t, "column_name": n, "data_type": c.get("data_type")}
        for t, table in package.schema_update.items()
        for n, c in table["columns"].items()
    ]
    return out


@dataclass(frozen=True, slots=True)
class ExtractInfo(StepInfo):
    """What extract did; rows by resource."""

    def asstr(self, verbosity: int = 0) -> str:
        """Return the text for people."""
        return "\n".join([self._took("extract"), *(p.asstr() for p in self.load_packages)])

    __str__ = asstr


@dataclass(frozen=True, slots=True)
class NormalizeInfo(StepInfo):
    """What normalize did; rows by table."""

    def asstr(self, verbosity: int = 0) -> str:
        """Return the text for people."""
        return "\n".join([self._took("normalize"), *(p.asstr() for p in self.load_packages)])

    __str__ = asstr


@dataclass(frozen=True, slots=True)
class LoadInfo(StepInfo):
    """What a load did: where to, which packages, rows by table, schema changes.

    `guarantee`: the weakest grade of what was loaded, `G4` to `G0`; by table, see `PackageInfo.guarantees`.
    """

    destination_type: str
    destination_name: str
    destination_displayable_credentials: str
    dataset_name: str
    guarantee: str

    @property
    def has_failed_jobs(self) -> bool:
        """Always False: a package with a failed job is never recorded as loaded, it raises."""
        return False

    def raise_on_failed_jobs(self) -> None:
        """Do nothing: a failure was raised already."""

    def asdict(self) -> dict[str, Any]:
        """Return plain values, ready to be loaded as data themselves."""
        return {
            **StepInfo.asdict(self),
            "destination_type": self.destination_type,
            "destination_name": self.destination_name,
            "destination_displayable_credentials": self.destination_displayable_credentials,
            "dataset_name": self.dataset_name,
            "guarantee": self.guarantee,
        }

    def asstr(self, verbosity: int = 0) -> str:
        """Return the text for people."""
        lines = [self._took("load")]
        lines.append(
            f"{len(self.load_packages)} load package(s) were loaded to destination {self.destination_name} "
            f"and into dataset {self.dataset_name}"
        )
        lines.append(
            f"The {self.destination_name} destination used {self.destination_displayable_credentials} "
            "location to store data"
        )
        return "\n".join([*lines, *(p.asstr() for p in self.load_packages)])

    __str__ = asstr


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One step of a run: its times, its info, and its error if it failed."""

    step: str
    started_at: datetime
    finished_at: datetime
    step_info: StepInfo | None = None
    step_exception: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineTrace:
    """The steps of one run. Holds no secrets: infos and errors never have any."""

    pipeline_name: str
    started_at: datetime
    finished_at: datetime
    steps: tuple[StepTrace, ...]

    def _last(self, step: str) -> Any:
        found = [s.step_info for s in self.steps if s.step == step and s.step_info is not None]
        return found[-1] if found else None

    @property
    def last_extract_info(self) -> ExtractInfo | None:
        """Info of the extract step."""
        return self._last("extract")  # type: ignore[no-any-return]

    @property
    def last_normalize_info(self) -> NormalizeInfo | None:
        """Info of the normalize step."""
        return self._last("normalize")  # type: ignore[no-any-return]

    @property
    def last_load_info(self) -> LoadInfo | None:
        """Info of the load step."""
        return self._last("load")  # type: ignore[no-any-return]

    def asdict(self) -> dict[str, Any]:
        """Return plain values, ready to be loaded as data themselves."""
        return {
            "pipeline_name": self.pipeline_name,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "steps": [
                {
                    "step": s.step,
                    "started_at": s.started_at,
                    "finished_at": s.finished_at,
                    "step_info": s.step_info.asdict() if s.step_info else None,
                    "step_exception": s.step_exception,
                }
                for s in self.steps
            ],
        }

    def asstr(self, verbosity: int = 0) -> str:
        """Return the text for people: each step with its time and outcome."""
        lines = [f"Run of pipeline {self.pipeline_name} started at {self.started_at:%Y-%m-%d %H:%M:%S} UTC"]
        for step in self.steps:
            took = (step.finished_at - step.started_at).total_seconds()
            outcome = f"failed: {step.step_exception}" if step.step_exception else "ok"
            lines.append(f"  {step.step} {took:.2f} s {outcome}")
        return "\n".join(lines)

    __str__ = asstr


def now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


def brief(error: BaseException) -> str:
    """Return the first line of an error."""
    return error.what if isinstance(error, LadleError) else f"{type(error).__name__}: {error}"
