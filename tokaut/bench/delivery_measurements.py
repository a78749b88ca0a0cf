"""Measure the latency and the rate of deliveries: the part of `tokaut bench` that needs the workers."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median

from runtime.queue import QUEUE_NAMES
from tokaut.bench.environment import DOWN_COUNTRY, WORKERS, BenchEnvironment
from tokaut.bench.load_client import (
    DANGER_LABELS,
    FALLBACK_SERVICE_CODE,
    SENDING_SCENARIO,
    fallback_phone_number,
    phone_number,
)
from tokaut.bench.measurements import BenchSize, Figures, series
from tokaut.local_stack.hotline_server import ReceivedDelivery
from tokaut.local_stack.processes import ProcessDied
from tokaut.local_stack.ussd_phone import CHOICE_LINE, PhoneScreen

ARRIVES_WITHIN = 30.0  # seconds
FALLS_BACK_WITHIN = 90.0
SERIES_AT_MOST = 5
MIN_DELIVERIES = 2  # a rate needs at least two
QUIET_SECONDS = 0.3  # between two reports, so that the system is at rest


def to_hotline(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure the time until the hotline has verified a report, on a quiet system, from three different moments.

    The first report only warms up the processes.
    """
    samples = [_send_one(bench, number) for number in range(size.sends + 1)][1:]
    figures = {
        name: {"p50": _percentile(samples, name, 0.5), "p95": _percentile(samples, name, 0.95)} for name in samples[0]
    }
    return figures | {"reports": size.sends, "tls": bench.uses_tls, "goal": {"p50": 250, "p95": 1000}}


def deliveries(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure how fast the workers deliver a backlog of reports, which was sent while they were paused."""
    with bench.paused_workers():
        for _ in range(3):  # send again if the machine was too slow
            sent = series(bench, "web", SENDING_SCENARIO, size)
            if sent["walks_per_second"] * size.seconds >= MIN_DELIVERIES:
                break
        bench.wait_for_commits()
        list(bench.received.new())  # skip what arrived before the pause
    times = sorted(delivery.at for delivery in _arrived(bench, at_least=int(sent["walks_per_second"] * size.seconds)))
    return {"delivered": len(times), "per_second": round((len(times) - 1) / (times[-1] - times[0]), 1)} | {
        "tls": bench.uses_tls,
        "goal": 300,
    }


REPORT_PROCESSES = ("web", *WORKERS)  # measured; Valkey, the hotline and the simulated callers are not ours


def report_cost(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure the processor time of one report, in ms: its thirteen screens, Send, and its delivery over TLS.

    Other work on the machine disturbs it less than a rate.
    """
    _count_until_quiet(bench)  # deliveries of the previous measurement
    before = {name: bench.cpu(name) for name in REPORT_PROCESSES}
    count = 0
    for _ in range(SERIES_AT_MOST):  # again if the machine was too slow
        series(bench, "web", SENDING_SCENARIO, size)
        bench.wait_for_commits()
        count += _count_until_quiet(bench)
        if count >= MIN_DELIVERIES:
            break
    else:
        raise ProcessDied(f"{count} reports came to the hotline; see {bench.processes.logs}")
    used = {name: _per_report(before[name], bench.cpu(name), count) for name in REPORT_PROCESSES}
    measured = [milliseconds for milliseconds in used.values() if milliseconds is not None]
    workers = [used[name] or 0.0 for name in QUEUE_NAMES]
    return {
        "web": used["web"],
        "workers": round(sum(workers), 2),
        "clock": used["clock"],
        "all": round(sum(measured), 2) if len(measured) == len(used) else None,
        "reports": count,
        "goal": {"web": 6, "workers": 4, "all": 12},
    }


def _count_until_quiet(bench: BenchEnvironment) -> int:
    """Return how many deliveries arrive until none has come for two seconds."""
    count, last_at = 0, time.monotonic()
    while time.monotonic() - last_at < 2:
        bench.processes.check()
        if new := list(bench.received.new()):
            count, last_at = count + len(new), time.monotonic()
        time.sleep(0.05)
    return count


def _per_report(before: float | None, after: float | None, count: int) -> float | None:
    return None if before is None or after is None else round((after - before) * 1000 / count, 2)


def limits(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure the limits of this machine, by one thread.

    These are full TLS handshakes with the hotline, and synced appends of 4 KiB to a file, each a second.
    """
    return {
        "handshakes_per_second": round(bench.handshakes(size.seconds) / size.seconds, 1),
        "syncs_per_second": round(_syncs(bench.folder / "sync", size.seconds) / size.seconds, 1),
    }


def _syncs(path: Path, seconds: float) -> int:
    count, end = 0, time.monotonic() + seconds
    with path.open("wb", buffering=0) as file:
        while time.monotonic() < end:
            file.write(bytes(4096))
            os.fsync(file.fileno())
            count += 1
    path.unlink()
    return count


def _arrived(bench: BenchEnvironment, at_least: int) -> list[ReceivedDelivery]:
    """Collect deliveries until `at_least` have arrived and none has come for a second.

    Raises ProcessDied after 30 seconds without a delivery.
    """
    arrived: list[ReceivedDelivery] = []
    last_at = time.monotonic()
    while len(arrived) < MIN_DELIVERIES or len(arrived) < at_least or time.monotonic() - last_at < 1:
        bench.processes.check()
        if new := list(bench.received.new()):
            arrived, last_at = arrived + new, time.monotonic()
        if time.monotonic() - last_at > ARRIVES_WITHIN:
            raise ProcessDied(f"of {at_least} reports {len(arrived)} came to the hotline; see {bench.processes.logs}")
        time.sleep(0.05)
    return arrived


def primary_down(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure whole seconds from Send of an urgent report, whose first hotline is down, until another one has it."""
    list(bench.received.new())
    for number in range(size.urgent):
        _send_in_danger(bench, number)
    seconds: dict[str, float] = {}
    end = time.monotonic() + FALLS_BACK_WITHIN
    while len(seconds) < size.urgent and time.monotonic() < end:
        bench.processes.check()
        for delivery in bench.received.new():
            if delivery.data.get("completeness") == "complete" and delivery.data["country"] == DOWN_COUNTRY:
                sent_at = datetime.fromisoformat(delivery.data["sent_at"]).timestamp()
                seconds.setdefault(delivery.data["report_id"], delivery.at - sent_at)
        time.sleep(0.05)
    if len(seconds) < size.urgent:
        raise ProcessDied(
            f"of {size.urgent} urgent reports {len(seconds)} came to anybody within {FALLS_BACK_WITHIN:.0f} s"
        )
    return {
        "p50": round(median(seconds.values())),
        "p99": round(max(seconds.values())),
        "reports": size.urgent,
        "goal_p99": 60,
    }


def _send_in_danger(bench: BenchEnvironment, number: int) -> None:
    with closing(bench.caller(fallback_phone_number(number), FALLBACK_SERVICE_CODE)) as caller:
        screen = caller.dial()
        while not screen.text.startswith("Sent to"):
            if not screen.expects_reply:
                raise ProcessDied(f"an urgent report was not sent:\n{screen.text}")
            screen = caller.reply(next(digit for label in DANGER_LABELS if (digit := _digit_of(screen, label))))


def _digit_of(screen: PhoneScreen, label: str) -> str:
    """Return the digit of the choice with this label, "" if the screen has none; "1" if no label is given."""
    if not label:
        return "1"
    return next((digit for digit, text in CHOICE_LINE.findall(screen.text) if text == label), "")


def _send_one(bench: BenchEnvironment, number: int) -> dict[str, float]:
    """Send one report and return the milliseconds until the hotline has it.

    They count from pressing Send, from the start of the commit, and from reading "Sent".
    """
    time.sleep(QUIET_SECONDS)
    with closing(bench.caller(phone_number(number))) as caller:
        caller.dial()
        for step in SENDING_SCENARIO[1:]:
            screen = caller.reply(step.reply)
        sent_at = time.time()
    if not screen.text.startswith("Sent to"):
        raise ProcessDied(f"a report was not sent:\n{screen.text}")
    end = time.monotonic() + ARRIVES_WITHIN
    while time.monotonic() < end:
        bench.processes.check()
        for delivery in bench.received.new():
            if delivery.data.get("completeness") != "complete":
                continue  # an incomplete report from an earlier series
            starts = {"send": caller.asked_at, "commit": _created_at(delivery.key), "sent": sent_at}
            return {f"from_{name}": (delivery.at - start) * 1000 for name, start in starts.items()}
        time.sleep(0.005)
    raise ProcessDied(f"a report did not come to the hotline within {ARRIVES_WITHIN:.0f} s; see {bench.processes.logs}")


def _created_at(delivery_id: str) -> float:
    """Return Unix seconds from a delivery id. It is a UUIDv7 that web creates when it begins to write."""
    return (uuid.UUID(delivery_id).int >> 80) / 1000


def _percentile(samples: Sequence[dict[str, float]], name: str, fraction: float) -> float:
    ordered = sorted(sample[name] for sample in samples)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * fraction))], 1)
