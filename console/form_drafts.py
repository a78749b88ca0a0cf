"""Drafts that a form carries: any form of a report's page saves the unsent texts of that page."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from console.bodies import MessageSealer
from console.services import services
from reports.json_bodies import json_bytes
from reports.store.cases import case_actions, case_list, drafts
from reports.store.cases.case_actions import DraftKind
from reports.store.mailboxes.correspondence import AnswerTarget
from reports.store.staff.accounts import Account

DRAFT_OF = "draft_of"  # field of a form that carries a draft: the id of its report
# Kind of draft → field of the page's form.
DRAFT_FIELDS: Mapping[DraftKind, str] = {
    drafts.MESSAGE: "words",
    drafts.NOTE: "note",
    drafts.CLOSING: "done",
    drafts.PASSING: "pass_note",
}
MAX_DRAFT_LENGTH = 4000  # characters
# In place of a report's id: a form that belongs to no report, and the kind of its draft.
OWN_FORMS: Mapping[str, DraftKind] = {"entry": drafts.ENTRY, "shift": drafts.HANDOVER, "replies": drafts.REPLIES}
HANDOVER_FIELDS = ("to", "note")  # which reports are given is chosen when they are given
DRAFT_KIND = "draft_kind"  # field of a form that is a draft as a whole: its kind
NOT_IN_DRAFT = frozenset((DRAFT_OF, DRAFT_KIND, "once", "then", "do", "token"))
REPORT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def save(account: Account, form: Mapping[str, str]) -> None:
    """Save the drafts that a form carries, sealed to the hotline. An empty text deletes its draft.

    A text that is still as its page showed it changes nothing: another tab may have saved a newer one.
    """
    report_id = form.get(DRAFT_OF, "")
    if report_id in OWN_FORMS:
        _save_own_form(account, OWN_FORMS[report_id], form)
        return
    if not REPORT_ID.fullmatch(report_id) or not case_list.may_see(services.database, account, report_id):
        return
    if form.get(DRAFT_KIND) == drafts.REFERRAL:
        _save_form(account, message_sealer(account, report_id), drafts.REFERRAL, form)
        return
    for kind, name in DRAFT_FIELDS.items():
        text = form.get(name)
        if text is None or form.get(f"shown.{name}") == text_digest(text):
            continue
        if text.strip():
            note = message_sealer(account, report_id).note(kind, text[:MAX_DRAFT_LENGTH])
            drafts.save(services.database, account, note, _page_key(account, form, kind))
        else:
            drafts.discard(services.database, account, report_id, kind)


def text_digest(text: str) -> str:
    """Return by what a form tells whether its text is still the draft that its page showed."""
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()[:16]


def discard_sent(account: Account, form: Mapping[str, str], report_id: str, kind: DraftKind) -> None:
    """Delete the draft of a text that this form has sent; its page saves no draft of this kind from now on."""
    drafts.discard(services.database, account, report_id, kind, _page_key(account, form, kind))


def _page_key(account: Account, form: Mapping[str, str], kind: DraftKind) -> bytes | None:
    """Return the key of one field of the page that a form belongs to; None if the form has no nonce of its page."""
    if not form.get("once"):
        return None
    return hashlib.sha256("\0".join(("sent", account.staff_id, form["once"], kind)).encode()).digest()


def message_sealer(account: Account, report_id: str) -> MessageSealer:
    """Return the sealer for this person's texts about a report. Raises CaseNotFound."""
    hotline, database = account.hotline, services.database
    target, _, _ = case_actions.look_up(database, hotline, report_id, b"")
    return MessageSealer(hotline, report_id, target, services.keys[hotline], database.now())


def _save_own_form(account: Account, kind: DraftKind, form: Mapping[str, str]) -> None:
    """Save a form that belongs to no report. Of an entered report, a number without leave to use it is not stored."""
    key = services.keys.get(account.hotline)
    if key is None:  # for example an operator
        return
    if kind == drafts.HANDOVER:
        form = {name: value for name, value in form.items() if name in (*HANDOVER_FIELDS, "once")}
    elif form.get("contact", "none") == "none":
        form = {name: value for name, value in form.items() if name != "number"}
    target = AnswerTarget("", services.settings.mode, None, ())
    sealer = MessageSealer(account.hotline, account.staff_id, target, key, services.database.now())
    _save_form(account, sealer, kind, form)


def _save_form(account: Account, sealer: MessageSealer, kind: DraftKind, form: Mapping[str, str]) -> None:
    fields = {name: value for name, value in form.items() if value and name not in NOT_IN_DRAFT}
    note = sealer.note(kind, json_bytes(fields).decode())
    drafts.save(services.database, account, note, _page_key(account, form, kind))


def load_own_form(account: Account, kind: DraftKind) -> Mapping[str, str]:
    """Return the fields of this person's draft of a form that belongs to no report; empty if there is none."""
    return load_form(account, account.staff_id, kind)


def load_form(account: Account, report_id: str, kind: DraftKind) -> Mapping[str, str]:
    """Return the fields of this person's draft of a whole form; empty if there is none."""
    rows = drafts.list_drafts(services.database, account, report_id)
    text = services.decryptor.drafts(rows, report_id, account.hotline).get(kind)
    fields: Mapping[str, str] = json.loads(text) if text else {}
    return fields


def discard_own_form(account: Account, form: Mapping[str, str], kind: DraftKind) -> None:
    """Delete this person's draft of a form that belongs to no report, and that was sent or discarded."""
    discard_sent(account, form, account.staff_id, kind)
