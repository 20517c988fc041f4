"""Work that is done a little later: in order, and what fails is told."""

from __future__ import annotations

import threading

import pytest

from ladle.package.behind import Behind


def test_calls_are_made_in_order_on_one_other_thread() -> None:
    behind, made = Behind("x", 2), []
    for number in range(20):
        behind.call(lambda n: made.append((n, threading.current_thread().name)), number)
    behind.settle()
    assert [n for n, _ in made] == list(range(20))
    assert {name for _, name in made} == {"x_0"}
    behind.close()
    assert not behind.began


def test_no_more_wait_than_may() -> None:
    behind, let, begun = Behind("x", 2), threading.Event(), []

    def slow(number: int) -> None:
        begun.append(number)
        assert let.wait(20)

    def put() -> None:
        for number in range(10):
            behind.call(slow, number)
            handed.append(number)

    handed: list[int] = []
    thread = threading.Thread(target=put)
    thread.start()
    thread.join(0.3)
    assert (begun, len(handed)) == ([0], 3)
    let.set()
    thread.join(20)
    behind.settle()
    assert begun == list(range(10))


@pytest.mark.parametrize("later", ["call", "settle"])
def test_what_fails_is_told_by_a_later_call(later: str) -> None:
    behind = Behind("x", 0)
    behind.call(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        for _ in range(3):
            behind.call(print) if later == "call" else behind.settle()
    behind.close()


def test_closing_leaves_out_what_has_not_begun_and_tells_nothing() -> None:
    behind, let, made = Behind("x", 5), threading.Event(), []

    def failing() -> None:
        let.wait(20)
        raise OSError("full")

    behind.call(failing)
    behind.call(made.append, 1)
    threading.Timer(0.1, let.set).start()
    behind.close()
    behind.close()
    assert made == []
