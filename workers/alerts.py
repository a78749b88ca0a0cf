"""About what a person must be told now, and in which words: ids, hotline, class of failure, what to do. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from reports.store.telling import Rules, Untold
from workers.delivery import TO_DO, TOLD_AT
from workers.schedule import PACES

MOST = 20  # ids in one message
RULES = Rules(
    after={priority: pace.tell for priority, pace in PACES.items()},
    again={priority: pace.again for priority, pace in PACES.items()},
    at_attempt=TOLD_AT,
)
CALL_THEM = "The hotline does not answer. Call them."
NO_HOTLINE = "No hotline can take it. Decide who gets it, then: tokaut deliveries list"
JUMPED = "This host's time jumped by more than a minute. Set it right; nothing is parked for 24 h."
SMS_TO_DO = {
    "credit": "The SMS account has no credit. Top it up; people's replies wait for it.",
    "sender_id": "The SMS provider does not know our sender. Compare the short code with its account page.",
    "locked_out": "The SMS provider does not let us in. Compare the API key with its account page.",
    "account": "The SMS account may not send there (region, trial, registration, daily limit). Look into its console.",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. `deliveries` are marked once it was accepted."""

    about: str  # a hotline, a channel, or "" where none is meant
    why: str
    priority: str
    todo: str
    reports: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()

    def subject(self) -> str:
        count = len(self.reports)
        what = f"{count} report{'s' if count != 1 else ''} not delivered" if count else "needs a person"
        return f"Tokaut: {self.priority}, {what}{f', {self.about}' if self.about else ''}"

    def text(self) -> str:
        lines = [f"Priority: {self.priority}", f"Who: {self.about or '-'}", f"What: {self.why}", f"To do: {self.todo}"]
        lines += ["", *(f"Report {report_id}" for report_id in self.reports[:MOST])]
        if len(self.reports) > MOST:
            lines.append(f"and {len(self.reports) - MOST} more: tokaut deliveries list")
        return "\n".join(lines) + "\n"


def gather(rows: Iterable[Untold]) -> list[Alert]:
    """One alert for each hotline and class, the most urgent first: a hotline that is down is one thing to do."""
    grouped: dict[tuple[str, str], list[Untold]] = defaultdict(list)
    for row in rows:
        why = row.state if row.state == "parked" else row.last_class.split(" ")[0] or "not_tried"
        grouped[row.hotline, why].append(row)
    alerts = [
        Alert(
            hotline,
            why,
            min(row.priority for row in group),
            TO_DO.get(why, CALL_THEM),
            tuple(dict.fromkeys(row.report_id for row in group)),
            tuple(row.delivery_id for row in group),
        )
        for (hotline, why), group in grouped.items()
    ]
    return sorted(alerts, key=lambda alert: alert.priority)
