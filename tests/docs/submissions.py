"""The table of docs/submission.md, made from the one that the code uses."""

from __future__ import annotations

import re

from gateway.sessions.report_ref import (
    NotSubmitted,
    PerhapsScheduled,
    Scheduled,
    SubmissionState,
    SubmissionUncertain,
    Submitted,
)
from gateway.submission.transitions import PER_REPLY, TABLE, Rule, SubmissionEvent

EXAMPLES: tuple[SubmissionState, ...] = (
    NotSubmitted(),
    PerhapsScheduled(64),
    Scheduled(7),
    SubmissionUncertain(7),
    Submitted(7, 1),
)
STORES_NOTHING = {SubmissionEvent.DROP}
DELETES = {SubmissionEvent.CANCEL, SubmissionEvent.DELETE}


def table() -> str:
    """Return one row for each state and event that can meet."""
    rows = ["| state | event | revision | state after | the reporter sees |", "|---|---|---|---|---|"]
    for example in EXAMPLES:
        for event in SubmissionEvent:
            rule = TABLE.get((type(example), event))
            if rule is not None:
                after = type(rule.next_state(example, example.revision if event is SubmissionEvent.REPLAY else 7))
                rows.append(
                    f"| {_words(type(example))} | {event} | {_revision(event, rule)} | {_words(after)} | "
                    f"{rule.told_reporter} |"
                )
    return "\n".join(rows) + "\n"


def _words(state: type[SubmissionState]) -> str:
    """Return a state's name as words: `NotSubmitted` is "not submitted"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", state.__name__).lower()


def _revision(event: SubmissionEvent, rule: Rule) -> str:
    if event in STORES_NOTHING:
        return "–"
    if event is SubmissionEvent.REPLAY:
        return f"max(r, {rule.min_revision} + {PER_REPLY} for each reply)"
    parts = [_sum(rule, rule.added_revisions)]
    if rule.if_pending is not None:
        parts.append(f"while one is pending {_sum(rule, rule.if_pending)}")
    if rule.if_resumed is not None:
        parts.append(f"resumed {_sum(rule, rule.if_resumed)}")
    return ("up to " if event in DELETES else "") + "; ".join(parts)


def _sum(rule: Rule, add: int) -> str:
    known = f"max(r, {rule.min_revision})" if rule.min_revision else "r"
    return f"{known} + {add}" if add else known
