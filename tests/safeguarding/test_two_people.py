"""Two people, one phone: random paths. The second sees nothing of the first, byte for byte (S-04, X-01).

The second person acts as on a phone that never reported, and sees the same screens. Each style of network: whether it
reports the end of a call, whether it names an operation, how it writes a dial.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.safeguarding.call_paths import IN_DANGER, TO_SEND, TO_SEND_SMS, TO_SENT
from tests.safeguarding.second_person import RelayedTexts
from tests.support.app import App
from tests.support.handsets import AfricasTalking, JsonUssd
from tests.support.handsets_kannel import KannelTexts, KannelUssd, kannel_asks, kannel_says
from tests.support.handsets_twilio import TwilioTexts
from tests.support.twilio import Account

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-04"), pytest.mark.rule("X-01")]

FEW, MANY = 12, 200  # paths of one style: in the suite, and by `make faults`
WORDS = "Zorrovik waits for me behind the shop"
OWN_CODE = re.compile(r"\d{4}( \d{4})?(?=\n|, |\. )")
CODE = "*111*163#"
DIALS = (CODE, "*111*163", "111*163#", "111*163", "163", "*163#", "")
ODD = ("x", "9", "98", "", "7", "hm", "0", "1")
KEYS = ("1", "2", "3", "4", "5", "0", "98", "x", "1", "1")


# Calls


@dataclass
class CodeAsText(AfricasTalking):
    """A network that sends the dialled code as the first text of each session."""

    def dial(self) -> Any:
        super().dial()
        return super().type(self.code)


@dataclass
class EventlessUssd(JsonUssd):
    """A network that names no event; each call has a new session id, and the code is the first text."""

    def dial(self) -> Any:
        self.session, self.turn = f"e{random.random()}", 0  # only an id
        return self.type(self.code)

    def _post(self, said: dict[str, object]) -> dict[str, object]:
        return super()._post({**said, "event": "close" if said["event"] == "close" else ""})


@dataclass
class TextOnlyKannel:
    """Kannel on a network that sends only numbers and text."""

    app: App
    phone: str
    dials: str

    def dial(self) -> str:
        return self.type(self.dials)

    def type(self, reply: str) -> str:
        endpoint = f"/hooks/kannel/{self.app.plan.secrets.kannel}/ussd"
        answer = kannel_asks(self.app.http, endpoint, kannel_says(self.phone, CODE, reply))
        assert answer.status_code == 200
        return answer.content.decode()

    def drop_call(self) -> None:
        """Do nothing: this network does not report the end of a call."""


@dataclass
class SessionByteKannel(KannelUssd):
    """A network whose session byte alone separates one call from the next."""

    def _meta(self, operation: int, *, ended: bool = False) -> str:
        pairs = super()._meta(operation, ended=ended).removeprefix("?smpp?").strip("&").split("&")
        return "?smpp?" + "&".join(one for one in pairs if not one.startswith("ussd_service_op"))


def path(kind: type[AfricasTalking]) -> Callable[[App, str, random.Random], Any]:
    return lambda app, phone, _: kind("", app.plan.secrets.africastalking, phone, CODE, http=app.http)


def json_ussd(kind: type[JsonUssd]) -> Callable[[App, str, random.Random], Any]:
    return lambda app, phone, _: kind(f"/hooks/ussd/{app.plan.secrets.ussd}", phone, CODE, http=app.http)


def kannel(kind: type[KannelUssd]) -> Callable[[App, str, random.Random], Any]:
    return lambda app, phone, _: kind(f"/hooks/kannel/{app.plan.secrets.kannel}/ussd", phone, CODE, http=app.http)


def spoken(channel: str) -> Callable[[App, str, random.Random], Any]:
    return lambda app, phone, _: app.ussd(phone, channel)


CALLS: dict[str, Callable[[App, str, random.Random], Any]] = {
    "africastalking": path(AfricasTalking),
    "africastalking, code as text": path(CodeAsText),
    "ussd": json_ussd(JsonUssd),
    "ussd, no event, code as text": json_ussd(EventlessUssd),
    "kannel": kannel(KannelUssd),
    "kannel, no operation": kannel(SessionByteKannel),
    "twilio_voice": spoken("twilio_voice"),
    "africastalking_voice": spoken("africastalking_voice"),
    "kannel, nothing but text": lambda app, phone, chance: TextOnlyKannel(app, phone, chance.choice(DIALS)),
}


def shown(seen: Any) -> str:
    return seen if isinstance(seen, str) else seen.text


def first_call(call: Any, chance: random.Random, *, gone: bool) -> None:
    """Make a call that may reach Send, with some invalid replies, and end it in one of several ways."""
    way = list(chance.choice((TO_SENT, TO_SENT, (*IN_DANGER, "Send"), (*TO_SENT, WORDS), TO_SEND)))
    if chance.random() < 0.4:
        del way[chance.randrange(1, len(way)) :]
    for _ in range(chance.randrange(3)):
        way.insert(chance.randrange(1, len(way) + 1), chance.choice(ODD))
    if chance.random() < 0.3:
        way.append(chance.choice(("0", "00")))
    seen = call.dial()
    for reply in way:
        seen = call.type(reply)
        if not getattr(seen, "expects_reply", True):
            return
    if gone:
        call.drop_call()


def looks(call: Any, replies: Sequence[str]) -> list[str]:
    seen = [shown(call.dial())]
    for reply in replies:
        answer = call.type(reply)
        seen.append(OWN_CODE.sub("-", shown(answer)))
        if not getattr(answer, "expects_reply", True) or shown(answer) == "Thank you. Goodbye.":
            break
    return seen


def second_replies(chance: random.Random) -> list[str]:
    way = list(chance.choice((TO_SENT, TO_SEND, IN_DANGER, ("My report", "48219303", "7350"), ("2", "1"), ("4",), ())))
    return [*way, *(chance.choice(KEYS) for _ in range(chance.randrange(6)))]


def calls(app: App, style: str, seeds: range, *, gone: bool) -> None:
    for seed in seeds:
        chance = random.Random(f"{style} {gone} {seed}")  # the same paths each time
        used, fresh = f"+67855{seed:05}", f"+67856{seed:05}"
        first_call(CALLS[style](app, used, chance), chance, gone=gone)
        for _ in range(chance.randrange(1, 3)):
            replies, state = second_replies(chance), chance.getstate()
            expected = looks(CALLS[style](app, fresh, chance), replies)
            chance.setstate(state)
            assert looks(CALLS[style](app, used, chance), replies) == expected, (style, gone, seed, replies)


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("gone", [True, False], ids=["told that it is gone", "told nothing"])
@pytest.mark.parametrize("style", CALLS)
def test_by_call(app: App, style: str, gone: bool) -> None:
    calls(app, style, range(FEW), gone=gone)


@pytest.mark.product(parts=2)
@pytest.mark.faults
@pytest.mark.parametrize("gone", [True, False], ids=["told that it is gone", "told nothing"])
@pytest.mark.parametrize("style", CALLS)
def test_many_by_call(app: App, style: str, gone: bool) -> None:
    calls(app, style, range(MANY), gone=gone)


# SMS


@dataclass
class SmsInbox:
    """The SMS of one SIM, over one provider: `text` returns the reply, "" if none came."""

    phone: Any
    seen: list[str] = field(default_factory=list)

    def text(self, words: str) -> str:
        had = len(self.phone.replies())
        self.phone.text(words)
        new = self.phone.replies()[had:]
        return new[-1] if new else ""


TEXTS: dict[str, Callable[[App, str], Any]] = {
    "africastalking": RelayedTexts,
    "kannel": lambda app, phone: KannelTexts(
        f"/hooks/kannel/{app.plan.secrets.kannel}/sms", phone, "163", http=app.http
    ),
    "twilio": lambda app, phone: TwilioTexts(
        "",
        Account(app.plan.secrets.twilio_account, app.plan.secrets.twilio),
        phone,
        "163",
        public=app.plan.settings["PUBLIC_URL"],
        http=app.http,
    ),
}
AFTER_SEND = ((), ("2",), ("0",), ("2", "0"))
SHORT = ("hi", "ok", "?", "who", "hello", "HELP", "TIPS", "LAW", "halo")
ANY = (*SHORT, "1", "2", "3", "0", "00", "Is there anything on this phone?")
TOUR = (TO_SEND_SMS, ("REPORT", *IN_DANGER[1:]), ("CODE", "48219303", "7350"), ("TIPS", "2", "1"), ("LAW",), ())


def texts(app: App, style: str, seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(f"{style} {seed}")  # the same paths each time
        used, fresh = (SmsInbox(TEXTS[style](app, f"+6785{n}{seed:05}")) for n in (7, 8))
        way, waits = _first_texts(chance)
        for words in ("hello", *way):
            used.text(words)
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=31 * 60 if waits else 5), tick=True):
            replies = [chance.choice(ANY if waits else SHORT), *chance.choice(TOUR)]
            replies += [chance.choice(KEYS) for _ in range(chance.randrange(5))]
            expected = [OWN_CODE.sub("-", fresh.text(words)) for words in replies]
            assert [OWN_CODE.sub("-", used.text(words)) for words in replies] == expected, (style, seed, way, replies)


def _first_texts(chance: random.Random) -> tuple[tuple[str, ...], bool]:
    """Return the first person's texts, and whether half an hour must pass: not after Send or leaving."""
    if chance.random() < 0.5:
        return (*TO_SEND_SMS, "Send", *chance.choice(AFTER_SEND)), False
    way = list(chance.choice((TO_SEND_SMS, (*TO_SEND_SMS, "Send", "1"), ("REPORT", *IN_DANGER[1:]))))
    if chance.random() < 0.3:
        return (*way[: chance.randrange(1, 7)], "00"), False
    del way[chance.randrange(1, len(way) + 1) :]
    way.insert(chance.randrange(1, len(way) + 1), chance.choice(("x", WORDS, "1", "HELP")))
    return tuple(way), True


@pytest.mark.parametrize("style", TEXTS)
def test_by_sms(app: App, style: str) -> None:
    texts(app, style, range(FEW))


@pytest.mark.faults
@pytest.mark.parametrize("style", TEXTS)
def test_many_by_sms(app: App, style: str) -> None:
    texts(app, style, range(MANY))
