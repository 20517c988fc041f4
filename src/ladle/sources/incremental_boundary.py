"""Rows at the boundary: those with the last value may come again, and are known by hash of key or row."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ladle.errors import IncrementalPrimaryKeyMissing
from ladle.sources.incremental_path import MISSING, field
from ladle.state.cursor import (
    MAX_CONTENTS,
    MAX_HASHES,
    CursorState,
    hash_of,
    json_of,
    legacy_hash_of,
    value_of,
)

_LOG = logging.getLogger("ladle")
_WARN_FROM = 200  # as the reference


class Boundary:
    """Remembers the rows at the last value, and tells which rows at the start value were loaded before.

    Memory: O(`MAX_HASHES`) however many rows share a value. Above that nothing is held, and the next run
    loads the rows at the boundary again: twice rather than never.

    Args:
        resource: for messages.
        key: names of the fields that identify a row; None: the whole row.
        loaded: the state of the run before.
        reload_changed: whether a row whose key is known but whose content differs is new. Where not, it is
            left out, as the reference does, and counted.
    """

    def __init__(
        self, resource: str, key: tuple[str, ...] | None, loaded: CursorState, reload_changed: bool
    ) -> None:
        self._resource = resource
        self._key = key
        self._reload_changed = reload_changed
        self._legacy = loaded.is_legacy
        self._seen = frozenset(loaded.unique_hashes)
        self._seen_contents = loaded.contents
        self._texts: dict[bytes, bytes | None] = {}
        self._kept: dict[str, str | None] = {h: loaded.contents.get(h) for h in loaded.unique_hashes}
        self._is_full = self._warned = False
        self.skipped = 0
        self.changed = 0

    @property
    def room(self) -> int:
        """How many more rows it can use at most; 0 when there are too many already."""
        return 0 if self._is_full else MAX_HASHES + 1

    @property
    def compares(self) -> bool:
        """Whether any row can be a repetition."""
        return bool(self._seen)

    def new(self, rows: Sequence[Any]) -> list[bool]:
        """Return for each row at the start value whether it wasn't loaded before.

        Raises:
            IncrementalPrimaryKeyMissing: a row without key.
        """
        return [self._is_new(row) for row in rows]

    def _is_new(self, row: Any) -> bool:
        key = self._key_of(row)
        digest = hash_of(value_of(key))
        if digest not in self._seen:
            digest = hash_of(json_of(key))
            if digest not in self._seen and not self._is_seen_otherwise(key):
                return True
        content = self._seen_contents.get(digest)
        if content is not None and content not in (hash_of(form(row)) for form in (value_of, json_of)):
            self.changed += 1
            if self._reload_changed:
                return True
        self.skipped += 1
        return False

    def _is_seen_otherwise(self, key: Any) -> bool:
        """Whether the state has it in another form: of an old version, or of a key given as a list of one."""
        if self._legacy and legacy_hash_of(key) in self._seen:
            return True
        return self._key is not None and len(self._key) == 1 and hash_of(json_of([key])) in self._seen

    def restart(self) -> None:
        """Forget the rows: a further value was found."""
        self._texts, self._kept, self._is_full = {}, {}, False

    def add(self, rows: Iterable[Any]) -> None:
        """Remember rows at the last value, as they are now: they may be changed once they have left."""
        if self._is_full:
            return
        for row in rows:
            key = value_of(self._key_of(row))
            content = value_of(row) if self._key and len(self._texts) < MAX_CONTENTS else None
            self._texts[key] = content
            if len(self._texts) > MAX_HASHES:
                self._give_up()
                return

    def _give_up(self) -> None:
        self._texts, self._kept, self._is_full = {}, {}, True
        _LOG.warning(
            "resource `%s`: more than %d rows share the last value of the cursor; the next run loads them "
            'again. Load with write_disposition="merge" and a primary_key, use range_start="open", '
            "or a finer cursor.",
            self._resource,
            MAX_HASHES,
        )

    def state(self) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Return the hashes to store, and the hashes of contents by them."""
        for text, content in self._texts.items():
            self._kept[hash_of(text)] = None if content is None else hash_of(content)
        self._texts = {}
        if len(self._kept) > MAX_HASHES:
            self._give_up()
        if len(self._kept) >= _WARN_FROM and not self._warned:
            self._warned = True
            _LOG.warning(
                "resource `%s`: %d rows share the last value of the cursor and are compared one by one; "
                "a finer cursor keeps this small",
                self._resource,
                len(self._kept),
            )
        contents = {h: c for h, c in self._kept.items() if c is not None}
        return tuple(self._kept), contents if len(self._kept) <= MAX_CONTENTS else {}

    def _key_of(self, row: Any) -> Any:
        if self._key is None:
            return row
        found = [field(row, name) for name in self._key]
        if MISSING in found:
            raise IncrementalPrimaryKeyMissing(
                f"a row has nothing under the primary key `{self._key[found.index(MISSING)]}` of the cursor",
                resource=self._resource,
                fields=list(row) if isinstance(row, Mapping) else None,  # no values: some may be protected
                expected="every row has " + ", ".join(f"`{name}`" for name in self._key),
                hint="name fields as the rows do, or primary_key=() to compare no rows",
            )
        return found[0] if len(found) == 1 else found
