"""Triage: how urgent a report is and why, and the sentences that staff read for reasons and flags. Pure.

Every rule is tried. The highest priority wins, and all rules that hold are listed as reasons. Nothing lowers a
priority: no number of calls, no suspicion of a hoax, no age, no place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.escalation import Priority
from reports.facts import CONTACT_REQUEST, AgeBand, Facts

# Sentences that staff read beside each code
REASON_LABELS: Mapping[str, str] = {
    "DANGER_NOW": "The reporter says a child is in danger now.",
    "SELF_HARM_SOON": "The child may hurt themself and does not feel safe.",
    "MISSING_YOUNG": "A child of 12 or younger is missing.",
    "HARM_72H": "Health care works best within 72 hours of this.",
    "HARM_NEAR": "The person can reach the child now.",
    "MEETING_SOON": "A meeting is planned for today or tomorrow.",
    "HELD": "The child cannot leave that place.",
    "ALONE_YOUNG": "A child under 10 is alone now.",
    "DANGER_SOON": "The reporter fears danger soon.",
    "HARM": "A child is hurt or touched.",
    "SELF_HARM": "The child speaks of hurting themself.",
    "EXPLOITATION": "A child may be exploited, sold or forced to work.",
    "MISSING": "A child is missing or away from home.",
    "SIGHTING": "Somebody saw a missing child: this is useful only while it is recent.",
    "THREAT": "Threats are made.",
    "MEETING_PLANNED": "A meeting is planned.",
    "IMAGE_OF_KNOWN": "The reporter knows the child in the picture.",
    "YOUNG_CHILD": "The child is 5 or younger.",
    "ALONE": "The child is alone now.",
    "LURING": "Somebody asks a child for photos, money or a meeting.",
    "IMAGES": "Pictures of a child are shared or were seen online.",
    "BULLYING": "A child is bullied or threatened.",
    "NEGLECT": "A child lacks care, food or a home.",
    "DANGER_UNSURE": "The reporter is not sure about danger.",
    "OTHER": "None of the named categories.",
    "CONTACT_REQUEST": "Somebody asks to be called, and said no more.",
    "UNMATCHED": "No rule matched: please read.",
}

FLAG_LABELS: Mapping[str, str] = {
    "INCOMPLETE": "INCOMPLETE: nobody pressed Send.",
    "ADULT_NOW": "The person it is about is 18 or older now.",
    "NO_CONTACT": "The reporter is not to be contacted.",
    "AVOID_USED": "The reporter left an office out: do not pass this on to it by hand.",
    "WORD_MATCH": "Priority raised: the message contains a warning word.",
    "WORDS_ONLY": "Words that nobody confirmed.",
    "SAY_NOTHING_FIRST": "Do not say who calls, or why, until you know who answers: phones are shared.",
}


RULES_VERSION = "1.0"

UNDER_6: tuple[AgeBand, ...] = ("0-5",)
UNDER_10: tuple[AgeBand, ...] = (*UNDER_6, "6-9")
UNDER_13: tuple[AgeBand, ...] = (*UNDER_10, "10-12")
KNOWN_TO_REPORTER = ("me", "my_child", "child_i_know")


@dataclass(frozen=True, slots=True)
class TriageRule:
    """A rule that holds if one of the alternatives in `when` does, and `unless` does not.

    Each maps questions to the answers that are wanted.
    """

    reason: str
    priority: Priority
    when: tuple[Mapping[str, tuple[str, ...]], ...]
    unless: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Triage:
    """The priority of a report, from P1 to P4, and the codes of the reasons and flags."""

    priority: Priority
    reasons: tuple[str, ...]
    flags: tuple[str, ...]


def _rule(reason: str, priority: Priority, *conditions: Mapping[str, str | tuple[str, ...]]) -> TriageRule:
    return TriageRule(
        reason,
        priority,
        tuple(
            {question: (value,) if isinstance(value, str) else value for question, value in condition.items()}
            for condition in conditions
        ),
    )


RULE_TABLE = (
    _rule("DANGER_NOW", Priority.P1, {"danger": "now"}),
    _rule("SELF_HARM_SOON", Priority.P1, {"category": "self_harm", "danger": ("soon", "unsure")}),
    _rule("MISSING_YOUNG", Priority.P1, {"missing_kind": "missing", "age_band": UNDER_13}),
    _rule("HARM_72H", Priority.P1, {"harm_kind": ("touch", "both"), "harm_when": "last_3_days"}),
    _rule("HARM_NEAR", Priority.P1, {"harm_near": "yes"}),
    _rule("MEETING_SOON", Priority.P1, {"meeting": "today_tomorrow"}),
    _rule("HELD", Priority.P1, {"can_leave": "no"}),
    _rule("ALONE_YOUNG", Priority.P1, {"alone_now": "yes", "age_band": UNDER_10}),
    _rule("DANGER_SOON", Priority.P2, {"danger": "soon"}),
    _rule("HARM", Priority.P2, {"category": "harm"}),
    _rule("SELF_HARM", Priority.P2, {"category": "self_harm"}),
    _rule("EXPLOITATION", Priority.P2, {"category": "exploitation"}),
    _rule("CONTACT_REQUEST", Priority.P2, {"category": CONTACT_REQUEST}),  # a person who cannot write may be in danger
    TriageRule("MISSING", Priority.P2, ({"category": ("missing",)},), unless={"missing_kind": ("sighting",)}),
    _rule("SIGHTING", Priority.P2, {"missing_kind": "sighting"}),
    _rule("THREAT", Priority.P2, {"threat": "yes"}),
    _rule("MEETING_PLANNED", Priority.P2, {"meeting": "later"}),
    _rule(
        "IMAGE_OF_KNOWN",
        Priority.P2,
        {"category": "images", "about": KNOWN_TO_REPORTER},
        {"category": "images", "image_who": ("me", "known")},
    ),
    _rule(
        "YOUNG_CHILD",
        Priority.P2,
        {"age_band": UNDER_6, "category": ("luring", "images", "bullying", "neglect", "other")},
    ),
    _rule("ALONE", Priority.P2, {"alone_now": "yes"}),
    _rule("LURING", Priority.P3, {"category": "luring"}),
    _rule("IMAGES", Priority.P3, {"category": "images"}),
    _rule("BULLYING", Priority.P3, {"category": "bullying"}),
    _rule("NEGLECT", Priority.P3, {"category": "neglect"}),
    _rule("DANGER_UNSURE", Priority.P3, {"danger": "unsure"}),
    _rule("OTHER", Priority.P4, {"category": "other"}),
)
UNMATCHED = TriageRule("UNMATCHED", Priority.P3, ())


def triage(facts: Facts, floor: Priority | None = None) -> Triage:
    """Set the priority of a report. `floor`: the priority that it has already reached, which is never lowered."""
    answers = {
        **facts.extras,
        "danger": facts.danger,
        "category": facts.category,
        "about": facts.about,
        "missing_kind": facts.missing_kind,
        "age_band": facts.age_band,
    }
    matching = [rule for rule in RULE_TABLE if _holds(rule, answers)] or [UNMATCHED]
    priorities = [rule.priority for rule in matching] + ([floor] if floor else [])
    if facts.words_only:
        priorities.append(Priority.P3)
    return Triage(min(priorities), tuple(rule.reason for rule in matching), _flags(facts))


def _holds(rule: TriageRule, answers: Mapping[str, str | None]) -> bool:
    if rule.unless and _fits(rule.unless, answers):
        return False
    return any(_fits(conditions, answers) for conditions in rule.when)


def _fits(conditions: Mapping[str, tuple[str, ...]], answers: Mapping[str, str | None]) -> bool:
    return all(answers.get(question) in values for question, values in conditions.items())


def _flags(facts: Facts) -> tuple[str, ...]:
    """Return the flags for staff, beside the reasons. No flag changes a priority.

    WORD_MATCH is reserved for a word list.
    """
    flags = (
        ("INCOMPLETE", facts.incomplete),
        ("ADULT_NOW", facts.age_band == "18+"),
        ("NO_CONTACT", facts.contact == "none"),
        ("AVOID_USED", bool(facts.avoid)),
        ("WORDS_ONLY", facts.words_only),
        ("SAY_NOTHING_FIRST", facts.category == CONTACT_REQUEST),
    )
    return tuple(name for name, is_set in flags if is_set)
