"""What `tokaut watch` says of what waits: a line for each report, and the one thing to do next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.escalation.policy import ESCALATION_TIMES
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.overview import UnacknowledgedReport, WatchedDelivery
from reports.store.operations.spool_status import SpoolStatus
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from workers.delivery.outcomes import DELIVERY_ADVICE

NO_CLOCK = "No clock runs: nobody is asked again. Start it: python -m workers.main clock"
NOTHING = "Nothing waits."
ALL_IN_TIME = "Nothing to do. The next that waits is asked about by itself."
STEPS = {
    "closed": "an open desk gets it",
    "desk": "same desk again",
    "backup": "backup gets it",
    "supervisor": "supervisor",
    "regional": "next hotline gets it",
    "operator": "you are told",
}


@dataclass(frozen=True, slots=True)
class Line:
    """`late`: whether somebody should have acted before now; `soon`: a quarter of the time is left, or less."""

    priority: str
    report: str
    waits: str
    desks: str
    left: str
    following: str
    late: bool
    soon: bool


def line(one: UnacknowledgedReport, now: int) -> Line:
    left = None if one.acknowledge_by is None else one.acknowledge_by - now
    following = (
        f"{STEPS[one.step]} {_when(one.next_step_at - now)}" if one.step and one.next_step_at is not None else "-"
    )
    return Line(
        one.priority,
        one.report_id + ("" if one.complete else " INCOMPLETE"),
        ago(now - one.since),
        ", ".join(_desk(sending) for sending in one.sendings) or "nobody",
        "-" if left is None else (f"{ago(left)} left" if left > 0 else f"{ago(-left)} over"),
        following,
        left is not None and left <= 0,
        left is not None and 0 < left <= ESCALATION_TIMES[one.priority].acknowledged // 4,
    )


def _desk(sending: WatchedDelivery) -> str:
    how = "declined" if sending.handling == "rejected" else sending.state
    return f"{sending.hotline} {'has it' if how == 'delivered' else how}"


def _when(left: int) -> str:
    return f"in {ago(left)}" if left > 0 else "now"


def next_to_do(
    waiting: Sequence[UnacknowledgedReport], now: int, times: ClockSkew, spools: Sequence[SpoolStatus] = ()
) -> str:
    """Return the one thing to do next: clocks and spools come before any single report, notes after all."""
    led_until = None if times.led_until is None else now + times.led_until
    said = todo(waiting, now, led_until)
    if said == NO_CLOCK:
        return said
    if fault := next((said for said in (*times.faults(), *(said for one in spools for said in one.faults()))), ""):
        return fault
    note = next(times.notes(), "")
    return f"{said} {note}".strip() if said in (NOTHING, ALL_IN_TIME) else said


def todo(waiting: Sequence[UnacknowledgedReport], now: int, led_until: int | None) -> str:
    """The one thing to do next."""
    if led_until is None or led_until < now - MINUTE:
        return NO_CLOCK
    said = next((said for one in waiting if (said := _todo(one, now))), "")
    return said or (ALL_IN_TIME if waiting else NOTHING)


def _todo(one: UnacknowledgedReport, now: int) -> str:
    end, age = one.report_id[-6:], now - one.since
    alive = [sending for sending in one.sendings if sending.state in ("due", "delivered")]
    alive = [sending for sending in alive if sending.handling != "rejected"]
    if not alive:
        return f"{end}: no hotline can take it. Decide who gets it, then: tokaut deliveries list"
    if left_out := [sending.hotline for sending in alive if sending.state == "due" and sending.why == "no_hotline"]:
        return f"{end}: call {left_out[0]}, it has not got it. {DELIVERY_ADVICE['no_hotline']}"
    there = [sending.hotline for sending in alive if sending.state == "delivered"]
    if not there and age > ESCALATION_TIMES[one.priority].received:
        first = alive[0]
        return (
            f"{end}: call {first.hotline}, it has not got it. {DELIVERY_ADVICE.get(first.why, 'It does not answer.')}"
        )
    if one.acknowledge_by is not None and one.acknowledge_by <= now:
        return f"{end}: call {', '.join(there or [alive[0].hotline])}. Nobody has taken it on for {ago(age)}."
    return ""


def ago(microseconds: int) -> str:
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if microseconds >= 2 * size or (size == MINUTE and microseconds >= size):
            return f"{microseconds // size} {name}"
    return f"{max(0, microseconds) // SECOND} s"
