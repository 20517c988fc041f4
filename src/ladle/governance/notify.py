"""Who hears of changes of the schema: the log, functions of the user's, and a webhook. Never fails a load."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ladle.config.settings import setting
from ladle.errors import LadleError
from ladle.events import Emit, Notice
from ladle.governance.slack import post

_LOG = logging.getLogger("ladle")
_MAX_LINES = 20
_WEBHOOKS = ("schema_change_webhook", "slack_incoming_hook")


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change of a table or column, as in `_ladle_changes`.

    Attributes:
        change: `add_table`, `add_column`, `widen_column`, `rename_table`, `drop_column`, ...
        table: the table's name.
        column: the column's; None where the change is the table's.
        data_type: of the column since.
        previous: its type or name before.
        resource: whose rows brought it.
        path: keys of the source from the root row to the value, joined by dots.
    """

    change: str
    table: str
    column: str | None = None
    data_type: str | None = None
    previous: str | None = None
    resource: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        what = f"{self.change} {self.table}" + (f".{self.column}" if self.column else "")
        typed = f" {self.data_type}" if self.data_type else ""
        return what + typed + (f" (was {self.previous})" if self.previous else "")


@dataclass(frozen=True, slots=True)
class SchemaChanges:
    """What one load changed about a schema; given to functions once it is committed.

    Attributes:
        load_id: of the load.
        pipeline_name: that made it.
        dataset_name: where.
        schema_name: of the schema.
        schema_version: since.
        changes: in order; the columns that tie rows together (`_dlt_...`) are left out.
    """

    load_id: str
    pipeline_name: str
    dataset_name: str
    schema_name: str
    schema_version: int
    changes: tuple[SchemaChange, ...]

    def __str__(self) -> str:
        head = f"load {self.load_id} of pipeline {self.pipeline_name} changed schema {self.schema_name}"
        return "\n".join([f"{head} (version {self.schema_version}):", *(f"  {c}" for c in self.changes)])

    def slack_message(self) -> dict[str, Any]:
        """Return the body of a message in Slack's format."""
        head = f"Schema `{self.schema_name}` changed (version {self.schema_version})"
        lines = [f"• `{_escaped(str(c))}`" for c in self.changes[:_MAX_LINES]]
        if (more := len(self.changes) - _MAX_LINES) > 0:
            lines.append(f"… and {more} more")
        where = f"pipeline `{self.pipeline_name}`, dataset `{self.dataset_name}`, load `{self.load_id}`"
        return {
            "text": f"{head}: {len(self.changes)} changes by load {self.load_id}",
            "blocks": [
                _section(f"*{_escaped(head)}*\n{_escaped(where)}"),
                # Slack takes 3,000 characters in a block.
                _section("\n".join(line[:140] for line in lines)),
            ],
        }


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


Listener = Callable[[SchemaChanges], object]


def changes_of(rows: Iterable[Mapping[str, Any]]) -> tuple[SchemaChange, ...]:
    """Return rows of `_ladle_changes` as values; `_dlt_` columns are left out."""
    found = (
        SchemaChange(
            row["change"],
            row["table_name"],
            row.get("column_name"),
            row.get("data_type"),
            row.get("previous"),
            row.get("resource"),
            row.get("path"),
        )
        for row in rows
    )
    return tuple(c for c in found if not (c.column or "").startswith("_dlt_"))


def notify(report: SchemaChanges, listeners: Sequence[Listener], emit: Emit) -> None:
    """Tell the log, the functions and the webhook; what goes wrong is told as a notice.

    The webhook is `runtime.schema_change_webhook`, else `runtime.slack_incoming_hook`, both secrets.
    """
    if not report.changes:
        return
    for change in report.changes:
        _LOG.info("schema change by load %s: %s", report.load_id, change)
    for listener in listeners:
        try:
            listener(report)
        except Exception as error:  # noqa: BLE001 - the load is committed: nothing may fail it now
            name = getattr(listener, "__qualname__", type(listener).__name__)
            emit(Notice(f"`{name}`, which hears of schema changes, failed: {type(error).__name__}: {error}"))
    try:
        url = next((u for key in _WEBHOOKS if (u := setting("runtime", key, secret=True))), None)
        if url is not None:
            post(url, report.slack_message())
    except LadleError as error:
        emit(Notice(f"schema changes of load {report.load_id} weren't sent: {error.what}"))
