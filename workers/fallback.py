"""Who gets a report when the one before does not: pure, on what the outbox says.

Only hotlines that the reporter saw before Send are asked; the first one goes on being tried, and both receive.
"""

from __future__ import annotations

from reports.escalation.priorities import URGENT
from reports.store.escalation.fallbacks import FallbackChain, TriedHotline
from workers import schedule


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
    return "NO_RECEIPT" if schedule.fallback_due(priority, last.waited) else None
