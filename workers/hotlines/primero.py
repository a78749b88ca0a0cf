"""A hotline that works with Primero v2: a report becomes a case there, by its REST API and HTTP Basic.

Primero lets the client choose a record's id: it is the report's, so a second POST finds it taken (409). Each delivery
is one note under its own key, which Primero merges by that key. So nothing comes twice, whatever answer was lost.

What the account's role may not write, Primero drops and still answers 2xx. So the note is read back, and only a note
that is there is a receipt.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reports.exports.primero_mapping import case_changes, case_note, fields_for, redact_numbers
from reports.json_bodies import json_bytes
from runtime.settings import Secret, env, from_environment, parsers
from runtime.time_units import SECOND
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable, outcome_of_status
from workers.delivery.registry import HotlineDependencies
from workers.delivery.settings import HttpsSettings
from workers.network.allowlist import Target, parse_hotline_target
from workers.network.http_client import ClientResponse, HttpClient, NoResponse
from workers.retry_policy import parse_retry_after

CASES = "/api/v2/cases"
NOTES = "notes_section"
# One delivery may take five calls of 20 s each; none is begun after this, and the next attempt goes on where it was.
MAX_SECONDS = 15
MAX_CASE_BYTES = 4 * 1024 * 1024  # with all its notes


@from_environment
class Settings(HttpsSettings):
    url: str = env("URL", parsers.web_address, live=parsers.require_https, meaning="where this hotline's Primero is")
    user: str = env(
        "USER", parsers.matching(r"[!-9;-~]+", "a user name without a colon"), meaning="of Primero's account for us"
    )
    password: Secret[str] = env(
        "PASSWORD",
        parsers.secret_text,
        secret=True,
        make="have it made in Primero for an account of its own",
        meaning="of Primero's account for us; six wrong ones lock it for half an hour",
    )


def build(settings: Settings, means: HotlineDependencies) -> PrimeroConnector:
    """Raises BadTarget."""
    target = parse_hotline_target(settings.url, settings.private, live=means.live)
    return PrimeroConnector(target, settings.user, settings.password.reveal(), HttpClient(ca_file=settings.ca_file))


@dataclass(frozen=True, slots=True)
class CaseUpdate:
    """What one parcel brings to a case."""

    kind: str
    case: str
    fields: Mapping[str, Any]
    note: Mapping[str, str]
    withdrawn: bool

    @classmethod
    def by(cls, parcel: DeliveryRequest) -> CaseUpdate:
        sent = json.loads(parcel.body)
        data = sent["data"]
        said = case_note(parcel.type, sent["timestamp"], data, parcel.delivery_id)
        contact = data.get("contact")  # of a message: only where it was given or taken back
        taken_back = parcel.type == "message" and contact is not None and not contact["allowed"]
        return cls(parcel.type, data["report_id"], fields_for(parcel.type, data), said, taken_back)


class PrimeroConnector:
    def __init__(
        self, target: Target, user: str, password: str, client: HttpClient, whole: float = MAX_SECONDS
    ) -> None:
        self._target = target
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": f"Basic {basic}",
        }
        self._client = client
        self._whole = whole

    def deliver(self, parcel: DeliveryRequest) -> DeliveryOutcome:
        told = CaseUpdate.by(parcel)
        visit = _CaseSession(self._client, self._target, self._headers, time.monotonic() + self._whole)
        try:
            return _create(visit, told) if told.kind in ("created", "unread") else _add(visit, told)
        except NoResponse as missing:
            return Unavailable(missing.why)


@dataclass(frozen=True, slots=True)
class _CaseSession:
    """The calls of one delivery."""

    client: HttpClient
    target: Target
    headers: Mapping[str, str]
    until: float

    def call(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> ClientResponse:
        """Raises NoAnswer, also where the delivery has taken too long already."""
        if time.monotonic() > self.until:
            raise NoResponse("timeout")
        body = b"" if data is None else json_bytes({"data": data})
        target = replace(self.target, url=self.target.url + path)
        return self.client.call(method, target, body, self.headers, largest=MAX_CASE_BYTES)


def _create(visit: _CaseSession, told: CaseUpdate) -> DeliveryOutcome:
    reply = _written(visit, "POST", CASES, {"id": told.case, **told.fields, NOTES: [told.note]})
    if reply.status == 409:  # an attempt before, whose answer was lost; or a newer revision was here first
        return _add(visit, told, created=True)
    return _proven(visit, told, reply)


def _add(visit: _CaseSession, told: CaseUpdate, *, created: bool = False) -> DeliveryOutcome:
    found = visit.call("GET", f"{CASES}/{told.case}")
    if found.status == 404 and told.kind == "updated" and not created:  # it holds the whole report
        return _create(visit, told)
    if not 200 <= found.status < 300:
        return _read(found)
    there = _case(found)
    if _has(there, told):
        return Delivered(found.status)
    new = case_changes(told.fields, there, withdrawn=told.withdrawn)
    notes = [*(redact_numbers(there.get(NOTES)) if told.withdrawn else ()), told.note]
    return _proven(visit, told, _written(visit, "PATCH", f"{CASES}/{told.case}", {**new, NOTES: notes}))


def _written(visit: _CaseSession, method: str, path: str, data: Mapping[str, Any]) -> ClientResponse:
    """Once more without the fields that this Primero refuses: its lists are its own, and the note says all of it."""
    reply = visit.call(method, path, data)
    refused = _refused_fields(reply) if reply.status == 422 else set()
    if not refused & set(data) or refused & {"id", NOTES}:
        return reply
    return visit.call(method, path, {name: value for name, value in data.items() if name not in refused})


def _proven(visit: _CaseSession, told: CaseUpdate, reply: ClientResponse) -> DeliveryOutcome:
    if not 200 <= reply.status < 300:
        return _read(reply)
    found = visit.call("GET", f"{CASES}/{told.case}")
    if not 200 <= found.status < 300:
        return _read(found)
    return Delivered(reply.status) if _has(_case(found), told) else Unavailable("not_kept", reply.status)


def _has(case: Mapping[str, Any], told: CaseUpdate) -> bool:
    notes = case.get(NOTES)
    kept = [one for one in notes if isinstance(one, dict)] if isinstance(notes, list) else []
    return any(one.get("unique_id") == told.note["unique_id"] and one.get("note_text") for one in kept)


def _case(reply: ClientResponse) -> Mapping[str, Any]:
    found = _json(reply).get("data")
    return found if isinstance(found, dict) else {}


def _refused_fields(reply: ClientResponse) -> set[str]:
    """Names from `errors[].detail`: JSON pointers of its schema check, or the name of a field that is not valid."""
    errors = _json(reply).get("errors")
    details = [one.get("detail") for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    flat = [name for one in details for name in (one if isinstance(one, list) else [one])]
    return {name.strip("/").partition("/")[0] for name in flat if isinstance(name, str)}


def _json(reply: ClientResponse) -> Mapping[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(reply: ClientResponse) -> DeliveryOutcome:
    return outcome_of_status(
        reply.status, retry_after=parse_retry_after(reply.headers.get("Retry-After"), int(time.time()) * SECOND)
    )
