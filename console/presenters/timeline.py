"""The timeline of a report: events, messages and notes in order of time. Pure.

Status changes and readings come from the audit log, each as a sentence; texts come from the decrypted messages and
notes. Entries of the audit log that only repeat a text, or a step of the delivery, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from console import bodies
from console.presenters import access_log
from console.presenters.report import parse_time
from reports.answer_notices import NOT_SENT, NoticeWay
from reports.case_state import HANDLING_STATES, CaseOutcome, Handling
from reports.exports import WITHOUT_CODE
from reports.json_bodies import MessageKind
from runtime.time_units import HOUR, SECOND

EntryKind = Literal["act", "theirs", "ours", "note", "reading"]
KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)  # ordered as entries of the same time are

READ_OFTEN = "{who} opened the report {count} times."
PHONE = "A duty phone"
# Acts of people that are shown, by their sentence in the access log.
PEOPLES_ACTS: Final = (
    *("read", "heard", "number_shown", "exported:json", "printed", "printed:number"),
    *("referral:pdf", "referral:json", "referral:pdf:number", "referral:json:number"),
    *("entered", "accepted", "holds", "in_progress", "rejected", "passed_on", "put_back", "hand_over_asked"),
    *("closed", *(f"closed:{outcome}" for outcome in CaseOutcome), "close_undone", "hoax_said", "hoax_withdrawn"),
    *("follow_up_set", "follow_up_done", "follow_up_removed", "kept_away", "let_near"),
)
# act of the audit log → sentence
ACTS: Final[Mapping[str, str]] = {
    **{act: access_log.SENTENCES[act] for act in PEOPLES_ACTS},
    # Only the access log says from whom.
    "hidden_from": access_log.SENTENCES["kept_away"],
    "shown_to": access_log.SENTENCES["let_near"],
    "handed_on": "The report was transferred to another hotline.",
    "hand_over_refused": "The transfer to another hotline was not possible.",
    "delivered": "The system of the hotline received the report.",
    "raised": "The priority of the report was raised.",
    NoticeWay.SMS: "A text message asked the reporter to dial in.",
    NoticeWay.USSD: "The network was asked to show a text by USSD that asks the reporter to dial in.",
    NoticeWay.SMS_AFTER_USSD: "A text message asked the reporter to dial in. The network had not confirmed that it "
    "showed the text by USSD.",
    NOT_SENT: "The text message that asks the reporter to dial in was not sent.",
}
RECEIVED = "The report was received."
RECEIVED_MORE = "The system of the hotline received what the reporter added."  # the sentence of each later delivery
ADDED = "The reporter added words: see above, under “In their own words”."
SAID_BY_REPORTER: Final[Mapping[str, str]] = {  # messages of the reporter without words
    MessageKind.CONTACT_GIVEN: "The reporter may be contacted from now on: see above how and when.",
    MessageKind.CONTACT_WITHDRAWN: "The reporter does not want to be contacted any more.",
    MessageKind.DELETE_ASKED: "The reporter deleted this report. It disappears here when all deliveries have ended. "
    "Your law decides about a copy of your own.",
    MessageKind.RECORDING: "The reporter spoke in the call. The access log records each time that somebody listens.",
    MessageKind.RECORDING_MISSING: "The reporter was asked to speak in the call, and no recording could be fetched. "
    "If it comes within a day, it appears here.",
}
NOTED, NOTED_REASON = "{who} wrote a note for colleagues:", "{who} said why it was passed on:"
NOTED_CLOSING, NOTED_HOAX = "{who} wrote what was done:", "{who} wrote why this may be a false report:"
WROTE, REPORTER_WROTE = "{who} wrote to the reporter:", "The reporter wrote:"
DOES_NOT_OPEN = "It does not open with the keys that are here"
SENTENCES = (
    *(READ_OFTEN, PHONE, RECEIVED, RECEIVED_MORE, ADDED, WROTE, REPORTER_WROTE, WITHOUT_CODE, DOES_NOT_OPEN),
    *(NOTED, NOTED_REASON, NOTED_CLOSING, NOTED_HOAX),
    *dict.fromkeys(ACTS.values()),
    *SAID_BY_REPORTER.values(),
)

NOTE_SENTENCES: Final = {"answer": WROTE, "reason": NOTED_REASON, "closing": NOTED_CLOSING, "hoax": NOTED_HOAX}
TEXT_ACTS = ("noted", "answered")  # their text is in the timeline
SAME_ACT = 2 * SECOND  # entries of one press are this close to each other
READINGS_TOGETHER = HOUR


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry.

    `at`: microseconds. `sentence`: a message of the catalogues; `fields` fill its placeholders. `text`: what somebody
    wrote, made inert by the page; None if there is none. `is_new`: the reporter sent it after this hotline last read
    the report. `id`: of a message to the reporter, by which the text that asks them to dial is found. `note`: the note
    that it shows; empty if it shows none. `recording`: id of the reporter's recording in a call.
    """

    at: int
    kind: EntryKind
    sentence: str
    fields: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    is_new: bool = False
    count: int = 1
    id: str = ""
    note: Mapping[str, Any] = field(default_factory=dict)
    recording: str = ""


def timeline(
    received_at: int,
    acts: Iterable[Any],
    *,
    messages: Iterable[Mapping[str, Any]],
    notes: Iterable[Mapping[str, Any]],
    typed: Iterable[tuple[str, str, str]],
    new: Collection[str],
    is_new: Callable[[str], bool],
) -> tuple[TimelineEntry, ...]:
    """Return the entries in order of time.

    `acts`: rows of the audit log, the oldest first. `messages`: the reporter's. `notes`: notes of staff with their
    answers. `typed`: (label, ISO 8601 time, text) of words in the report; those without a time came with it. `new`: ids
    of unread messages. `is_new`: whether words typed at this time are unread.
    """
    entries = [
        TimelineEntry(received_at, "act", RECEIVED),
        *_acts(list(acts)),
        *(_message(message, is_new=message["message_id"] in new) for message in map(bodies.complete_message, messages)),
        *(_note(note) for note in notes),
        *(TimelineEntry(parse_time(at), "act", ADDED, is_new=is_new(at)) for _, at, _ in typed if at),
    ]
    return tuple(_merge_readings(sorted(entries, key=_time_and_rank)))


def _time_and_rank(entry: TimelineEntry) -> tuple[int, int]:
    """Return the sort key. The reporter's times are in whole seconds; a report's own words sort before its receipt."""
    at = entry.at // SECOND * SECOND if entry.sentence == RECEIVED else entry.at
    return at, KINDS.index(entry.kind)


def _message(message: Mapping[str, Any], *, is_new: bool) -> TimelineEntry:
    at, kind = parse_time(message["created_at"]), message["kind"]
    if kind in SAID_BY_REPORTER:
        recording = message["message_id"] if kind == MessageKind.RECORDING else ""
        return TimelineEntry(at, "theirs", SAID_BY_REPORTER[kind], is_new=is_new, recording=recording)
    sentence = WITHOUT_CODE if message["without_code"] else REPORTER_WROTE
    return TimelineEntry(at, "theirs", sentence, text=message["text"] or "", is_new=is_new)


def _note(note: Mapping[str, Any]) -> TimelineEntry:
    sentence = NOTE_SENTENCES.get(note["kind"], NOTED)
    kind: EntryKind = "ours" if note["kind"] == "answer" else "note"
    text = DOES_NOT_OPEN if note["text"] is None else note["text"]
    return TimelineEntry(note["at"], kind, sentence, {"who": note["by"]}, text, id=note.get("id", ""), note=note)


def _acts(rows: list[Any]) -> Iterator[TimelineEntry]:
    is_delivered = False
    for row in rows:
        by_same_press = {
            other.act for other in rows if other.actor == row.actor and abs(other.at - row.at) <= SAME_ACT
        } - {row.act}
        is_restored = row.act in HANDLING_STATES and any(
            (other.act, other.at, other.actor) == ("close_undone", row.at, row.actor) for other in rows
        )
        if row.act in ACTS and not is_restored and not _is_repeated(row.act, by_same_press):
            kind: EntryKind = "reading" if row.act == "read" else "act"
            is_later = row.act == "delivered" and is_delivered
            is_delivered = is_delivered or row.act == "delivered"
            sentence = RECEIVED_MORE if is_later else ACTS[row.act]
            yield TimelineEntry(row.at, kind, sentence, {"who": _actor(row.actor)})


def _is_repeated(act: str, others: Collection[str]) -> bool:
    """Return whether another entry of the same press has more detail."""
    if act == "holds":
        return not {Handling.ACCEPTED, Handling.IN_PROGRESS, *TEXT_ACTS}.isdisjoint(others)
    return act == Handling.CLOSED and any(other.startswith("closed:") for other in others)


def _actor(actor: str) -> str:
    """Return the name of an actor: of staff, else a stand-in, which the page translates."""
    return PHONE if actor.startswith("phone:") else actor.rpartition("/")[2]


def _merge_readings(entries: Iterable[TimelineEntry]) -> Iterator[TimelineEntry]:
    """Merge readings of one person that follow each other within an hour: each form of a page opens it again."""
    before: TimelineEntry | None = None
    for entry in entries:
        if (
            before
            and (before.kind, before.fields) == (entry.kind, entry.fields)
            and entry.kind == "reading"
            and entry.at - before.at < READINGS_TOGETHER
        ):
            count = before.count + 1
            before = replace(before, sentence=READ_OFTEN, count=count)
            continue
        if before:
            yield before
        before = entry
    if before:
        yield before
