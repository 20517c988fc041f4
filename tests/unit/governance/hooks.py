"""A webhook on this machine, which notes what it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field

CANARY = "T0CANARY0B0CANARY"


@dataclass
class Hook:
    """`answers`: HTTP codes of the next requests, 200 after them. `bodies`, `types`: what came."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{CANARY}"
