"""Backfill: a range of a resource's cursor, cut into windows that are loaded and recorded one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ladle.errors import UsageError
from ladle.pipelines.info import LoadInfo
from ladle.pipelines.order import Remember
from ladle.sources.resource import Resource
from ladle.sources.source import Source
from ladle.state.windows import Window, windows

LoadWindow = Callable[[Source, Remember], LoadInfo]


@dataclass(frozen=True, slots=True)
class Backfill:
    """One range of one resource's cursor.

    Attributes:
        source: of the one resource.
        cursor_path: of its cursor.
        planned: the windows, in order.
        key: of the record: what the windows follow from.
        start: of the range.
        end: of the range, outside it.
    """

    source: Source
    cursor_path: str
    planned: tuple[Window, ...]
    key: str
    start: Any
    end: Any

    @classmethod
    def of(
        cls, sources: Sequence[Source], start: Any, end: Any, step: Any, *, disposition: str | None
    ) -> Backfill:
        """Check what a user asks for.

        Raises:
            UsageError: not one resource with a cursor, a range that can't be cut, or `replace`.
        """
        selected = [r for s in sources for r in s.listed if r.selected]
        if len(selected) != 1 or selected[0].cursor is None:
            names = ", ".join(f"`{r.name}`{'' if r.cursor else ' (without)'}" for r in selected)
            raise UsageError(
                f"a backfill needs one resource with a cursor, not {names or 'none'}",
                expected='a resource with ladle.sources.incremental("...")',
                hint="select it: source.with_resources(name)",
            )
        resource = selected[0]
        if (disposition or resource.write_disposition) == "replace":
            raise UsageError(
                f"resource `{resource.name}` replaces its table: each window would remove the one before",
                expected="append",
                hint='pass write_disposition="append"',
            )
        key = f"{start}..{end} by {step}"
        path = str(resource.cursor.cursor_path)
        return cls(sources[0], path, windows(start, end, step), key, start, end)

    @property
    def resource(self) -> Resource:
        """The one that is loaded."""
        return next(r for r in self.source.listed if r.selected)

    def remaining(self, state: Mapping[str, Any]) -> list[int]:
        """Return the numbers of the windows that aren't committed yet.

        Raises:
            UsageError: a backfill of the same cursor with other windows is on record.
        """
        source = state.get("sources", {}).get(self.source.name, {})
        own = source.get("resources", {}).get(self.resource.name, {})
        recorded: dict[str, Any] = own.get("backfill", {}).get(self.cursor_path, {})
        for key, other in recorded.items():
            if key != self.key and (_is_unfinished(other) or self._overlaps(other)):
                raise UsageError(
                    f"a backfill of `{self.cursor_path}` is on record with other windows: {key}",
                    resource=self.resource.name,
                    expected="the same range and window, which goes on where it ended, or a range beside it",
                    hint="pass restart=True to forget it and load the whole range",
                )
        done = recorded.get(self.key, {}).get("done", {})
        return [n for n in range(len(self.planned)) if str(n) not in done]

    def _overlaps(self, other: Mapping[str, Any]) -> bool:
        try:
            return bool(other["start"] < self.end and self.start < other["end"])
        except TypeError:
            return True  # of another type: nobody can say that they don't

    def forget(self, state: dict[str, Any]) -> None:
        """Take what is on record of the cursor out of a state."""
        source = state.get("sources", {}).get(self.source.name, {})
        own = source.get("resources", {}).get(self.resource.name, {})
        own.get("backfill", {}).pop(self.cursor_path, None)

    def part(self, number: int) -> Source:
        """Return the source with only this window of its resource."""
        window = self.planned[number]
        only = self.resource.within(window.start, window.end)
        return replace(
            self.source, listed=tuple(only if r is self.resource else r for r in self.source.listed)
        )

    def remember(self, number: int) -> Remember:
        """Return what notes in the source's state that this window is loaded."""

        def note(content: dict[str, Any]) -> None:
            own = content.setdefault("resources", {}).setdefault(self.resource.name, {})
            path = own.setdefault("backfill", {}).setdefault(self.cursor_path, {})
            blank = {"start": self.start, "end": self.end, "of": len(self.planned), "done": {}}
            path.setdefault(self.key, blank)["done"][str(number)] = True

        return note


def _is_unfinished(record: Mapping[str, Any]) -> bool:
    return len(record["done"]) < int(record["of"])


def load_windows(
    job: Backfill, numbers: Sequence[int], loaders: Sequence[LoadWindow]
) -> tuple[LoadInfo, ...]:
    """Load windows, as many at once as there are loaders; infos come in the order of the windows.

    After a failure no further window is begun; those at work are brought to their end.

    Raises:
        LadleError: of the first window, in order, that failed.
    """
    free = list(loaders)
    failed = threading.Event()

    def load(number: int) -> LoadInfo | None:
        if failed.is_set():
            return None
        loader = free.pop()
        try:
            return loader(job.part(number), job.remember(number))
        except BaseException:
            failed.set()
            raise
        finally:
            free.append(loader)

    if len(loaders) == 1:
        found = (load(number) for number in numbers)
        return tuple(info for info in found if info is not None)
    with ThreadPoolExecutor(len(loaders), thread_name_prefix="ladle-window") as pool:
        futures: list[Future[LoadInfo | None]] = [pool.submit(load, number) for number in numbers]
    infos = [future.result() for future in futures]
    return tuple(info for info in infos if info is not None)
