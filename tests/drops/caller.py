"""One reporter from the first call until the report is sent or the reporter gives up, and the stored result."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis
import time_machine
from sqlalchemy import select

from gateway.conversation.handler import day_of
from reports.store import pending_submissions
from reports.store.schema import tables as t
from tests.drops.person import (
    SAYS_HOW_TO_GO_ON,
    SENT,
    Person,
    asks_for_first_words,
    asks_for_words,
    question,
    seconds_to_read,
    seconds_to_type,
)
from tests.support.app import App

CHANNELS = ("africastalking", "ussd", "kannel")
MAX_SCREENS = 60  # of one call; nobody presses more keys
HANGS_UP = 0.3
CALLS = 4  # at most: the first, and three more
NEXT_CALL = (10, 60)  # seconds until the same person dials again
TOLD = 0.5  # share of the drops that the network reports to us
LONG_AFTER = 40 * 60  # seconds: by then all pending rows are due, and every session has expired


@dataclass(frozen=True)
class Limit:
    """Seconds that a network waits for a reply, and for the end of a call."""

    reply: float
    call: float


@dataclass(frozen=True)
class DropConditions:
    """Conditions of a run. `chance`: of a drop at each screen. `limit`: of the network, if it has one.

    `bad_screen`: beginning of a screen at which reporters hang up for good, with a chance of `HANGS_UP`. `dial_again`:
    the share of those cut off while typing who dial again to add the rest, if a screen has said how.
    """

    chance: float
    words_before: bool
    limit: Limit | None = None
    bad_screen: str = ""
    dial_again: float = 0.0


@dataclass(frozen=True)
class Outcome:
    in_danger: bool
    sent: int  # complete reports of this reporter
    saw_sent: bool
    rescued: bool  # submitted as incomplete, and never sent
    some_words: bool  # with the first words that the reporter typed
    words: bool  # with all words that the reporter typed
    foreign: bool  # with words that another reporter typed
    dropped: int  # dropped calls
    screens: int  # until Sent was shown, over all calls
    seconds: float  # until Sent was shown, including the time between calls
    steps: Mapping[str, int]  # counts of web's statistics


class Dropped(Exception):
    pass


class HungUp(Exception):
    """Raised if the reporter does not want to continue."""


class Caller:
    def __init__(
        self, app: App, person: Person, conditions: DropConditions, chance: random.Random, clock: Clock
    ) -> None:
        self._app, self._person, self._conditions, self._chance, self._clock = app, person, conditions, chance, clock
        self._phone = app.ussd(person.phone, chance.choice(CHANNELS))
        self._screens = self._dropped = 0
        self._saw_sent = self._knows_how_to_go_on = False
        self._pieces = [person.words]  # as typed last
        self._left: list[str] = []  # pieces that no screen has confirmed as added
        self._told = (0, 0.0)  # screens and seconds until Sent was shown

    def call(self) -> None:
        """Dial until Sent is shown; then perhaps dial again to add words that were cut off, if a screen said how."""
        self._began = self._clock.now
        for n in range(CALLS):
            if n:
                self._clock.wait(self._chance.uniform(*NEXT_CALL))
            try:
                self._one_call()
            except HungUp:
                return
            except Dropped:
                self._dropped += 1
                if self._chance.random() < TOLD:
                    self._phone.drop_call()
            if self._saw_sent and not self._dials_again():
                return

    def _dials_again(self) -> bool:
        return bool(self._left) and self._knows_how_to_go_on and self._person.patience < self._conditions.dial_again

    def _one_call(self) -> None:
        self._dialled = self._clock.now
        later = self._saw_sent
        screen = self._receive(self._phone.dial().text)
        for _ in range(MAX_SCREENS):
            if asks_for_first_words(screen):
                self._pieces = self._person.pieces(screen)
                self._left = list(self._pieces)
            typing = asks_for_words(screen) and bool(self._left)
            other = self._person.reply_later if later and not typing else self._person.reply
            reply = self._left[0] if typing else other(screen)
            after_send = self._saw_sent and asks_for_words(screen)
            self._take(seconds_to_type(screen, reply))
            screen = self._receive(self._phone.type(reply).text)
            if typing:
                self._left.pop(0)
            if self._saw_sent and (self._conditions.words_before or (after_send and not self._left)):
                return
        raise AssertionError(f"{MAX_SCREENS} screens, and no end: {screen!r}")

    def _receive(self, screen: str) -> str:
        """Read a screen and return it. Half of the drops happen before it is shown, half while it is read."""
        drops = self._chance.random() < self._conditions.chance
        if drops and self._chance.random() < 0.5:
            raise Dropped
        self._screens += 1
        self._shown = self._clock.now
        bad_screen = self._conditions.bad_screen
        if bad_screen and question(screen).startswith(bad_screen) and self._chance.random() < HANGS_UP:
            raise HungUp
        if question(screen).startswith(SENT) and not self._saw_sent:
            self._saw_sent = True
            self._told = self._screens, self._clock.now - self._began
        if drops:
            raise Dropped
        self._take(seconds_to_read(screen))
        self._knows_how_to_go_on |= SAYS_HOW_TO_GO_ON in screen
        return screen

    def _take(self, seconds: float) -> None:
        """Spend time with a screen open; the network may end the call meanwhile."""
        limit = self._conditions.limit
        if limit is not None:
            left = min(self._shown + limit.reply, self._dialled + limit.call) - self._clock.now
            if left < seconds:
                self._clock.wait(max(left, 0))
                raise Dropped
        self._clock.wait(seconds)

    def outcome(self) -> Outcome:
        """Return what hotlines have of this reporter after all pending rows were due."""
        steps = self._steps()
        self._clock.wait(LONG_AFTER)
        with redis.Redis.from_url(self._app.plan.settings["REDIS_URL"]) as client:
            client.flushall()  # Redis does not follow the test's clock: by now all its keys have expired
        while ripe := pending_submissions.list_due(self._app.database):
            for origin_key in ripe:
                pending_submissions.submit_due(self._app.database, origin_key)
        reports = self._reports()
        ids = [row.report_id for row in reports]
        told = [json.dumps(kept.data) for kept in (*self._app.bodies(ids), *self._app.messages(ids))]
        sent = sum(row.completeness == "complete" for row in reports)
        screens, seconds = self._told
        return Outcome(
            in_danger=self._person.danger == "Now",
            sent=sent,
            saw_sent=self._saw_sent,
            rescued=bool(reports) and not sent,
            some_words=any(self._person.mark in body for body in told),
            words=all(any(piece in body for body in told) for piece in self._pieces),
            foreign=any("It happens" in body and self._person.mark not in body for body in told),
            dropped=self._dropped,
            screens=screens,
            seconds=seconds,
            steps=steps,
        )

    def _steps(self) -> Counter[str]:
        sessions, days = self._app.parts.sessions, {day_of(int(self._began)), day_of(int(self._clock.now))}
        counted: Counter[str] = Counter()
        for day in days:
            counted.update({name.partition(" ")[2]: number for name, number in sessions.counted(day).items()})
        return counted

    def _reports(self) -> list[Any]:
        since = int(self._began * 1_000_000)
        with self._app.database.read() as connection:
            return list(connection.execute(select(t.report).where(t.report.c.created_at >= since)))


class Clock:
    """The app's clock, which only moves in `wait`."""

    def __init__(self, traveller: time_machine.Traveller, now: float) -> None:
        self._traveller, self.now = traveller, now
        self.wait(0)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._traveller.move_to(self.now, tick=False)
