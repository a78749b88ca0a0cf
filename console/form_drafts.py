"""Drafts that a form carries: any form of a report's page saves what somebody has written there and not yet sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.bodies import MessageSealer
from console.services import services
from reports.store.cases import case_actions, case_list, drafts
from reports.store.cases.case_actions import DraftKind
from reports.store.staff.accounts import Account

DRAFT_OF = "draft_of"  # field of a form that carries a draft: the id of its report
DRAFT_FIELDS: Mapping[DraftKind, str] = {
    drafts.MESSAGE: "words",
    drafts.NOTE: "note",
    drafts.CLOSING: "done",
}  # kind of draft → field of the page's form
MAX_DRAFT_LENGTH = 4000  # characters
REPORT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def save(account: Account, form: Mapping[str, str]) -> None:
    """Save the drafts that a form carries, sealed to the hotline. An empty text deletes its draft."""
    report_id = form.get(DRAFT_OF, "")
    if not REPORT_ID.fullmatch(report_id) or not case_list.may_see(services.database, account, report_id):
        return
    for kind, name in DRAFT_FIELDS.items():
        text = form.get(name)
        if text is None:
            continue
        if text.strip():
            note = message_sealer(account, report_id).note(kind, text[:MAX_DRAFT_LENGTH])
            drafts.save(services.database, account, note)
        else:
            drafts.discard(services.database, account, report_id, kind)


def message_sealer(account: Account, report_id: str) -> MessageSealer:
    """Return the sealer for what this person writes about a report. Raises CaseNotFound."""
    hotline, database = account.hotline, services.database
    target, _, _ = case_actions.look_up(database, hotline, report_id, b"")
    return MessageSealer(hotline, report_id, target, services.keys[hotline], database.now())
