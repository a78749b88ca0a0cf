"""Find the faults of a country file, in sentences that name the key and say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reports.countries import opening_hours
from reports.countries.hotline import (
    CONFIRM_HINT,
    KINDS_BY_CATEGORY,
    MAX_SCREEN_NAME_SEPTETS,
    SCREEN_NAME_PATTERN,
    Hotline,
    PhoneNumber,
)
from reports.countries.placeholders import DANGER_SERVICES
from reports.escalation import policy


def structure_problems(
    *,
    emergency: Sequence[PhoneNumber],
    hotlines: Mapping[str, Hotline],
    incomplete_to: str,
    places: Sequence[str],
    duty_without_source: bool,
) -> list[str]:
    """Return the faults that no mode accepts."""
    problems = []
    if not emergency:
        problems.append("emergency: there is no emergency number; the first screen needs one.")
    for hotline in hotlines.values():
        problems += _hotline_problems(hotline, hotlines)
    if incomplete_to and incomplete_to not in hotlines:
        problems.append(f"incomplete_to: there is no hotline {incomplete_to}; name one of this file.")
    if duty_without_source:
        problems.append("duty_source: it is missing; name the law, or take duty_to_report out: not established.")
    return problems + list(_uncovered(hotlines, places))


def _hotline_problems(hotline: Hotline, hotlines: Mapping[str, Hotline]) -> Iterator[str]:
    length = len(hotline.screen_name)
    if not 0 < length <= MAX_SCREEN_NAME_SEPTETS:
        yield (
            f"hotline {hotline.id}: screen_name has {length} characters; give it 1 to {MAX_SCREEN_NAME_SEPTETS}, or it "
            "breaks the screens."
        )
    if not re.fullmatch(SCREEN_NAME_PATTERN, hotline.screen_name):
        yield f"hotline {hotline.id}: screen_name has a letter that not every phone has; use A to Z and digits."
    for key in ("backup", "fallback", "regional"):
        named_hotline = getattr(hotline.card, key)
        if named_hotline and named_hotline not in hotlines:
            yield f"hotline {hotline.id}: card.{key}: there is no hotline {named_hotline}; name one of this file."
        if named_hotline == hotline.id:
            yield f"hotline {hotline.id}: card.{key}: it names itself; name another hotline of this file."
    yield from (f"hotline {hotline.id}: card.{fault}" for fault in hotline.card.problems())


def escalation_problems(hotlines: Mapping[str, Hotline], wanted: policy.CountryTimes) -> Iterator[str]:
    """Yield the opening hours, rotas and times that cannot be read or are not allowed, in any mode."""
    for hotline in hotlines.values():
        yield from (f"hotline {hotline.id}: card.{fault}" for fault in opening_hours.card_faults(hotline.card))
    yield from (f"clocks.{fault}" for fault in policy.escalation_faults(wanted))


def _uncovered(hotlines: Mapping[str, Hotline], places: Sequence[str]) -> Iterator[str]:
    """Yield the categories and places that no hotline takes; each needs one."""
    for category, kinds in KINDS_BY_CATEGORY.items():
        hotlines_for_category = [
            hotline for hotline in hotlines.values() if hotline.kind in kinds and hotline.covers_category(category)
        ]
        uncovered = [
            code for code in places or [""] if not any(h.covers_place(_codes(code)) for h in hotlines_for_category)
        ]
        if uncovered and len(uncovered) == len(places or [""]):
            yield f"no hotline takes {category}; add one, or add the category to a partner card."
        elif uncovered:
            yield f"no hotline takes {category} in {', '.join(uncovered)}; add the places to a partner card."


def _codes(code: str) -> frozenset[str]:
    return frozenset([code] if code else [])


def withdrawn_emergency_problems(emergency: Sequence[PhoneNumber]) -> Iterator[str]:
    """Yield a problem if no number for danger is left.

    It does not stop a start: a wrong number was withdrawn, and reporters must still be served.
    """
    if emergency and all(number.withdrawn for number in emergency if number.word in DANGER_SERVICES):
        yield "emergency: no number for police or emergency is left; the first screen needs one."


def live_problems(
    *, emergency: Sequence[PhoneNumber], hotlines: Mapping[str, Hotline], incomplete_to: str
) -> list[str]:
    """Return the faults that live mode refuses, beside those of `structure_problems`."""
    problems = [
        f"emergency {number.number} ({number.service}) {fault}; {CONFIRM_HINT}"
        for number in emergency
        if not number.withdrawn and (fault := number.live_mode_fault())
    ]
    for hotline in hotlines.values():
        problems += hotline.live_problems()
    if not incomplete_to:
        problems.append("incomplete_to: it is missing; name the hotline that gets reports which were cut off.")
    if not any(hotline.kind == "police" and hotline.covers_category("missing") for hotline in hotlines.values()):
        problems.append("no police takes missing; a missing child always goes to police too: add one to the file.")
    return problems
