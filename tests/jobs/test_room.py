"""What is refused before any work is put into it, and how clients share what is left."""

from __future__ import annotations

import random
from collections import Counter, deque

import pytest

from splitleaf.core.errors import Overloaded
from splitleaf.jobs.admission import PROBE_S, Admission, Room
from splitleaf.jobs.queue import Priority
from tests.support.clocks import HandClock

LANE = ("v1", Priority.INTERACTIVE)


def is_open(admission: Admission, client: str = "a", lane: tuple[str, Priority] = LANE) -> bool:
    try:
        admission.check(*lane, client)
    except Overloaded:
        return False
    return True


def test_a_full_queue_is_not_asked_again_before_a_task_can_be_done() -> None:
    clock = HandClock()
    admission = Admission(clock)
    assert is_open(admission), "nothing is known yet"
    admission.heard(*LANE, Room(tasks=0, task_ms=100, wait_ms=5_000))
    assert not is_open(admission)
    assert is_open(admission, lane=("v1", Priority.BATCH))
    clock.move(0.11)
    assert is_open(admission)
    with admission.place(*LANE, "a"):
        assert not is_open(admission), "somebody has that place"


def test_a_queue_that_does_nothing_is_asked_now_and_then_by_one_at_a_time() -> None:
    clock = HandClock()
    admission = Admission(clock)
    admission.heard(*LANE, Room(tasks=0, task_ms=0, wait_ms=0))
    clock.move(PROBE_S * 0.9)
    assert not is_open(admission)
    clock.move(PROBE_S * 0.2)
    with admission.place(*LANE, "a"):
        assert not is_open(admission)


def test_a_refusal_says_when_half_of_the_work_will_be_done() -> None:
    admission = Admission(HandClock())
    admission.heard(*LANE, Room(tasks=0, task_ms=100, wait_ms=20_000))
    with pytest.raises(Overloaded) as refused:
        admission.check(*LANE, "a")
    assert refused.value.retry_after_s == 10


def test_one_client_cannot_have_all_images_prepared() -> None:
    admission = Admission(HandClock(), max_preparing=10)
    places = [admission.place(*LANE, "flooder") for _ in range(5)]
    for place in places:
        place.__enter__()
    assert not is_open(admission, "flooder")
    assert is_open(admission, "quiet")
    for place in places:
        place.__exit__(None, None, None)
    assert is_open(admission, "flooder")


@pytest.mark.parametrize("flood", [2, 6, 20])
def test_a_quiet_client_beside_a_flooder_gets_nearly_all_it_asks_for_and_no_work_is_lost(flood: int) -> None:
    """A queue of 100 tasks that does 50 a second, for 40 seconds; one client asks for 5 a second."""
    clock, draw = HandClock(), random.Random(flood)
    admission = Admission(clock)
    asked, taken, done = Counter[str](), Counter[str](), 0
    queue, budget = deque[str](), 0.0
    step_s, most, rates = 0.001, 100, {"flooder": 50 * flood, "quiet": 5}
    for _ in range(40_000):
        clock.move(step_s)
        budget = min(budget + 50 * step_s, 1.0)
        if queue and budget >= 1:
            budget -= 1
            done += 1
            queue.popleft()
        for client, rate in rates.items():
            if draw.random() >= rate * step_s:
                continue
            asked[client] += 1
            if is_open(admission, client):
                with admission.place(*LANE, client):
                    pass
                if len(queue) < most:
                    queue.append(client)
                    taken[client] += 1
                admission.heard(*LANE, Room(most - len(queue), 20, len(queue) * 20))
    assert taken["quiet"] >= 0.95 * asked["quiet"]
    assert done >= 0.97 * 50 * 40
