"""Send SMS by Kannel's sendsms: only those that could not be sent as the response to Kannel's own request.

A text can also be shown by network-initiated USSD: by the sendsms of the Kannel for USSD, with the operation in the
meta-data.

They are sent by POST, so that the text is in the body and in no URL that a log stores. Kannel returns no id, so it is
asked to name ours in its delivery report. There is no idempotency key, so an SMS that timed out is never sent again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from flows.pagination import alphabet
from runtime.settings import Mode, Secret, env, from_environment, parsers
from workers.network.allowlist import DEFAULT_PORTS, Target, parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse
from workers.sms.dispatcher import (
    MSISDN,
    NOT_UNDERSTOOD,
    Accepted,
    DoNotRetry,
    RetryLater,
    SmsMessage,
    SmsOutcome,
)

TIMEOUTS = HttpTimeouts(drain=5)  # the result is in the body
SENDER_PATTERN = re.compile(r"[0-9A-Za-z+*#]{0,20}")
ALL_REPORTS = "31"  # dlr-mask: all bits
UCS2 = "2"
ACCEPTED_STATUS = 202
ACCEPTED = ("0:", "3:", "Sent")  # accepted for delivery; queued for later delivery; older releases
# USSN request (SMPP 3.4, 5.3.2.44): the phone shows the text, and nothing can be typed. A USSR request (2) would begin
# a session, in which any key brings the home screen, whoever holds the phone.
NOTIFY_META = "?smpp?ussd_service_op=3"

# The beginning of the body of a 400 or 403 → the outcome.
REFUSED: Mapping[str, SmsOutcome] = {
    "Missing receiver": DoNotRetry("bad_number"),
    "Number(s) has/have been denied": DoNotRetry("bad_number"),  # also if it is no number at all
    "Garbage 'to'": DoNotRetry("bad_number"),
    "Not routable": DoNotRetry("bad_number"),  # no connection takes this number; 403, as for a wrong password
    "Sender missing": DoNotRetry("sender_id"),
}
STATUS: Mapping[int, SmsOutcome] = {
    401: RetryLater("locked_out"),
    403: RetryLater("locked_out"),
    404: RetryLater("locked_out"),  # no sendsms at this address
    503: RetryLater("busy"),
}


def is_local(address: str) -> bool:
    """Return whether the host of a URL is a loopback address."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def public_http_fault(address: str) -> str | None:
    """Return the fault of a URL in live mode: without TLS, texts and passwords may only go to this host."""
    if address.startswith("https://") or is_local(address):
        return None
    return "begins with http://; live mode needs https://, or an address of this machine such as http://127.0.0.1:13013"


def report_address(text: str) -> Secret[str]:
    """Parse the URL for delivery reports, which contains a secret token."""
    return Secret(parsers.web_address(text))


@from_environment
class Settings:
    """The sendsms account of Kannel."""

    url: str = env(
        "KANNEL_SENDSMS_URL",
        parsers.web_address,
        demo="http://127.0.0.1:1/cgi-bin/sendsms",  # a demo must never call the provider
        live=public_http_fault,
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
        live=lambda address: public_http_fault(address.reveal()) if address else None,
        meaning="where Kannel reports the delivery of an SMS: …/hooks/kannel/<token>/dlr; without it, it is not asked",
    )
    ussd_url: str | None = env(
        "KANNEL_USSD_SENDSMS_URL",
        parsers.web_address,
        default=None,
        live=lambda address: public_http_fault(address) if address else None,
        meaning="sendsms of the Kannel for USSD: http://127.0.0.1:13113/cgi-bin/sendsms; with it and KANNEL_DLR_URL, "
        "reporters are asked to dial by network-initiated USSD where the country file says that the network can",
    )


class Sender:
    """Sends by Kannel."""

    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        self._client = client or HttpClient(limits=TIMEOUTS)
        self._target = _target(settings.url, live=mode is Mode.LIVE)
        self._ussd = _target(settings.ussd_url, live=mode is Mode.LIVE) if settings.ussd_url else None
        self._reports = settings.reports.reveal() if settings.reports else ""
        self._account = {
            "X-Kannel-Username": settings.username,
            "X-Kannel-Password": settings.password.reveal(),
        }

    @property
    def can_notify(self) -> bool:
        """Return whether texts can be shown by USSD with delivery reports from Kannel."""
        return self._ussd is not None and bool(self._reports)

    def send(self, sms: SmsMessage) -> SmsOutcome:
        """Send an SMS."""
        return self._post(self._target, sms)

    def notify(self, sms: SmsMessage) -> SmsOutcome:
        """Show a text by network-initiated USSD."""
        if self._ussd is None:
            return DoNotRetry("provider")
        return self._post(self._ussd, sms, {"X-Kannel-Meta-Data": NOTIFY_META})

    def _post(self, target: Target, sms: SmsMessage, extra_headers: Mapping[str, str] | None = None) -> SmsOutcome:
        if not MSISDN.fullmatch(sms.to):
            return DoNotRetry("bad_number")  # the session continues, but this number cannot get an SMS
        if not SENDER_PATTERN.fullmatch(sms.sender):
            return DoNotRetry("sender_id")
        try:
            words = sms.words.encode("utf-8", "replace")
            response = self._client.post(target, words, self._headers(sms) | dict(extra_headers or {}))
        except NoResponse as error:
            return DoNotRetry(error.reason) if error.sent else RetryLater(error.reason)
        return _outcome(response, sms)

    def _headers(self, sms: SmsMessage) -> dict[str, str]:
        headers = {
            **self._account,
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-To": sms.to,
            "X-Kannel-Validity": str(max(1, sms.seconds // 60)),  # minutes
        }
        if sms.sender:
            headers["X-Kannel-From"] = sms.sender
        if alphabet(sms.words) == "ucs2":  # otherwise Kannel replaces characters outside GSM-7 with "?"
            headers["X-Kannel-Coding"] = UCS2
        if self._reports and sms.id:
            headers["X-Kannel-DLR-Mask"] = ALL_REPORTS
            headers["X-Kannel-DLR-URL"] = f"{self._reports}?{urlencode({'id': sms.id})}&type=%d"
        return headers


def _target(url: str, *, live: bool) -> Target:
    """Return the target. Kannel is in a network of our own, so this host and port are allowed. Raises BadTarget."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    if is_local(url):
        return Target(url, parts.scheme, host, port, listed=True)
    return parse_target(url, [f"{host}:{port}"], live=live)


def _outcome(response: ClientResponse, sms: SmsMessage) -> SmsOutcome:
    """Return the outcome of a response.

    Kannel drops an SMS that it has queued and that is too old.
    """
    body = response.body.decode("latin-1")
    if 200 <= response.status < 300:
        is_accepted = response.status == ACCEPTED_STATUS or body.startswith(ACCEPTED)
        return Accepted(sms.id or None) if is_accepted else NOT_UNDERSTOOD
    if response.status >= 500:
        return STATUS.get(response.status, RetryLater("busy", once=True))
    by_status = STATUS.get(response.status, DoNotRetry("provider"))
    return next((outcome for words, outcome in REFUSED.items() if body.startswith(words)), by_status)
