"""Two reporters at once who type anything, in any country, language and channel, and whose calls drop at random.

Each answer fits its channel, shows nobody's words and offers a way on or out, and web counts no error.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from flows.pagination import ScreenLimit, fits
from reports.countries.country import Country, load_countries
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import CHANNELS, dialled, police
from tests.support.app import App

NAMES = ("au", "ck", "et", "fj", "fm", "gh", "ke", "ki", "mh", "mw", "ng", "nr", "nz", "pg", "pw", "rw", "sb", "to",
         "tv", "tz", "ug", "vu", "ws", "za", "zm")  # fmt: skip
EVERYWHERE = {"COUNTRIES": ",".join(NAMES), "TOKAUT_DRAFT_LANGUAGES": "bi,fj,fr,pis,sm,sw,to,tpi"}
COUNTRIES = load_countries(NAMES, "demo").all
NUMBERS = itertools.count(1)
FAULTS = ("request_errors", "sessions_unreadable", "replays_failed", "requests_without_redis")  # web's error counters
MARK = re.compile(r"qx[ab]\d+")
KEYS = ("1", "1", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "98", "00")
ODD = ("", " ", "01", "001", "１", "١", "-1", "1.5", "1*1", "*", "#", "99", "1 ", "yes", "STOP", "HELP", "TIPS", "CODE",
       "back", "Leave", "1 Report", "\0", "\u202e1", "\u200b", "🐢", "é" * 90, "9" * 4301, "48219303", "7350",
       "%00", "{narrative}", "\r\n1", "halo", "mauri")  # fmt: skip


@dataclass
class Person:
    """A reporter. `mark` is part of everything that this person types as words."""

    app: App
    mark: str
    number: str
    country: Country
    channel: str
    call: Any = None
    texts: Any = None
    seen: Any = None  # the last screen of an open call
    said: str = ""
    thread: list[str] = field(default_factory=list)

    @property
    def limit(self) -> ScreenLimit:
        return ScreenLimit(*self.app.parts.webhooks.channels[self.channel].limits["ussd"])


persons = st.integers(0, 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


class AnyKeys(RuleBasedStateMachine):
    """The state machine. The test that runs it sets `app` and `count`."""

    app: App

    @initialize(
        places=st.lists(st.sampled_from(range(len(COUNTRIES))), min_size=2, max_size=2),
        channels=st.lists(st.sampled_from(CHANNELS), min_size=2, max_size=2),
        language=st.integers(1, 4),
    )
    def meet(self, places: list[int], channels: list[str], language: int) -> None:
        n = next(NUMBERS)
        self.people = [
            Person(self.app, f"qx{'ab'[who]}{n}", f"+67855{n % 10_000:04}{who}", COUNTRIES[place], channel)
            for who, (place, channel) in enumerate(zip(places, channels, strict=True))
        ]
        self.failed = self._failed()
        for person in self.people:
            self._dial(person)
            if language > 1:
                self._type(person, "5")
                self._type(person, str(language))

    @rule(who=persons)
    def dial_again(self, who: int) -> None:
        self._dial(self.people[who])

    @rule(who=persons, key=st.sampled_from(KEYS))
    def press(self, who: int, key: str) -> None:
        self._type(self.people[who], key)

    @rule(who=persons, n=st.integers(0, 8))
    def choose(self, who: int, n: int) -> None:
        """Press one of the keys that the screen offers."""
        person = self.people[who]
        keys = re.findall(r"^(\d+) ", person.seen.text if person.seen else "", re.MULTILINE)
        self._type(person, keys[n % len(keys)] if keys else "1")

    @rule(who=persons, keys=st.lists(st.sampled_from("123"), min_size=3, max_size=8))
    def press_fast(self, who: int, keys: list[str]) -> None:
        for key in keys:
            self._type(self.people[who], key)

    @rule(who=persons, odd=st.sampled_from(ODD))
    def type_something_odd(self, who: int, odd: str) -> None:
        self._type(self.people[who], odd)

    @rule(who=persons, more=words)
    def type_words(self, who: int, more: str) -> None:
        person = self.people[who]
        self._type(person, f"{more} these are my words {person.mark} {more}")

    @rule(who=persons)
    def type_very_long(self, who: int) -> None:
        person = self.people[who]
        self._type(person, f"{person.mark} it happens every day, " * 40)  # repeated in each later request

    @rule(who=persons)
    def come_twice(self, who: int) -> None:
        """Repeat the last request, as the network may: the answer is the same, byte for byte."""
        person = self.people[who]
        if person.seen:
            assert person.call.again().text == person.seen.text

    @rule(who=persons)
    def lose_the_line(self, who: int) -> None:
        person = self.people[who]
        if person.seen:
            person.call.drop_call()
            person.seen = None

    @rule(who=persons, said=st.one_of(st.sampled_from((*KEYS, *ODD)), words.map(lambda more: f"{more} my own words")))
    def text(self, who: int, said: str) -> None:
        person = self.people[who]
        said = f"{said} {person.mark}" if said.endswith("words") else said
        had = len(person.texts.replies()) if person.texts else 0
        person.texts = person.texts or self.app.sms(person.number, dialled(person.country, "sms"))
        person.texts.text(said)
        new = person.texts.replies()[had:]
        assert len(new) <= 1
        for reply in new:
            self._look(person, reply, ScreenLimit(160, 70, 0))

    @rule()
    def the_clock_looks(self) -> None:
        self.app.submit_due_within(180)

    def teardown(self) -> None:
        """Check that 00 leaves every call, and that no report contains words of two reporters."""
        for person in getattr(self, "people", ()):
            if person.seen:
                left = person.call.type("00")
                assert not left.expects_reply, f"00 does not leave {person.seen.text!r}"
            home = self.app.ussd(person.number, person.channel, dialled(person.country, "ussd")).dial()
            assert police(person.country) in home.text
        self.app.submit_due_within(1900)
        for kept in self.app.bodies():
            marks = set(MARK.findall(json.dumps(kept.data)))
            assert len(marks) <= 1, f"words of two callers in one report: {marks}"
        with self.app.database.write() as connection:
            for table in (t.delivery, t.route, t.report_body, t.pending):
                connection.execute(table.delete())

    def _dial(self, person: Person) -> None:
        person.call = self.app.ussd(person.number, person.channel, dialled(person.country, "ussd"))
        person.seen = person.call.dial()
        assert police(person.country) in person.seen.text, "the first screen has no number to call in danger"
        self._look(person, person.seen.text, person.limit)

    def _type(self, person: Person, reply: str) -> None:
        if person.seen is None:
            self._dial(person)
        if person.channel == "africastalking" and reply != "*":
            reply = reply.replace("*", "+")  # a star separates replies of a path; test_redis_back.py types one
        before = person.seen
        seen = person.call.type(reply)
        self._look(person, seen.text, person.limit)
        assert not seen.text.startswith("Not working now"), (before.text, reply)
        if seen.expects_reply:
            assert re.search(r"^0 ", seen.text, re.MULTILINE) or "00 " in seen.text, f"no way back from {seen.text!r}"
        person.seen = seen if seen.expects_reply else None

    def _look(self, person: Person, text: str, limit: ScreenLimit) -> None:
        assert fits(text, limit), f"{person.channel}: {text!r}"
        assert not MARK.search(text), f"somebody's words on a screen: {text!r}"
        assert "{" not in text, text
        assert self._failed() == self.failed, "a fault of ours; the log says which"

    def _failed(self) -> dict[str, float]:
        counters = self.app.parts.metrics._counters
        return {name: counters[name]._value.get() for name in FAULTS}
