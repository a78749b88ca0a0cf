"""Run reporters one after the other against web with a real Valkey and database, and compute the figures of all."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import time_machine

from reports.countries import country
from reports.statistics.aggregation import LEFT_CELLS, left_share
from tests.drops.caller import Caller, Clock, DropConditions, Outcome
from tests.drops.person import make_person
from tests.support.app import App
from tests.support.valkey import Valkey

BEGAN = 1_795_000_000  # Unix seconds
CODE = 'code = "*111*163#"\n'


@dataclass(frozen=True)
class Figures:
    callers: int
    dropped: float  # dropped calls per reporter
    sent: float  # all shares are in %
    saw_sent: float
    some_words: float  # the report has the first of the reporter's words
    words: float  # the report has all words
    in_danger: int
    rescued: float  # % of those in danger
    unheard: float  # no report arrived
    twice: float  # more than one report of the reporter is stored
    screens: float  # median until Sent was shown
    seconds: float  # median until Sent was shown
    false_sent: int  # reporters who saw Sent without a stored report
    foreign: int  # reporters whose report has another's words
    left: Mapping[str, int | None]  # step → share that left there, as in the statistics


def figures(outcomes: Sequence[Outcome]) -> Figures:
    done = [one for one in outcomes if one.saw_sent]
    in_danger = [one for one in outcomes if one.in_danger]
    steps = sum((Counter(one.steps) for one in outcomes), Counter[str]())
    return Figures(
        callers=len(outcomes),
        dropped=sum(one.dropped for one in outcomes) / len(outcomes),
        sent=_share([one.sent > 0 for one in outcomes]),
        saw_sent=_share([one.saw_sent for one in outcomes]),
        some_words=_share([one.some_words for one in outcomes]),
        words=_share([one.words for one in outcomes]),
        in_danger=len(in_danger),
        rescued=_share([one.rescued for one in in_danger]),
        unheard=_share([not one.sent and not one.rescued for one in outcomes]),
        twice=_share([one.sent > 1 for one in outcomes]),
        screens=statistics.median([one.screens for one in done] or [0]),
        seconds=statistics.median([one.seconds for one in done] or [0]),
        false_sent=sum(one.saw_sent and not one.sent for one in outcomes),
        foreign=sum(one.foreign for one in outcomes),
        left={cell: left_share(steps, cell) for cell in LEFT_CELLS},
    )


def call_all(redis_url: str, conditions: DropConditions, seed: int, indices: Sequence[int]) -> list[Outcome]:
    """Make the calls of these reporters. A reporter's calls depend on seed and index, not on the calls before."""
    with (
        _web(redis_url, words_before=conditions.words_before) as app,
        time_machine.travel(BEGAN, tick=False) as traveller,
    ):
        clock = Clock(traveller, BEGAN)
        outcomes = []
        for index in indices:
            caller = Caller(app, make_person(seed, index), conditions, random.Random(f"luck {seed} {index}"), clock)
            caller.call()
            outcomes.append(caller.outcome())
        assert app.parts.spool.names() == [], "the database was away; these figures would say nothing"
    return outcomes


def call_all_with_own_valkey(conditions: DropConditions, seed: int, indices: Sequence[int]) -> list[Outcome]:
    """Make the calls with a Valkey of their own."""
    valkey = Valkey().start()
    try:
        return call_all(valkey.url, conditions, seed, indices)
    finally:
        valkey.remove()


@contextmanager
def _web(redis_url: str, *, words_before: bool) -> Iterator[App]:
    folder = Path(tempfile.mkdtemp(prefix="tc-"))
    shipped = (country.SHIPPED_FOLDER / "vu.toml").read_text(encoding="utf-8")
    told = shipped.replace(CODE, f"{CODE}words_before_send = true\n") if words_before else shipped
    assert (told != shipped) is words_before
    (folder / "vu.toml").write_text(told, encoding="utf-8")
    app = App(redis_url, {"TOKAUT_COUNTRY_DIR": str(folder), "COUNTRIES": "vu"})
    yield app
    app.close()
    shutil.rmtree(folder)


def _share(of: Sequence[bool]) -> float:
    return 100 * sum(of) / len(of) if of else 0.0
