"""Whether web's memory grows with the reports that are stored: what `tokaut bench` measures without workers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing

from reports.store.engine.database import Database
from reports.store.operations import synthetic_reports
from tokaut.bench_machine import memory
from tokaut.bench_measures import Figures, Size, ratio, series
from tokaut.bench_town import BenchTown
from tokaut.bench_walks import SENDING, WALK, phone
from tokaut.caller import Screen
from tokaut.processes import Died

CODE = re.compile(r"^Code (\d{4}) (\d{4})\nPIN (\d{4})$", re.MULTILINE)


def stored_reports_mb(town: BenchTown, size: Size) -> Figures:
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


def _memory(town: BenchTown, size: Size, code: str, pin: str) -> Figures:
    series(town, "web", WALK, size)
    _my_report(town, code, pin)
    return dict(memory(town.running("web")))


def _send(town: BenchTown) -> tuple[str, str]:
    """Code and PIN of a new report."""
    screen = _play(town, phone(0), [step.reply for step in SENDING[1:]])
    found = CODE.search(screen.text)
    if found is None:
        raise Died(f"a report was not sent:\n{screen.text}")
    return found[1] + found[2], found[3]


def _my_report(town: BenchTown, code: str, pin: str) -> None:
    with closing(town.caller(phone(1))) as caller:
        screen = caller.reply(caller.dial().key_of("My report"))
        for words in (code, pin):
            screen = caller.reply(words)
    if not screen.text.startswith("We have it"):
        raise Died(f"the report was not found by its code:\n{screen.text}")


def _play(town: BenchTown, number: str, replies: Sequence[str]) -> Screen:
    with closing(town.caller(number)) as caller:
        screen = caller.dial()
        for reply in replies:
            screen = caller.reply(reply)
    return screen
