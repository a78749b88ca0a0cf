"""The outcomes of a delivery attempt, and the table of outcomes by HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from reports.delivery import DeliveryType
from reports.escalation import Priority
from workers.failures import DeliveryFailureClass


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """One delivery attempt. `delivery_id` is the idempotency key: it is the same for all attempts."""

    delivery_id: str
    type: DeliveryType
    hotline: str
    body: bytes  # the envelope, JSON in UTF-8
    attempt: int  # 1, 2, …
    priority: Priority
    report_id: str = ""
    drill: bool = False  # a test of the operator: a made-up report sent to the real address


@dataclass(frozen=True, slots=True)
class Delivered:
    """The hotline accepted the delivery. `status`: of its response; None if this kind of hotline has none.

    `is_notice`: it was told that a report waits, and staff read that in the console.
    """

    status: int | None = None
    reason: Literal["delivered"] = "delivered"
    is_notice: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The hotline did not accept it now: retry by the schedule, not before `retry_after` seconds."""

    reason: DeliveryFailureClass
    status: int | None = None
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The hotline refused the delivery. A person, at the hotline or the operator, has to correct the cause.

    `is_final`: more attempts would not help. `is_gone`: the hotline accepts no reports any more. `addresses`: how many
    addresses of the hotline the attempts take in turn; it has not refused before each of them has.
    """

    reason: DeliveryFailureClass
    status: int | None = None
    is_final: bool = False
    is_gone: bool = False
    addresses: int = 1


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """This worker cannot build or send the request: no key, a body that does not open, a bug.

    The failure does not count against the hotline.
    """

    reason: DeliveryFailureClass


DeliveryOutcome = Delivered | Unavailable | Refused | Undeliverable


class HotlineConnector(Protocol):
    """Delivers to one kind of hotline. Each kind is a module of workers/hotlines/.

    `takes_sound`: its requests hold the sound of recordings, not only that there is one.
    """

    takes_sound: bool

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Send the report and return the outcome. Raises nothing for a failure at the hotline."""
        ...


# Class of failure → the attempt at which a person is notified. For any other class only the waiting time counts.
ALERT_AT_ATTEMPT: Mapping[str, int] = {
    "moved": 3,
    "locked_out": 1,
    "not_found": 3,
    "conflict": 3,
    "tls": 2,
    "no_tls": 1,
    "mail_login": 1,
    "private_address": 1,
    "too_large": 1,
    "gone": 1,
    "not_kept": 1,
    "no_key": 1,
    "no_body": 1,
    "no_hotline": 1,
    "not_sealed_to_us": 1,
    "wrong_mode": 1,
    "our_fault": 1,
}

# Class of failure → the remedy for the person who is notified.
DELIVERY_ADVICE: Mapping[str, str] = {
    "not_reached": "Nothing answers at the hotline's address. Call them: does the server run, is a firewall between?",
    "dns": "The hotline's host name has no address. Call them, and compare HOTLINE_<ID>_URL with them.",
    "timeout": "The hotline does not answer in time. Call them.",
    "reset": "The hotline closes the connection too early. Call them, and ask them to look into their server's log.",
    "busy": "The hotline's server reports an error. Call them, and ask them to look into its log.",
    "moved": "The hotline's address has moved. Ask them for the new one and set HOTLINE_<ID>_URL.",
    "locked_out": "The hotline does not let us in. Compare the secret and their list of addresses with them.",
    "not_found": "Nothing is at the hotline's address. Ask them whether a release is under way.",
    "conflict": "The hotline says it has a conflict. Ask them to look up the webhook-id.",
    "tls": "The hotline's certificate is invalid or expired. Ask them to renew it.",
    "no_tls": "The mail server offers no TLS, and no hotline gets mail without it. Name one that does in SMTP_URL.",
    "mail_login": "The mail server does not let us in. Compare the user and the password in SMTP_URL with its owner.",
    "sms_waits": "The SMS provider does not answer, and no duty phone was texted. Call the hotline.",
    "sms_failed": "No duty phone could be texted. Call the hotline, and look for sms_failed in the log.",
    "private_address": "The hotline's name leads into a private network. Ask them; list it only if that is meant.",
    "refused": "The hotline refuses the report itself. Ask them why, then: tokaut deliveries retry",
    "too_large": "The report is too large for the hotline. Ask them to raise the limit, then: tokaut deliveries retry",
    "gone": "The hotline says that it accepts no reports any more. Call them. If it does: tokaut hotline revive",
    "not_kept": "Primero accepted a note and did not store it. Our account there must read and write cases and Notes.",
    "no_key": "The hotline's private key is not on this worker. Put it back; the report goes out within the hour.",
    "no_body": "The report has no body for this hotline. Look at the audit of the report.",
    "no_hotline": "No country file names this hotline, or its settings are missing or refused. Run: tokaut check",
    "not_sealed_to_us": "The report does not open with the key it names. Compare the key ids with the country file.",
    "wrong_mode": "A report of another mode is in this database. Do not mix live and training.",
    "our_fault": "This program failed. Look for the delivery's id in the log.",
    "not_tried": "No worker has taken it. Look whether worker and clock run, then: tokaut check",
    "parked": "It was not accepted within 14 days. Give it to them another way, or: tokaut deliveries retry",
}

_LOCKED_OUT = {401, 402, 403, 407, 421}
_REFUSED = {400, 405, 406, 411, 412, 414, 415, 422, 431, 451, 501}


def outcome_of_status(status: int, *, retry_after: int | None = None, has_our_id: bool = False) -> DeliveryOutcome:
    """Return the outcome for an HTTP status.

    `has_our_id`: the response carried our webhook-id. `retry_after`: seconds.
    """
    if 200 <= status < 300 or (status == 409 and has_our_id):
        return Delivered(status)
    if status == 410:
        return Refused("gone", status, is_final=True, is_gone=True)
    if status == 413:
        return Refused("too_large", status, is_final=True)
    if status in _REFUSED:
        return Refused("refused", status)
    return Unavailable(_why_unavailable(status), status, retry_after)


def _why_unavailable(status: int) -> DeliveryFailureClass:
    if 300 <= status < 400:
        return "moved"
    if status in _LOCKED_OUT:
        return "locked_out"
    if status == 404:
        return "not_found"
    return "conflict" if status == 409 else "busy"
