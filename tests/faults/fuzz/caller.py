"""One random conversation at a webhook, or one random request. Only seed and number determine it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Sequence

from flows import catalogues
from flows.catalogues import ENGLISH_CATALOGUE
from tests.faults.fuzz import generators
from tests.faults.fuzz.counts import LATER, FuzzCounts
from tests.faults.fuzz.raw_connection import Answer, RawConnection
from tests.faults.fuzz.stored_words import SentWords
from tests.faults.fuzz.webhooks import SMS_CODE, USSD_CODE, ReporterInput, Webhook

SAFE_KEYS = ("1", "3", "4", "5", "6", "7", "8")  # none of them deletes; after *My report* 1 leaves
LANGUAGES = (ENGLISH_CATALOGUE, *catalogues.shipped().values())  # some callers choose another one
# Who leaves takes back all words but those that were added.
GOODBYES = frozenset(language.translate("Thank you. Goodbye.") for language in LANGUAGES)
ADDED = frozenset(language.translate("Added. You can write more.").partition(".")[0] for language in LANGUAGES)
MAX_TURNS = {"ussd": 9, "sms": 4}  # after five replies without progress a sender is treated as a machine
MAX_TRIES = 6  # within about twenty seconds
SENDERS = ("", "anonymous", "MTN", "1234", "f" * 64, "+254711000111", "006785550101", "x" * 129, "\u202e", "+")


class Caller:
    """A sender of random requests."""

    def __init__(self, counts: FuzzCounts, ways: Sequence[Webhook], line: RawConnection, mark: str) -> None:
        number = counts.next()
        self._tally = counts
        self._ways = ways
        self._line = line
        self._mark = f"{mark}{number}"
        self._chance = random.Random(f"fuzz {counts.seed} {number}")
        self._phone = f"+6785{number % 1_000_000:06d}"

    def call(self) -> None:
        """Have one conversation, or send one request."""
        kind = self._chance.random()
        if kind < 0.3:
            self._is_heard()
        elif kind < 0.7:
            self._talks(damage=self._chance.choice((0.0, 0.5)))
        elif kind < 0.97:
            self._ask(generators.noise(self._chance, self._ways, self._mark), "noise", alone=True)
        else:
            self._ask(generators.garbage(self._chance), "garbage", alone=True)

    def _is_heard(self) -> None:
        """Hold a valid conversation: every word of it must be stored."""
        way = self._chance.choice([way for way in self._ways if way.opens in MAX_TURNS])
        path: list[str] = []
        said: list[str] = []
        told: list[SentWords] = []
        added: list[SentWords] = []
        for turn in range(self._chance.randint(1, MAX_TURNS[way.opens])):
            words = self._chance.random() < 0.4
            text = generators.words(self._chance, f"{self._mark}t{turn}") if words else self._chance.choice(SAFE_KEYS)
            if way.opens == "ussd" and not turn:
                text = ""
            said.append(text)
            path += [text] if turn and way.opens == "ussd" else []
            saying = self._said(way, self._phone, text, path, turn)
            answer = self._ask(way.request(saying).raw(), f"{way.channel} {way.name}")
            if words and text and answer.status in (200, 204):
                code = USSD_CODE if way.opens == "ussd" else SMS_CODE
                told.append(SentWords(text, way.channel, code, way.session(saying), self._phone, tuple(said)))
                added += told[-1:] if _has_one(answer, ADDED) else []
            if way.opens == "ussd" and _is_over(answer):
                told = added if _has_one(answer, GOODBYES) else told
                break
        self._tally.heard(told)

    def _talks(self, *, damage: float) -> None:
        """Send random texts from random numbers; damage some requests."""
        way = self._chance.choice(self._ways)
        phone = self._phone if self._chance.random() < 0.8 else self._chance.choice(SENDERS)
        path: list[str] = []
        for turn in range(self._chance.randint(1, 6)):
            text = generators.reply(self._chance, self._mark) if turn or way.opens == "sms" else ""
            path += [text] if turn else []
            request = way.request(self._said(way, phone, text, path, turn))
            broken = self._chance.random() < damage
            request = generators.damaged(self._chance, request, self._mark) if broken else request
            self._ask(request.raw(), f"{way.channel} {way.name}", alone=broken)

    def _said(self, way: Webhook, phone: str, text: str, path: list[str], turn: int) -> ReporterInput:
        id_ = self._mark if way.opens in ("ussd", "voice") else f"{self._mark}m{turn}"
        return ReporterInput(phone, text, id_, "*".join(path), turn + 1)

    def _ask(self, raw: bytes, what: str, *, alone: bool = False) -> Answer:
        """Send a request; while the answer is 503, send it again as a provider does."""
        for tries in range(MAX_TRIES):
            time.sleep(tries)
            answer = self._line.ask(raw, alone=alone)
            self._tally.note(answer, what)
            if answer.status != LATER:
                return answer
        self._tally.find(f"{answer.status} to {what}, {MAX_TRIES} times", raw)
        return answer


def _has_one(answer: Answer, texts: Iterable[str]) -> bool:
    """Return whether an answer contains one of these texts, as it is or as JSON."""
    return any(text in answer.text or json.dumps(text)[1:-1] in answer.text for text in texts)


def _is_over(answer: Answer) -> bool:
    if b"ussd_service_op=" in answer.head:
        return b"ussd_service_op=2" not in answer.head
    if answer.text.startswith("{"):
        return not json.loads(answer.text)["continue"]
    return not answer.text.startswith("CON ")
