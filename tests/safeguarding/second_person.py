"""Another person has the phone: dials, texts and reads the inbox. The result is all that they see, on each channel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, literal_column, select

from reports.crypto import PrivateKey, SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY, read_private_key
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import IN_DANGER, TO_SEND, TO_SENT
from tests.support.app import App
from tests.support.handsets import COUNTER, READING
from tests.support.handsets_kannel import KannelTexts

# Each is a new call. The first answers are those that a child, and the next person, give most often.
CALLS: tuple[tuple[str, ...], ...] = (
    (*TO_SEND, "Leave one out", "0", "9"),
    (*IN_DANGER, "Leave one out", "0", "9"),
    ("Report", "Now", "Go on", "Hurt, touched, forced", "Tafea", "My child", "No"),
    ("My report", "48219303", "7350", "Try again", "12345678", "0000", "0"),
    ("My report", "1", "Nothing is wrong", "on this phone", "1"),
    ("Safety tips", "2", "1", "98", "1", "0", "0"),
    ("Safety tips", "4", "9", "1", "1", "1", "0"),
    ("Law", "98", "1"),
    ("5", "2", "1", "00"),
    ("hm", "9", "Is there anything on this phone?", "1", "1", "00"),
    (*TO_SENT, "Nothing at all", "0"),
    (*TO_SENT, "1", "1", "0", "0", "0", "0"),
    (*IN_DANGER, "Send", "0"),
    (),
)
NOSY = ("hi", "hm", "eh", "who")  # no answers, because a phone that has been silent gets a reply to each
TEXTS = (
    *("1", *TO_SEND[1:-1], "Nothing at all", TO_SEND[-1], "Leave one out", "0", "9"),
    *("REPORT", "1", *IN_DANGER[1:-1], "1", IN_DANGER[-1], "9"),
    *("CODE", "3", "48219303", "7350", "0", "HELP", "TIPS", "2", "1", "98", "00"),
    *("LAW", "4", "1", "0", "00", "Nothing is wrong on this phone at all", "00", "STOP", "hi", "00"),
)
_ROWID = literal_column("rowid")
_NEW = select(t.outgoing, _ROWID).where(bindparam("until") < _ROWID).order_by(_ROWID)
_ONLY_NOW = re.compile(r"\d{4}( \d{4})?(?=\n|, |\. )")


@dataclass
class RelayedTexts:
    """SMS over Africa's Talking. The reply is a sealed row that the worker sends; the phone gets its text."""

    app: App
    phone: str
    code: str = "163"
    received: list[str] = field(default_factory=list)
    until: int = 0  # rows read so far

    def text(self, words: str) -> None:
        date = (datetime.now(UTC) + READING).strftime("%Y-%m-%dT%H:%M:%SZ")
        form = {"from": self.phone, "to": self.code, "text": words, "date": date, "id": f"ATXid_{next(COUNTER)}"}
        door = f"/hooks/africastalking/{self.app.plan.secrets.africastalking}/sms"
        assert self.app.http.post(door, data=form).status_code == 200

    def replies(self) -> list[str]:
        for row in self._new():
            body = self._opened(row)
            if body["to"] == self.phone:
                self.received.append(body["text"])
        return self.received

    def _new(self) -> list[Any]:
        """Return new rows in the order of writing: the clock of another phone's test may be ahead."""
        with self.app.database.read() as connection:
            rows = list(connection.execute(_NEW, {"until": self.until}))
        self.until = rows[-1].rowid if rows else self.until
        return rows

    def _opened(self, row: Any) -> Any:
        context = SealContext(self.app.plan.settings["TOKAUT_MODE"], row.id, 1, SENDER_KEY)
        return json.loads(_opened(self.app.keys, context, SealedBody(row.key_id, row.wrap, b"", row.sealed)))


@cache
def _opened(keys: Path, context: SealContext, body: SealedBody) -> bytes:
    """Decrypt each row once, however often a phone is looked at."""
    return open_body(_private(keys, body.key_id), context, body)


@cache
def _private(keys: Path, key_id: str) -> PrivateKey:
    return read_private_key(keys, SENDER_KEY, key_id)


@dataclass
class SharedPhone:
    """One SIM, used by several people. `inbox`: every SMS that it received."""

    app: App
    number: str
    ussd: str = "africastalking"  # channel of its calls
    sms: str = "simulator"
    call: Any = None

    def __post_init__(self) -> None:
        secret = self.app.plan.secrets.kannel
        if self.sms == "africastalking":
            self.thread: Any = RelayedTexts(self.app, self.number)
        elif self.sms == "kannel":
            self.thread = KannelTexts(f"/hooks/kannel/{secret}/sms", self.number, "163", http=self.app.http)
        elif self.sms == "simulator":
            self.thread = self.app.sms(self.number)
        else:
            raise NotImplementedError(f"no phone of tests texts by {self.sms}: add one to SharedPhone")

    def dial(self, *replies: str) -> list[str]:
        self.call = self.app.ussd(self.number, self.ussd)
        return [self.call.dial().text, *self.type(*replies)]

    def type(self, *replies: str) -> list[str]:
        return [self.call.type(reply).text for reply in replies]

    def texts(self, *texts: str) -> list[str]:
        """Return the reply to each text; "" if none came."""
        return [self._text(text) for text in texts]

    def inbox(self) -> list[str]:
        return list(self.thread.replies())

    def _text(self, text: str) -> str:
        had = len(self.inbox())
        self.thread.text(text)
        new = self.inbox()[had:]
        assert len(new) <= 1, "more than one reply to one text"
        return new[0] if new else ""


def dials(phone: SharedPhone) -> list[str]:
    return [_without_code(screen) for screen in _all(phone)]


def _all(phone: SharedPhone) -> Iterator[str]:
    for replies in CALLS:
        yield from phone.dial(*replies)


def texts(phone: SharedPhone, what: Sequence[str] = (*NOSY, *TEXTS)) -> list[str]:
    return [_without_code(reply) for reply in phone.texts(*what)]


def _without_code(screen: str) -> str:
    """Mask code and PIN: a report that the second person sends has new ones."""
    return _ONLY_NOW.sub("####", screen) if "PIN" in screen else screen
