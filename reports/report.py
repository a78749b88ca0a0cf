"""Build a report and its JSON as a hotline receives it: cop-report 1.0 of docs/contracts. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

from msgspec.structs import replace

from reports.countries.country import Country
from reports.escalation import Priority
from reports.facts import CONTACT_REQUEST, Completeness, Facts, GivenAnswer, derive_facts, reporter_role
from reports.json_bodies import NO_CONTACT, as_typed, envelope, json_bytes, message_json, rfc3339, unread_json
from reports.narrative import ReportTexts, UnaskedText, answer_rows, collect_texts, extras_as_typed, links_in
from reports.routing import Route
from reports.triage import RULES_VERSION, Triage, triage
from runtime.settings import Mode
from runtime.telephony import ChannelKind

# Loaded at import, like code, because one label in it is a term that must not be in any source file.
ROWS: list[dict[str, Any]] = tomllib.loads((resources.files("reports") / "crosswalk.toml").read_text("utf-8"))["row"]
__all__ = [
    "MAX_EARLIER",
    "NO_REPORT",
    "Facts",
    "GivenAnswer",
    "Report",
    "ReportMetadata",
    "UnaskedText",
    "build_report",
    "derive_facts",
    "envelope",
    "message_json",
    "report_head",
    "shows_number",
    "to_json",
    "unread_json",
]

HEAD_BLOCK: Final = 1024  # bytes of a head: its length is not encrypted, and must not reveal its content
# Places for earlier reports of the same phone in a head; unused ones are filled, so that its length reveals nothing.
MAX_EARLIER: Final = 5
NO_REPORT: Final = "00000000-0000-0000-0000-000000000000"  # fills an empty place: the nil UUID (RFC 9562)

# Choice on the contact screen → how, from, to, by the local time of the country. Choosing one also says that nobody
# else sees this phone.
CONTACT_CHOICES: Mapping[str, tuple[str, str, str]] = {
    "sms_07_21": ("sms", "07:00", "21:00"),
    "sms_08_16": ("sms", "08:00", "16:00"),
    "call_07_21": ("call", "07:00", "21:00"),
    "call_08_16": ("call", "08:00", "16:00"),
}


# The terms of other bodies for the facts of a report, from the table crosswalk.toml; later rows win. Pure.


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """The terms of other bodies. None: that body has no such type; a report is never forced into another type."""

    ncmec: str | None = None
    annotations: tuple[str, ...] = ()
    cybertip_ca: str | None = None
    inhope: str | None = None
    chi: str | None = None
    primero: tuple[str, ...] = ()


def crosswalk(facts: Facts) -> Crosswalk:
    """Return the terms of other bodies for these facts."""
    terms: dict[str, Any] = {"annotations": ()}
    for row in ROWS:
        conditions = row.get("when", {})
        if row["category"] != facts.category or any(
            facts.extras.get(question) not in values for question, values in conditions.items()
        ):
            continue
        for body in ("ncmec", "cybertip_ca", "inhope", "chi"):
            terms[body] = row.get(body, terms.get(body))
        terms["primero"] = tuple(row.get("primero", terms.get("primero", ())))
        terms["annotations"] += tuple(row.get("annotations", ()))
    return Crosswalk(**terms)


ReportChannel = Literal[ChannelKind, "simulator", "staff"]
EntryWay = Literal["call", "walk_in"]
Consent = Literal["yes", "no", "not_asked"]
ConsentGiver = Literal["child", "carer", "reporter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffEntry:
    """The origin of a report that staff entered, and the person's consent.

    `given_by`: who gave the consent: the child, a parent or carer, or somebody else who reports.
    """

    how: EntryWay
    entered_by: str
    given_by: ConsentGiver
    storing: Consent
    referral: Consent
    contact: Consent

    def to_dict(self) -> dict[str, Any]:
        """Return the field `entry` of a report."""
        consent = {"storing": self.storing, "referral": self.referral, "contact": self.contact}
        return {"how": self.how, "entered_by": self.entered_by, "consent": {"given_by": self.given_by, **consent}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMetadata:
    """The metadata of a report: all its fields except the answers. Times are Unix seconds.

    `first_words`: an SMS that arrived before any screen was shown.
    """

    report_id: str
    revision: int
    mode: Mode
    completeness: Completeness
    created_at: int
    updated_at: int
    sent_at: int | None
    channel: ReportChannel
    language: str
    country: Country
    route: Route
    flow: str = "report"
    flow_version: int = 1
    msisdn: str | None = None  # E.164; goes into a report only with consent
    first_words: str | None = None
    unasked: tuple[UnaskedText, ...] = ()
    attachments: int = 0
    attachment_types: tuple[str, ...] = ()  # image, video, audio, other
    repeat_of: int | None = None
    floor: Priority | None = None  # the priority that the report has already reached
    words_only: bool = False  # words alone: by SMS and never confirmed, or in a later call without code
    entry: StaffEntry | None = None  # only for a report that staff entered


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report with everything that follows from its answers.

    `setting`: its metadata. `words`: the reporter's own texts. `given`: the answers as given.
    """

    setting: ReportMetadata
    facts: Facts
    triage: Triage
    crosswalk: Crosswalk
    words: ReportTexts
    given: tuple[GivenAnswer, ...]

    @property
    def priority(self) -> Priority:
        """Return the priority that triage has set."""
        return self.triage.priority


def build_report(given: Sequence[GivenAnswer], setting: ReportMetadata) -> Report:
    """Build a report from the answers as given and the metadata."""
    facts = derive_facts(given)
    incomplete = setting.completeness == Completeness.INCOMPLETE
    # Consent to contact is given with Send, and only for a number that is known.
    reachable = setting.msisdn is not None and not incomplete
    facts = replace(
        facts,
        contact=facts.contact if facts.contact in CONTACT_CHOICES and reachable else "none",
        avoid=setting.route.avoid,
        incomplete=incomplete,
        words_only=setting.words_only,
    )
    if setting.flow == CONTACT_REQUEST:
        facts = replace(facts, category=CONTACT_REQUEST)
    return Report(
        setting=setting,
        facts=facts,
        triage=triage(facts, setting.floor),
        crosswalk=crosswalk(facts),
        words=collect_texts(given, setting.first_words, setting.unasked, setting.created_at),
        given=tuple(given),
    )


def to_json(report: Report, hotline: str) -> bytes:
    """Return the `data` object for one hotline. Only web addresses differ: a hotline gets them if it wants them."""
    setting, facts, words = report.setting, report.facts, report.words
    additions = [report.given[n] for n in words.additions]
    receiver = setting.country.hotlines.get(hotline)
    return json_bytes(
        {
            **_frame(setting),
            "place": _place(report),
            "danger": facts.danger,
            "category": facts.category,
            "about": facts.about,
            "reporter_role": reporter_role(facts),
            "child": {"age_band": facts.age_band, "count": None},
            "narrative": _text(words.narrative),
            "unasked": [
                {"at": rfc3339(unasked_text.at), "screen": unasked_text.screen, "text": as_typed(unasked_text.text)}
                for unasked_text in words.unasked
            ],
            "decoded": None,
            "additions": [{"at": rfc3339(addition.at), "text": _text(addition.value)} for addition in additions],
            "contact": _contact(report),
            "extras": extras_as_typed(facts.extras),
            "answers": answer_rows(report.given, words),
            "triage": {
                "rules": RULES_VERSION,
                "priority": report.triage.priority,
                "reasons": report.triage.reasons,
                "flags": report.triage.flags,
            },
            "routing": _routing(setting),
            "crosswalk": _crosswalk(report.crosswalk),
            "repeat_of": setting.repeat_of,
            "attachments": {
                "count": setting.attachments,
                "types": setting.attachment_types,
                "links": _links(report) if receiver and receiver.wants_links else [],
            },
        }
    )


def _frame(setting: ReportMetadata) -> dict[str, Any]:
    return {
        "schema": "cop-report",
        "version": "1.0",
        "report_id": setting.report_id,
        "revision": setting.revision,
        "mode": setting.mode,
        "completeness": setting.completeness,
        "created_at": rfc3339(setting.created_at),
        "updated_at": rfc3339(setting.updated_at),
        "sent_at": None if setting.sent_at is None else rfc3339(setting.sent_at),
        "channel": setting.channel,
        "language": setting.language,
        "flow": {"id": setting.flow, "version": setting.flow_version},
        "country": setting.country.iso,
        **({"entry": setting.entry.to_dict()} if setting.entry else {}),
    }


def _text(text: str | None) -> str | None:
    return None if text is None else as_typed(text)


def _place(report: Report) -> dict[str, str | None] | None:
    """Return the place; for a group of places, and for typed words, the name without a code."""
    country, value = report.setting.country, report.facts.place
    if value is None:
        return None
    if place := country.place(value):
        return {"code": place.code, "name": place.name, "group": place.group}
    return {"code": None, "name": value, "group": value if value in country.groups() else None}


def _contact(report: Report) -> Mapping[str, Any]:
    """Return how to contact the reporter: the only field of a report that may hold a phone number."""
    return contact_details(report.facts.contact, report.setting.country, report.facts.place, report.setting.msisdn)


def contact_details(chosen: str, country: Country, place: str | None, msisdn: str | None) -> Mapping[str, Any]:
    """Return how to contact the reporter, with the phone number only if the reporter consented.

    `place`: code of the place, or its group; None if it is not known here.
    """
    if chosen not in CONTACT_CHOICES or msisdn is None:
        return NO_CONTACT
    how, begin, end = CONTACT_CHOICES[chosen]
    hours = country.safe_hours(place, begin, end)
    return {"allowed": True, "how": how, "safe_hours": hours, "msisdn": msisdn}


def _routing(setting: ReportMetadata) -> dict[str, Any]:
    names = setting.country.hotlines
    return {
        "file": setting.country.label,
        "to": [
            {
                "hotline": recipient.hotline,
                "name": names[recipient.hotline].name,
                "role": recipient.role,
                "why": recipient.why,
            }
            for recipient in setting.route.recipients
        ],
        "avoid": setting.route.avoid,
    }


def _crosswalk(terms: Crosswalk) -> dict[str, Any]:
    return {
        "ncmec": {"type": terms.ncmec, "annotations": terms.annotations} if terms.ncmec else None,
        "cybertip_ca": terms.cybertip_ca,
        "inhope": terms.inhope,
        "chi": terms.chi,
        "primero": terms.primero,
    }


def _links(report: Report) -> list[str]:
    texts = report.words
    additions = (report.given[n].value for n in texts.additions)
    unasked_texts = (unasked_text.text for unasked_text in texts.unasked)
    return links_in((texts.narrative, *unasked_texts, *additions, report.facts.extras.get("where_online")))


def shows_number(report: Report) -> bool:
    """Return whether a hotline receives the reporter's phone number in this report."""
    return bool(_contact(report)["allowed"])


def report_head(report: Report, earlier: Sequence[str] = ()) -> bytes:
    """Return the summary that report lists show and statistics count: no words of the reporter and no phone number.

    It is filled with spaces, so that all summaries have one length. It is never delivered. `earlier`: ids of earlier
    reports of the same phone to the same hotline.
    """
    contact = _contact(report)
    head = json_bytes(
        {
            "category": report.facts.category,
            "danger": report.facts.danger,
            "about": report.facts.about,
            "age_band": report.facts.age_band,
            "place": _place(report),
            "reasons": report.triage.reasons,
            "channel": report.setting.channel,
            "language": report.setting.language,
            "payment_seen": report.facts.extras.get("payment_seen"),
            "contact": {"how": contact["how"], "safe_hours": contact["safe_hours"]},
            "earlier": [*earlier, *[NO_REPORT] * MAX_EARLIER][:MAX_EARLIER],
        }
    )
    return head.ljust(-(-len(head) // HEAD_BLOCK) * HEAD_BLOCK)
