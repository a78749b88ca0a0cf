"""Decrypt reports, messages and notes for a hotline's staff, and seal messages to reporters."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog

from flows.staff_replies import Objection, Weight, check_reply
from reports.countries.country import Country
from reports.countries.numbers import permitted_numbers
from reports.crypto import (
    DecryptError,
    PublicKey,
    SealContext,
    SealedBody,
    open_body,
    open_head,
    seal_answer,
    seal_body,
)
from reports.crypto.key_files import PrivateKeySet
from reports.facts import CHILD_FACTS
from reports.json_bodies import NO_CONTACT, MessageKind, json_bytes, without_contact
from reports.store.cases.case_actions import CHILD_NOTE, DraftKind, NoteKind, SealedNote
from reports.store.cases.case_list import CaseHead, CaseRow
from reports.store.cases.case_view import CaseView
from reports.store.mailboxes.correspondence import AnswerTarget, SealedAnswer
from reports.store.mailboxes.recordings import SealedRecording
from reports.store.outbox import StoredBody
from reports.store.schema.base import new_id
from runtime.settings import Mode

log = structlog.get_logger()

HEAD_CACHE_SIZE = 20_000  # decrypted heads
# Default of each missing field. A list holds the defaults of each of its rows; an empty one has texts. None and ""
# stand for a text, 0 for a number.
REPORT_DEFAULTS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("danger", "category", "about", "reporter_role", "narrative")),
    "repeat_of": 0,
    "place": {"name": None, "group": None},
    "child": {"age_band": ""},
    "language": "",
    "channel": "",
    "extras": {},
    "unasked": [{"at": "", "text": ""}],
    "additions": [{"at": "", "text": ""}],
    "answers": [{"screen": "", "question": "", "value": None, "at": ""}],
    "attachments": {"count": 0, "links": []},
    "triage": {"priority": "", "flags": [], "reasons": []},
    "routing": {"avoid": [], "to": [{"name": "", "role": ""}]},
    "flow": {"id": "", "version": 0},
}
CLOSING_FIELDS: Final = ("outcome", "told", "service")  # fields of a note on closing, beside its text
MESSAGE_DEFAULTS: Final[Mapping[str, Any]] = {
    "kind": MessageKind.WORDS,
    "text": None,
    "created_at": "",
    "message_id": "",
    "without_code": False,
}
HEAD_TEXTS: Final = ("category", "danger", "about", "age_band")


@dataclass(frozen=True, slots=True)
class DecryptedReport:
    """The decrypted content of a case.

    `report`: the JSON of the report; None if it does not open or is not a JSON object. `said`: the messages that the
    reporter left by My report, oldest first. `notes`: the hotline's own notes, including its answers to the reporter.
    """

    report: Mapping[str, Any] | None
    said: tuple[Mapping[str, Any], ...]
    notes: tuple[Mapping[str, Any], ...]

    @property
    def contact(self) -> Mapping[str, Any] | None:
        """Return the contact of the report with all of its terms, or NO_CONTACT; None if the report does not open."""
        return None if self.report is None else complete_report(self.report)["contact"]

    @property
    def language(self) -> str:
        """Return the reporter's language; empty if it is not known."""
        return "" if self.report is None else str(complete_report(self.report)["language"])


class ReportDecryptor:
    """Decrypts data sealed to the hotlines of this console. Heads are cached, because the list shows many."""

    def __init__(self, keys: PrivateKeySet, mode: Mode) -> None:
        self._keys = keys
        self._mode = mode
        self._cached_head = lru_cache(HEAD_CACHE_SIZE)(self._open_head)

    def head(self, row: CaseRow | CaseHead, hotline: str) -> Mapping[str, Any]:
        """Return the head of a report, which the list shows.

        Empty if there is none, if it does not open, or if it has not the shape of a head, as after a rollback.
        """
        if not row.head:
            return {}
        try:
            return self._cached_head(hotline, row.mode, row.report_id, row.revision, row.key_id, row.wrap, row.head)
        except DecryptError:  # not cached: the key may be put back
            return {}

    def _open_head(
        self, hotline: str, mode: Mode, report_id: str, revision: int, *sealed_parts: Any
    ) -> Mapping[str, Any]:
        key_id, wrap, head = sealed_parts
        context = SealContext(mode, report_id, revision, hotline)
        opened = open_head(self._keys.of(hotline, key_id), context, SealedBody(key_id, wrap, head, b""))
        try:
            content = json.loads(opened)
        except (ValueError, RecursionError):
            content = None
        if not is_head(content):
            log.error("head_unreadable", report_id=report_id, hotline=hotline)
            return {}
        return content  # type: ignore[no-any-return]

    def all(self, before: CaseView, report_id: str, hotline: str) -> DecryptedReport:
        """Decrypt report, messages and notes of a case. The contact of the latest message replaces the report's."""
        notes = self.notes(before.notes, report_id, hotline)
        readable = before.held
        if readable is None:
            return DecryptedReport(None, (), notes)
        report = self._open_json(
            readable.report, SealContext(readable.mode, report_id, readable.revision, hotline), readable.withdrawn
        )
        message_contents = []
        for message in readable.messages:
            context = SealContext.of_message(readable.mode, report_id, message.message_id, hotline)
            content = self._open_json(message, context, readable.withdrawn)
            if content is not None:
                message_contents.append(content)
                if report is not None and content.get("contact"):
                    report = {**report, "contact": content["contact"]}
        return DecryptedReport(report, tuple(message_contents), notes)

    def notes(self, rows: Iterable[Any], report_id: str, hotline: str) -> tuple[Mapping[str, Any], ...]:
        """Decrypt texts of a hotline's staff; `text` is None if one does not open."""
        return tuple(self._open_note(row, report_id, hotline) for row in rows)

    def drafts(self, rows: Iterable[Any], report_id: str, hotline: str) -> dict[str, str]:
        """Return kind → text, without drafts that do not open any more."""
        texts_by_kind = {row.kind: self._open_text(row, report_id, hotline) for row in rows}
        return {kind: text for kind, text in texts_by_kind.items() if text is not None}

    def sound(self, sealed: SealedRecording, report_id: str, recording_id: str) -> bytes | None:
        """Return the sound of a recording; None if it does not open."""
        hotline = sealed.recipient
        context = SealContext.of_recording(self._mode, report_id, recording_id, hotline)
        try:
            key = self._keys.of(hotline, sealed.key_id)
            return open_body(key, context, SealedBody(sealed.key_id, sealed.wrap, b"", sealed.sealed))
        except DecryptError:
            return None

    def _open_json(self, body: StoredBody, context: SealContext, withdrawn: bool) -> Mapping[str, Any] | None:
        try:
            key = self._keys.of(context.hotline, body.key_id)
            plaintext = open_body(key, context, SealedBody(body.key_id, body.wrap, body.head, body.sealed))
        except DecryptError:
            return None
        try:
            content = json.loads(plaintext, parse_constant=str, parse_float=_finite_or_text)
            if not isinstance(content, dict):
                return None
            return json.loads(without_contact(json_bytes(content))) if withdrawn else content
        except (ValueError, RecursionError):
            return None

    def _open_note(self, row: Any, report_id: str, hotline: str) -> Mapping[str, Any]:
        content = self._open_content(row, report_id, hotline)
        text = str(content.get("text", "")) if content else None
        by = row.actor.rpartition("/")[2]
        note = {"id": row.note_id, "kind": row.kind, "by": by, "at": row.created_at, "text": text}
        return note | {name: str(content[name]) for name in CLOSING_FIELDS if content and content.get(name)}

    def _open_text(self, row: Any, report_id: str, hotline: str) -> str | None:
        content = self._open_content(row, report_id, hotline)
        return str(content.get("text", "")) if content else None

    def _open_content(self, row: Any, report_id: str, hotline: str) -> Mapping[str, Any] | None:
        context = SealContext.of_message(self._mode, report_id, row.note_id, hotline)
        return self._open_json(StoredBody(row.key_id, row.wrap, b"", row.sealed, row.note_id), context, False)


def _finite_or_text(number: str) -> float | str:
    """Return a number; a text as it was written, like NaN, if it is too large: JSON that is exported has neither."""
    return value if math.isfinite(value := float(number)) else number


# Complete decrypted bodies of other releases: a field that is missing gets a default. Pure.
#
# A missing field means that the reporter gave no such answer. A text of another shape is shown as it is, as JSON: it
# may be words of the reporter. A number to call is used only if all of its terms are there too.


def is_head(content: Any) -> bool:
    """Return whether decrypted JSON has the shape of a head. It may lack fields, and may have others."""
    if not isinstance(content, dict):
        return False
    place, contact = (_mapping_or_none(content.get(name)) for name in ("place", "contact"))
    if place is None or contact is None:
        return False
    texts = (*(content.get(name) for name in HEAD_TEXTS), place.get("name"), contact.get("how"))
    allowed, safe_hours = contact.get("allowed", True), contact.get("safe_hours")
    return (
        all(text is None or isinstance(text, str) for text in texts)
        and isinstance(allowed, bool)
        and _mapping_or_none(safe_hours) is not None
    )


def _mapping_or_none(value: Any) -> Mapping[str, Any] | None:
    """Return a JSON object, empty for null; None for anything else."""
    return {} if value is None else value if isinstance(value, dict) else None


def complete_report(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the fields that a report lacks. A contact that lacks a term becomes NO_CONTACT."""
    contact = report.get("contact")
    contact = contact if isinstance(contact, Mapping) else {}
    safe_hours = contact.get("safe_hours")
    safe_hours = safe_hours if isinstance(safe_hours, Mapping) else {}
    terms = (contact.get("how"), contact.get("msisdn"), *(safe_hours.get(name) for name in ("from", "to", "tz")))
    has_terms = all(isinstance(term, str) and term for term in terms)
    is_allowed = contact.get("allowed") is True and has_terms and contact["how"] != "none"
    return {**_with_defaults(report, REPORT_DEFAULTS), "contact": contact if is_allowed else NO_CONTACT}


def complete_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the fields that a message of the reporter lacks."""
    return _with_defaults(message, MESSAGE_DEFAULTS)


def _with_defaults(fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, **{name: _value_or_default(fields.get(name), default) for name, default in defaults.items()}}


def _value_or_default(value: Any, default: Any) -> Any:
    if isinstance(default, Mapping):
        return _with_defaults(_fields_of(value, default), default)
    if isinstance(default, list):
        return _rows_or_texts(value if isinstance(value, list) else [value], default)
    if value is None:
        return default
    if isinstance(default, bool):
        return value is True
    if isinstance(default, int):
        return value if isinstance(value, int) else default
    return _as_text(value)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rows_or_texts(values: list[Any], default: list[Any]) -> list[Any]:
    if not default:
        return [_as_text(value) for value in values if value is not None]
    rows = ((value, _fields_of(value, default[0])) for value in values)
    return [_with_defaults(fields, default[0]) for value, fields in rows if fields or isinstance(value, Mapping)]


def _fields_of(value: Any, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a JSON object. Anything else becomes its text or its name, if such objects have one."""
    if isinstance(value, Mapping):
        return value
    return next(({name: value} for name in ("text", "name") if name in defaults and value is not None), {})


# Messages from a hotline to a reporter: checked before they are sent, then sealed to the mailbox.
#
# Only the access code with its PIN opens a sealed message. The callback, the staff pages and the command line all use
# these functions.


@dataclass(frozen=True, slots=True)
class MessageCheck:
    """The result of a check.

    `refusals`: reasons not to send it. `doubts`: doubts that the author may overrule. `hints`: what the author should
    know; the message may be sent.
    """

    refusals: tuple[Objection, ...] = ()
    doubts: tuple[Objection, ...] = ()
    hints: tuple[Objection, ...] = ()


NO_CODE = "no code was ever shown for this report, so nobody could read it"
CLOSED = "the reporter has deleted it: the mailbox is closed"


def check_message(words: str, country: Country) -> MessageCheck:
    """Check a message against the numbers that the country permits and the names of its hotlines (S-25)."""
    names = {name for hotline in country.hotlines.values() for name in (hotline.name, hotline.screen_name)}
    by_weight: dict[Weight, list[Objection]] = {weight: [] for weight in Weight}
    for objection in check_reply(words, permitted_numbers(country), names):
        by_weight[objection.weight].append(objection)
    return MessageCheck(*(tuple(by_weight[weight]) for weight in (Weight.REFUSED, Weight.DOUBT, Weight.HINT)))


UNREACHABLE_REASONS = {"no_code": NO_CODE, "closed": CLOSED}


def no_mailbox_reason(public_key: bytes | None) -> str:
    """Return why the reporter cannot read an answer sealed to this key: `no_code` or `closed`; empty if they can."""
    if public_key is None:
        return "no_code"
    return "" if public_key else "closed"


def unreachable_reason(target: AnswerTarget) -> str | None:
    """Return the same reason as a sentence; None if the reporter can read an answer."""
    return UNREACHABLE_REASONS.get(no_mailbox_reason(target.public_key))


def seal_answer_to(target: AnswerTarget, report_id: str, hotline: str, words: str, now: int) -> SealedAnswer:
    """Seal a hotline's answer to the reporter's mailbox. Afterwards only code and PIN open it, not the hotline."""
    answer_id = new_id(now)
    sealed = seal_answer(target.public_key or b"", target.mode, report_id, answer_id, words)
    return SealedAnswer(answer_id, report_id, hotline, sealed)


@dataclass(frozen=True, slots=True)
class MessageSealer:
    """Seals a hotline's texts about one report. `key`: the hotline's public key. `now`: microseconds."""

    hotline: str
    report_id: str
    target: AnswerTarget
    key: PublicKey
    now: int

    def answer(self, words: str) -> SealedAnswer:
        """Seal an answer to the reporter."""
        return seal_answer_to(self.target, self.report_id, self.hotline, words, self.now)

    def note(self, kind: NoteKind | DraftKind, text: str, note_id: str = "", **more: str) -> SealedNote:
        """Seal a note or a draft to the hotline's own staff.

        `note_id`: of an answer's copy, the answer's own id. `more`: CLOSING_FIELDS, or facts of the child.
        """
        note_id = note_id or new_id(self.now)
        context = SealContext.of_message(self.target.mode, self.report_id, note_id, self.hotline)
        sealed_body = seal_body(self.key, context, b"", json_bytes({"kind": kind, "text": text, **more}))
        return SealedNote(
            note_id, self.report_id, self.hotline, kind, sealed_body.key_id, sealed_body.wrap, sealed_body.sealed
        )

    def child_note(self, recorded: Mapping[str, str]) -> SealedNote:
        """Seal the data on the child that staff recorded: fact → value. All these notes have the same length.

        The database shows the length of a sealed note, which without padding would reveal the values.
        """
        longest = {name: max(values, key=len) for name, values in CHILD_FACTS.items()}
        missing = len(json_bytes(longest)) - len(json_bytes(dict(recorded)))
        return self.note(CHILD_NOTE, "", **recorded, padding="-" * missing)
