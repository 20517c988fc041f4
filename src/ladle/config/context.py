"""Where look-ups stand: the pipeline at work, and the sections of the source or resource that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

pipeline_name: ContextVar[str | None] = ContextVar("ladle_config_pipeline_name", default=None)
sections: ContextVar[tuple[str, ...]] = ContextVar("ladle_config_sections", default=())


@contextmanager
def of_pipeline(name: str) -> Iterator[None]:
    """Look settings up for a pipeline: those below its name go first."""
    token = pipeline_name.set(name)
    try:
        yield
    finally:
        pipeline_name.reset(token)
