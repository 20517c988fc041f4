"""SourceSuite: what a source has to do, as tests that its author inherits."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ladle.destinations.duckdb import duckdb_destination
from ladle.sources.source import Source
from ladle.testing import source_faults
from ladle.testing.fixtures import Marked
from ladle.testing.place import Place, plain
from ladle.testing.source_faults import Fault, Trust
from ladle.testing.source_reading import read

_IMPORT = """
import sys
heard = []
sys.addaudithook(lambda event, args: heard.append(event) if event in {events!r} else None)
import {module}
sys.exit(", ".join(heard) or 0)
"""
_EVENTS = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "urllib.Request")


class SourceSuite(Marked):
    """What every source has to do.

    A test file makes a class of it, and says how the source is made::

        class TestShop(SourceSuite):
            secrets = ("s3cret",)

            def source(self):
                return shop(url="http://127.0.0.1:8000", token="s3cret")

    Where the source is one of an API, the address is that of a server of the test's own.

    Attributes:
        secrets: texts that may not show up anywhere.
        stable: whether reading it again gives the same rows; False says that it doesn't.
        patience_s: seconds that may pass between two items.
        row_bytes: how large a row may be, as JSON.
        module: the module whose import has to fetch nothing; None for that of the test class.
        marks: `notimpl`, `notyet` or `never`, by the name of a test that can't pass.
    """

    secrets: ClassVar[Sequence[str]] = ()
    stable: ClassVar[bool] = True
    patience_s: ClassVar[float] = 10.0
    row_bytes: ClassVar[int] = source_faults.ROW_BYTES
    module: ClassVar[str | None] = None

    def source(self) -> Source:
        """Return the source, made anew. The author overrides it."""
        raise NotImplementedError(f"{type(self).__name__} needs a method `source` that returns the source")

    def more(self) -> None:
        """Add rows to what the source reads, where the author can; cursors are tested with them."""
        pytest.skip("the suite adds no rows: override `more` to test that cursors bring new ones")

    @pytest.fixture
    def make(self) -> Callable[[], Source]:
        """Return what makes the source."""
        return self.source

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        """Return a DuckDB file to load to."""
        return Place(duckdb_destination(str(tmp_path / "suite.duckdb")), tmp_path, "loaded")

    @property
    def _trust(self) -> Trust:
        return Trust(self.patience_s, self.row_bytes, self.stable)

    # -- before it is read

    def test_importing_it_fetches_nothing(self) -> None:
        """Importing the module opens no connection and starts no process."""
        module = self.module or type(self).__module__
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"module `{module}` can't be imported on its own: name one in `module`")
        code = _IMPORT.format(events=_EVENTS, module=module)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, f"importing `{module}` fetches: {done.stderr.strip()[-500:]}"

    def test_making_it_fetches_nothing(self, make: Callable[[], Source]) -> None:
        """A source that is made, and not read, opens no connection and starts no process."""
        self._none(source_faults.eager(make))

    def test_resources_have_names(self, make: Callable[[], Source]) -> None:
        """There are resources, and each has a name; making it again gives the same ones."""
        names = list(make().resources)
        assert names, "the source has no resources"
        assert all(isinstance(name, str) and name.strip() for name in names)
        assert list(make().resources) == names

    # -- reading it

    def test_reading(self, make: Callable[[], Source]) -> None:
        """Nothing raises, hangs, is None, or changes after it was yielded."""
        self._none(
            fault
            for name in make().resources
            for fault in source_faults.of_reading(name, read(make().resources[name], self.patience_s))
        )

    def test_hints_hold(self, make: Callable[[], Source]) -> None:
        """Primary keys are unique and there, columns keep their types, no row is huge."""
        self._none(
            fault
            for name, resource in make().resources.items()
            for fault in source_faults.of_rows(
                resource, read(make().resources[name], self.patience_s).rows, self._trust
            )
        )

    def test_reading_twice(self, make: Callable[[], Source]) -> None:
        """The same rows come again, from one object and from another, unless `stable` is False."""
        self._none(
            fault
            for name in make().resources
            for fault in source_faults.again(
                make, name, read(make().resources[name], self.patience_s), self._trust
            )
        )

    def test_closing(self, make: Callable[[], Source]) -> None:
        """A reader that has enough can leave."""
        self._none(fault for r in make().resources.values() for fault in source_faults.closing(r))

    def _none(self, found: Any) -> None:
        listed: list[Fault] = list(found)
        assert not listed, "\n".join(map(str, listed))

    # -- loading it

    def test_loading(self, make: Callable[[], Source], place: Place) -> None:
        """It loads, without columns beside columns for values of other types."""
        place.pipeline().run(make())
        for name, columns in place.tables().items():
            beside = [column for column in columns if "__v_" in column]
            assert not beside, f"table `{name}` has values of another type than their columns: {beside}"

    def test_cursors_do_not_double(self, make: Callable[[], Source], place: Place) -> None:
        """A second run of a resource with a cursor, or a key to merge by, brings no row again."""
        place.pipeline().run(make())
        before = self._landed(place, make())
        place.pipeline().run(make())
        assert self._landed(place, make()) == before

    def test_cursors_lose_nothing(self, make: Callable[[], Source], place: Place) -> None:
        """Rows that are added come with the next run: the tables are those of one run over all."""
        place.pipeline().run(make())
        self.more()
        place.pipeline().run(make())
        found = self._landed(place, make())
        whole = Place(duckdb_destination(str(place.root / "whole.duckdb")), place.root / "whole", "loaded")
        whole.pipeline().run(make())
        assert found == self._landed(whole, make())

    def _landed(self, place: Place, source: Source) -> dict[str, list[str]]:
        kept = [
            r for r in source.resources.values() if r.cursor is not None or r.write_disposition != "append"
        ]
        names = {r.compute_table_schema()["name"] for r in kept if not r.has_dynamic_table_name}
        return {name: plain(place.rows(name)) for name in place.tables() if name in names}

    def test_secrets_stay_secret(
        self, make: Callable[[], Source], place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        """They are in no schema, state, log or file of the pipeline's, and not in what a run shows."""
        if not self.secrets:
            pytest.skip("the suite knows no secrets: name them in `secrets`")
        with caplog.at_level(logging.DEBUG):
            made = place.pipeline()
            info = made.run(make())
        shown = {
            "the source": repr(make()),
            "the load info": f"{info}\n{info!r}",
            "the log": caplog.text,
            "the schema": made.default_schema.to_pretty_yaml(),
            "the state": repr(made.state),
        }
        for path in Path(made.working_dir).rglob("*"):
            if path.is_file():
                shown[f"the file {path.name}"] = path.read_bytes().decode("utf-8", "replace")
        for secret in self.secrets:
            where = [name for name, text in shown.items() if secret in text]
            assert not where, f"a secret shows up in {', '.join(where)}"
