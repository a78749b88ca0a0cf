"""A hotline that works with Primero v2: a report becomes a case there, by its REST API and HTTP Basic.

Primero lets the client choose a record's id. We use the report's id, so a second POST finds it in use (409). Each
delivery is one note under its own key, and Primero merges notes by that key. So a report is never entered twice,
whichever response is lost.

Fields that the account's role may not write are dropped by Primero, which still answers 2xx. So the note is read back,
and only a note that is stored is a receipt. A case that could not be read whole is no empty case: it is read again at
the next attempt, and nothing is written before.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reports.delivery import DeliveryType
from reports.exports import case_changes, case_note, fields_for, redact_numbers
from reports.json_bodies import json_bytes
from runtime.settings import Secret, env, from_environment, parsers
from runtime.time_units import SECOND
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable, outcome_of_status
from workers.delivery.registry import HotlineDependencies, HttpsSettings
from workers.delivery.under_way import AT_ONCE_EACH
from workers.network.allowlist import Target, parse_hotline_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse
from workers.retry_policy import parse_retry_after

CASES = "/api/v2/cases"
NOTES = "notes_section"
# One delivery may need five requests of 20 s each. No request starts after this; the next attempt continues.
MAX_SECONDS = 15
MAX_CASE_BYTES = 4 * 1024 * 1024  # a case with all its notes
TIMEOUTS = HttpTimeouts(drain=20)  # the case is in the body


@from_environment
class Settings(HttpsSettings):
    """The address of the hotline's Primero, and our account there."""

    url: str = env("URL", parsers.web_address, live=parsers.require_https, meaning="where this hotline's Primero is")
    user: str = env(
        "USER",
        parsers.matching(r"[!-9;-~]+", "a user name without a colon"),
        meaning="user name of the Primero API account",
    )
    password: Secret[str] = env(
        "PASSWORD",
        parsers.secret_text,
        secret=True,
        make="have it made in Primero for an account of its own",
        meaning="password of that account; six wrong ones lock it for half an hour",
    )


def build(settings: Settings, dependencies: HotlineDependencies) -> PrimeroConnector:
    """Build the connector. Raises BadTarget."""
    target = parse_hotline_target(settings.url, settings.private, live=dependencies.live)
    client = HttpClient(ca_file=settings.ca_file, limits=TIMEOUTS, max_idle=AT_ONCE_EACH)
    return PrimeroConnector(target, settings.user, settings.password.reveal(), client)


@dataclass(frozen=True, slots=True)
class CaseUpdate:
    """The changes that one delivery makes to a case.

    `consent_withdrawn`: the reporter withdrew the permission to be contacted.
    """

    kind: DeliveryType
    case: str
    fields: Mapping[str, Any]
    note: Mapping[str, str]
    consent_withdrawn: bool

    @classmethod
    def from_request(cls, request: DeliveryRequest) -> CaseUpdate:
        """Return the update that a delivery request asks for."""
        envelope = json.loads(request.body)
        data = envelope["data"]
        new_note = case_note(request.type, envelope["timestamp"], data, request.delivery_id)
        contact = data.get("contact")  # only messages that give or withdraw the permission have it
        is_withdrawn = request.type == DeliveryType.MESSAGE and contact is not None and not contact["allowed"]
        return cls(request.type, data["report_id"], fields_for(request.type, data), new_note, is_withdrawn)


class PrimeroConnector:
    """Creates a case for a report and adds later deliveries to it.

    `max_seconds`: after which a delivery starts no further request.
    """

    takes_sound = False

    def __init__(
        self, target: Target, user: str, password: str, client: HttpClient, max_seconds: float = MAX_SECONDS
    ) -> None:
        self._target = target
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": f"Basic {basic}",
        }
        self._client = client
        self._max_seconds = max_seconds

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Create or update the case, and check that the note was stored."""
        update = CaseUpdate.from_request(request)
        session = _CaseSession(self._client, self._target, self._headers, time.monotonic() + self._max_seconds)
        try:
            return (
                _create(session, update)
                if update.kind in (DeliveryType.CREATED, DeliveryType.UNREAD)
                else _add(session, update)
            )
        except NoResponse as error:
            return Unavailable(error.reason)


@dataclass(frozen=True, slots=True)
class _CaseSession:
    """The requests of one delivery."""

    client: HttpClient
    target: Target
    headers: Mapping[str, str]
    until: float

    def call(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> ClientResponse:
        """Send one request. Raises NoResponse, also if the delivery has taken too long already."""
        if time.monotonic() > self.until:
            raise NoResponse("timeout")
        body = b"" if data is None else json_bytes({"data": data})
        target = replace(self.target, url=self.target.url + path)
        return self.client.call(method, target, body, self.headers, max_bytes=MAX_CASE_BYTES)


def _create(session: _CaseSession, update: CaseUpdate) -> DeliveryOutcome:
    response = _write(session, "POST", CASES, {"id": update.case, **update.fields, NOTES: [update.note]})
    if response.status == 409:  # an earlier attempt whose response was lost, or a newer revision that arrived first
        return _add(session, update, created=True)
    return _check_stored(session, update, response)


def _add(session: _CaseSession, update: CaseUpdate, *, created: bool = False) -> DeliveryOutcome:
    response = session.call("GET", f"{CASES}/{update.case}")
    if response.status == 404 and update.kind == DeliveryType.UPDATED and not created:
        return _create(session, update)  # an update contains the whole report
    if not 200 <= response.status < 300:
        return _outcome(response)
    stored_case = _case_data(response)
    if _has_note(stored_case, update):
        return Delivered(response.status)
    new = case_changes(update.fields, stored_case, withdrawn=update.consent_withdrawn)
    notes = [*(redact_numbers(stored_case.get(NOTES)) if update.consent_withdrawn else ()), update.note]
    return _check_stored(session, update, _write(session, "PATCH", f"{CASES}/{update.case}", {**new, NOTES: notes}))


def _write(session: _CaseSession, method: str, path: str, data: Mapping[str, Any]) -> ClientResponse:
    """Write, and once more without the fields that this Primero refuses.

    Its option lists may differ from ours, and the note contains the whole report anyway.
    """
    response = session.call(method, path, data)
    refused = _refused_fields(response) if response.status == 422 else set()
    if not refused & set(data) or refused & {"id", NOTES}:
        return response
    return session.call(method, path, {name: value for name, value in data.items() if name not in refused})


def _check_stored(session: _CaseSession, update: CaseUpdate, written: ClientResponse) -> DeliveryOutcome:
    """Read the case back after a write, and return whether its note is stored. `written`: the response to the write."""
    if not 200 <= written.status < 300:
        return _outcome(written)
    read = session.call("GET", f"{CASES}/{update.case}")
    if not 200 <= read.status < 300:
        return _outcome(read)
    return Delivered(written.status) if _has_note(_case_data(read), update) else Unavailable("not_kept", written.status)


def _has_note(case: Mapping[str, Any], update: CaseUpdate) -> bool:
    notes = case.get(NOTES)
    stored = [note for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
    return any(note.get("unique_id") == update.note["unique_id"] and note.get("note_text") for note in stored)


def _case_data(response: ClientResponse) -> Mapping[str, Any]:
    """Return the case in a response. Raises NoResponse if there is none, as in a body that was cut off."""
    data = _json(response).get("data")
    if not isinstance(data, dict):
        raise NoResponse("reset", sent=True)
    return data


def _refused_fields(response: ClientResponse) -> set[str]:
    """Return the field names in `errors[].detail`: JSON pointers of the schema check, or names of invalid fields."""
    errors = _json(response).get("errors")
    details = [error.get("detail") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    flat = [name for detail in details for name in (detail if isinstance(detail, list) else [detail])]
    return {name.strip("/").partition("/")[0] for name in flat if isinstance(name, str)}


def _json(response: ClientResponse) -> Mapping[str, Any]:
    try:
        parsed = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _outcome(response: ClientResponse) -> DeliveryOutcome:
    return outcome_of_status(
        response.status, retry_after=parse_retry_after(response.headers.get("Retry-After"), int(time.time()) * SECOND)
    )
