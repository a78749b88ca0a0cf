"""Staff with an open list: `python -m tests.console.load_staff`, an order as JSON on stdin, results as JSON on stdout.

This is a separate process. Each person's page polls its rows as often as console.js does; the people are spread over
the interval; a late answer is timed from when it was due.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException

A_LINE = b'class="report'


@dataclass(frozen=True, slots=True)
class Order:
    """`people`: session cookie and polled address of each person. Times in seconds."""

    port: int
    every: float
    seconds: float
    people: Sequence[tuple[str, str]]


@dataclass
class Seen:
    """`took`: milliseconds for each address. `wrong`: answers without a list."""

    took: dict[str, list[float]] = field(default_factory=dict)
    wrong: int = 0


def look(order: Order) -> Seen:
    seen = Seen({address: [] for _, address in order.people})
    began = time.perf_counter()
    people = [threading.Thread(target=_sit, args=(order, seen, began, number)) for number in range(len(order.people))]
    for one in people:
        one.start()
    for one in people:
        one.join()
    return seen


def _sit(order: Order, seen: Seen, began: float, number: int) -> None:
    cookie, address = order.people[number]
    due = began + order.every * number / len(order.people)
    while due < began + order.seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        if _is_a_list(order.port, address, cookie):
            seen.took[address].append(round((time.perf_counter() - due) * 1000, 2))
        else:
            seen.wrong += 1
        due += order.every


def _is_a_list(port: int, address: str, cookie: str) -> bool:
    """Check one answer on a connection of its own, because the server has closed the last one by then."""
    line = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.request("GET", address, headers={"Cookie": f"__Host-tokaut={cookie}"})
        answer = line.getresponse()
        return answer.status == 200 and A_LINE in answer.read()
    except (OSError, HTTPException):
        return False
    finally:
        line.close()


if __name__ == "__main__":
    json.dump(asdict(look(Order(**json.load(sys.stdin)))), sys.stdout)
