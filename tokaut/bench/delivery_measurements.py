"""How soon and how fast reports come to a hotline: what `tokaut bench` measures with the workers running."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from statistics import median

from tokaut.bench.environment import DOWN_COUNTRY, BenchEnvironment
from tokaut.bench.measurements import BenchSize, Figures, series
from tokaut.bench.scenarios import (
    DANGER_LABELS,
    FALLBACK_SERVICE_CODE,
    SENDING_SCENARIO,
    fallback_phone_number,
    phone_number,
)
from tokaut.local_stack.processes import ProcessDied
from tokaut.local_stack.received import ReceivedDelivery
from tokaut.local_stack.ussd_phone import CHOICE_LINE, PhoneScreen

ARRIVES_WITHIN = 30.0  # seconds
FALLS_BACK_WITHIN = 90.0
MIN_DELIVERIES = 2  # reports at least, or there is no time between them
QUIET_SECONDS = 0.3  # seconds between two reports on a quiet system


def to_hotline(town: BenchEnvironment, size: BenchSize) -> Figures:
    """On a quiet system: until the hotline has checked a report's signature, from three moments before."""
    found = [_send_one(town, number) for number in range(size.sends + 1)][1:]  # the first one warms everybody up
    figures = {name: {"p50": _at(found, name, 0.5), "p95": _at(found, name, 0.95)} for name in found[0]}
    return figures | {"reports": size.sends, "tls": town.uses_tls, "goal": {"p50": 250, "p95": 1000}}


def deliveries(town: BenchEnvironment, size: BenchSize) -> Figures:
    """How fast the workers take a heap of reports to the hotline, in which all that came meanwhile waits."""
    with town.paused_workers():
        for _ in range(3):  # where the machine was held up
            heap = series(town, "web", SENDING_SCENARIO, size)
            if heap["walks_per_second"] * size.seconds >= MIN_DELIVERIES:
                break
        town.wait_for_commits()
        list(town.received.new())  # what came before they were held, seconds ago
    times = sorted(one.at for one in _arrived(town, at_least=int(heap["walks_per_second"] * size.seconds)))
    return {"delivered": len(times), "per_second": round((len(times) - 1) / (times[-1] - times[0]), 1)} | {
        "tls": town.uses_tls,
        "goal": 50,
    }


def _arrived(town: BenchEnvironment, at_least: int) -> list[ReceivedDelivery]:
    """Until nothing more comes for a while."""
    got: list[ReceivedDelivery] = []
    last = time.monotonic()
    while len(got) < MIN_DELIVERIES or len(got) < at_least or time.monotonic() - last < 1:
        town.processes.look()
        if new := list(town.received.new()):
            got, last = got + new, time.monotonic()
        if time.monotonic() - last > ARRIVES_WITHIN:
            raise ProcessDied(f"of {at_least} reports {len(got)} came to the hotline; see {town.processes.logs}")
        time.sleep(0.05)
    return got


def primary_down(town: BenchEnvironment, size: BenchSize) -> Figures:
    """Urgent reports whose first hotline is down, in real time: from Send until somebody has each. Whole seconds."""
    list(town.received.new())
    for number in range(size.urgent):
        _send_in_danger(town, number)
    had: dict[str, float] = {}
    end = time.monotonic() + FALLS_BACK_WITHIN
    while len(had) < size.urgent and time.monotonic() < end:
        town.processes.look()
        for one in town.received.new():
            if one.data.get("completeness") == "complete" and one.data["country"] == DOWN_COUNTRY:
                sent_at = datetime.fromisoformat(one.data["sent_at"]).timestamp()
                had.setdefault(one.data["report_id"], one.at - sent_at)
        time.sleep(0.05)
    if len(had) < size.urgent:
        raise ProcessDied(
            f"of {size.urgent} urgent reports {len(had)} came to anybody within {FALLS_BACK_WITHIN:.0f} s"
        )
    return {"p50": round(median(had.values())), "p99": round(max(had.values())), "reports": size.urgent, "goal_p99": 60}


def _send_in_danger(town: BenchEnvironment, number: int) -> None:
    with closing(town.caller(fallback_phone_number(number), FALLBACK_SERVICE_CODE)) as caller:
        screen = caller.dial()
        while not screen.text.startswith("Sent to"):
            if not screen.expects_reply:
                raise ProcessDied(f"an urgent report was not sent:\n{screen.text}")
            screen = caller.reply(next(key for label in DANGER_LABELS if (key := _key(screen, label))))


def _key(screen: PhoneScreen, label: str) -> str:
    if not label:
        return "1"
    return next((key for key, words in CHOICE_LINE.findall(screen.text) if words == label), "")


def _send_one(town: BenchEnvironment, number: int) -> dict[str, float]:
    """Milliseconds until the hotline has it: from pressing Send, from the commit's beginning, from reading "Sent"."""
    time.sleep(QUIET_SECONDS)
    with closing(town.caller(phone_number(number))) as caller:
        caller.dial()
        for step in SENDING_SCENARIO[1:]:
            screen = caller.reply(step.reply)
        sent_at = time.time()
    if not screen.text.startswith("Sent to"):
        raise ProcessDied(f"a report was not sent:\n{screen.text}")
    end = time.monotonic() + ARRIVES_WITHIN
    while time.monotonic() < end:
        town.processes.look()
        for delivery in town.received.new():
            if delivery.data.get("completeness") != "complete":
                continue  # what an earlier walk left to file itself
            since = {"send": caller.asked_at, "commit": _made_at(delivery.key), "sent": sent_at}
            return {f"from_{name}": (delivery.at - moment) * 1000 for name, moment in since.items()}
        time.sleep(0.005)
    raise ProcessDied(f"a report did not come to the hotline within {ARRIVES_WITHIN:.0f} s; see {town.processes.logs}")


def _made_at(delivery_id: str) -> float:
    """Unix seconds: a delivery's id is a UUIDv7 that web makes as it begins to write."""
    return (uuid.UUID(delivery_id).int >> 80) / 1000


def _at(found: Sequence[dict[str, float]], name: str, part: float) -> float:
    ordered = sorted(one[name] for one in found)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1)
