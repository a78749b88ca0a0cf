"""What `tokaut bench` measures, one function a question. Times in milliseconds unless a name says otherwise."""

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
from tokaut.bench.load_client import LoadResult
from tokaut.bench.machine import cpu_seconds, memory_use
from tokaut.bench.scenarios import OTHER_PATHS, SCENARIO, SENDING_SCENARIO, SMS_TEXTS, BenchStep, phone_number
from tokaut.local_stack.processes import ProcessDied
from tokaut.local_stack.ussd_phone import PhoneScreen

MANY_SESSIONS = (1_000, 100_000)
SESSION_BYTES = 700

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BenchSize:
    """How much is done for the figures. `warm`: seconds of load before those that count."""

    rounds: int
    seconds: float
    warm: float
    callers: int
    sends: int
    urgent: int
    stored: int  # reports beside which web's memory is read


def screens(town: BenchEnvironment, size: BenchSize) -> Figures:
    """web and what it is compared with, in turn, with the same callers; medians of the rounds and of their ratios."""
    rounds = [{name: series(town, name, SCENARIO, size) for name in town.ports} for _ in range(size.rounds)]
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


def half_load(
    town: BenchEnvironment, size: BenchSize, full: float, steps: Sequence[BenchStep] = SCENARIO, goal: int = 20
) -> Figures:
    """Half of the screens a second that web can do, asked for evenly; a late answer counts from when it was due."""
    rounds = [series(town, "web", steps, size, rate=full / 2) for _ in range(size.rounds)]
    return _medians(rounds) | {"goal_p99": goal}


def sending(town: BenchEnvironment, size: BenchSize) -> Figures:
    """The same walk with Send at its end: each "Sent" is a report on the disk."""
    rounds = [series(town, "web", SENDING_SCENARIO, size) for _ in range(size.rounds)]
    return _medians(rounds) | {"reports_per_second": median(one["walks_per_second"] for one in rounds)}


def session_bytes(town: BenchEnvironment) -> Figures:
    """What is kept, sealed, of a conversation that stands on the Send screen, and for a redial."""
    sizes, drafts = [], []
    for number, way in enumerate(OTHER_PATHS):
        town.redis.flushdb()
        _walk(town, phone_number(number), [BenchStep(reply, "") for reply in way], last="Send to")
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


def memory_mb(town: BenchEnvironment, size: BenchSize) -> Figures:
    """Of the one web process: after the series, and once Redis holds so many sessions more."""
    found: Figures = {"after_load": memory_use(town.running("web"))}
    for sessions in MANY_SESSIONS:
        _fill(town, sessions)
        series(town, "web", SCENARIO, size, flush=False)
        found[f"{sessions} sessions"] = memory_use(town.running("web"))
    town.redis.flushdb()
    few, many = (found[f"{sessions} sessions"]["rss"] for sessions in MANY_SESSIONS)
    return found | {"growth": ratio(many, few), "goal": {"rss": 90, "growth": 1.1}}


def _fill(town: BenchEnvironment, sessions: int) -> None:
    town.redis.flushdb()
    pipeline = town.redis.pipeline(transaction=False)
    for number in range(sessions):
        pipeline.set(f"s:{number:064x}", b"x" * SESSION_BYTES, ex=3600)
    pipeline.execute()


def round_trips(town: BenchEnvironment) -> Figures:
    """As Valkey counts them: each time that it reads what somebody sent. Commands sent together are one trip."""

    def walk() -> int:
        return _walk(town, phone_number(0), SCENARIO[1:], last="Send to")

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
    town: BenchEnvironment,
    name: str,
    steps: Sequence[BenchStep],
    size: BenchSize,
    *,
    rate: float = 0,
    flush: bool = True,
) -> Figures:
    if flush:
        town.redis.flushdb()  # or a phone that comes again would carry on its report of the round before
    running = town.running(name)
    before = cpu_seconds(running)
    seen = town.load(name, steps, callers=size.callers, seconds=size.seconds, warm=size.warm, rate=rate)
    after = cpu_seconds(running)
    if seen.wrong or not seen.answered:
        raise ProcessDied(f"{name}: {seen.wrong} of {seen.screens} answers were not the screen that was expected")
    cpu = None if before is None or after is None else round((after - before) * 1000 / seen.answered, 3)
    return _rates(seen) | {"cpu_ms": cpu}


def _rates(seen: LoadResult) -> Figures:
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


def _walk(town: BenchEnvironment, number: str, steps: Sequence[BenchStep], *, last: str) -> int:
    """How many screens it took. Raises Died where it does not end on the screen that begins with `last`."""
    with closing(town.caller(number)) as caller:
        screen = caller.dial()
        for step in steps:
            screen = caller.reply(step.reply)
    if not screen.text.startswith(last):
        raise ProcessDied(f"a walk did not end on {last!r} but on:\n{screen.text}")
    return len(steps) + 1


def _texts(town: BenchEnvironment) -> int:
    number = phone_number(uuid.uuid4().int)
    for count, words in enumerate(SMS_TEXTS):
        town.text(number, words, count)
    return len(SMS_TEXTS)


def _kept(town: BenchEnvironment, pattern: str) -> list[int]:
    return [town.redis.strlen(key) for key in town.redis.scan_iter(pattern)]


def _counted(town: BenchEnvironment, act: Callable[[], int]) -> tuple[float, dict[str, float]]:
    """Round trips and commands for each inbound of `act`, which is played once before: connections are then open.

    The fewest of three times: where the machine was held up, something was asked again.
    """
    act()
    return min((_counted_once(town, act) for _ in range(3)), key=lambda found: found[0])


def _counted_once(town: BenchEnvironment, act: Callable[[], int]) -> tuple[float, dict[str, float]]:
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


# Whether web's memory grows with the reports that are stored: what `tokaut bench` measures without workers.

CODE_AND_PIN = re.compile(r"^Code (\d{4}) (\d{4})\nPIN (\d{4})$", re.MULTILINE)


def stored_reports_mb(town: BenchEnvironment, size: BenchSize) -> Figures:
    """Of the one web process, after screens and a look at a report by its code: with one report, and with so many."""
    code, pin = _send(town)
    before = _memory(town, size, code, pin)
    with closing(Database(town.database_url, threads=1)) as database:
        synthetic_reports.insert_reports(database, size.stored)
    after = _memory(town, size, code, pin)
    return {
        "before": before | {"reports": 1},
        "after": after | {"reports": size.stored + 1},
        "growth": ratio(after["rss"], before["rss"]),
        "goal": {"growth": 1.1},
    }


def _memory(town: BenchEnvironment, size: BenchSize, code: str, pin: str) -> Figures:
    series(town, "web", SCENARIO, size)
    _my_report(town, code, pin)
    return dict(memory_use(town.running("web")))


def _send(town: BenchEnvironment) -> tuple[str, str]:
    """Code and PIN of a new report."""
    screen = _play(town, phone_number(0), [step.reply for step in SENDING_SCENARIO[1:]])
    found = CODE_AND_PIN.search(screen.text)
    if found is None:
        raise ProcessDied(f"a report was not sent:\n{screen.text}")
    return found[1] + found[2], found[3]


def _my_report(town: BenchEnvironment, code: str, pin: str) -> None:
    with closing(town.caller(phone_number(1))) as caller:
        screen = caller.reply(caller.dial().key_of("My report"))
        for words in (code, pin):
            screen = caller.reply(words)
    if not screen.text.startswith("We have it"):
        raise ProcessDied(f"the report was not found by its code:\n{screen.text}")


def _play(town: BenchEnvironment, number: str, replies: Sequence[str]) -> PhoneScreen:
    with closing(town.caller(number)) as caller:
        screen = caller.dial()
        for reply in replies:
            screen = caller.reply(reply)
    return screen
