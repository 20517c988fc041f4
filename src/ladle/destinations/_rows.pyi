from collections.abc import Iterator
from typing import Any

def rows(columns: list[Any], start: int, stop: int, per: int) -> Iterator[tuple[Any, ...]]: ...
