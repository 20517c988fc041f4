"""`incremental`: a cursor over the rows of a resource, so that a run loads what is new since the last."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Generic, Literal, TypeVar, get_args

from ladle.errors import IncrementalUnboundError, UsageError
from ladle.sources.explained import explained
from ladle.sources.incremental_boundary import Boundary
from ladle.sources.incremental_lag import lagged
from ladle.sources.incremental_options import (
    DEFAULTS,
    Edge,
    OnMissing,
    check,
    disposition_of,
    function_of,
    keys_of,
)
from ladle.sources.incremental_path import cursor_path as compiled
from ladle.sources.incremental_path import is_frame
from ladle.sources.incremental_range import LastValueFunc, Range
from ladle.sources.incremental_run import Cursor, CursorRun
from ladle.sources.incremental_schedule import converted, joined
from ladle.sources.interval import everyone_joins
from ladle.state.cursor import CursorState, hash_of, legacy_hash_of, value_of

T = TypeVar("T")


class Incremental(Generic[T]):
    """A cursor: rows before the last value of the run before are left out, the rest moves it on.

    Use it as the default of an argument of a resource's function, as `incremental=` of the decorator or of
    `apply_hints`, or pass it at call time. `incremental[int]("id")` declares the cursor's type.

    Args:
        cursor_path: where the cursor is in a row: a name of the source's, dotted names, `$`, or a JSONPath.
        initial_value: where the first run starts; inside the range.
        last_value_func: `max`, `min`, or a function of `(value,)` and `(value, last)`.
        primary_key: names of fields that identify a row at the boundary; `()` doesn't look for repeated rows;
            default the resource's, else the whole row.
        end_value: where the range ends. With it, state is neither read nor written.
        row_order: `asc` or `desc`, how the source is sorted: reading stops where nothing more can come.
        allow_external_schedulers: take the range from a scheduler's interval.
        on_cursor_value_missing: `raise`, `include` or `exclude` rows whose cursor is missing, None or NaN.
        lag: how far to go back behind the last value: seconds, of dates days, of numbers units.
        range_start: `open` leaves the start itself out.
        range_end: `closed` lets the end itself in.

    Raises:
        UsageError: an argument is wrong; raised here, not at run time.
    """

    @explained
    def __init__(
        self,
        cursor_path: str | None = None,
        initial_value: T | None = None,
        last_value_func: LastValueFunc | Literal["max", "min"] | None = max,
        primary_key: str | Sequence[str] | None = None,
        end_value: T | None = None,
        row_order: Literal["asc", "desc"] | None = None,
        allow_external_schedulers: bool | None = None,
        on_cursor_value_missing: OnMissing = "raise",
        lag: float | None = None,
        range_start: Edge = "closed",
        range_end: Edge = "open",
    ) -> None:
        self.cursor_path = cursor_path
        self.initial_value = initial_value
        self.last_value_func: LastValueFunc = function_of(last_value_func)
        self._key = keys_of(primary_key)
        self.end_value = end_value
        self.row_order = row_order
        self.allow_external_schedulers = allow_external_schedulers
        self.on_cursor_value_missing = on_cursor_value_missing
        self.lag = lag
        self.range_start = range_start
        self.range_end = range_end
        self.resource_name: str | None = None
        self._declared: Any = None
        self._run: CursorRun | None = None
        self._loaded = CursorState()
        self._stored: Mapping[str, Any] | None = None
        self._start: Any = initial_value
        self._is_pinned = False
        check(self.options())

    def _bounds(self, start: Any, end: Any) -> Range:
        return Range(start, end, self.last_value_func, self.range_start == "open", self.range_end == "closed")

    # -- what it is

    def is_partial(self) -> bool:
        """Whether it has no cursor path yet and waits to be merged with one that has."""
        return self.cursor_path is None

    def options(self) -> dict[str, Any]:
        """Return the arguments it was made with."""
        return {**{name: getattr(self, name) for name in DEFAULTS}, "primary_key": self._key}

    def merge(self, other: Incremental[T]) -> Incremental[T]:
        """Return a cursor with the options of this one, and over them those that `other` sets."""
        theirs = {k: v for k, v in other.options().items() if v != DEFAULTS[k]}
        return self._like({**self.options(), **theirs}, other.get_incremental_value_type())

    def within(self, start: Any, end: Any) -> Incremental[T]:
        """Return a cursor over `[start, end)` alone: it reads no state and leaves none."""
        bounds = {"initial_value": start, "end_value": end, "range_start": "closed", "range_end": "open"}
        alone = {"lag": None, "allow_external_schedulers": None}
        return self._like({**self.options(), **bounds, **alone}, self.get_incremental_value_type())

    def copy(self, with_transient_state: bool = False) -> Incremental[T]:
        """Return a cursor with the same options, unbound; or with what it has read so far as well."""
        copied: Incremental[T] = self._like(self.options(), None)
        if with_transient_state and self._run is not None:
            copied._adopt(self, self._run.cursor.path.text)
        return copied

    def with_cursor(self, cursor: str) -> Incremental[T]:
        """Return a copy that reads another cursor over the same range."""
        copied: Incremental[T] = self._like({**self.options(), "cursor_path": cursor}, None)
        if self._run is not None:
            copied._adopt(self, cursor)
        return copied

    def _adopt(self, other: Incremental[T], path: str) -> None:
        self.resource_name, self._loaded, self._stored = other.resource_name, other._loaded, other._stored
        self._start, self._is_pinned = other._start, other._is_pinned
        run = other._run
        if run is not None:
            self._begin(run.bounds)
            assert self._run is not None
            self._run.last = run.last

    def _like(self, options: Mapping[str, Any], kind: Any) -> Incremental[T]:
        made: Incremental[T] = type(self)(**options)
        made._declared = self._declared_type() or (kind if kind is not Any else None)
        return made

    def _declared_type(self) -> Any:
        given = get_args(getattr(self, "__orig_class__", None))
        return given[0] if given and isinstance(given[0], type) else self._declared

    def get_incremental_value_type(self) -> Any:
        """Return the cursor's type as declared, else that of the initial value, else `Any`."""
        declared = self._declared_type()
        if declared is not None:
            return declared
        return Any if self.initial_value is None else type(self.initial_value)

    def get_cursor_column_name(self) -> str | None:
        """Return the name of the column that the cursor path reads, if it is one."""
        return compiled(self.cursor_path).column if self.cursor_path else None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], value_type: Any = None) -> Incremental[Any]:
        """Make a cursor of settings, as they stand in TOML or the environment.

        Args:
            values: argument names to values; `last_value_func` is `max` or `min`.
            value_type: the cursor's declared type: bounds that are text are converted to it.

        Raises:
            UsageError: an unknown name, or a value that doesn't fit.
        """
        for name in values:
            if name not in DEFAULTS:
                raise UsageError.unknown_choice("option of an incremental", name, list(DEFAULTS))
        bounds = {
            n: converted(n, values[n], value_type) for n in ("initial_value", "end_value") if n in values
        }
        numbers = {n: converted(n, values[n], float) for n in ("lag",) if values.get(n) is not None}
        made: Incremental[Any] = cls(**{**values, **bounds, **numbers})
        made._declared = value_type
        return made

    @classmethod
    def from_init_value(cls, init_value: Any = None) -> Incremental[Any]:
        """Make a cursor of a cursor, a mapping of options, a cursor path, or of nothing: a partial one."""
        if isinstance(init_value, Incremental):
            return init_value.copy()
        if isinstance(init_value, Mapping):
            return cls.from_mapping(init_value)
        return cls(init_value)

    @classmethod
    def from_existing_state(
        cls, resource_name: str, cursor_path: str, state: Mapping[str, Any] | None = None
    ) -> Incremental[Any]:
        """Return a cursor bound to what is stored, to read where it stands.

        Args:
            resource_name: whose state it is.
            cursor_path: of the cursor.
            state: the resource's state.

        Raises:
            IncrementalUnboundError: no state is given.
        """
        stored = (state or {}).get("incremental", {}).get(cursor_path)
        if stored is None:
            raise IncrementalUnboundError(
                f"no state of cursor `{cursor_path}` was found",
                resource=resource_name,
                hint="pass state=ladle.current.resource_state(resource_name)",
            )
        known = CursorState.parse(stored, resource=resource_name, cursor_path=cursor_path)
        return cls(cursor_path, initial_value=known.initial_value).bound(resource_name, stored)

    # -- in a run

    def bound(
        self,
        resource_name: str,
        state: Mapping[str, Any] | None = None,
        *,
        primary_key: str | Sequence[str] | None = None,
        write_disposition: Any = None,
    ) -> Incremental[T]:
        """Return a copy that is bound to a run: its start value is known and it can be called with rows.

        Args:
            resource_name: for messages.
            state: what the run before stored of this cursor: `resource_state["incremental"][cursor_path]`.
            primary_key: the resource's; used unless the cursor has one of its own.
            write_disposition: the resource's; `replace` starts over.

        Raises:
            UsageError: no cursor path, or an end without a start.
            LadleError: the state can't be read.
            ExternalSchedulerNotAvailable: it takes its range from a scheduler, and there is none.
        """
        if self.cursor_path is None:
            raise UsageError(
                "an incremental has no cursor_path", resource=resource_name, hint='incremental("updated_at")'
            )
        made: Incremental[T] = self.copy()
        made.resource_name = resource_name
        made.set_deduplication_key(primary_key, from_hints=True)
        if self.allow_external_schedulers or (self.allow_external_schedulers is None and everyone_joins()):
            made._join(resource_name)
        disposition = disposition_of(write_disposition)
        if not made.is_stateless and disposition != "replace" and state is not None:
            made._stored = state
            made._loaded = CursorState.parse(state, resource=resource_name, cursor_path=self.cursor_path)
        made._begin(made._range(), reload_changed=disposition == "merge")
        return made

    def bind(self, pipe: Any) -> Incremental[T]:
        """Return a copy bound to the resource of a pipe, without stored state."""
        return self.bound(pipe.name)

    def _join(self, resource_name: str) -> None:
        kind = self.get_incremental_value_type()
        if self.last_value_func is not max:
            kind = self.last_value_func  # time goes up
        self.initial_value, self.end_value = joined(kind, self.initial_value, self.end_value, resource_name)

    def _range(self) -> Range:
        if self.end_value is not None and self.initial_value is None:
            raise UsageError(
                "an incremental has an end_value and no initial_value",
                resource=self.resource_name,
                expected="both, for a backfill that leaves the state alone",
            )
        last = self._loaded.last_value
        self._start = self.initial_value if last is None else last
        start = self._start
        if self._has_lag and last is not None:
            known = self.initial_value if self.initial_value is not None else self._loaded.initial_value
            start = lagged(last, self.lag or 0, self.last_value_func, known)
        return self._bounds(start, self.end_value)

    def _begin(self, bounds: Range, reload_changed: bool = False) -> None:
        assert self.cursor_path is not None
        name = self.resource_name or ""
        compares = not (self.is_stateless or self._has_lag or bounds.open_start or self._key == ())
        boundary = Boundary(name, self._key, self._loaded, reload_changed) if compares else None
        cursor = Cursor(name, compiled(self.cursor_path), self.on_cursor_value_missing)
        self._run = CursorRun(cursor, bounds, self._start, boundary, self.row_order)

    @property
    def _has_lag(self) -> bool:
        return bool(self.lag) and self.last_value_func in (max, min) and not self.is_stateless

    @property
    def is_stateless(self) -> bool:
        """Whether it neither reads nor writes state: it has an end."""
        return self.end_value is not None

    def _bound_run(self) -> CursorRun:
        if self._run is None:
            raise IncrementalUnboundError(
                f"the cursor `{self.cursor_path}` is used outside of a run of its resource",
                expected="a resource made of the function itself, whose arguments are bound when it runs",
                hint="ladle.resource(func)(arg) instead of ladle.resource(func(arg))",
            )
        return self._run

    def __call__(self, rows: Any, meta: Any = None) -> Any:
        """Return what is let through of a row, a page or a frame; None where nothing is.

        Args:
            rows: one row, a list of rows or of frames, or a frame.
            meta: not looked at.

        Raises:
            DataError: a row without cursor, or cursors that can't be compared.
            IncrementalUnboundError: not bound.
        """
        run = self._bound_run()
        if rows is None:
            return None
        if self._is_pinned:
            run.took_any = True
            return rows
        if isinstance(rows, list):
            if rows and is_frame(rows[0]):
                kept = [part for item in rows if (part := self(item)) is not None]
                return kept or None
            return run.rows(rows) or None
        if is_frame(rows):
            return _filter_frame(run, rows)
        return rows if run.row(rows) else None

    def can_close(self) -> bool:
        """Whether the order of rows says that nothing more can come, so that the source can be closed.

        Never where rows were seen that are in another order than `row_order` says.
        """
        run = self._run
        if run is None or self.row_order is None or run.is_disordered:
            return False
        goes_along = (self.row_order == "asc") != (self.last_value_func is min)
        return run.beyond_end if goes_along else run.before_start

    def advance(self, last_value: T | None) -> Incremental[T]:
        """Take a last value from outside and let all rows pass: the source has applied the range itself."""
        self._is_pinned = True
        if last_value is not None:
            if self._run is not None:
                self._run.last = last_value
                self._run.took_any = True
            self._loaded = CursorState(self._loaded.initial_value, last_value, self._loaded.start_value)
        return self

    def get_current_range(self, apply_lag: bool = True) -> tuple[Any, Any]:
        """Return start and end of this run; the start with or without the lag."""
        start = self.start_value if apply_lag else self._start
        if self.end_value is None and self._is_pinned:
            return start, self._run.last if self._run else self._loaded.last_value
        return start, self.end_value

    def get_state(self) -> dict[str, Any]:
        """Return what is to be stored of the cursor; what was stored, where this run let nothing through.

        Raises:
            IncrementalUnboundError: not bound.
        """
        run = self._bound_run()
        if self._stored is not None and not run.took_any:
            return dict(self._stored)
        hashes, contents = run.boundary.state() if run.boundary and not self._is_pinned else ((), {})
        initial = self.initial_value if self._stored is None else self._loaded.initial_value
        return CursorState(initial, run.last, self._start, hashes, contents).dump()

    def store(self, resource_state: MutableMapping[str, Any]) -> None:
        """Write the state into that of the resource; nothing where the cursor has an end."""
        if not self.is_stateless:
            resource_state.setdefault("incremental", {})[self.cursor_path] = self.get_state()

    @property
    def start_value(self) -> Any:
        """Where this run starts, with the lag; fixed for the run."""
        return self._run.bounds.start if self._run is not None else self.initial_value

    @property
    def last_value(self) -> Any:
        """The furthest value so far; moves with each page."""
        return self._bound_run().last

    @property
    def start_out_of_range(self) -> bool:
        """Whether a row before the start was met."""
        return self._run is not None and self._run.before_start

    @property
    def end_out_of_range(self) -> bool:
        """Whether a row beyond the end was met."""
        return self._run is not None and self._run.beyond_end

    def covers(self, row: Any) -> bool:
        """Whether a row is in this run's range, as far as that can be told."""
        return self._is_pinned or self._run is None or self._run.covers(row)

    @property
    def left_out(self) -> tuple[int, int]:
        """How many rows at the boundary were left out, and how many rows at all."""
        run = self._run
        if run is None:
            return 0, 0
        return (run.boundary.skipped if run.boundary is not None else 0), run.left_out

    @property
    def custom_metrics(self) -> dict[str, int]:
        """Rows at the boundary that were left out, and how many had changed since they were loaded."""
        boundary = self._run.boundary if self._run is not None else None
        if boundary is None:
            return {}
        return {"repeated_rows": boundary.skipped, "changed_rows": boundary.changed}

    # -- rows at the boundary

    @property
    def primary_key(self) -> tuple[str, ...] | None:
        """Names of the fields that identify a row; `()` where repeated rows aren't looked for."""
        return self._key

    @primary_key.setter
    def primary_key(self, value: str | Sequence[str] | None) -> None:
        self._key = keys_of(value)

    def set_deduplication_key(self, value: Any, from_hints: bool) -> None:
        """Set the key; one from a resource's hints doesn't replace the cursor's own."""
        if not (from_hints and (self._key is not None or not value or callable(value))):
            self._key = keys_of(value)

    def is_unique_cursor(self) -> bool:
        """Whether the key is the cursor itself, so that no two rows share a value."""
        return self._key is not None and self._key == (self.get_cursor_column_name(),)

    def unique_boundary_consumed(self) -> bool:
        """Whether the row at the last value was loaded, and no other can have that value."""
        return self.is_unique_cursor() and bool(self._run and self._run.looks_back)

    def cursor_value_hash(self, value: Any, legacy: bool = False) -> str:
        """Return the text that stands for a row or key in the state, as of today or before dlt 1.29."""
        return legacy_hash_of(value) if legacy else hash_of(value_of(value))

    def __repr__(self) -> str:
        given = {k: v for k, v in self.options().items() if v != DEFAULTS[k]}
        return f"incremental({', '.join(f'{k}={v!r}' for k, v in given.items())})"


def _filter_frame(run: CursorRun, frame: Any) -> Any:
    # Arrow is imported when a frame comes, not where a cursor is declared.
    from ladle.sources.incremental_frames import filter_frame

    return filter_frame(run, frame)
