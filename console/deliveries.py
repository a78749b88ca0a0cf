"""`GET /hotlines/<hotline>/deliveries` and `…/failures`: a hotline's system fetches lost copies, and lists failures.

The signature is that of a callback (console.api). A GET has no body, so it covers method and address instead:
`GET /hotlines/<hotline>/deliveries?since=…`. Copies are returned as they are stored, sealed to the hotline.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from console.api import PLAIN, CallbackSignatures, json_response
from console.auth.access_control import exempt
from console.responses import InvalidForm, parse_query
from console.services import services
from reports.delivery import DeliveryState
from reports.json_bodies import rfc3339
from reports.store.cases import delivered_copies
from reports.store.cases.delivered_copies import DeliveredCopy, FailingDelivery, PagePosition
from reports.store.engine.database import DatabaseUnavailable
from reports.store.staff import login_throttle
from reports.store.staff.login_throttle import LoginAttempt, LoginLimit
from runtime.time_units import DAY, SECOND

PERIOD_DAYS = 30
MAX_COPIES, MAX_FAILURES = 50, 200  # rows of one page
RATE_LIMIT = LoginLimit(60, 60, 60, 60)  # requests a minute of each hotline
FAILURE_TYPES = {
    DeliveryState.DUE: "delivery.failing",
    DeliveryState.REFUSED: "delivery.refused",
    DeliveryState.PARKED: "delivery.parked",
}
_PARAMETERS = frozenset({"since", "after"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_POSITION = re.compile(r"(\d{1,17})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


class InvalidQuery(ValueError):
    """A parameter of the address is not valid. The text is for the hotline's developer."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """The page that is asked for. `since`: microseconds."""

    since: int
    after: PagePosition | None


def blueprint(signatures: CallbackSignatures) -> Blueprint:
    """Return the blueprint with both routes."""
    bp = Blueprint("deliveries", __name__)

    def answer(hotline: str, page: Callable[[str, PageQuery], dict[str, Any]], oldest: int) -> Response:
        if not _is_signed(signatures, hotline):
            return Response("Not signed\n", 401, content_type=PLAIN)
        try:
            if not _count_request(hotline):
                return Response("Too many requests\n", 429, {"Retry-After": "60"}, content_type=PLAIN)
            return json_response(200, page(hotline, _parse_query(oldest)))
        except InvalidQuery as error:
            return json_response(422, {"error": str(error)})
        except DatabaseUnavailable:
            return Response("Not now\n", 503, {"Retry-After": "10"}, content_type=PLAIN)

    @bp.get("/hotlines/<hotline>/deliveries", provide_automatic_options=False)
    @exempt("the hotline signs each request")
    def list_deliveries(hotline: str) -> Response:
        """Return a page of the deliveries that the hotline accepted, with their sealed copies."""
        return answer(hotline, _delivered_page, services.database.now() - PERIOD_DAYS * DAY)

    @bp.get("/hotlines/<hotline>/failures", provide_automatic_options=False)
    @exempt("the hotline signs each request")
    def list_failures(hotline: str) -> Response:
        """Return a page of the deliveries that fail, however old, as events, and whether deliveries are paused."""
        return answer(hotline, _failing_page, 0)

    return bp


def _is_signed(signatures: CallbackSignatures, hotline: str) -> bool:
    """Return whether this hotline signed method and address.

    The same secret signs deliveries, as id.time.body, and a body holds a reporter's words. An id with a full stop could
    be the start of such a text, and its words a time and this address.
    """
    if "." in request.headers.get("webhook-id", ""):
        return False
    target = f"{request.method} {request.environ['RAW_URI']}"
    return signatures.verify_signature(hotline, dict(request.headers), target.encode("utf-8", "replace"))


def _count_request(hotline: str) -> bool:
    """Count a signed request, and return whether it is within the limit."""
    bucket = services.cipher.mac("tries", "fetch", hotline)
    return login_throttle.count_attempts(services.database, LoginAttempt(bucket, RATE_LIMIT))[0]


def _parse_query(oldest: int) -> PageQuery:
    """Read the parameters of the address. `oldest`: the earliest `since`, and its default. Raises InvalidQuery."""
    try:
        fields = parse_query(request)
    except InvalidForm:
        fields = {"": ""}
    if set(fields) - _PARAMETERS:
        raise InvalidQuery("The address may have since and after, each once, and nothing else.")
    since = _parse_time(fields["since"]) if "since" in fields else oldest
    if since < oldest:
        moment = rfc3339(oldest // SECOND + 60)
        raise InvalidQuery(f"since is at most {PERIOD_DAYS} days ago, such as {moment}; without it you get all.")
    return PageQuery(since, _parse_position(fields["after"]) if "after" in fields else None)


def _parse_time(text: str) -> int:
    try:
        if _TIME.fullmatch(text):
            return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        pass
    raise InvalidQuery("since is a time in UTC, such as 2026-11-25T08:05:21Z.")


def _parse_position(text: str) -> PagePosition:
    match = _POSITION.fullmatch(text)
    if match is None:
        raise InvalidQuery("after is `next` of the page before, unchanged.")
    return PagePosition(int(match[1]), match[2])


def _delivered_page(hotline: str, query: PageQuery) -> dict[str, Any]:
    actor = f"staff:{hotline}/call_back"
    page, end = delivered_copies.list_delivered(
        services.database, hotline, query.since, query.after, at_most=MAX_COPIES, actor=actor
    )
    return {
        "hotline": hotline,
        "since": rfc3339(query.since // SECOND),
        "deliveries": [_delivery_json(entry) for entry in page],
        "next": _position_text(end),
    }


def _failing_page(hotline: str, query: PageQuery) -> dict[str, Any]:
    page, end = delivered_copies.list_failing(
        services.database, hotline, query.since, query.after, at_most=MAX_FAILURES
    )
    pause = delivered_copies.load_pause(services.database, hotline)
    return {
        "hotline": hotline,
        "paused_until": _time(pause.paused_until),
        "gone_since": _time(pause.gone_since),
        "events": [_failure_json(entry) for entry in page],
        "next": _position_text(end),
    }


def _delivery_json(entry: DeliveredCopy) -> dict[str, Any]:
    copy = entry.copy and {
        "key_id": entry.copy.key_id,
        "message_id": entry.copy.message_id or None,
        "wrap": base64.b64encode(entry.copy.wrap).decode(),
        "sealed": base64.b64encode(entry.copy.sealed).decode(),
    }
    return {
        "delivery_id": entry.delivery_id,
        "report_id": entry.report_id,
        "type": f"report.{entry.type}",
        "revision": entry.revision,
        "mode": entry.mode,
        "priority": entry.priority,
        "timestamp": _time(entry.created_at),
        "delivered_at": _time(entry.delivered_at),
        "sha256": entry.sha256.hex() if entry.sha256 else None,
        "copy": copy,
        "withheld": entry.withheld,
    }


def _failure_json(entry: FailingDelivery) -> dict[str, Any]:
    return {
        "type": FAILURE_TYPES[entry.state],
        "timestamp": _time(entry.created_at),
        "data": {
            "delivery_id": entry.delivery_id,
            "report_id": entry.report_id,
            "delivery_type": f"report.{entry.type}",
            "priority": entry.priority,
            "attempts": entry.attempt,
            "class": entry.failure_class.partition(" ")[0],
            "status": entry.status,
            "next_attempt_at": _time(entry.next_at),
        },
    }


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else rfc3339(microseconds // SECOND)


def _position_text(position: PagePosition | None) -> str | None:
    return None if position is None else f"{position.at}.{position.delivery_id}"
