"""Home: what a relation needs of the dataset that it is from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from ladle.dataset.catalog import Catalog
from ladle.destinations.reading import Reader
from ladle.schema.schema import Schema


class Home(Protocol):
    """What a relation needs of its dataset."""

    @property
    def dataset_name(self) -> str:
        """Its name."""

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """The schemas of its tables."""

    @property
    def catalog(self) -> Catalog:
        """What queries can name."""

    @property
    def sql_client(self) -> Any:
        """A client for SQL."""

    @property
    def sql_client_class(self) -> type[Any]:
        """Its class."""

    def lease(self) -> AbstractContextManager[Reader]:
        """Connect, or use a connection that is open, in a `with` block."""

    def place(self, table_name: str) -> tuple[str, str]:
        """Return where a table is: a namespace, and a name in it."""

    def table(self, table_name: str) -> Any:
        """Return all rows of a table."""

    def is_same_dataset(self, other: Any) -> bool:
        """Whether both are the same place."""

    def ibis(self, read_only: bool = False) -> Any:
        """Connect ibis."""
