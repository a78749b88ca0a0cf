"""Sends SMS by Kannel's sendsms: only what could not be answered at once, for a reply rides in the answer to Kannel.

By POST: the words are the body, and in no address that a log keeps. Kannel gives no id back, so its delivery report
is asked to name ours. There is no key for a repeat, so what timed out is never sent again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from flows.gsm7 import alphabet
from runtime.settings import Mode, Secret, env, from_environment, parsers
from workers.network.allowlist import DEFAULT_PORTS, Target, parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse
from workers.sms.outcomes import MSISDN, Accepted, DoNotRetry, RetryLater, SmsMessage, SmsOutcome

TIMEOUTS = HttpTimeouts(rest=5)  # the answer is in the body
SENDER_PATTERN = re.compile(r"[0-9A-Za-z+*#]{0,20}")
ALL_REPORTS = "31"  # dlr-mask: every bit there is
UCS2 = "2"

# What a 400 says, from its beginning.
REFUSED: Mapping[str, SmsOutcome] = {
    "Missing receiver": DoNotRetry("bad_number"),
    "Number(s) has/have been denied": DoNotRetry("bad_number"),  # what is no number at all, too
    "Garbage 'to'": DoNotRetry("bad_number"),
    "Sender missing": DoNotRetry("sender_id"),
}
STATUS: Mapping[int, SmsOutcome] = {
    401: RetryLater("locked_out"),
    403: RetryLater("locked_out"),
    404: RetryLater("locked_out"),  # no sendsms at this address
    503: RetryLater("busy"),
}


def is_local(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def stays_private(address: str) -> str | None:
    """For `live=`: words and passwords in clear go to this machine alone."""
    if address.startswith("https://") or is_local(address):
        return None
    return "begins with http://; live mode needs https://, or an address of this machine such as http://127.0.0.1:13013"


def report_address(text: str) -> Secret[str]:
    return Secret(parsers.web_address(text))


@from_environment
class Settings:
    url: str = env(
        "KANNEL_SENDSMS_URL",
        parsers.web_address,
        demo="http://127.0.0.1:1/cgi-bin/sendsms",  # a demo calls nobody by itself
        live=stays_private,
        meaning="where smsbox takes SMS to send: http://127.0.0.1:13013/cgi-bin/sendsms",
    )
    username: str = env("KANNEL_SENDSMS_USER", demo="demo", meaning="username of the sendsms-user in kannel.conf")
    password: Secret[str] = env(
        "KANNEL_SENDSMS_PASSWORD",
        parsers.secret_text,
        demo="demo-password",
        secret=True,
        make="take the one of the sendsms-user in kannel.conf",
        meaning="password of the sendsms-user in kannel.conf",
    )
    reports: Secret[str] | None = env(
        "KANNEL_DLR_URL",
        report_address,
        default=None,
        secret=True,
        live=lambda address: stays_private(address.reveal()) if address else None,
        meaning="where Kannel tells what became of an SMS: …/hooks/kannel/<token>/dlr; without it, it is not asked",
    )


class Sender:
    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        self._client = client or HttpClient(limits=TIMEOUTS)
        self._target = _target(settings.url, live=mode is Mode.LIVE)
        self._reports = settings.reports.reveal() if settings.reports else ""
        self._account = {
            "X-Kannel-Username": settings.username,
            "X-Kannel-Password": settings.password.reveal(),
        }

    def send(self, text: SmsMessage) -> SmsOutcome:
        if not MSISDN.fullmatch(text.to):
            return DoNotRetry("bad_number")  # the person is served all the same; only no SMS can go there
        if not SENDER_PATTERN.fullmatch(text.sender):
            return DoNotRetry("sender_id")
        try:
            reply = self._client.post(self._target, text.words.encode("utf-8", "replace"), self._headers(text))
        except NoResponse as missing:
            return DoNotRetry(missing.why) if missing.sent else RetryLater(missing.why)
        return _read(reply, text)

    def _headers(self, text: SmsMessage) -> dict[str, str]:
        told = {
            **self._account,
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-To": text.to,
            "X-Kannel-Validity": str(max(1, text.seconds // 60)),  # in minutes
        }
        if text.sender:
            told["X-Kannel-From"] = text.sender
        if alphabet(text.words) == "ucs2":  # otherwise Kannel makes "?" of what is not in GSM-7
            told["X-Kannel-Coding"] = UCS2
        if self._reports and text.id:
            told["X-Kannel-DLR-Mask"] = ALL_REPORTS
            told["X-Kannel-DLR-URL"] = f"{self._reports}?{urlencode({'id': text.id})}&type=%d"
        return told


def _target(url: str, *, live: bool) -> Target:
    """Kannel stands in a network of our own, so this very host and port is meant. Raises BadTarget."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    if is_local(url):
        return Target(url, parts.scheme, host, port, listed=True)
    return parse_target(url, [f"{host}:{port}"], live=live)


def _read(reply: ClientResponse, text: SmsMessage) -> SmsOutcome:
    """`0: Accepted for delivery` or `3: Queued for later delivery`: it has it either way, and lets it go when stale."""
    if 200 <= reply.status < 300:
        return Accepted(text.id or None)
    if reply.status >= 500:
        return STATUS.get(reply.status, RetryLater("busy", once=True))
    said = reply.body.decode("latin-1")
    known = next((outcome for words, outcome in REFUSED.items() if said.startswith(words)), DoNotRetry("provider"))
    return STATUS.get(reply.status, known)
