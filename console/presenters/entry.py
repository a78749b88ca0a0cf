"""The form in which staff enter a report that came by telephone or in person, in the order of a conversation. Pure.

Its answers are those of the phone's screens, so triage, statistics and the report's page need no case of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, get_args

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number, is_valid_number, parse

from console.presenters.report import ChoiceLabels, ScreenValues
from reports.countries.country import Country
from reports.facts import AGE_BANDS, CATEGORIES, MISSING_ANSWERS, Completeness, GivenAnswer, derive_facts
from reports.report import CONTACT_CHOICES, Consent, ConsentGiver, Report, ReportMetadata, StaffEntry, build_report
from reports.routing import Recipient, Route, avoided_hotlines
from runtime.settings import Mode

MAX_WORDS = 4000  # characters
MAX_LINE = 200
WAYS: Final = {"call": "Telephone call", "walk_in": "In person"}
DANGER: Final = ("now", "soon", "no", "unsure")
# Whom it is about, as staff ask it: the phone's answer
ABOUT: Final = {
    "me": "The reporter",
    "my_child": "The reporter's own child",
    "child_i_know": "A child whom the reporter knows",
    "other": "Another child",
    "sighting": "A missing child whom the reporter has seen",
}
CONTACTS: Final = {
    "none": "No",
    "call_07_21": "Call, 07:00 to 21:00",
    "call_08_16": "Call, 08:00 to 16:00",
    "sms_07_21": "Text message, 07:00 to 21:00",
    "sms_08_16": "Text message, 08:00 to 16:00",
}
GIVERS: Final = {"child": "The child", "carer": "A parent or carer", "reporter": "Another person who reports"}
STORING: Final = {"yes": "Yes", "not_asked": "Not asked: help came first"}
REFERRAL: Final = {"yes": "Yes", "no": "No", "not_asked": "Not asked"}
TAKERS: Final = {"me": "I take this report now", "next": "Nobody yet: it waits for the next colleague"}
FOLLOW_UP: Final[Mapping[str, tuple[str, ...]]] = {
    "harm": ("harm_kind", "harm_when", "harm_near"),
    "self_harm": ("with_someone",),
    "luring": ("asked_for", "threat", "meeting", "image_shared", "platform", "payment_seen"),
    "images": ("image_who", "threat", "platform", "where_online", "payment_seen"),
    "missing": ("last_seen", "last_place", "with_whom"),
    "exploitation": ("exploit_kind", "can_leave", "traveller", "payment_seen"),
    "bullying": ("threat", "bully_where", "platform"),
    "neglect": ("alone_now",),
}
FOR_ALL: Final = ("role", "told", "told_2", "told_3")
TYPED: Final = ("where_online", "last_place")

NO_DANGER, NO_CATEGORY = "Choose whether a child is in danger.", "Choose what happened."
NO_WAY, NO_TAKER = "Choose how the report came.", "Choose who takes the report."
NO_GIVER, NO_STORING = "Choose who gave the consent.", "Choose whether the person agreed that you store this."
NO_REFERRAL = "Choose whether the person agreed that you refer them to another service."
NO_NUMBER = "Enter a telephone number of {country}, or choose that nobody calls or texts."
WHOSE_MISSING = "A child is missing: choose whose child it is, or that the reporter has seen the child."
NOT_MISSING = "The reporter has seen a missing child: choose that a child is missing as what happened."
PROBLEMS = (NO_DANGER, NO_CATEGORY, NO_WAY, NO_TAKER, NO_GIVER, NO_STORING, NO_REFERRAL, NO_NUMBER, WHOSE_MISSING)
LABELS = (WAYS, ABOUT, CONTACTS, GIVERS, STORING, REFERRAL, TAKERS)
SENTENCES = (*PROBLEMS, NOT_MISSING, *(label for labels in LABELS for label in labels.values()))


@dataclass(frozen=True, slots=True)
class FollowUpQuestion:
    """A further question. `choices`: (value, label); empty if the answer is typed."""

    name: str  # name of its field
    question: str
    sentence: str
    choices: tuple[tuple[str, str], ...]


def follow_up_questions(labels: ChoiceLabels) -> Mapping[str, tuple[FollowUpQuestion, ...]]:
    """Return the further questions by category; "" has those for every category."""
    return {
        category: tuple(_follow_up(category, question, labels) for question in questions)
        for category, questions in {**FOLLOW_UP, "": FOR_ALL}.items()
    }


def _follow_up(category: str, question: str, labels: ChoiceLabels) -> FollowUpQuestion:
    screen_values = ScreenValues({"about": "child_i_know", "about_missing": "child_i_know", "category": category}, {})
    values = () if question in TYPED else labels.values(question)
    choices = tuple((value, labels.of(question, value)) for value in values)
    sentence = labels.question(f"more.{question}", question, screen_values)
    return FollowUpQuestion(field_name(category, question), question, sentence, choices)


def field_name(category: str, question: str) -> str:
    """Return the name of the field of a further question: some are asked for more than one category."""
    return f"more.{category}.{question}"


@dataclass(frozen=True)
class EntryForm:
    """The fields of the form as sent, and the report that they make. `now`: Unix seconds."""

    fields: Mapping[str, str]
    country: Country
    labels: ChoiceLabels
    now: int

    def _one_of(self, name: str, values: object) -> str:
        value = self.fields.get(name, "")
        return value if value in values else ""  # type: ignore[operator]  # any container

    @cached_property
    def problems(self) -> Mapping[str, str]:
        """Return the field → sentence of each answer that is missing or does not fit, in the order of the form."""
        category, about = self._one_of("category", CATEGORIES), self.fields.get("about", "")
        problems_by_field = {
            "danger": "" if self._one_of("danger", DANGER) else NO_DANGER,
            "how": "" if self._one_of("how", WAYS) else NO_WAY,
            "category": "" if category else NO_CATEGORY,
            "about": WHOSE_MISSING
            if category == "missing" and about == "other"
            else NOT_MISSING
            if category and category != "missing" and about == "sighting"
            else "",
            "number": NO_NUMBER if self.contact != "none" and self.number is None else "",
            "given_by": "" if self._one_of("given_by", GIVERS) else NO_GIVER,
            "storing": "" if self._one_of("storing", STORING) else NO_STORING,
            "referral": "" if self._one_of("referral", REFERRAL) else NO_REFERRAL,
            "taker": "" if self._one_of("taker", TAKERS) else NO_TAKER,
        }
        return {name: sentence for name, sentence in problems_by_field.items() if sentence}

    @property
    def contact(self) -> str:
        """Return the choice of contact; `none` if nothing was chosen."""
        return self._one_of("contact", CONTACT_CHOICES) or "none"

    @cached_property
    def number(self) -> str | None:
        """Return the reporter's number in international form; None without contact, or if it is not valid."""
        if self.contact == "none":
            return None
        try:
            number = parse(self.fields.get("number", "").strip()[:40], self.country.iso)
        except NumberParseException:
            return None
        return format_number(number, PhoneNumberFormat.E164) if is_valid_number(number) else None

    @property
    def is_taken(self) -> bool:
        """Return whether the person who enters the report acknowledges it."""
        return self.fields.get("taker") == "me"

    @property
    def language(self) -> str:
        """Return the reporter's language; the country's first one if none was chosen."""
        return self._one_of("language_spoken", ("en", *self.country.languages)) or self.country.languages[0]

    def report(self, report_id: str, hotline: str, mode: Mode, recipient: Recipient, name: str) -> Report:
        """Build the report. Call it only if there is no problem. `name`: of the person who enters it."""
        given = tuple(self._answers(hotline))
        consent_giver: ConsentGiver = next(one for one in get_args(ConsentGiver) if one == self.fields["given_by"])
        entry = StaffEntry(
            how="call" if self.fields["how"] == "call" else "walk_in",
            entered_by=name,
            given_by=consent_giver,
            storing="yes" if self.fields["storing"] == "yes" else "not_asked",
            referral=next(one for one in get_args(Consent) if one == self.fields["referral"]),
            contact="no" if self.contact == "none" else "yes",
        )
        metadata = ReportMetadata(
            report_id=report_id,
            revision=1,
            mode=mode,
            completeness=Completeness.COMPLETE,
            created_at=self.now,
            updated_at=self.now,
            sent_at=self.now,
            channel="staff",
            language=self.language,
            flow="staff",
            country=self.country,
            route=Route((recipient,), avoid=avoided_hotlines(self.country, derive_facts(given))),
            msisdn=self.number,
            entry=entry,
        )
        return build_report(given, metadata)

    def _answers(self, hotline: str) -> list[GivenAnswer]:
        category, about = self.fields["category"], self._one_of("about", ABOUT)
        is_missing = category == "missing"
        answers = [
            self._answer("report.danger", "danger", self.fields["danger"]),
            self._answer("report.category", "category", category),
            self._answer("report.about_missing", "about_missing", _missing_answer(about))
            if is_missing
            else self._answer("report.about", "about", about),
            self._answer("report.age", "age_band", self._one_of("age_band", (*AGE_BANDS, "unknown"))),
            self._answer("report.place", "place", self._one_of("place", [place.code for place in self.country.places])),
            self._answer("report.words", "narrative", self._text("words", MAX_WORDS), typed=True),
            self._answer("report.contact", "contact", self.contact),
        ]
        answers += [
            self._answer("report.who_else", "avoid", name)
            for name in self.country.hotlines
            if name != hotline and self.fields.get(f"avoid.{name}")
        ]
        for group in (category, ""):
            for question in FOLLOW_UP.get(group, ()) if group else FOR_ALL:
                answers.append(self._follow_up_answer(field_name(group, question), question))
        return [answer for answer in answers if answer.value is not None]

    def _follow_up_answer(self, name: str, question: str) -> GivenAnswer:
        if question in TYPED:
            return self._answer(f"more.{question}", question, self._text(name, MAX_LINE), typed=True)
        return self._answer(f"more.{question}", question, self._one_of(name, self.labels.values(question)))

    def _text(self, name: str, max_length: int) -> str:
        return self.fields.get(name, "").strip()[:max_length]

    def _answer(self, screen: str, question: str, value: str, *, typed: bool = False) -> GivenAnswer:
        return GivenAnswer(screen, question, value or None, typed, self.now, True)


def _missing_answer(about: str) -> str:
    """Return the phone's answer to "Who is missing?"."""
    answer = "self_away" if about == "me" else about
    return answer if answer in MISSING_ANSWERS else ""
