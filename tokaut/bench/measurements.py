"""The measurements of `tokaut bench`, one function for each question. Times are in milliseconds unless noted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

from reports.store.engine.database import Database
from reports.store.operations import synthetic_reports
from tokaut.bench.environment import BenchEnvironment
from tokaut.bench.load_client import (
    OTHER_PATHS,
    SCENARIO,
    SENDING_SCENARIO,
    SMS_TEXTS,
    BenchStep,
    LoadResult,
    phone_number,
)
from tokaut.bench.machine import cpu_seconds, memory_use
from tokaut.local_stack.processes import ProcessDied
from tokaut.local_stack.ussd_phone import PhoneScreen

MANY_SESSIONS = (1_000, 100_000)
SESSION_BYTES = 700

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BenchSize:
    """The size of the measurements. seconds, warm: the length of each series and of its warm-up, in seconds."""

    rounds: int
    seconds: float
    warm: float
    callers: int
    sends: int
    urgent: int
    stored: int  # number of reports in the database when memory is measured


def screens(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure web and the servers that it is compared with, in turn and with the same callers.

    Returns the medians of the rounds, and of the ratios within each round.
    """
    rounds = [{name: series(bench, name, SCENARIO, size) for name in bench.ports} for _ in range(size.rounds)]
    figures: Figures = {name: _medians([one_round[name] for one_round in rounds]) for name in bench.ports}
    figures["ratio"] = {other: _ratios(rounds, other) for other in bench.ports if other != "web"}
    return figures | {"goal": {"floor": 3.0, "before": 0.75}, "rounds": rounds}


def _ratios(rounds: Sequence[Figures], other: str) -> Figures:
    """Return the medians of web's figures as ratios to the other server's in the same round. Above 1 web is better."""
    speed = [ratio(one_round["web"]["per_second"], one_round[other]["per_second"]) for one_round in rounds]
    cpu = [ratio(one_round[other]["cpu_ms"], one_round["web"]["cpu_ms"]) for one_round in rounds]
    return {"per_second": _median(speed), "cpu": _median(cpu)}


def _median(ratios: Sequence[float | None]) -> float | None:
    measured = [value for value in ratios if value is not None]
    return round(median(measured), 3) if measured else None


def half_load(
    bench: BenchEnvironment, size: BenchSize, full: float, steps: Sequence[BenchStep] = SCENARIO, goal: int = 20
) -> Figures:
    """Measure at half of the screens a second that web can serve, evenly spaced.

    The latency of a late request counts from the moment at which it was due.
    """
    rounds = [series(bench, "web", steps, size, rate=full / 2) for _ in range(size.rounds)]
    return _medians(rounds) | {"goal_p99": goal}


def sending(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure the same scenario with Send at its end. Each "Sent" is a report on the disk."""
    rounds = [series(bench, "web", SENDING_SCENARIO, size) for _ in range(size.rounds)]
    return _medians(rounds) | {"reports_per_second": median(one_round["walks_per_second"] for one_round in rounds)}


def session_bytes(bench: BenchEnvironment) -> Figures:
    """Measure the stored, sealed size of a session on the Send screen, and of the draft for a redial."""
    sizes, drafts = [], []
    for number, replies in enumerate(OTHER_PATHS):
        bench.redis.flushdb()
        _play_to(bench, phone_number(number), [BenchStep(reply, "") for reply in replies], last="Send to")
        sizes += _stored_sizes(bench, "s:*")
        drafts += _stored_sizes(bench, "d:*")
    bench.redis.flushdb()
    _texts(bench)
    return {
        "median": int(median(sizes)),
        "largest": max(sizes),
        "redial_largest": max(drafts),
        "sms_with_words": max(_stored_sizes(bench, "s:*")),
        "goal": 1024,
    }


def memory_mb(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure the memory of the one web process: after the series, and with many more sessions in Redis."""
    figures: Figures = {"after_load": memory_use(bench.running("web"))}
    for sessions in MANY_SESSIONS:
        _fill(bench, sessions)
        series(bench, "web", SCENARIO, size, flush=False)
        figures[f"{sessions} sessions"] = memory_use(bench.running("web"))
    bench.redis.flushdb()
    few, many = (figures[f"{sessions} sessions"]["rss"] for sessions in MANY_SESSIONS)
    return figures | {"growth": ratio(many, few), "goal": {"rss": 90, "growth": 1.1}}


def _fill(bench: BenchEnvironment, sessions: int) -> None:
    bench.redis.flushdb()
    pipeline = bench.redis.pipeline(transaction=False)
    for number in range(sessions):
        pipeline.set(f"s:{number:064x}", b"x" * SESSION_BYTES, ex=3600)
    pipeline.execute()


def round_trips(bench: BenchEnvironment) -> Figures:
    """Count the Redis round trips of each inbound message.

    Valkey counts each read from a connection, so commands that are sent together are one round trip.
    """

    def walk() -> int:
        return _play_to(bench, phone_number(0), SCENARIO[1:], last="Send to")

    ussd, ussd_commands = _count_trips(bench, walk)
    sms, sms_commands = _count_trips(bench, lambda: _texts(bench))
    return {
        "ussd": ussd,
        "sms": sms,
        "ussd_commands": ussd_commands,
        "sms_commands": sms_commands,
        "goal": {"ussd": 2, "sms": 4},
    }


# Series with many callers


def series(
    bench: BenchEnvironment,
    name: str,
    steps: Sequence[BenchStep],
    size: BenchSize,
    *,
    rate: float = 0,
    flush: bool = True,
) -> Figures:
    """Run one series of load and return its rates and latencies.

    Raises ProcessDied if an answer was not the expected screen.
    """
    if flush:
        bench.redis.flushdb()  # otherwise a phone would resume its report of the last round
    running = bench.running(name)
    before = cpu_seconds(running)
    result = bench.load(name, steps, callers=size.callers, seconds=size.seconds, warm=size.warm, rate=rate)
    after = cpu_seconds(running)
    if result.wrong or not result.answered:
        raise ProcessDied(f"{name}: {result.wrong} of {result.screens} answers were not the expected screen")
    cpu = None if before is None or after is None else round((after - before) * 1000 / result.answered, 3)
    return _rates(result) | {"cpu_ms": cpu}


def _rates(result: LoadResult) -> Figures:
    return {
        "screens": result.screens,
        "per_second": round(result.screens / result.seconds, 1),
        "walks_per_second": round(result.walks / result.seconds, 1),
        "p50": result.p50,
        "p95": result.p95,
        "p99": result.p99,
        "client_cpu": result.cpu,
    }


def _medians(rounds: Sequence[Figures]) -> Figures:
    names = ("per_second", "p50", "p99", "cpu_ms", "client_cpu")
    return {
        name: None if rounds[0][name] is None else round(median(one_round[name] for one_round in rounds), 3)
        for name in names
    }


def ratio(part: float | None, whole: float | None) -> float | None:
    """Return the ratio of two figures; None if one of them is unknown or 0."""
    return round(part / whole, 3) if part and whole else None


# Single callers


def _play_to(bench: BenchEnvironment, number: str, steps: Sequence[BenchStep], *, last: str) -> int:
    """Play the steps and return the number of screens.

    Raises ProcessDied if the last screen does not begin with `last`.
    """
    with closing(bench.caller(number)) as caller:
        screen = caller.dial()
        for step in steps:
            screen = caller.reply(step.reply)
    if not screen.text.startswith(last):
        raise ProcessDied(f"the session did not end on {last!r} but on:\n{screen.text}")
    return len(steps) + 1


def _texts(bench: BenchEnvironment) -> int:
    number = phone_number(uuid.uuid4().int)
    for count, words in enumerate(SMS_TEXTS):
        bench.text(number, words, count)
    return len(SMS_TEXTS)


def _stored_sizes(bench: BenchEnvironment, pattern: str) -> list[int]:
    return [bench.redis.strlen(key) for key in bench.redis.scan_iter(pattern)]


def _count_trips(bench: BenchEnvironment, act: Callable[[], int]) -> tuple[float, dict[str, float]]:
    """Return the round trips and the commands for each inbound message of `act`.

    `act` is called once before, so that connections are open. The lowest count of three runs is used: on a
    machine that was delayed, commands are repeated.
    """
    act()
    return min((_count_trips_once(bench, act) for _ in range(3)), key=lambda counts: counts[0])


def _count_trips_once(bench: BenchEnvironment, act: Callable[[], int]) -> tuple[float, dict[str, float]]:
    bench.redis.flushdb()
    bench.redis.config_resetstat()
    inbound = act()
    reads = bench.redis.info("stats")["total_reads_processed"] - 1  # one is our own INFO
    commands = {
        name.removeprefix("cmdstat_"): round(figures["calls"] / inbound, 2)
        for name, figures in bench.redis.info("commandstats").items()
        if name not in ("cmdstat_info", "cmdstat_config|resetstat")
    }
    return round(reads / inbound, 2), commands


# Whether web's memory grows with the number of stored reports; measured without workers

CODE_AND_PIN = re.compile(r"^Code (\d{4}) (\d{4})\nPIN (\d{4})$", re.MULTILINE)


def stored_reports_mb(bench: BenchEnvironment, size: BenchSize) -> Figures:
    """Measure the memory of the one web process, with one stored report and with many.

    Before each reading it serves screens and finds a report by its code.
    """
    code, pin = _send(bench)
    before = _memory(bench, size, code, pin)
    with closing(Database(bench.database_url, threads=1)) as database:
        synthetic_reports.insert_reports(database, size.stored)
    after = _memory(bench, size, code, pin)
    return {
        "before": before | {"reports": 1},
        "after": after | {"reports": size.stored + 1},
        "growth": ratio(after["rss"], before["rss"]),
        "goal": {"growth": 1.1},
    }


def _memory(bench: BenchEnvironment, size: BenchSize, code: str, pin: str) -> Figures:
    series(bench, "web", SCENARIO, size)
    _my_report(bench, code, pin)
    return dict(memory_use(bench.running("web")))


def _send(bench: BenchEnvironment) -> tuple[str, str]:
    """Send a report and return its code and PIN."""
    screen = _play(bench, phone_number(0), [step.reply for step in SENDING_SCENARIO[1:]])
    match = CODE_AND_PIN.search(screen.text)
    if match is None:
        raise ProcessDied(f"a report was not sent:\n{screen.text}")
    return match[1] + match[2], match[3]


def _my_report(bench: BenchEnvironment, code: str, pin: str) -> None:
    with closing(bench.caller(phone_number(1))) as caller:
        screen = caller.reply(caller.dial().key_of("My report"))
        for words in (code, pin):
            screen = caller.reply(words)
    if not screen.text.startswith("We have it"):
        raise ProcessDied(f"the report was not found by its code:\n{screen.text}")


def _play(bench: BenchEnvironment, number: str, replies: Sequence[str]) -> PhoneScreen:
    with closing(bench.caller(number)) as caller:
        screen = caller.dial()
        for reply in replies:
            screen = caller.reply(reply)
    return screen
