"""What was answered, and what it says: the facts that triage and routing look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field


class GivenAnswer(Struct, frozen=True):
    """One answer as given. `at`: unix seconds, UTC. `counts`: in force on the last walk, not gone back over."""

    screen: str
    question: str
    value: str | None
    typed: bool
    at: int
    counts: bool


class Facts(Struct, frozen=True, kw_only=True):
    """None and empty = not answered."""

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
    after_all: bool = False  # nobody was left, and the reporter chose the child helpline after all
    incomplete: bool = False
    words_only: bool = False  # words sent by SMS, and never confirmed


# The keys of `extras`: what Add more asks, beside age, place and own words.
EXTRA_QUESTIONS = frozenset((
    "harm_kind", "harm_when", "harm_near", "asked_for", "threat", "meeting", "image_shared", "image_who", "platform",
    "where_online", "payment_seen", "last_seen", "last_place", "with_whom", "exploit_kind", "can_leave", "traveller",
    "bully_where", "with_someone", "alone_now", "role", "told",
))  # fmt: skip

# The one screen "Who is missing?" says whom it is about and what happened.
MISSING_ANSWERS: Mapping[str, tuple[str, str]] = {
    "my_child": ("my_child", "missing"),
    "child_i_know": ("child_i_know", "missing"),
    "sighting": ("other", "sighting"),
    "self_away": ("me", "self_away"),
}


def answers_in_force(given: Sequence[GivenAnswer]) -> dict[str, str]:
    """The last value of each question on the last walk; a later skip of the same question takes nothing back.

    What Add more asked is kept even where the reporter went back over it: each answer is stored when given.
    """
    walked = {g.question: g.value for g in given if g.value is not None and g.counts}
    later = {g.question: g.value for g in given if g.value is not None and g.screen.startswith("more.")}
    return later | walked


def derive_facts(given: Sequence[GivenAnswer]) -> Facts:
    """What the answers say. Whether anything may be done with it (consent, Send) is not looked at here."""
    said = answers_in_force(given)
    extras = {key: said[key] for key in _asked(given) if key in said}
    category = said.get("category")
    about, missing_kind = said.get("about"), None
    if category == "missing":
        about, missing_kind = MISSING_ANSWERS.get(said.get("about_missing") or "", (None, None))
    elif category == "self_harm":
        about = about or "me"
    if missing_kind:
        extras = {"missing_kind": missing_kind, **extras}
    counted = [g for g in given if g.counts]
    return Facts(
        danger=said.get("danger"),
        category=category,
        about=about,
        missing_kind=missing_kind,
        age_band=said.get("age_band") or "unknown",
        place=said.get("place"),
        role=extras.get("role"),
        extras=extras,
        contact=said.get("contact") or "none",
        avoid=tuple(dict.fromkeys(g.value for g in counted if g.question == "avoid" and g.value)),
        after_all=any(g.value == "after_all" and not g.typed for g in counted),
    )


def _asked(given: Sequence[GivenAnswer]) -> tuple[str, ...]:
    """The keys of extras, in the order in which they were first asked."""
    return tuple(dict.fromkeys([g.question for g in given if g.question in EXTRA_QUESTIONS]))


def reporter_role(facts: Facts) -> str:
    if facts.about == "me" and facts.age_band not in ("18+", "unknown"):
        return "child"
    if facts.about == "my_child":
        return "family"
    return facts.role or "unknown"
