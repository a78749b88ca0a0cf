"""Derive from the answers the facts that triage and routing use. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Literal, get_args

from msgspec import Struct, field

Category = Literal["harm", "luring", "images", "missing", "exploitation", "bullying", "self_harm", "neglect", "other"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
# In place of a category: not a report, but the wish to be called. A flow has this name, too.
CONTACT_REQUEST: Final = "contact_request"
AgeBand = Literal["0-5", "6-9", "10-12", "13-15", "16-17", "18+"]
AGE_BANDS: tuple[AgeBand, ...] = get_args(AgeBand)
# Facts of the child that staff may record when they close a report, for the statistics. No reporter is asked for them.
ChildSex = Literal["girl", "boy", "another"]
ChildDisability = Literal["disability", "no_disability"]
CHILD_FACTS: Mapping[str, tuple[str, ...]] = {"sex": get_args(ChildSex), "disability": get_args(ChildDisability)}


class GivenAnswer(Struct, frozen=True):
    """One answer as given. `at`: Unix seconds.

    `counts`: it is on the reporter's final path through the screens, not on one that the reporter went back over.
    """

    screen: str
    question: str
    value: str | None
    typed: bool
    at: int
    counts: bool


class Completeness(StrEnum):
    """The completeness of a report: whether the reporter pressed Send. It only goes up, in the order of the members."""

    UNREAD = "unread"  # an input that could not be read
    INCOMPLETE = "incomplete"
    COMPLETE = "complete"


class Facts(Struct, frozen=True, kw_only=True):
    """The facts of a report. None and empty: not answered."""

    danger: str | None = None
    category: str | None = None
    about: str | None = None
    missing_kind: str | None = None
    age_band: str = "unknown"
    place: str | None = None  # a place's code, or the name of a group of places
    role: str | None = None
    extras: Mapping[str, str] = field(default_factory=dict)
    contact: str = "none"
    avoid: tuple[str, ...] = ()  # hotlines to leave out
    after_all: bool = False  # no hotline was left, and the reporter chose the child helpline after all
    incomplete: bool = False
    words_only: bool = False  # words sent by SMS and never confirmed


# The keys of `extras`: the questions of Add more, beside age, place and own words.
EXTRA_QUESTIONS = frozenset((
    "harm_kind", "harm_when", "harm_near", "asked_for", "threat", "meeting", "image_shared", "image_who", "platform",
    "where_online", "payment_seen", "last_seen", "last_place", "with_whom", "exploit_kind", "can_leave", "traveller",
    "bully_where", "with_someone", "alone_now", "role", "told", "told_2", "told_3",
))  # fmt: skip

# The answers of the screen "Who is missing?" → whom the report is about, and what happened.
MISSING_ANSWERS: Mapping[str, tuple[str, str]] = {
    "my_child": ("my_child", "missing"),
    "child_i_know": ("child_i_know", "missing"),
    "sighting": ("other", "sighting"),
    "self_away": ("me", "self_away"),
}


def answers_in_force(given: Sequence[GivenAnswer]) -> dict[str, str]:
    """Return the last value of each question on the final path. Skipping the same question later withdraws nothing.

    Answers to Add more stay in force even if the reporter went back over them: each one is stored when it is given.
    """
    on_path = {answer.question: answer.value for answer in given if answer.value is not None and answer.counts}
    add_more = {
        answer.question: answer.value
        for answer in given
        if answer.value is not None and answer.screen.startswith("more.")
    }
    return add_more | on_path


def derive_facts(given: Sequence[GivenAnswer]) -> Facts:
    """Return the facts that the answers state. Consent and Send are not checked here."""
    answers = answers_in_force(given)
    extras = {key: answers[key] for key in _asked(given) if key in answers}
    category = answers.get("category")
    about, missing_kind = answers.get("about"), None
    if category == "missing":
        about, missing_kind = MISSING_ANSWERS.get(answers.get("about_missing") or "", (None, None))
    if missing_kind:
        extras = {"missing_kind": missing_kind, **extras}
    counted = [answer for answer in given if answer.counts]
    return Facts(
        danger=answers.get("danger"),
        category=category,
        about=about,
        missing_kind=missing_kind,
        age_band=answers.get("age_band") or "unknown",
        place=answers.get("place"),
        role=extras.get("role"),
        extras=extras,
        contact=answers.get("contact") or "none",
        avoid=tuple(dict.fromkeys(answer.value for answer in counted if answer.question == "avoid" and answer.value)),
        after_all=any(answer.value == "after_all" and not answer.typed for answer in counted),
    )


def _asked(answers: Sequence[GivenAnswer]) -> tuple[str, ...]:
    """Return the keys of extras, in the order in which they were first asked."""
    return tuple(dict.fromkeys([answer.question for answer in answers if answer.question in EXTRA_QUESTIONS]))


def reporter_role(facts: Facts) -> str:
    """Return who reports: `child`, `family`, the role that the reporter named, or `unknown`."""
    if facts.about == "me" and facts.age_band not in ("18+", "unknown"):
        return "child"
    if facts.about == "my_child":
        return "family"
    return facts.role or "unknown"
