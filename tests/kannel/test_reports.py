"""Whole reports from a phone through the real Kannel to the hotline, and faults on the way."""

from __future__ import annotations

import itertools
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.kannel.application import Application, Reply
from tests.kannel.conftest import BY_GET, SOON, Served
from tests.support.installation import Installation
from tests.support.kannel import Kannel
from tests.support.wait import until

pytestmark = pytest.mark.slow

NUMBERS = itertools.count(5_550_601)
CODE = "163"
WORDS = "Tēnā, they wait at the gate 😀"
TO_SEND = ("hi", "1", "No", "Bullying, threats", "Me", "13-15", "Shefa", WORDS, "No")


@dataclass
class Phone:
    """A person's phone: for each text fakesmsc runs once, and stays connected until the reply has come."""

    kannel: Kannel
    number: str

    def say(self, words: str) -> str:
        """Send a text and return its reply, which must be ASCII: Kannel's log gives its length."""
        had = len(self.kannel.sent())
        with self.kannel.phone(self.number, CODE, payload(words)) as phone:
            until(lambda: len(self.kannel.sent()) > had, f"no reply to {words!r}", 40)
            until(lambda: [len(text) for text in phone.texts()] == self.kannel.sent()[had:], f"not whole: {words!r}")
            return phone.texts()[0]

    def walk(self, *replies: str) -> str:
        """Answer each screen by its key; by its label where the key would be that of the answer before.

        This phone answers within a second, and the same key so soon would show the screen again.
        """
        screen, last = "", ""
        for reply in replies:
            text = key(screen, reply)
            screen = self.say(reply if text == last else text)
            last = text
        return screen


def payload(words: str) -> str:
    return f"text {words}" if words.isascii() else "ucs2 " + quote(words.encode("utf-16-be"))


def key(screen: str, label: str) -> str:
    """Return the digit beside a label, so that a changed number breaks nothing; else the label itself."""
    found = re.search(rf"^(\d+) {re.escape(label)}$", screen, re.MULTILINE)
    return found[1] if found else label


def a_phone(kannel: Kannel) -> Phone:
    return Phone(kannel, f"678{next(NUMBERS)}")


def reports(installation: Installation, words: str = WORDS) -> list[dict[str, Any]]:
    return [line for line in installation.received() if line["body"]["data"].get("narrative") == words]


def test_a_whole_report(served: Served) -> None:
    phone = a_phone(served.kannel)
    before = len(reports(served.installation))
    assert phone.walk(*TO_SEND, "Send").startswith("Sent to Pikinini Helpline.")
    served.installation.until_received(
        lambda _: len(reports(served.installation)) == before + 1, "the report never came"
    )
    data = reports(served.installation)[-1]["body"]["data"]
    assert (data["channel"], data["country"], data["completeness"]) == ("sms", "VU", "complete")


def test_by_get_too(served: Served) -> None:
    """All fields are in the query, as in Kannel's kannel.conf.example; we do not recommend this."""
    installation = served.installation
    with Kannel(web=installation.web, token=installation.token("kannel"), changes=BY_GET) as kannel:
        phone = a_phone(kannel)
        before = len(reports(installation))
        assert phone.walk(*TO_SEND, "Send").startswith("Sent to Pikinini Helpline.")
        installation.until_received(lambda _: len(reports(installation)) == before + 1, "the report never came")


@pytest.mark.rule("B-46")
def test_an_answer_that_was_lost_makes_no_second_report(served: Served, application: Application) -> None:
    """Tokaut processes each text, but Kannel gets 503 twice and repeats the request."""
    installation = served.installation
    application.before, application.then = installation.web, None
    with Kannel(web=application.url, token=installation.token("kannel"), changes=SOON) as kannel:
        phone = a_phone(kannel)
        before = len(reports(installation))
        phone.walk(*TO_SEND)
        application.calls.clear()
        application.replies = [Reply(503), Reply(503)]
        sent = phone.say("Send")
        assert sent.startswith("Sent to Pikinini Helpline.")
        assert len(application.calls) == 3
        assert len({call.query["id"] for call in application.calls}) == 1
        phone.say("2")  # one screen further, not three
        installation.until_received(lambda _: len(reports(installation)) == before + 1, "the report never came")
        until(lambda: is_quiet(installation), "something is still due")
        assert len({one["body"]["data"]["report_id"] for one in reports(installation)[before:]}) == 1


def test_web_away_and_back(served: Served) -> None:
    """A text waits in smsbox meanwhile, and is answered once."""
    phone = a_phone(served.kannel)
    phone.walk(*TO_SEND[:2])
    served.installation.kill("web")
    had = len(served.kannel.received())
    with served.kannel.phone(phone.number, CODE, "text 3") as texting:
        until(lambda: len(served.kannel.received()) > had, "the text is not with Kannel")
        served.installation.start("web")
        served.installation.until_web_answers()
        texting.until_received(1, 40)
        until(lambda: "What happened?" in texting.texts()[0], "another screen")
        assert len(texting.parts()) == 1


def test_a_text_that_met_no_redis_is_answered_by_sendsms(served: Served) -> None:
    """The text is stored and gets 200; when Redis is back, a worker sends the reply, and Kannel sends a DLR."""
    installation = served.installation
    number = a_phone(served.kannel).number
    installation.kill("valkey")
    with served.kannel.phone(number, CODE, "text hi") as texting:
        until(
            lambda: bool(rows(installation, "SELECT 1 FROM inbound WHERE waiting IS NOT NULL")), "the text is not kept"
        )
        assert texting.parts() == []
        installation.start("valkey")
        texting.until_received(1, 60)
        assert texting.parts()[0].text.startswith("In danger?")
        status = "SELECT status FROM outgoing WHERE channel = 'kannel' ORDER BY created_at DESC LIMIT 1"
        until(
            lambda: rows(installation, status) == [("delivered",)],
            f"no delivery report: {rows(installation, status)}",
            30,
        )


def test_smsbox_killed(served: Served) -> None:
    """A text sent while smsbox is down is answered as usual."""
    phone = a_phone(served.kannel)
    phone.walk(*TO_SEND[:2])
    served.kannel.kill("smsbox")
    with served.kannel.phone(phone.number, CODE, "text 3") as texting:  # bearerbox stores it meanwhile
        until(lambda: "1 queued" in served.kannel.status(), "not queued")
        served.kannel.start("smsbox")
        texting.until_received(1, 40)
        until(lambda: "What happened?" in texting.texts()[0], "another screen")


def is_quiet(installation: Installation) -> bool:
    return rows(installation, "SELECT 1 FROM delivery WHERE state = 'due'") == []


def rows(installation: Installation, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(installation.plan.folder.inside / "tokaut.db", timeout=10)) as connection:
        return connection.execute(query).fetchall()
