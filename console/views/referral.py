"""A referral form from a report, for another service: as PDF or JSON, behind password and code, each one recorded.

Nothing is sent: a person gives the file to the service, and answers for the way it goes.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import NotFound

from console import bodies, templating
from console.auth.access_control import READERS, StaffRequest, requires
from console.form_drafts import load_form, message_sealer
from console.presenters import reachability, referral
from console.presenters.case_rows import reference
from console.presenters.reachability import ContactOption
from console.presenters.referral import Origin, ReferralRequest
from console.presenters.report import present_report
from console.responses import download, page
from console.services import country_of, hotline_zone, services
from console.templating import screen_text, select_catalogue
from console.views.case import mailbox, require_access
from reports.json_bodies import json_bytes
from reports.store.cases import case_view, drafts
from reports.store.staff import accounts
from runtime.settings import Mode
from runtime.time_units import SECOND
from runtime.visible_text import safe_for_display

bp = Blueprint("referral", __name__)

FORMATS = {"pdf": "application/pdf", "json": "application/json; charset=utf-8"}
NOTE = "Referral form made for {to}. Purpose: {purpose}"


@bp.get("/reports/<report_id>/referral")
@requires(*READERS, fresh=True)
def show_form(me: StaffRequest, report_id: str) -> Response:
    """Show the form, with this person's draft. Opening it counts as reading the report."""
    require_access(me, report_id)
    draft = load_form(me.account, report_id, drafts.REFERRAL)
    chosen = draft or {f"section.{name}": "1" for name in referral.AS_A_RULE}
    return _form_page(me, report_id, _open(me, report_id), chosen)


@bp.post("/reports/<report_id>/referral")
@requires(*READERS, fresh=True, back="/reports/{report_id}/referral")
def make_referral(me: StaffRequest, report_id: str) -> Response:
    """Return the referral form as a file, after the audit has recorded it; or the page, with the missing choices."""
    require_access(me, report_id)
    kind = me.form.get("do", "")
    if kind not in FORMATS:
        abort(400)
    chosen = ReferralRequest.from_form(me.form)
    report = _open(me, report_id)
    problems = dict(chosen.problems(_left_out(report)))
    if me.form.get("number"):
        chosen = replace(chosen, number=_number(me, report_id, report), sections=(*chosen.sections, "contact"))
        problems |= {} if chosen.number else {"number": referral.NUMBER_NOT_SAFE}
    if problems:
        return _form_page(me, report_id, report, me.form, problems=problems)
    act = f"referral:{kind}:number" if chosen.number else f"referral:{kind}"
    accounts.record_act(services.database, me.account, act, report_id)
    _leave_note(me, report_id, chosen)
    drafts.discard(services.database, me.account, report_id, drafts.REFERRAL)
    make = _pdf if kind == "pdf" else _json
    body = make(_origin(me, report_id), chosen, report)
    policy = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return download(body, FORMATS[kind], f"referral-{report_id[-6:]}.{kind}", policy)


def _open(me: StaffRequest, report_id: str) -> Mapping[str, Any]:
    """Return the decrypted report; the audit has recorded that it was opened."""
    case = case_view.open_case(services.database, me.account, report_id, is_read=False)
    report = services.decryptor.all(case, report_id, me.account.hotline).report
    if report is None:
        raise NotFound
    return report


def _left_out(report: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids and names of the hotlines that the reporter left out."""
    ids = bodies.complete_report(report)["routing"]["avoid"]
    hotlines = [hotline for hotline in services.countries.hotlines if hotline.id in ids]
    return frozenset((*ids, *(name for hotline in hotlines for name in (hotline.name, hotline.screen_name))))


def _number(me: StaffRequest, report_id: str, report: Mapping[str, Any]) -> str:
    """Return the reporter's number if it may be used at this moment, else an empty string."""
    target, _ = mailbox(me, report_id)
    contact = bodies.complete_report(report)["contact"]
    result = reachability.reach(contact, bodies.no_mailbox_reason(target.public_key), services.database.now())
    return safe_for_display(result.number) if result.way is ContactOption.NOW else ""


def _origin(me: StaffRequest, report_id: str) -> Origin:
    country = country_of(me.account.hotline)
    now = services.database.now()
    zone = hotline_zone(me.account.hotline)
    name = country.hotlines[me.account.hotline].name
    made = f"{templating.format_time(now, zone)} ({zone.key})"
    return Origin(report_id, me.account.hotline, name, me.account.name, now // SECOND, made)


def _translate(words: str) -> str:
    """Translate a sentence of the pages or of the phones' screens into the language of the page."""
    catalogue = select_catalogue(request, services.page_catalogues)
    return screen_text(words, catalogue, services.screen_catalogues).text


def _pdf(origin: Origin, chosen: ReferralRequest, report: Mapping[str, Any]) -> bytes:
    notices = [_translate(referral.CONFIDENTIAL)]
    if report.get("mode") != Mode.LIVE:
        notices.append(_translate(referral.DEMO_LINE if services.settings.mode == Mode.DEMO else referral.DRILL_LINE))
    lines = referral.referral_lines(chosen, origin, report, services.labels, _translate)
    pdf: Any = importlib.import_module("console.presenters.pdf")  # its library takes 4 MB, and few need it
    foot = f"{origin.name} · {reference(origin.report_id)}"
    document: bytes = pdf.document(_translate(referral.TITLE), notices, lines, foot)
    return document


def _json(origin: Origin, chosen: ReferralRequest, report: Mapping[str, Any]) -> bytes:
    return json_bytes(referral.referral_json(chosen, origin, report)) + b"\n"


def _leave_note(me: StaffRequest, report_id: str, chosen: ReferralRequest) -> None:
    """Add a note for colleagues: for whom the form was made, and for which purpose."""
    text = templating.fill_placeholders(_translate(NOTE), {"to": chosen.to, "purpose": chosen.purpose})
    note = message_sealer(me.account, report_id).note("note", text)
    case_view.add_note(services.database, me.account, note, me.idempotency_key)


def _form_page(
    me: StaffRequest,
    report_id: str,
    report: Mapping[str, Any],
    fields: Mapping[str, str],
    *,
    problems: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    country = country_of(me.account.hotline)
    not_offered = {me.account.hotline, *_left_out(report)}
    return page(
        "referral.html",
        400 if problems else 200,
        me=me,
        report_id=report_id,
        presented=present_report(report, services.labels),
        fields=defaultdict(str, fields),
        problems=problems,
        form=referral,
        recorded=referral.recorded_consent(report),
        offices=[hotline.name for hotline in country.hotlines.values() if hotline.id not in not_offered],
        may_give_number=bool(_number(me, report_id, report)),
    )
