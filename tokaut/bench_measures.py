"""What `tokaut bench` measures, one function a question. Times in milliseconds unless a name says otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

from tokaut.bench_load import Seen
from tokaut.bench_machine import cpu_seconds, memory
from tokaut.bench_town import BenchTown
from tokaut.bench_walks import SENDING, TEXTS, WALK, WAYS, Step, phone
from tokaut.processes import Died

MANY_SESSIONS = (1_000, 100_000)
SESSION_BYTES = 700

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done for the figures. `warm`: seconds of load before those that count."""

    rounds: int
    seconds: float
    warm: float
    callers: int
    sends: int
    urgent: int
    stored: int  # reports beside which web's memory is read


def screens(town: BenchTown, size: Size) -> Figures:
    """web and what it is compared with, in turn, with the same callers; medians of the rounds and of their ratios."""
    rounds = [{name: series(town, name, WALK, size) for name in town.ports} for _ in range(size.rounds)]
    found: Figures = {name: _medians([one[name] for one in rounds]) for name in town.ports}
    found["ratio"] = {other: _ratios(rounds, other) for other in town.ports if other != "web"}
    return found | {"goal": {"floor": 3.0, "before": 0.75}, "rounds": rounds}


def _ratios(rounds: Sequence[Figures], other: str) -> Figures:
    """Return the medians of web's figures as ratios to the other's of the same round; above 1, web is ahead."""
    speed = [ratio(one["web"]["per_second"], one[other]["per_second"]) for one in rounds]
    cpu = [ratio(one[other]["cpu_ms"], one["web"]["cpu_ms"]) for one in rounds]
    return {"per_second": _median(speed), "cpu": _median(cpu)}


def _median(ratios: Sequence[float | None]) -> float | None:
    known = [one for one in ratios if one is not None]
    return round(median(known), 3) if known else None


def half_load(town: BenchTown, size: Size, full: float, steps: Sequence[Step] = WALK, goal: int = 20) -> Figures:
    """Half of the screens a second that web can do, asked for evenly; a late answer counts from when it was due."""
    rounds = [series(town, "web", steps, size, rate=full / 2) for _ in range(size.rounds)]
    return _medians(rounds) | {"goal_p99": goal}


def sending(town: BenchTown, size: Size) -> Figures:
    """The same walk with Send at its end: each "Sent" is a report on the disk."""
    rounds = [series(town, "web", SENDING, size) for _ in range(size.rounds)]
    return _medians(rounds) | {"reports_per_second": median(one["walks_per_second"] for one in rounds)}


def session_bytes(town: BenchTown) -> Figures:
    """What is kept, sealed, of a conversation that stands on the Send screen, and for a redial."""
    sizes, drafts = [], []
    for number, way in enumerate(WAYS):
        town.redis.flushdb()
        _walk(town, phone(number), [Step(reply, "") for reply in way], last="Send to")
        sizes += _kept(town, "s:*")
        drafts += _kept(town, "d:*")
    town.redis.flushdb()
    _texts(town)
    return {
        "median": int(median(sizes)),
        "largest": max(sizes),
        "redial_largest": max(drafts),
        "sms_with_words": max(_kept(town, "s:*")),
        "goal": 1024,
    }


def memory_mb(town: BenchTown, size: Size) -> Figures:
    """Of the one web process: after the series, and once Redis holds so many sessions more."""
    found: Figures = {"after_load": memory(town.running("web"))}
    for sessions in MANY_SESSIONS:
        _fill(town, sessions)
        series(town, "web", WALK, size, flush=False)
        found[f"{sessions} sessions"] = memory(town.running("web"))
    town.redis.flushdb()
    few, many = (found[f"{sessions} sessions"]["rss"] for sessions in MANY_SESSIONS)
    return found | {"growth": ratio(many, few), "goal": {"rss": 90, "growth": 1.1}}


def _fill(town: BenchTown, sessions: int) -> None:
    town.redis.flushdb()
    pipeline = town.redis.pipeline(transaction=False)
    for number in range(sessions):
        pipeline.set(f"s:{number:064x}", b"x" * SESSION_BYTES, ex=3600)
    pipeline.execute()


def round_trips(town: BenchTown) -> Figures:
    """As Valkey counts them: each time that it reads what somebody sent. Commands sent together are one trip."""

    def walk() -> int:
        return _walk(town, phone(0), WALK[1:], last="Send to")

    ussd, ussd_commands = _counted(town, walk)
    sms, sms_commands = _counted(town, lambda: _texts(town))
    return {
        "ussd": ussd,
        "sms": sms,
        "ussd_commands": ussd_commands,
        "sms_commands": sms_commands,
        "goal": {"ussd": 2, "sms": 4},
    }


# Series of many callers


def series(
    town: BenchTown, name: str, steps: Sequence[Step], size: Size, *, rate: float = 0, flush: bool = True
) -> Figures:
    if flush:
        town.redis.flushdb()  # or a phone that comes again would carry on its report of the round before
    running = town.running(name)
    before = cpu_seconds(running)
    seen = town.load(name, steps, callers=size.callers, seconds=size.seconds, warm=size.warm, rate=rate)
    after = cpu_seconds(running)
    if seen.wrong or not seen.answered:
        raise Died(f"{name}: {seen.wrong} of {seen.screens} answers were not the screen that was expected")
    cpu = None if before is None or after is None else round((after - before) * 1000 / seen.answered, 3)
    return _rates(seen) | {"cpu_ms": cpu}


def _rates(seen: Seen) -> Figures:
    return {
        "screens": seen.screens,
        "per_second": round(seen.screens / seen.seconds, 1),
        "walks_per_second": round(seen.walks / seen.seconds, 1),
        "p50": seen.p50,
        "p95": seen.p95,
        "p99": seen.p99,
        "client_cpu": seen.cpu,
    }


def _medians(rounds: Sequence[Figures]) -> Figures:
    names = ("per_second", "p50", "p99", "cpu_ms", "client_cpu")
    return {name: None if rounds[0][name] is None else round(median(r[name] for r in rounds), 3) for name in names}


def ratio(part: float | None, whole: float | None) -> float | None:
    return round(part / whole, 3) if part and whole else None


# One caller


def _walk(town: BenchTown, number: str, steps: Sequence[Step], *, last: str) -> int:
    """How many screens it took. Raises Died where it does not end on the screen that begins with `last`."""
    with closing(town.caller(number)) as caller:
        screen = caller.dial()
        for step in steps:
            screen = caller.reply(step.reply)
    if not screen.text.startswith(last):
        raise Died(f"a walk did not end on {last!r} but on:\n{screen.text}")
    return len(steps) + 1


def _texts(town: BenchTown) -> int:
    number = phone(uuid.uuid4().int)
    for count, words in enumerate(TEXTS):
        town.text(number, words, count)
    return len(TEXTS)


def _kept(town: BenchTown, pattern: str) -> list[int]:
    return [town.redis.strlen(key) for key in town.redis.scan_iter(pattern)]


def _counted(town: BenchTown, act: Callable[[], int]) -> tuple[float, dict[str, float]]:
    """Round trips and commands for each inbound of `act`, which is played once before: connections are then open.

    The fewest of three times: where the machine was held up, something was asked again.
    """
    act()
    return min((_counted_once(town, act) for _ in range(3)), key=lambda found: found[0])


def _counted_once(town: BenchTown, act: Callable[[], int]) -> tuple[float, dict[str, float]]:
    town.redis.flushdb()
    town.redis.config_resetstat()
    inbound = act()
    reads = town.redis.info("stats")["total_reads_processed"] - 1  # our asking is one
    commands = {
        name.removeprefix("cmdstat_"): round(figures["calls"] / inbound, 2)
        for name, figures in town.redis.info("commandstats").items()
        if name not in ("cmdstat_info", "cmdstat_config|resetstat")
    }
    return round(reads / inbound, 2), commands
