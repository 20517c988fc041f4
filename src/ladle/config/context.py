"""Where look-ups stand: the pipeline at work, and the sections of the source or resource that runs."""

from __future__ import annotations

from contextvars import ContextVar

pipeline_name: ContextVar[str | None] = ContextVar("ladle_config_pipeline_name", default=None)
sections: ContextVar[tuple[str, ...]] = ContextVar("ladle_config_sections", default=())
