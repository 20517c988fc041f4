"""The story of `victim_backfill`, its two windows read at once."""

from __future__ import annotations

from tests.e2e import victim_backfill
from tests.e2e.victim import Hook, Job
from tests.e2e.victim_backfill import RUNS, check

__all__ = ["RUNS", "check", "live"]


def live(job: Job, hook: Hook) -> None:
    victim_backfill.live(job, hook, workers=2)
