"""Whom a step of the ladder asks: pure, on how a report waits and what its country file says.

Only hotlines that the reporter saw before Send are in `left`, and none that was left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from reports.countries import opening_hours
from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.escalation.policy import STEP_BACKUP, STEP_CLOSED, STEP_HOTLINE
from reports.escalation.priorities import URGENT
from reports.store.escalation.fallbacks import FallbackChain, TriedHotline
from reports.store.escalation.steps import EscalationState
from workers import retry_policy

PASSED, NOBODY = "passed", "nobody"
REASONS_BY_STEP = {STEP_CLOSED: "CLOSED_NOW"}


def next_hotline(step: str, waiting: EscalationState, country: Country, now: int) -> tuple[str, str]:
    """(the hotline that gets it too, why); or ("", what the step came to) where none does."""
    if step == STEP_CLOSED:
        return _open_one(waiting, country, now)
    if not waiting.left:
        return "", NOBODY
    for hotline in _preferred(step, waiting, country, now):
        if hotline in waiting.left:
            return hotline, "NO_ACK"
    return waiting.left[0], "NO_ACK"


def _open_one(waiting: EscalationState, country: Country, now: int) -> tuple[str, str]:
    """Nobody waits for the morning: with all closed that have it, the first that is open gets it too."""
    if any(is_open(country, one.hotline, now) for one in waiting.given if one.handling != "rejected"):
        return "", PASSED
    found = next((hotline for hotline in waiting.left if is_open(country, hotline, now)), "")
    return (found, REASONS_BY_STEP[STEP_CLOSED]) if found else ("", NOBODY)


def _preferred(step: str, waiting: EscalationState, country: Country, now: int) -> Iterator[str]:
    """Whom the card of the first desk names; what is urgent rather goes to who is awake."""
    card = country.hotlines[waiting.given[0].hotline].card if _known(waiting, country) else None
    named = "" if card is None else (card.backup if step == STEP_BACKUP else card.regional)
    if waiting.priority not in URGENT:
        yield named
        return
    awake = [hotline for hotline in waiting.left if is_open(country, hotline, now)]
    if named in awake:
        yield named
    yield from awake
    yield named


def _known(waiting: EscalationState, country: Country) -> bool:
    return bool(waiting.given) and waiting.given[0].hotline in country.hotlines


def is_open(country: Country, hotline: str, now: int) -> bool:
    found = country.hotlines.get(hotline)
    return found is not None and opening_hours.hotline_hours(found.card, country.time_zone).is_open(now)


def silent_hotlines(waiting: EscalationState, country: Country) -> list[Hotline]:
    """The desks that have it and have said nothing."""
    there = (one.hotline for one in waiting.given if one.state == "delivered" and one.handling == "none")
    return [country.hotlines[hotline] for hotline in there if hotline in country.hotlines]


def contacts(step: str, hotline: Hotline, country: Country, now: int) -> tuple[str, ...]:
    if step == STEP_HOTLINE:
        return opening_hours.duty_officers(hotline.card, country.time_zone, now)
    return hotline.card.supervisor


# Who gets a report when the one before does not: pure, on what the outbox says.
#
# Only hotlines that the reporter saw before Send are asked; the first one goes on being tried, and both receive.


def next_fallback(chain: FallbackChain) -> tuple[str, str] | None:
    """(hotline, why) of who gets it too, now; None where somebody has it, nobody is left, or it is not time."""
    if not chain.left or not chain.tried:
        return None
    if any(one.state == "delivered" and one.handling != "rejected" for one in chain.tried):
        return None
    why = _why(chain.priority, chain.tried[-1])
    return (chain.left[0], why) if why else None


def _why(priority: str, last: TriedHotline) -> str | None:
    if last.handling == "rejected":
        return "DECLINED"
    if last.gone or last.last_class == "gone":
        return "GONE"
    refused = last.state == "refused" or last.last_class.startswith("refused")
    if refused and priority in URGENT:
        return "REFUSED"
    # Refused, P3 and P4: a person mends it, and has as long as any hotline has to answer.
    return "NO_RECEIPT" if retry_policy.is_fallback_due(priority, last.waited) else None
