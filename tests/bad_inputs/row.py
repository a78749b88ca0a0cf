"""One row of a table: its own phone, the endpoints, and the check after every row."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, quote_plus

import requests

from tests.bad_inputs.stored_data import StoredData
from tests.support.handsets import AfricasTalking, AfricasTalkingTexts, JsonUssd
from tests.support.installation import Installation
from tests.support.wait import until

NUMBERS = itertools.count(5_550_200)  # +678 555 0200 and on: nobody has these numbers
CODE = "*111*163#"
REPEATS = 60
HOME = "In danger? Call police 111.\nPikinini Helpline 163, free\n1 Report"
ANYWHERE = "Not working now. In danger? Call the police. Please dial again in 10 minutes."  # no country known
SAFE = "Not working now. In danger? Call police 111. Pikinini Helpline: call 163. Please dial again in 10 minutes."
SORRY = "Sorry, try again."

# Labels instead of numbers, so that a moved choice breaks no row.
TO_CATEGORY = ("Report", "No")
TO_SEND = (*TO_CATEGORY, "Bullying, threats", "Me", "13-15", "Shefa", "No")
TO_SENT = (*TO_SEND, "Send")
TO_WORDS = TO_SENT  # by USSD the words come after Send
TO_WORDS_SMS = ("hi", *TO_SEND[:-1])  # by SMS the words come before Send, and the first text gets the home screen
LABELS = frozenset((*TO_WORDS, "hi", "Now", "Go on", "Done", "Back", "Skip"))


class Row:
    """One row of the tables: a phone, HTTP requests, and their stored results."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.stored_data = StoredData(installation)
        self.phone = self.new_phone()
        self.http = requests.Session()
        self.http.headers["Connection"] = "close"  # web may end an idle connection at the moment of the next request
        self.secrets: set[str] = {self.phone.removeprefix("+")}
        self.reports_before = self.stored_data.report_ids()
        self._logs = self.stored_data.logs()
        self.databases_before = self.stored_data.databases()
        self._failed = self.stored_data.figure("request_errors")

    def close(self) -> None:
        self.http.close()
        self.stored_data.close()

    def new_phone(self) -> str:
        return f"+678{next(NUMBERS)}"

    # Endpoints

    def address(self, path: str) -> str:
        """Return the address of `path`, in which T is replaced by the right token of its channel."""
        channel, slash, rest = path.partition("/")
        token = self.installation.token(channel) if slash else ""
        return f"{self.installation.web}/hooks/{channel}{slash}{rest.replace('T', token, 1)}"

    def post(self, path: str, body: Any = b"", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(self.address(path), data=body, headers=named, timeout=20)

    def form(self, text: str | None, **changes: str | None) -> dict[str, str]:
        """Return Africa's Talking's form; None omits a field."""
        form: dict[str, str | None] = {
            "sessionId": "ATUid_1",
            "phoneNumber": self.phone,
            "networkCode": "99999",
            "serviceCode": CODE,
            "text": text,
        } | changes
        return {name: value for name, value in form.items() if value is not None}

    def ussd(self, text: str | None, **changes: str | None) -> str:
        """Send a request to Africa's Talking's USSD endpoint; return its answer with CON or END."""
        return self.said(self.post("africastalking/T/ussd", self.form(text, **changes)))

    def said(self, answer: requests.Response) -> str:
        assert answer.status_code == 200, answer.status_code
        answer.encoding = "utf-8"
        return answer.text

    def call(self, channel: str = "africastalking", phone: str = "") -> Call:
        return Call(self, self.installation.ussd_phone(channel, phone or self.phone))

    def texts(self) -> TextingPhone:
        phone = self.installation.sms_phone("africastalking", self.phone)
        assert isinstance(phone, AfricasTalkingTexts)
        return TextingPhone(self, phone)

    # Results

    def reports(self) -> list[dict[str, Any]]:
        """Return the newest revision of each report of this row, submitted or pending."""
        return [self.stored_data.body(one) for one in sorted(self.stored_data.report_ids() - self.reports_before)]

    def report(self) -> dict[str, Any]:
        [one] = self.reports()
        return one

    @contextmanager
    def nothing_kept(self) -> Iterator[None]:
        """Check that the block adds no row, key or file; expired ones may disappear."""
        until(self.stored_data.is_quiet, "the installation does not come to rest")
        before = self.stored_data.kept()
        yield
        more = self.stored_data.kept() - before
        assert not more, f"kept: {more}"

    def is_silent(self, words: str) -> None:
        """Register a person's words, which must not be found in clear."""
        self.secrets.add(words)

    # After every row

    def check(self) -> None:
        assert self.stored_data.figure("request_errors") == self._failed, "web met a fault of its own"
        for name, process in self.installation.processes.items():
            assert process.poll() is None, f"{name} has ended"
        next_one = self.ussd("*".join(TO_SENT), sessionId=f"ATUid_n{next(NUMBERS)}", phoneNumber=self.new_phone())
        assert next_one.startswith("CON Sent to Pikinini Helpline."), "the next caller is not served"
        for where, text in self.stored_data.logged(self._logs):
            for mark in (b"Traceback", b"webhook_failed", b"job_failed", b"crashed"):
                assert mark not in text, f"{mark!r} in {where}"
        patterns = {pattern: secret for secret in self.secrets for pattern in _written(secret)}
        for where, held in self.stored_data.everywhere(self.databases_before):
            if where.endswith("-shm"):  # list of SQLite's pages: 49, 50, 51 in two bytes each look like "123" in UTF-16
                continue
            for pattern, secret in patterns.items():
                assert not _stands(pattern, held), f"{secret[:60]!r} stands in {where}"
        self.http.close()
        self.stored_data.close()


class Call:
    """A USSD call whose replies are labels."""

    def __init__(self, row: Row, phone: AfricasTalking | JsonUssd) -> None:
        self._row = row
        self.phone = phone
        self.screen = ""

    def walk(self, *replies: str) -> str:
        """Dial, type each reply, and return the last screen."""
        self.screen = self.phone.dial().text
        for reply in replies:
            self.type(reply)
        return self.screen

    def type(self, reply: str) -> str:
        if reply not in LABELS and len(reply) >= 8:
            self._row.is_silent(reply)
        self.screen = self.phone.type(reply).text
        return self.screen


class TextingPhone:
    """A phone that texts over Africa's Talking."""

    def __init__(self, row: Row, phone: AfricasTalkingTexts) -> None:
        self._row = row
        self.phone = phone

    def walk(self, *texts: str) -> None:
        for text in texts:
            self.send(text)

    def send(self, text: str, **changes: str | None) -> requests.Response:
        """Send an SMS. `changes`: to the provider's form; None omits a field."""
        if text not in LABELS and len(text) >= 8:
            self._row.is_silent(text)
        self.phone.last = {}
        form: Mapping[str, str | None] = {**self._form(text), **changes}
        self.phone.last = {name: value for name, value in form.items() if value is not None}
        return self._row.post("africastalking/T/sms", self.phone.last)

    def until_replied(self, count: int) -> list[str]:
        until(lambda: len(self.phone.replies()) >= count, f"{count} replies never came: {self.phone.replies()}")
        return self.phone.replies()

    def until_at_rest(self) -> list[str]:
        """Wait until no reply is due, and return all replies."""
        until(self._row.stored_data.is_quiet, "texts do not go out")
        return self.phone.replies()

    def _form(self, text: str) -> dict[str, str]:
        return {"from": self.phone.phone, "to": self.phone.code, "text": text, "id": f"ATXid_b{next(NUMBERS)}"}


def choices(screen: str) -> list[str]:
    """Return the lines that a key chooses, without "00 Leave": a full screen drops it for "Sorry, try again."."""
    lines = [line.removeprefix("CON ") for line in screen.split("\n")]
    return [line for line in lines if re.match(r"[1-9]\d? |0 ", line)]


def _stands(pattern: bytes, held: bytes) -> bool:
    """Return whether `held` contains the needle; digits must not be part of a longer number."""
    if pattern not in held or not pattern.isdigit():
        return pattern in held
    return re.search(rb"(?<!\d)" + pattern + rb"(?!\d)", held) is not None


def _written(secret: str) -> set[bytes]:
    """Return the encodings in which a program might write the secret."""
    raw = secret.encode("utf-8", "surrogatepass")
    escaped = json.dumps(secret)[1:-1].encode()
    utf16 = secret.encode("utf-16-le", "surrogatepass")
    return {raw, escaped, utf16, base64.b64encode(raw).rstrip(b"="), quote(raw).encode(), quote_plus(raw).encode()}
