"""Ready-made replies of the own hotline, for its leads: one writes a reply, a second one signs it, any withdraws it."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, abort

from console import bodies, responses
from console.auth.access_control import LEAD, StaffRequest, requires
from console.form_drafts import REPORT_ID, discard_own_form, load_own_form
from console.responses import page, redirect_with_message
from console.services import country_of, services
from console.views.case import account_names
from flows.staff_replies import Objection
from reports.countries.country import Country
from reports.countries.language_names import language_name
from reports.store.cases import drafts
from reports.store.staff import own_replies
from reports.store.staff.own_replies import TooManyReplies

bp = Blueprint("own_replies", __name__)

TEXT_FIELD = "text-"  # before the tag of a language
MAX_LENGTH = 600  # characters, as in the form for a message
NO_TEXT = "Write the reply in at least one language."
TOO_MANY = "Your hotline has 30 replies. Withdraw one first."
CANNOT_SIGN = (
    "This reply cannot be signed: it was signed or withdrawn already, you wrote it, or its writer is no lead now."
)
ALREADY_WITHDRAWN = "This reply was withdrawn already."


@bp.get("/replies")
@requires(LEAD)
def show_replies(me: StaffRequest) -> Response:
    """Show the hotline's replies, those that wait for a signature, and the form for a new one, with its draft."""
    draft = load_own_form(me.account, drafts.REPLIES)
    return _render(me, texts={name.removeprefix(TEXT_FIELD): text for name, text in draft.items()})


@bp.post("/replies/draft")
@requires(LEAD)
def save_draft(me: StaffRequest) -> Response:
    """Answer a script that saves the draft while somebody types; the access control has already saved it."""
    return Response(status=204)


@bp.post("/replies")
@requires(LEAD)
def write_reply(me: StaffRequest) -> Response:
    """Store a new reply, or show its faults: it must pass the message check without any doubt."""
    country = country_of(me.account.hotline)
    texts = {tag: me.form.get(f"{TEXT_FIELD}{tag}", "").strip()[:MAX_LENGTH] for tag in country.languages}
    texts = {tag: text for tag, text in texts.items() if text}
    objections = {tag: _objections(text, country) for tag, text in texts.items()}
    if not texts or any(objections.values()):
        return _render(me, wrong="" if texts else NO_TEXT, texts=texts, objections=objections)
    try:
        own_replies.write(services.database, me.account, texts, me.idempotency_key)
    except TooManyReplies:
        return _render(me, wrong=TOO_MANY, texts=texts)
    discard_own_form(me.account, me.form, drafts.REPLIES)
    return redirect_with_message("/replies", "reply_written")


@bp.post("/replies/<reply_id>/sign")
@requires(LEAD, fresh=True, back="/replies")
def sign_reply(me: StaffRequest, reply_id: str) -> Response:
    """Sign a reply that another lead wrote. The check is repeated: a number may have been withdrawn since."""
    reply = next(
        (
            reply
            for reply in own_replies.list_replies(services.database, me.account.hotline)
            if reply.reply_id == reply_id
        ),
        None,
    )
    if reply is not None and any(_objections(text, country_of(me.account.hotline)) for text in reply.texts.values()):
        return _render(me, wrong=CANNOT_SIGN)
    if reply is None or not own_replies.sign(services.database, me.account, reply_id, me.idempotency_key):
        return _render(me, wrong=CANNOT_SIGN)
    return redirect_with_message("/replies", "reply_signed")


@bp.post("/replies/<reply_id>/withdraw")
@requires(LEAD)
def withdraw_reply(me: StaffRequest, reply_id: str) -> Response:
    """Withdraw a reply: staff do not see it any more."""
    if not REPORT_ID.fullmatch(reply_id):
        abort(404)
    if not own_replies.withdraw(services.database, me.account, reply_id, me.idempotency_key):
        return _render(me, wrong=ALREADY_WITHDRAWN)
    return redirect_with_message("/replies", "reply_withdrawn")


def _objections(text: str, country: Country) -> tuple[Objection, ...]:
    check = bodies.check_message(text, country)
    return (*check.refusals, *check.doubts)


def _render(
    me: StaffRequest,
    *,
    wrong: str = "",
    texts: Mapping[str, str] | None = None,
    objections: Mapping[str, tuple[Objection, ...]] | None = None,
) -> Response:
    screens = services.screen_catalogues
    languages = [
        (tag, screens[tag].name if tag in screens else language_name(tag), tag if tag in screens else "en")
        for tag in country_of(me.account.hotline).languages
    ]
    return page(
        "own_replies.html",
        400 if wrong or objections else 200,
        me=me,
        wrong=wrong,
        done=responses.MESSAGES.get(responses.message_key() or "", ("", ""))[0],
        texts=texts or {},
        objections=objections or {},
        replies=own_replies.list_replies(services.database, me.account.hotline),
        names=account_names(me),
        languages_here=languages,
    )
