from typing import Any

has_instructions: int

def digests(columns: tuple[Any, ...], rows: int, length: int, portable: bool = False) -> bytes: ...
