"""Tries a hotline's door with drills: what it must take, and for a signed webhook what it must refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook as Signer

from reports.countries.country import Country
from reports.drills import trial_bodies
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
from workers.delivery.registry import Notify, OnCallPhones
from workers.hotlines.console import ConsoleConnector
from workers.hotlines.webhook import WebhookConnector, signed_headers
from workers.network.allowlist import DEFAULT_PORTS, BadTarget, parse_target
from workers.network.http_client import HttpClient, NoResponse
from workers.sms.outcomes import Accepted, SmsMessage, SmsSender

TEN_MINUTES = 600
DRILL_TEXT = "Only a test of this phone. Nothing waits and nothing is to be done."
CONNECTION_ADVICE = {
    "dns": "Its name leads nowhere. Compare HOTLINE_<ID>_URL with them.",
    "not_reached": "Nothing listens there. Ask them whether the server runs, and what a firewall lets through.",
    "timeout": "No whole answer within 20 s. It must answer first and work afterwards.",
    "reset": "The line broke before an answer. Ask them to look into their server's log.",
}


@dataclass(frozen=True, slots=True)
class ConformanceResult:
    """One thing that was tried. `seen`: what came, and where it is wrong what to do."""

    name: str
    ok: bool
    seen: str


@dataclass(frozen=True, slots=True)
class DrillPayloads:
    """The bodies of one trial, all of one made-up report. `report_id` is what the hotline can look up."""

    country: Country
    hotline: str
    report_id: str
    at: int  # unix seconds

    @classmethod
    def now(cls, country: Country, hotline: str) -> DrillPayloads:
        return cls(country, hotline, fresh_id(), int(time.time()))

    def created(self) -> bytes:
        return self._in("created", trial_bodies.created_body(self.country, self.hotline, self.report_id, self.at))

    def updated(self) -> bytes:
        return self._in(
            "updated", trial_bodies.created_body(self.country, self.hotline, self.report_id, self.at, revision=2)
        )

    def later(self) -> bytes:
        data = json.loads(trial_bodies.created_body(self.country, self.hotline, self.report_id, self.at, revision=3))
        return self._in("updated", trial_bodies.later_version_body(data))

    def message(self) -> bytes:
        return self._in("message", trial_bodies.message_body(self.report_id, fresh_id(), self.at))

    def unread(self) -> bytes:
        return self._in("unread", trial_bodies.unread_body(self.country, fresh_id(), self.at))

    def _in(self, kind: str, data: bytes) -> bytes:
        return envelope(f"report.{kind}", self.at, data)


def fresh_id() -> str:
    return new_id(time.time_ns() // 1000)


def check_deliveries(hotline: HotlineConnector, drills: DrillPayloads) -> Iterator[ConformanceResult]:
    """Row after row, as they come out."""
    parcel = DeliveryRequest(
        fresh_id(), "created", drills.hotline, drills.created(), 1, "P4", drills.report_id, drill=True
    )
    yield _taken("takes a report", hotline.deliver, parcel)
    yield _taken("takes the same one again", hotline.deliver, replace(parcel, attempt=2))
    for attempt in range(3, hotline.ways + 1 if isinstance(hotline, ConsoleConnector) else 0):
        yield _taken(f"is told in way {attempt}", hotline.deliver, replace(parcel, attempt=attempt))
    if isinstance(hotline, WebhookConnector):
        yield from _takes(hotline, drills)
        yield from _refuses(hotline, drills)


def text_notifier(senders: Mapping[str, SmsSender]) -> Callable[[str, OnCallPhones], Notify]:
    """For duty phones: each gets one text, and none that is to be answered, for nothing waits in the store."""

    def enlist(_hotline: str, phones: OnCallPhones) -> Notify:
        left = list(phones.numbers)

        def tell(parcel: DeliveryRequest) -> DeliveryOutcome:
            while left:
                text = SmsMessage(
                    left[0], phones.sender, f"DRILL {parcel.report_id[-6:]}. {DRILL_TEXT}", id=parcel.delivery_id
                )
                if not isinstance(senders[phones.channel].send(text), Accepted):
                    return Unavailable("sms_failed")
                left.pop(0)
            return Delivered()

        return tell

    return enlist


def _taken(name: str, hand_over: Callable[..., DeliveryOutcome], *what: Any) -> ConformanceResult:
    began = time.monotonic()
    outcome = hand_over(*what)
    took = f"in {round((time.monotonic() - began) * 1000)} ms"
    if isinstance(outcome, Delivered):
        return ConformanceResult(name, True, f"{outcome.status or 'taken'} {took}")
    status = "" if isinstance(outcome, Undeliverable) or outcome.status is None else f"{outcome.status}: "
    return ConformanceResult(name, False, status + _what_to_do(outcome.why))


def _what_to_do(why: str) -> str:
    return (
        CONNECTION_ADVICE.get(why)
        or DELIVERY_ADVICE.get(why)
        or "It did not take it. Ask them to look into their server's log."
    )


def _takes(door: WebhookConnector, drills: DrillPayloads) -> Iterator[ConformanceResult]:
    others = {
        "takes a newer revision": drills.updated(),
        "takes words said later": drills.message(),
        "takes what nobody could read": drills.unread(),
        "takes fields of a later version": drills.later(),
    }
    for name, body in others.items():
        key = fresh_id()
        yield _taken(name, _sent, door, body, door.headers(key, body))
    key, body = fresh_id(), drills.created()
    right, wrong = door.headers(key, body), _by_another(key, body, drills)
    both = " ".join((wrong["webhook-signature"], right["webhook-signature"]))
    yield _taken("takes one of two signatures", _sent, door, body, right | {"webhook-signature": both})


def _sent(door: WebhookConnector, body: bytes, headers: dict[str, str]) -> DeliveryOutcome:
    try:
        reply = door.send(body, headers)
    except NoResponse as missing:
        return Unavailable(missing.why)
    return outcome_of_status(reply.status, knows_it=reply.headers.get("webhook-id") == headers["webhook-id"])


def _by_another(key: str, body: bytes, drills: DrillPayloads) -> dict[str, str]:
    return signed_headers([Signer(new_webhook_secret())], key, body, drills.at)


def _refuses(door: WebhookConnector, drills: DrillPayloads) -> Iterator[ConformanceResult]:
    """Each of a key of its own, so that none passes for a repeat of another."""
    body = drills.created()
    keys = iter([fresh_id() for _ in range(6)])
    key = next(keys)
    yield _refused("refuses another's signature", door, body, _by_another(key, body, drills))
    unsigned = {name: value for name, value in door.headers(next(keys), body).items() if "signature" not in name}
    yield _refused("refuses no signature", door, body, unsigned)
    yield _refused(
        "refuses nonsense as a signature", door, body, door.headers(next(keys), body) | {"webhook-signature": "v1"}
    )
    changed = body.replace(b'"danger":"no"', b'"danger":"now"')
    yield _refused("refuses a body that was changed", door, changed, door.headers(next(keys), body))
    yield _refused("refuses one of ten minutes ago", door, body, door.headers(next(keys), body, ahead=-TEN_MINUTES))
    yield _refused("refuses one of ten minutes ahead", door, body, door.headers(next(keys), body, ahead=TEN_MINUTES))


def _refused(name: str, door: WebhookConnector, body: bytes, headers: dict[str, str]) -> ConformanceResult:
    try:
        status = door.send(body, headers).status
    except NoResponse as missing:
        return ConformanceResult(name, False, f"{_what_to_do(missing.why)} It must answer 401.")
    if 400 <= status < 500:
        return ConformanceResult(name, True, str(status))
    if 200 <= status < 300:
        return ConformanceResult(
            name, False, f"{status}: it took it. Whoever finds the address can send reports. It must answer 401."
        )
    return ConformanceResult(name, False, f"{status}: it must answer 401 and not fall over.")


# Tries the door by which a hotline calls back: that it is there, and knows the secret that this hotline signs with.
#
# The calls are about a report that there is not, so they change nothing: whoever signs well is told 404.

CALLBACK_ADVICE = "Look at CONSOLE_URL, and whether the console runs and has this hotline's secret."


def check_callbacks(door: WebhookConnector, hotline: str, console: str, *, live: bool) -> Iterator[ConformanceResult]:
    key, report_id = fresh_id(), fresh_id()
    body = json_bytes({"report_id": report_id, "state": "accepted"})
    url = f"{console}/hotlines/{hotline}/reports/{report_id}"
    known, strange = (
        door.headers(key, body),
        signed_headers([Signer(new_webhook_secret())], key, body, int(time.time())),
    )
    yield _row("may call back", url, (body, known), 404, live=live)
    yield _row("nobody else may", url, (body, strange), 401, live=live)


def _row(name: str, url: str, said: tuple[bytes, dict[str, str]], wanted: int, *, live: bool) -> ConformanceResult:
    parts = urlsplit(url)
    here = f"{parts.hostname}:{parts.port or DEFAULT_PORTS.get(parts.scheme, 0)}"  # our own console lies where we say
    try:
        status = HttpClient().post(parse_target(url, (here,), live=live), *said).status
    except BadTarget as wrong:
        return ConformanceResult(name, False, f"CONSOLE_URL {wrong}")
    except NoResponse as missing:
        return ConformanceResult(name, False, f"The console does not answer ({missing.why}). {CALLBACK_ADVICE}")
    return ConformanceResult(
        name, status == wanted, str(status) if status == wanted else f"{status} and not {wanted}. {CALLBACK_ADVICE}"
    )
