"""Every sentence that the pages say in English, wherever it stands: what a catalogue of console/locales has to hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from console import responses, templating
from console.auth import access_control, credentials, invitations, login
from console.presenters import deadlines, entry, reachability, referral, report
from console.views import case, case_actions, case_list, drills, handover, operator, staff
from console.views import referral as referral_view
from reports.triage import FLAG_LABELS, REASON_LABELS

CHANGES = ("TOOK_IT", "PASSED_IT", "TOOK_IT_OVER", "BACK_IN_QUEUE", "CLOSED_IT", "MOVED_IT", "WAITS_AGAIN")
CHANGES += ("YOU_CHANGED_IT",)
NEEDS = ("NOT_TAKEN", "STUCK", "LATE_STEPS", "IN_SPOOL", "NO_BACKUP", "OLD_BACKUP", "DISABLED")
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
    yield from templating.HANDLING_LABELS.values()
    yield from templating.ROLE_LABELS.values()
    yield from case.OUTCOMES.values()
    yield case.WROTE_MORE
    yield from case_list.STATES.values()
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
    yield from (*(getattr(case, name) for name in CHANGES), *templating.NAMELESS)
    yield from (
        case_actions.TAKE_OVER,
        case_actions.TAKEN_MEANWHILE,
        case_actions.PASSED_MEANWHILE,
        case_actions.CLOSED_MEANWHILE,
    )
    yield from (*report.SENTENCES, *report.ROLES.values())
    yield from entry.SENTENCES
    yield from (*referral.SENTENCES, referral_view.NOTE)
    yield from (*REASON_LABELS.values(), *FLAG_LABELS.values())
    yield from credentials.FAULTS
    yield login.LOGIN_REFUSED
    yield from (getattr(operator, name) for name in NEEDS)
    yield from (invitations.PASSWORDS_DIFFER, invitations.WRONG_CODE)
    yield from (staff.NO_NAME, staff.TAKEN, staff.NOT_YOURSELF, staff.AGAIN, staff.ASKED, staff.ALONE)
    yield from (staff.TOO_LATE, staff.ENDED, staff.RESTORED)
    yield from (
        case_actions.NO_WORDS,
        case_actions.NO_REASON,
        case_actions.NO_OUTCOME,
        case_actions.NOT_NOW,
        case_actions.SECOND_PERSON_NEEDED,
        case_actions.SAME_PERSON,
        case_actions.TOO_NEW,
        case_actions.NOT_SURE,
    )
    yield from (*drills.SCRIPT_TITLES.values(), *drills.STAGES.values(), drills.IN_TIME, drills.LATE, drills.NOT_YET)
    yield from (drills.INVALID_TIME, drills.ALREADY_PLANNED, drills.ALREADY_STARTED)
    yield from (
        handover.NO_REASON,
        handover.NOT_THERE,
        handover.NOT_NOW,
        handover.ALREADY_ASKED,
    )
