"""A referral form: the parts of a report that one service passes to another, with consent and purpose. Pure.

The same parts are made into JSON (docs/contracts/cop-referral-1.0.schema.json) and, as labelled lines, into a PDF.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from console import bodies
from console.presenters.report import (
    ENTRY_ANSWERS,
    EXTRAS,
    NOT_SAID,
    ChoiceLabels,
    ScreenValues,
    fill_placeholders,
    inert_text,
    present_report,
)
from reports import exports
from reports.json_bodies import rfc3339
from runtime.visible_text import safe_for_display

MAX_TO, MAX_PURPOSE = 120, 600  # characters
# The choices, and their words on the form
SECTIONS: Final[Mapping[str, str]] = {
    "facts": "What happened, danger and priority",
    "child": "Age and place of the child",
    "words": "The reporter's own words",
    "answers": "Answers to further questions",
    "contact": "How the reporter may be contacted, without the number",
}
CHILD: Final = "Child concerned"
AS_A_RULE: Final = ("facts", "child")
BASES: Final[Mapping[str, str]] = {
    "consent": "The person agrees to this referral",
    "duty": "The law requires it, without consent",
    "danger": "A life is in danger; there was no time to ask",
}
GIVERS: Final[Mapping[str, str]] = {"child": "The child", "carer": "A parent or carer", "reporter": "The reporter"}
NO_TO, NO_PURPOSE = "Enter the service that gets this referral.", "Enter what the service is asked to do."
LEFT_OUT = (
    "The reporter left this hotline out: no form is made for it. Enter another service. If your law names this one, "
    "decide with a lead and call them yourself."
)
NO_BASIS, NO_GIVER = "Choose on what basis you refer.", "Choose who gave the consent."
NO_SECTION = "Choose at least one part of the report."
NUMBER_NOT_SAFE = "The number is not given outside the safe hours, or without the reporter's leave."
PROBLEMS = (NO_TO, LEFT_OUT, NO_PURPOSE, NO_BASIS, NO_GIVER, NO_SECTION, NUMBER_NOT_SAFE)
TITLE, CONFIDENTIAL = "Referral form", "Confidential. For the service named here only. Do not copy or forward it."
LINES = ("From", "To", "Made", "Made by", "Report", "Purpose", "Basis", "Consent given by", "Not passed on")
LABELS = ("What happened", "Danger", "Priority", "Why", "Age", "Place", "Contact", "Safe hours", "Number")
TAKE_CARE = "Take care"
DRILL_LINE, DEMO_LINE = "A drill: no report here is real.", "A demo: no report here is real."
ALLOWED: Final[Mapping[str, str]] = {
    "none": "no contact allowed",
    "call": "may be called",
    "sms": "may be sent text messages",
}
SENTENCES = (
    *SECTIONS.values(),
    *BASES.values(),
    *GIVERS.values(),
    *PROBLEMS,
    *LINES,
    *LABELS,
    *ALLOWED.values(),
    *(TITLE, CONFIDENTIAL, TAKE_CARE, DRILL_LINE, DEMO_LINE),
)

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ReferralRequest:
    """A person's choices for a referral form. `number`: the reporter's number; empty if it is left out."""

    to: str
    purpose: str
    basis: str
    given_by: str
    sections: tuple[str, ...]
    number: str = ""

    def problems(self, left_out: Collection[str]) -> Mapping[str, str]:
        """Return the field → sentence of each missing or wrong choice, in the order of the form.

        `left_out`: ids and names of the hotlines that the reporter left out.
        """
        is_left_out = any(letters in _letters(self.to) for letters in map(_letters, left_out) if letters)
        problems_by_field = {
            "to": (LEFT_OUT if is_left_out else "") if self.to else NO_TO,
            "purpose": "" if self.purpose else NO_PURPOSE,
            "basis": "" if self.basis in BASES else NO_BASIS,
            "given_by": NO_GIVER if self.basis == "consent" and self.given_by not in GIVERS else "",
            "sections": "" if self.sections else NO_SECTION,
        }
        return {name: sentence for name, sentence in problems_by_field.items() if sentence}

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> ReferralRequest:
        """Read the fields of the form; the number is not one of them."""
        basis = form.get("basis", "")
        return cls(
            to=" ".join(form.get("to", "").split())[:MAX_TO],
            purpose=form.get("purpose", "").strip()[:MAX_PURPOSE],
            basis=basis,
            given_by=form.get("given_by", "") if basis == "consent" else "",
            sections=tuple(name for name in SECTIONS if form.get(f"section.{name}")),
        )


def _letters(text: str) -> str:
    """Return the letters and digits of a name, to find it in however somebody types it."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a form: its report, its author and its time.

    `made_at`: Unix seconds. `zone_time`: the same, on the hotline's clock.
    """

    report_id: str
    hotline: str
    name: str
    author: str
    made_at: int
    zone_time: str


def referral_json(request: ReferralRequest, origin: Origin, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the referral as cop-referral 1.0. `report`: the decrypted report."""
    data = bodies.complete_report(report)
    parts: dict[str, Any] = {
        "facts": {
            **{name: data[name] for name in ("category", "danger")},
            "priority": data["triage"]["priority"],
            "reasons": data["triage"]["reasons"],
        },
        "child": {"about": data["about"], "age_band": data["child"]["age_band"], "place": data["place"]["name"]},
        "words": {
            "narrative": data["narrative"],
            "unasked": [row["text"] for row in data["unasked"]],
            "additions": [row["text"] for row in data["additions"]],
        },
        "answers": dict(data["extras"]),
        "contact": {
            **{name: data["contact"][name] for name in ("allowed", "how", "safe_hours")},
            **({"msisdn": request.number} if request.number else {}),
        },
    }
    return {
        "schema": "cop-referral",
        "version": "1.0",
        "report_id": origin.report_id,
        "mode": report.get("mode"),
        "made_at": rfc3339(origin.made_at),
        "from": {"hotline": origin.hotline, "name": origin.name, "by": origin.author},
        "to": request.to,
        "purpose": request.purpose,
        "consent": {"basis": request.basis, "given_by": request.given_by or None},
        "avoid": list(data["routing"]["avoid"]),
        "sections": {name: parts[name] for name in _chosen(request)},
        "withheld": [name for name in SECTIONS if name not in _chosen(request)],
    }


def referral_lines(
    request: ReferralRequest, origin: Origin, report: Mapping[str, Any], labels: ChoiceLabels, translate: Translate
) -> list[tuple[str, str]]:
    """Return the lines of the form, (label, text); a line without a text is a heading.

    `translate`: returns a text in the language of the form.
    """
    lines = [
        ("From", origin.name),
        ("To", request.to),
        ("Made", origin.zone_time),
        ("Made by", origin.author),
        ("Report", origin.report_id),
        ("Purpose", inert_text(request.purpose)),
        ("Basis", translate(BASES[request.basis])),
        *([("Consent given by", translate(GIVERS[request.given_by]))] if request.given_by else []),
    ]
    for sentence, fields in present_report(report, labels).restrictions:  # always included
        lines.append((TAKE_CARE, fill_placeholders(translate(sentence), fields)))
    names = _chosen(request)
    for name in names:
        lines.append((SECTIONS[name], ""))
        lines += _section(name, request, report, labels, translate)
    if withheld := [translate(SECTIONS[name]) for name in SECTIONS if name not in names]:
        lines.append(("Not passed on", "; ".join(withheld)))
    return [(translate(label), text) for label, text in lines]


def _chosen(request: ReferralRequest) -> tuple[str, ...]:
    return tuple(name for name in SECTIONS if name in request.sections)


def _section(
    name: str, request: ReferralRequest, report: Mapping[str, Any], labels: ChoiceLabels, translate: Translate
) -> Iterator[tuple[str, str]]:
    data, presented = bodies.complete_report(report), present_report(report, labels)
    if name == "facts":
        yield "What happened", translate(presented.title) or translate(NOT_SAID)
        yield "Danger", translate(labels.of("danger", data["danger"])) or translate(NOT_SAID)
        yield "Priority", presented.priority
        yield "Why", " ".join(translate(sentence) for sentence in presented.why)
        for sentence in presented.flags:
            yield TAKE_CARE, translate(sentence)
    elif name == "child":
        age = data["child"]["age_band"]
        yield CHILD, translate(labels.of("about", data["about"])) or translate(NOT_SAID)
        yield "Age", translate(NOT_SAID) if age in ("", "unknown") else translate(labels.of("age_band", age))
        yield "Place", inert_text(exports.place_text(data)) or translate(NOT_SAID)
    elif name == "words":
        for label, _, text in presented.words:
            yield label, text
    elif name == "answers":
        values = ScreenValues({"about": data["about"], "about_missing": None, "category": data["category"]}, {})
        for key, value in data["extras"].items():
            label = EXTRAS.get(key) or labels.question(f"more.{key}", key, values)
            yield translate(label), inert_text(translate(labels.typed(key, str(value))))
    else:
        yield from _contact(request, data["contact"], translate)


def _contact(request: ReferralRequest, contact: Mapping[str, Any], translate: Translate) -> Iterator[tuple[str, str]]:
    yield "Contact", translate(ALLOWED.get(contact["how"] if contact["allowed"] else "none", NOT_SAID))
    if contact["allowed"] and contact["safe_hours"]:
        hours = contact["safe_hours"]
        yield "Safe hours", f"{hours['from']} – {hours['to']} ({hours['tz']})"
    if request.number:
        yield "Number", safe_for_display(request.number)


def recorded_consent(report: Mapping[str, Any]) -> str:
    """Return the consent to a referral in a report that staff entered: a key of ENTRY_ANSWERS, or empty."""
    entry = report.get("entry")
    consent = entry.get("consent") if isinstance(entry, Mapping) else None
    answer = consent.get("referral") if isinstance(consent, Mapping) else None
    return answer if answer in ENTRY_ANSWERS else ""
