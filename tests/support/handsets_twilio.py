"""A phone that texts over Twilio. The HTTP response has the reply in TwiML; later texts come through the API."""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import dataclass, field

import requests

from tests.support.handsets import connection
from tests.support.twilio import Account, TwilioApi

COUNTER = itertools.count(1)
TWIML = re.compile(
    r'<\?xml version="1\.0" encoding="UTF-8"\?><Response(?: />|><Message>(.+)</Message></Response>)', re.DOTALL
)


def said(answer: requests.Response) -> str:
    """Return the text of a TwiML response; "" if it has none."""
    assert answer.status_code == 200, answer.status_code
    assert answer.headers["Content-Type"].startswith("text/xml"), answer.headers["Content-Type"]
    match = TWIML.fullmatch(answer.content.decode("utf-8"))
    assert match, answer.content
    return html.unescape(match[1] or "")


@dataclass
class TwilioTexts:
    """A phone on Twilio. `public`: PUBLIC_URL, which the signature covers; `web`: where the request really goes."""

    web: str
    account: Account
    phone: str
    code: str
    api: TwilioApi | None = None
    public: str = ""
    http: requests.Session = field(default_factory=connection)
    last: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    repeats: dict[str, str] = field(default_factory=dict)

    def text(self, words: str, **more: str) -> None:
        """Send a text and store its reply. `more`: as in `write`."""
        self.write(words, **more)
        self.receive()

    def write(self, words: str, **more: str) -> None:
        """Prepare a text; `post` sends it. `more`: further fields, such as MediaUrl0."""
        sid = f"SM{next(COUNTER):016x}{id(self):016x}"
        self.last = {
            "ToCountry": "VU",
            "ToState": "",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ToCity": "",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": words,
            "FromCountry": "VU",
            "To": self.code,
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self.account.sid,
            "From": self.phone,
            "ApiVersion": "2010-04-01",
            **more,
        }

    def post(self) -> requests.Response:
        """Send the prepared text, and return the HTTP response to Twilio."""
        public = f"{self.public or self.web}/hooks/twilio/sms"
        return self.account.post(self.http, f"{self.web}/hooks/twilio/sms", self.last, public)

    def receive(self) -> str:
        """Send the prepared text; store and return the reply."""
        reply = said(self.post())
        if reply:
            self.received.append(reply)
        self.repeats[self.last["MessageSid"]] = reply
        return reply

    def again(self) -> None:
        """Send the last text again; the reply must be the same."""
        assert said(self.post()) == self.repeats[self.last["MessageSid"]]

    def replies(self) -> list[str]:
        """Return all texts that this phone has received: first those in responses, then those sent through the API."""
        return self.received + (self.api.to(self.phone) if self.api else [])
