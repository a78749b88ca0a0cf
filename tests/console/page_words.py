"""Every English sentence of the console's pages: what a catalogue of console/locales must contain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from console import responses, templating
from console.auth import access_control, credentials, invitations, login, passkey_views
from console.presenters import (
    access_log,
    case_rows,
    closing,
    deadlines,
    entry,
    follow_up,
    message_notices,
    reachability,
    referral,
    report,
    timeline,
)
from console.views import case, case_actions, drills, handover, operator, own_replies, shift, staff
from console.views import closing as closing_views
from console.views import referral as referral_view
from flows import staff_replies
from reports import staff_labels
from reports.triage import FLAG_LABELS, REASON_LABELS

CHANGES = ("TOOK_IT", "PASSED_IT", "TOOK_IT_OVER", "BACK_IN_QUEUE", "CLOSED_IT", "MOVED_IT", "WAITS_AGAIN")
CHANGES += ("YOU_CHANGED_IT", "STILL_YOURS")
CLOSING = ("NO_OUTCOME", "NOTHING_DONE", "NEVER_TAKEN", "TOO_NEW", "SAME_PERSON", "UNDO_OVER")
NEEDS = (
    "NOT_TAKEN",
    "STUCK",
    "LATE_STEPS",
    "IN_SPOOL",
    "NO_BACKUP",
    "OLD_BACKUP",
    "AWAY",
    "SILENT",
    "NO_REDIS",
    "DISABLED",
)
NEEDS += ("CALLS_FAIL", "CALLS_STALE", "QUIET", "NOT_DELIVERED")
TEMPLATES = Path(templating.__file__).parent / "templates"
SAID = re.compile(r"""\b_\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*\)""")


def messages() -> frozenset[str]:
    return frozenset((*_in_templates(), *_in_code()))


def _in_templates() -> Iterator[str]:
    for path in TEMPLATES.glob("*.html"):
        for double, single in SAID.findall(path.read_text(encoding="utf-8")):
            yield double or single


def _in_code() -> Iterator[str]:
    yield from access_control.StaffRole
    yield from (sentence for sentence, _ in responses.MESSAGES.values() if sentence)
    yield from staff_labels.ALL
    yield from templating.ROLE_LABELS.values()
    for choices in (closing.OUTCOMES, closing.CLOSED_AS, closing.TOLD, closing.KIND_LABELS):
        yield from choices.values()
    yield from (getattr(closing_views, name) for name in CLOSING)
    yield from (question for question, _ in closing.CHILD.values())
    yield "Closed"
    yield from (follow_up.IN_HOURS, follow_up.TODAY, follow_up.TOMORROW, follow_up.IN_A_WEEK)
    yield from (follow_up.NO_TIME, follow_up.IN_THE_PAST, follow_up.TOO_FAR, follow_up.CHANGED_MEANWHILE)
    yield case.WROTE_MORE
    for labels in (case_rows.TAB_LABELS, case_rows.DANGER_LABELS, case_rows.ABOUT_LABELS):
        yield from labels.values()
    yield from (
        *deadlines.LEFT.values(),
        *deadlines.OVER.values(),
        reachability.VERIFIED,
        reachability.NOT_VERIFIED,
    )
    for sentences in (
        reachability.SENTENCES,
        reachability.UNREACHABLE,
        reachability.NO_MESSAGE,
        reachability.SHORT_SENTENCES,
    ):
        yield from sentences.values()
    yield reachability.ALSO_MESSAGE
    yield from (*message_notices.SENTENCES, *staff_replies.SENTENCES)
    yield from (*(getattr(case, name) for name in CHANGES), *templating.NAMELESS)
    yield from (
        case_actions.TAKE_OVER,
        case_actions.TAKEN_MEANWHILE,
        case_actions.PASSED_MEANWHILE,
        case_actions.CLOSED_MEANWHILE,
        case_actions.WRITTEN_MEANWHILE,
        case_actions.SENT_BEFORE,
    )
    yield from report.SENTENCES
    yield from timeline.SENTENCES
    yield from (shift.NO_REPORT, shift.NO_COLLEAGUE, shift.NOT_GIVEN, shift.ACCEPTED_BY_ANOTHER)
    yield from entry.SENTENCES
    yield from (*referral.SENTENCES, referral_view.NOTE)
    yield from (*REASON_LABELS.values(), *FLAG_LABELS.values())
    yield from credentials.FAULTS
    yield from (login.LOGIN_REFUSED, login.UNLOCK_REFUSED, passkey_views.PASSKEY_REFUSED)
    yield from staff.PASSKEY_MESSAGES.values()
    yield from (getattr(operator, name) for name in NEEDS)
    yield from (invitations.PASSWORDS_DIFFER, invitations.WRONG_CODE, invitations.INVALID_CODE)
    yield invitations.INVITED_NAME_TAKEN
    yield from (staff.NO_NAME, staff.TAKEN, staff.SAME_ROLE, staff.NOT_YOURSELF, staff.AGAIN, staff.ASKED, staff.ALONE)
    yield from (staff.TOO_LATE, staff.ENDED, staff.RESTORED, staff.REVOKED)
    yield from (
        case_actions.NO_WORDS,
        case_actions.NO_REASON,
        case_actions.NOT_NOW,
        case_actions.NOT_SURE,
        case_actions.NOT_TO_THEM,
        case_actions.WITH_ANOTHER_HOTLINE,
        case_actions.NOT_A_READER,
        case_actions.NOBODY_ELSE,
        case_actions.NOBODY_LEFT,
    )
    yield from (*drills.SCRIPT_TITLES.values(), *drills.STAGES.values(), drills.IN_TIME, drills.LATE, drills.NOT_YET)
    yield from (drills.INVALID_TIME, drills.ALREADY_PLANNED, drills.ALREADY_STARTED)
    yield from (own_replies.NO_TEXT, own_replies.TOO_MANY, own_replies.CANNOT_SIGN, own_replies.ALREADY_WITHDRAWN)
    yield from (
        handover.NO_REASON,
        handover.NOT_THERE,
        handover.NOT_NOW,
        handover.ALREADY_ASKED,
    )
    yield from (*access_log.SENTENCES.values(), *(name for name, _ in access_log.GROUPS.values()))
