"""The three ways in: `pipeline`, `run` and `attach`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from ladle.config import context
from ladle.config.chain import chain
from ladle.config.settings import data_dir, flag, setting
from ladle.destinations.registry import resolve
from ladle.errors import CannotRestorePipelineException
from ladle.governance.notify import SchemaChanges
from ladle.pipelines.arguments import check_choice, checked_name, checked_staging
from ladle.pipelines.info import LoadInfo
from ladle.pipelines.pipeline import Pipeline, active
from ladle.pipelines.refresh import REFRESH, Refresh
from ladle.pipelines.schemas import SchemaFiles
from ladle.pipelines.work import RunningPolicy
from ladle.progress import collector
from ladle.sources.explained import explained
from ladle.state.folder import PipelineFolder


@explained
def pipeline(
    pipeline_name: str | None = None,
    pipelines_dir: str | Path | None = None,
    *,
    destination: Any = None,
    staging: Any = None,
    dataset_name: str | None = None,
    import_schema_path: str | Path | None = None,
    export_schema_path: str | Path | None = None,
    full_refresh: bool | None = None,
    dev_mode: bool = False,
    refresh: Refresh | None = None,
    progress: Any = None,
    pipeline_salt: str | None = None,
    on_running: RunningPolicy = "wait",
    running_wait_s: float = 3600.0,
    on_schema_change: Callable[[SchemaChanges], object] | None = None,
) -> Pipeline:
    """Make a pipeline and make it the active one; without any argument return the active one.

    Args:
        pipeline_name: its identity: working folder, state and default dataset. Default: `dlt_` and the name
            of the running script.
        pipelines_dir: where working folders are; default `$LADLE_DATA_DIR/pipelines`, `~/.ladle/pipelines`.
        destination: `"duckdb"`, `"postgres"`, `"filesystem"`, or a factory from `ladle.destinations`.
        staging: files to load through, `"filesystem"`; accepted and passed by, with a notice, where the
            destination takes rows in bulk by itself, as all do now.
        dataset_name: where tables go; default `<pipeline_name>_dataset`.
        import_schema_path: folder of schema files that people edit: the first run puts there what is
            declared, later runs take what was changed. Format: setting `schema.external_schema_format`
        export_schema_path: folder that always has the newest schemas as files.
        full_refresh: the old name of `dev_mode`.
        dev_mode: a fresh dataset (name with a time suffix) and a fresh working folder for this object.
        refresh: applied on every run; see `Pipeline.run`.
        progress: `"log"`, `"rich"`, a function of events, or an object with `update(name, inc)`.
        pipeline_salt: accepted and not needed: nothing that ladle shows or stores holds a secret.
        on_running: what to do while another run of the same pipeline is under way: `wait` for it, `fail`,
            or `join` it: extract beside it and commit one after the other.
        running_wait_s: how long to wait, in seconds.
        on_schema_change: called after each commit that changed a schema, with what changed.

    Raises:
        UsageError: an argument is wrong.
    """
    current = active.get()
    given = (pipeline_name, pipelines_dir, destination, staging, dataset_name, refresh, progress)
    if current is not None and not dev_mode and all(g is None for g in given):
        return current
    check_choice("on_running", on_running, ("wait", "fail", "join"))
    name = checked_name(pipeline_name or _configured("pipeline_name") or _script_name())
    with context.of_pipeline(name), chain().hold():
        destination = destination or _configured("destination_type")
        refresh = refresh or cast("Refresh | None", _configured("refresh"))
        check_choice("refresh", refresh, REFRESH)
        root = pipelines_dir if pipelines_dir is not None else _configured("pipelines_dir")
        made = Pipeline(
            name,
            pipelines_dir=Path(root) if root is not None else data_dir() / "pipelines",
            destination=resolve(destination) if destination is not None else None,
            staging=checked_staging(staging or _configured("staging_type")),
            dataset_name=dataset_name or _configured("dataset_name"),
            dev_mode=dev_mode or bool(full_refresh) or flag("dev_mode") or flag("pipeline", "dev_mode"),
            refresh=refresh,
            schema_files=_schema_files(import_schema_path, export_schema_path),
            emit=collector(progress if progress is not None else _configured("progress")),
            on_running=on_running,
            running_wait_s=running_wait_s,
            on_schema_change=on_schema_change,
        )
    made.activate()
    return made


def _schema_files(imports: str | Path | None, exports: str | Path | None) -> SchemaFiles:
    imports = imports or _configured("import_schema_path") or setting("schema", "import_schema_path")
    exports = exports or _configured("export_schema_path") or setting("schema", "export_schema_path")
    if not (imports or exports):
        return SchemaFiles()
    key = "external_schema_format"
    leave_out = setting(f"{key}_remove_defaults") or setting("schema", f"{key}_remove_defaults") or "true"
    return SchemaFiles(
        Path(imports) if imports else None,
        Path(exports) if exports else None,
        kind=setting(key) or setting("schema", key) or "yaml",
        remove_defaults=leave_out.strip().lower() in ("1", "true", "yes", "on"),
    )


def _configured(key: str) -> str | None:
    """Return a setting of pipelines: `key` or `pipeline.key`, each below the pipeline's name first."""
    return setting(key) or setting("pipeline", key)


def _script_name() -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    stem = Path(main).stem if main else "ladle"
    return f"dlt_{stem}"


def run(
    data: Any,
    *,
    destination: Any = None,
    staging: Any = None,
    dataset_name: str | None = None,
    **options: Any,
) -> LoadInfo:
    """Load `data` with the active pipeline, or with a default one where none is active.

    Args:
        data: as for `Pipeline.run`.
        destination: as for `Pipeline.run`.
        staging: as for `Pipeline.run`.
        dataset_name: as for `Pipeline.run`.
        options: all other arguments of `Pipeline.run`.
    """
    current = active.get() or pipeline()
    return current.run(data, destination=destination, staging=staging, dataset_name=dataset_name, **options)


def attach(
    pipeline_name: str | None = None,
    pipelines_dir: str | Path | None = None,
    *,
    destination: Any = None,
    staging: Any = None,
    dataset_name: str | None = None,
    progress: Any = None,
    pipeline_salt: str | None = None,
) -> Pipeline:
    """Return a pipeline that has run before: from its working folder, else restored from its destination.

    Raises:
        CannotRestorePipelineException: neither is there.
    """
    name = pipeline_name or _script_name()
    root = Path(pipelines_dir) if pipelines_dir is not None else data_dir() / "pipelines"
    stored = PipelineFolder(root / checked_name(name)).state()
    kind = stored.get("destination_type", "").rpartition(".")[2] or None
    known = stored.get("destination_name") or kind
    if kind == "destination":
        known = None  # a function: only the program that has it can give it
    location = stored.get("_local", {}).get("location")
    if destination is None and known == "duckdb" and location:
        destination = resolve("duckdb", location)
    where = destination or known
    found = pipeline(
        name, root, destination=where, staging=staging, dataset_name=dataset_name, progress=progress
    )
    if found.first_run and destination is not None and dataset_name is not None:
        found.sync_destination()
    if found.first_run and not found.has_pending_data:
        found.deactivate()
        raise CannotRestorePipelineException(
            f"there is no pipeline `{name}` to attach to",
            working_dir=found.working_dir,
            hint="check the name and pipelines_dir, or give destination and dataset_name to restore",
        )
    return found
