"""Worker threads end when they are told to, whatever their jobs are at."""

from __future__ import annotations

import queue
import threading
from typing import Any

from ladle.sources.feeds import Crew


class Queue(queue.SimpleQueue[Any]):
    """Tells when the threads were told to end."""

    def __init__(self) -> None:
        self.stopping = threading.Event()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item)
        if item is None:
            self.stopping.set()


def test_a_job_that_wants_to_go_on_does_not_keep_a_stopped_crew_alive() -> None:
    crew = Crew(workers=3)
    jobs = crew._jobs = Queue()
    begun, again = threading.Event(), list[int]()

    def job(crew: Crew) -> None:
        begun.set()
        assert jobs.stopping.wait(10)
        crew.submit(lambda _: again.append(1))

    crew.submit(job)
    assert begun.wait(10)
    stopping = threading.Thread(target=crew.stop, daemon=True)
    stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    assert again == []
