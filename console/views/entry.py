"""Staff enter a report that came by telephone or in person; the reporter gets a code and a PIN, shown once.

The report is sealed to the hotline of the person who enters it, and to no other. The scheduler stores it
(reports/store/cases/entries.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import structlog
from flask import Blueprint, Response, abort

from console import form_drafts
from console.auth.access_control import READERS, StaffRequest, requires
from console.presenters import entry
from console.presenters.entry import EntryForm
from console.presenters.reachability import emergency_contacts
from console.responses import page, redirect
from console.services import country_of, services
from reports.access_codes import derive_code, derive_pin, format_code
from reports.countries.language_names import LANGUAGE_NAMES
from reports.crypto import SealContext, seal_answer, seal_body
from reports.delivery import RecipientRole
from reports.escalation import URGENT
from reports.facts import AGE_BANDS, Completeness
from reports.report import Report, report_head, to_json
from reports.routing import Recipient
from reports.store.cases import drafts, entries
from reports.store.mailboxes import entry_codes
from reports.store.schema.base import new_id
from reports.store.submissions import SealedCopy, Submission
from runtime.time_units import HOUR, MINUTE, SECOND

bp = Blueprint("entry", __name__)
log = structlog.get_logger()

ROUTED = "STAFF_ENTERED"  # why this hotline has the report
REPEATED = 2 * MINUTE  # during which a repeated form shows the code again: the first answer may have been lost
OLDEST_PAGE = 10 * HOUR // SECOND  # a session lasts no longer


@bp.get("/enter")
@requires(*READERS)
def show_form(me: StaffRequest) -> Response:
    """Show the form, with this person's draft."""
    return _form_page(me, form_drafts.load_own_form(me.account, drafts.ENTRY), {})


@bp.post("/enter/draft")
@requires(*READERS)
def save_draft(me: StaffRequest) -> Response:
    """Answer a script that saves the draft while somebody types; the access control has already saved it."""
    return Response(status=204)


@bp.post("/enter")
@requires(*READERS)
def enter_report(me: StaffRequest) -> Response:
    """Store the report and show code and PIN; or show the form again, with its problems.

    A form that is sent again shows the same code and PIN for two minutes after the report was stored: the first answer
    was lost, or the button was pressed twice. Later it may be somebody else at this screen (S-07).
    """
    if me.form.get("do") == "discard":
        form_drafts.discard_own_form(me.account, me.form, drafts.ENTRY)
        return redirect("/enter")
    if me.form.get("do") == "draft":
        return redirect("/enter")
    if me.idempotency_key is None:
        abort(400)
    form = EntryForm(me.form, country_of(me.account.hotline), services.labels, _begun(me.form))
    if form.problems:
        return _form_page(me, me.form, form.problems, 400)
    report_id = _derived_id(me.idempotency_key, form.now)
    report = form.report(
        report_id,
        me.account.hotline,
        services.settings.mode,
        Recipient(me.account.hotline, RecipientRole.PRIMARY, ROUTED),
        me.account.name,
    )
    pair = _code_and_pin(me)
    key = entry_codes.newest_key(services.database, me.account.hotline)
    sealed_code = key and seal_answer(key, services.settings.mode, report_id, entry_codes.CODE_LABEL, " ".join(pair))
    is_new = entries.enter(
        services.database,
        me.account,
        _submission(me, report, me.idempotency_key),
        key=me.idempotency_key,
        code=sealed_code,
        is_taken=form.is_taken,
    )
    if is_new:
        log.info("report_entered", report_id=report_id, hotline=me.account.hotline, priority=report.priority)
    form_drafts.discard_own_form(me.account, me.form, drafts.ENTRY)
    has_code = entries.has_code(services.database, me.idempotency_key)
    age = services.database.now() - entries.entered_at(services.database, me.account, report_id)
    shown = pair if has_code and age < REPEATED else None
    return _entered_page(me, report, shown, is_taken=form.is_taken, was_shown=has_code)


def _form_page(me: StaffRequest, fields: Mapping[str, str], problems: Mapping[str, str], status: int = 200) -> Response:
    country = country_of(me.account.hotline)
    tags = dict.fromkeys((*country.languages, "en"))
    return page(
        "entry.html",
        status,
        me=me,
        fields=defaultdict(str, fields),
        problems=problems,
        form=entry,
        country=country,
        emergency=emergency_contacts(country, me.account.hotline),
        dangers=[(value, services.labels.of("danger", value)) for value in entry.DANGER],
        categories=[(value, services.labels.of("category", value)) for value in services.labels.values("category")],
        ages=[(value, services.labels.of("age_band", value)) for value in AGE_BANDS],
        questions=entry.follow_up_questions(services.labels),
        languages_spoken=[(tag, LANGUAGE_NAMES.get(tag, tag)) for tag in tags],
        offices=[hotline for hotline in country.hotlines.values() if hotline.id != me.account.hotline],
        begun=fields.get("begun") or services.database.now() // SECOND,
    )


def _entered_page(
    me: StaffRequest, report: Report, pair: tuple[str, str] | None, *, is_taken: bool, was_shown: bool
) -> Response:
    country = report.setting.country
    fields: dict[str, Any] = {
        "report_id": report.setting.report_id,
        "priority": report.priority,
        "is_urgent": report.priority in URGENT,
        "is_taken": is_taken,
        "was_shown": was_shown,
        "code": format_code(pair[0]) if pair else "",
        "pin": pair[1] if pair else "",
        "ways_in": [code.code for code in country.codes],
        "country": country,
    }
    return page("entered.html", me=me, **fields)


def _begun(form: Mapping[str, str]) -> int:
    """Return when somebody began this form, or its page was made, Unix seconds; now if that is not plausible."""
    text, now = form.get("begun", ""), services.database.now() // SECOND
    begun = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    return begun if now - OLDEST_PAGE < begun <= now else now


def _derived_id(key: bytes, at: int) -> str:
    """Return the report's id: the same for a form that is sent twice."""
    return new_id(at * SECOND, services.cipher.mac("entry-id", key))


def _code_and_pin(me: StaffRequest) -> tuple[str, str]:
    """Return code and PIN: the same for a form that is sent twice, and from nothing that is stored.

    The nonce of the page is part of the form, and the database holds only a hash of the form.
    """
    mac = services.cipher.mac("entry-code", me.account.staff_id, repr(sorted(me.form.items())))
    return derive_code(mac), derive_pin(mac)


def _submission(me: StaffRequest, report: Report, key: bytes) -> Submission:
    hotline, setting = me.account.hotline, report.setting
    context = SealContext(setting.mode, setting.report_id, 1, hotline)
    sealed = seal_body(services.keys[hotline], context, report_head(report), to_json(report, hotline))
    part = SealedCopy(hotline, RecipientRole.PRIMARY, ROUTED, sealed.key_id, sealed.wrap, sealed.head, sealed.sealed)
    return Submission(
        report_id=setting.report_id,
        origin_key=services.cipher.mac("entry-origin", key),
        revision=1,
        created_at=setting.created_at * SECOND,
        country=setting.country.iso,
        mode=setting.mode,
        priority=report.priority,
        completeness=Completeness.COMPLETE,
        parts=(part,),
    )
