"""Conformance test of a hotline: the requests it must accept, and for a signed webhook those it must refuse.

Every test sends drills. `check_callbacks` tests the console's endpoint for the hotline's callbacks: that it exists, and
that it knows the secret with which this hotline signs. Its requests name a report that does not exist, so they change
nothing: a correctly signed request is answered with 404.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook as Signer

from reports import drills
from reports.countries.country import Country
from reports.delivery import DeliveryType
from reports.escalation import Priority
from reports.json_bodies import envelope, json_bytes
from reports.store.schema.base import new_id
from runtime.settings.parsers import new_webhook_secret
from workers.delivery.outcomes import (
    DELIVERY_ADVICE,
    Delivered,
    DeliveryOutcome,
    DeliveryRequest,
    HotlineConnector,
    Unavailable,
    Undeliverable,
    outcome_of_status,
)
from workers.delivery.registry import DutyPhones, Notify
from workers.hotlines.console import ConsoleConnector
from workers.hotlines.webhook import WebhookConnector, signed_headers
from workers.network.allowlist import DEFAULT_PORTS, BadTarget, parse_target
from workers.network.http_client import HttpClient, NoResponse
from workers.sms.dispatcher import Accepted, SmsMessage, SmsSender

TEN_MINUTES = 600
DRILL_TEXT = "Only a test of this phone. Nothing waits and nothing is to be done."
CONNECTION_ADVICE = {
    "dns": "Its name leads nowhere. Compare HOTLINE_<ID>_URL with them.",
    "not_reached": "Nothing listens there. Ask them whether the server runs, and what a firewall lets through.",
    "timeout": "No answer within 10 s. It must answer first and work afterwards.",
    "reset": "The line broke before an answer. Ask them to look into their server's log.",
}


@dataclass(frozen=True, slots=True)
class ConformanceResult:
    """One test and its result. `seen`: the answer, and for a failed test what to do about it."""

    name: str
    ok: bool
    seen: str


@dataclass(frozen=True, slots=True)
class DrillPayloads:
    """The bodies of one test run, all about one made-up report.

    report_id: the id under which the hotline finds the report. at: Unix time in seconds.
    """

    country: Country
    hotline: str
    report_id: str
    at: int

    @classmethod
    def now(cls, country: Country, hotline: str) -> DrillPayloads:
        """Create the payloads of a new test run, dated now."""
        return cls(country, hotline, fresh_id(), int(time.time()))

    def created(self) -> bytes:
        """Return the body of a new report."""
        return self._envelope(
            DeliveryType.CREATED, drills.created_body(self.country, self.hotline, self.report_id, self.at)
        )

    def updated(self) -> bytes:
        """Return the body of revision 2 of the report."""
        return self._envelope(
            DeliveryType.UPDATED, drills.created_body(self.country, self.hotline, self.report_id, self.at, revision=2)
        )

    def later(self) -> bytes:
        """Return revision 3 of the report with fields that a later minor version of the format may add."""
        data = json.loads(drills.created_body(self.country, self.hotline, self.report_id, self.at, revision=3))
        return self._envelope(DeliveryType.UPDATED, drills.later_version_body(data))

    def message(self) -> bytes:
        """Return the body of a message that the reporter adds to the report."""
        return self._envelope(DeliveryType.MESSAGE, drills.message_body(self.report_id, fresh_id(), self.at))

    def recording(self) -> bytes:
        """Return the body of a message with the longest recording: the largest request that a hotline can get."""
        return self._envelope(DeliveryType.MESSAGE, drills.recording_body(self.report_id, fresh_id(), self.at))

    def unread(self) -> bytes:
        """Return the body of a request that could not be read."""
        return self._envelope(DeliveryType.UNREAD, drills.unread_body(self.country, fresh_id(), self.at))

    def _envelope(self, kind: DeliveryType, data: bytes) -> bytes:
        return envelope(f"report.{kind}", self.at, data)


def fresh_id() -> str:
    """Return a new UUIDv7."""
    return new_id(time.time_ns() // 1000)


def check_deliveries(hotline: HotlineConnector, drills: DrillPayloads) -> Iterator[ConformanceResult]:
    """Deliver the drills and yield each result as soon as it is known."""
    parcel = DeliveryRequest(
        fresh_id(), DeliveryType.CREATED, drills.hotline, drills.created(), 1, Priority.P4, drills.report_id, drill=True
    )
    yield _expect_accepted("takes a report", hotline.deliver, parcel)
    yield _expect_accepted("takes the same one again", hotline.deliver, replace(parcel, attempt=2))
    for attempt in range(3, hotline.ways + 1 if isinstance(hotline, ConsoleConnector) else 0):
        yield _expect_accepted(f"is told in way {attempt}", hotline.deliver, replace(parcel, attempt=attempt))
    if isinstance(hotline, WebhookConnector):
        yield from _acceptance_tests(hotline, drills)
        yield from _refusal_tests(hotline, drills)


def text_notifier(senders: Mapping[str, SmsSender]) -> Callable[[str, DutyPhones], Notify]:
    """Return a function that makes the notifier of a hotline's duty phones.

    Each phone gets one SMS. It asks for no reply, because no delivery is stored that a reply could acknowledge.
    """

    def register(_hotline: str, phones: DutyPhones) -> Notify:
        remaining = list(phones.numbers)

        def notify(parcel: DeliveryRequest) -> DeliveryOutcome:
            while remaining:
                sms = SmsMessage(
                    remaining[0], phones.sender, f"DRILL {parcel.report_id[-6:]}. {DRILL_TEXT}", id=parcel.delivery_id
                )
                if not isinstance(senders[phones.channel].send(sms), Accepted):
                    return Unavailable("sms_failed")
                remaining.pop(0)
            return Delivered()

        return notify

    return register


def _expect_accepted(name: str, deliver: Callable[..., DeliveryOutcome], *arguments: Any) -> ConformanceResult:
    started = time.monotonic()
    outcome = deliver(*arguments)
    duration = f"in {round((time.monotonic() - started) * 1000)} ms"
    if isinstance(outcome, Delivered):
        return ConformanceResult(name, True, f"{outcome.status or 'taken'} {duration}")
    status = "" if isinstance(outcome, Undeliverable) or outcome.status is None else f"{outcome.status}: "
    return ConformanceResult(name, False, status + _advice_for(outcome.reason))


def _advice_for(why: str) -> str:
    return (
        CONNECTION_ADVICE.get(why)
        or DELIVERY_ADVICE.get(why)
        or "It did not take it. Ask them to look into their server's log."
    )


def _acceptance_tests(connector: WebhookConnector, drills: DrillPayloads) -> Iterator[ConformanceResult]:
    bodies = {
        "takes a newer revision": drills.updated(),
        "takes words said later": drills.message(),
        "takes the longest recording": drills.recording(),
        "takes what nobody could read": drills.unread(),
        "takes fields of a later version": drills.later(),
    }
    for name, body in bodies.items():
        key = fresh_id()
        yield _expect_accepted(name, _send, connector, body, connector.headers(key, body))
    key, body = fresh_id(), drills.created()
    valid, forged = connector.headers(key, body), _forged_headers(key, body, drills)
    signatures = " ".join((forged["webhook-signature"], valid["webhook-signature"]))
    yield _expect_accepted(
        "takes one of two signatures", _send, connector, body, valid | {"webhook-signature": signatures}
    )


def _send(connector: WebhookConnector, body: bytes, headers: dict[str, str]) -> DeliveryOutcome:
    try:
        reply = connector.send(body, headers)
    except NoResponse as no_response:
        return Unavailable(no_response.reason)
    return outcome_of_status(reply.status, has_our_id=reply.headers.get("webhook-id") == headers["webhook-id"])


def _forged_headers(key: str, body: bytes, drills: DrillPayloads) -> dict[str, str]:
    return signed_headers([Signer(new_webhook_secret())], key, body, drills.at)


def _refusal_tests(connector: WebhookConnector, drills: DrillPayloads) -> Iterator[ConformanceResult]:
    """Yield the tests of requests that must be refused. Each has a new key, so that none passes as a repeat."""
    body = drills.created()
    keys = iter([fresh_id() for _ in range(6)])
    key = next(keys)
    yield _expect_refused("refuses another's signature", connector, body, _forged_headers(key, body, drills))
    unsigned = {name: value for name, value in connector.headers(next(keys), body).items() if "signature" not in name}
    yield _expect_refused("refuses no signature", connector, body, unsigned)
    yield _expect_refused(
        "refuses nonsense as a signature",
        connector,
        body,
        connector.headers(next(keys), body) | {"webhook-signature": "v1"},
    )
    changed = body.replace(b'"danger":"no"', b'"danger":"now"')
    yield _expect_refused("refuses a body that was changed", connector, changed, connector.headers(next(keys), body))
    yield _expect_refused(
        "refuses one of ten minutes ago", connector, body, connector.headers(next(keys), body, ahead=-TEN_MINUTES)
    )
    yield _expect_refused(
        "refuses one of ten minutes ahead", connector, body, connector.headers(next(keys), body, ahead=TEN_MINUTES)
    )


def _expect_refused(name: str, connector: WebhookConnector, body: bytes, headers: dict[str, str]) -> ConformanceResult:
    try:
        status = connector.send(body, headers).status
    except NoResponse as no_response:
        return ConformanceResult(name, False, f"{_advice_for(no_response.reason)} It must answer 401.")
    if 400 <= status < 500:
        return ConformanceResult(name, True, str(status))
    if 200 <= status < 300:
        return ConformanceResult(
            name, False, f"{status}: it took it. Whoever finds the address can send reports. It must answer 401."
        )
    return ConformanceResult(name, False, f"{status}: it must answer 401 and not fall over.")


CALLBACK_ADVICE = "Look at CONSOLE_URL, and whether the console runs and has this hotline's secret."


def check_callbacks(
    connector: WebhookConnector, hotline: str, console: str, *, live: bool
) -> Iterator[ConformanceResult]:
    """Send a correctly signed and a forged callback for `hotline` to the console, and yield both results."""
    key, report_id = fresh_id(), fresh_id()
    body = json_bytes({"report_id": report_id, "state": "accepted"})
    url = f"{console}/hotlines/{hotline}/reports/{report_id}"
    signed, forged = (
        connector.headers(key, body),
        signed_headers([Signer(new_webhook_secret())], key, body, int(time.time())),
    )
    yield _callback_result("may call back", url, (body, signed), 404, live=live)
    yield _callback_result("nobody else may", url, (body, forged), 401, live=live)


def _callback_result(
    name: str, url: str, request: tuple[bytes, dict[str, str]], expected: int, *, live: bool
) -> ConformanceResult:
    parts = urlsplit(url)
    # The console is ours, so a private address is allowed.
    console_address = f"{parts.hostname}:{parts.port or DEFAULT_PORTS.get(parts.scheme, 0)}"
    try:
        status = HttpClient().post(parse_target(url, (console_address,), live=live), *request).status
    except BadTarget as bad_target:
        return ConformanceResult(name, False, f"CONSOLE_URL {bad_target}")
    except NoResponse as no_response:
        return ConformanceResult(name, False, f"The console does not answer ({no_response.reason}). {CALLBACK_ADVICE}")
    return ConformanceResult(
        name,
        status == expected,
        str(status) if status == expected else f"{status} and not {expected}. {CALLBACK_ADVICE}",
    )
