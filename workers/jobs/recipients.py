"""Choose the hotline of an escalation step and the next fallback. Pure: from the report's state and its country.

Only hotlines that the reporter saw before Send are in `remaining`, and none that the reporter excluded. The first
hotline is still tried after a fallback started, and both receive the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reports.case_state import Handling
from reports.countries import opening_hours
from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.delivery import DeliveryState
from reports.escalation import URGENT, Priority, StepName, StepOutcome
from reports.store.escalation.fallbacks import FallbackChain, TriedHotline
from reports.store.escalation.steps import EscalationState
from workers import retry_policy

REASONS_BY_STEP = {StepName.CLOSED: "CLOSED_NOW"}


def next_hotline(step: StepName, state: EscalationState, country: Country, now: int) -> tuple[str, str] | StepOutcome:
    """Return (the hotline that gets the report too, the reason), or the outcome of the step if there is none."""
    if step == StepName.CLOSED:
        return _first_open(state, country, now)
    if not state.remaining:
        return StepOutcome.NOBODY
    for hotline in _preferred(step, state, country, now):
        if hotline in state.remaining:
            return hotline, "NO_ACK"
    return state.remaining[0], "NO_ACK"


def _first_open(state: EscalationState, country: Country, now: int) -> tuple[str, str] | StepOutcome:
    """Choose the first open hotline if all that have the report are closed: a report must not wait for the morning."""
    if any(
        is_open(country, recipient.hotline, now)
        for recipient in state.recipients
        if recipient.state in (DeliveryState.DUE, DeliveryState.DELIVERED) and recipient.handling != Handling.REJECTED
    ):
        return StepOutcome.PASSED
    open_hotline = next((hotline for hotline in state.remaining if is_open(country, hotline, now)), "")
    return (open_hotline, REASONS_BY_STEP[StepName.CLOSED]) if open_hotline else StepOutcome.NOBODY


def _preferred(step: StepName, state: EscalationState, country: Country, now: int) -> Iterator[str]:
    """Yield the hotline that the first hotline's card names; an urgent report goes to an open one first."""
    card = country.hotlines[state.recipients[0].hotline].card if _is_known(state, country) else None
    named = "" if card is None else (card.backup if step == StepName.BACKUP else card.regional)
    if state.priority not in URGENT:
        yield named
        return
    open_now = [hotline for hotline in state.remaining if is_open(country, hotline, now)]
    if named in open_now:
        yield named
    yield from open_now
    yield named


def _is_known(state: EscalationState, country: Country) -> bool:
    return bool(state.recipients) and state.recipients[0].hotline in country.hotlines


def is_open(country: Country, hotline: str, now: int) -> bool:
    """Return whether a hotline is open now; False for one that the country does not have."""
    listed = country.hotlines.get(hotline)
    return listed is not None and opening_hours.hotline_hours(listed.card, country.time_zone).is_open(now)


def silent_hotlines(state: EscalationState, country: Country) -> list[Hotline]:
    """Return the hotlines that have the report and have not responded."""
    silent = (
        recipient.hotline
        for recipient in state.recipients
        if recipient.state == DeliveryState.DELIVERED and recipient.handling == Handling.NONE
    )
    return [country.hotlines[hotline] for hotline in silent if hotline in country.hotlines]


def contacts(step: StepName, hotline: Hotline, country: Country, now: int) -> tuple[str, ...]:
    """Return the people whom the step notifies at a hotline: its duty officers or its supervisor."""
    if step == StepName.HOTLINE:
        return opening_hours.duty_officers(hotline.card, country.time_zone, now)
    return hotline.card.supervisor


def next_fallback(chain: FallbackChain, is_open_now: Callable[[str], bool] = lambda _: True) -> tuple[str, str] | None:
    """Return (the fallback that gets the report too, the reason); an urgent report goes to an open one first.

    None if a hotline has it, no fallback is left, or it is too early.
    """
    if not chain.remaining or not chain.tried:
        return None
    if any(
        recipient.state == DeliveryState.DELIVERED and recipient.handling != Handling.REJECTED
        for recipient in chain.tried
    ):
        return None
    why = _fallback_reason(chain.priority, chain.tried[-1])
    if not why:
        return None
    open_now = filter(is_open_now, chain.remaining if chain.priority in URGENT else ())
    return next(open_now, chain.remaining[0]), why


def _fallback_reason(priority: Priority, last: TriedHotline) -> str | None:
    if last.handling == Handling.REJECTED:
        return "DECLINED"
    if last.gone or last.last_class == "gone":
        return "GONE"
    refused = last.state == DeliveryState.REFUSED or last.last_class.startswith("refused")
    if refused and priority in URGENT:
        return "REFUSED"
    # After a refused P3 or P4, a person has as much time to correct the cause as a hotline has for its receipt.
    return "NO_RECEIPT" if retry_policy.is_fallback_due(priority, last.waited) else None
