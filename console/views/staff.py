"""Staff accounts of a hotline, managed by leads, and each person's own page.

It takes two leads to restore access to an account, to make a lead, and to end or demote one. A lead who could make
another one alone could act as two people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flask import Blueprint, Response, abort
from werkzeug.exceptions import BadRequest

from console import responses
from console.auth import cookies, credentials
from console.auth.access_control import AUDITOR, LEAD, STAFF, Form, StaffRequest, known_page, public, requires
from console.auth.invitations import PASSWORDS_DIFFER, TAKEN, InvitedAccount, hash_code, invite, is_valid_name
from console.auth.login import console_site, logout_response
from console.responses import page, redirect
from console.services import services
from reports.store.cases import case_view
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts, passkeys, staff_sessions
from reports.store.staff.accounts import Account, Invitation
from runtime.time_units import DAY

bp = Blueprint("staff", __name__)

ASSIGNABLE_ROLES = (STAFF, LEAD, AUDITOR)  # operators are invited on the command line
LOGINS_SHOWN = 5
NO_NAME = "A name has 2 to 24 small letters and digits, and begins with a letter. Dots and hyphens may be between them."
SAME_ROLE = "They have this role already. Nothing was changed."
NOT_YOURSELF = "You cannot do this to your own account; another lead can."
AGAIN = "You have asked for this already. Another lead has to approve it within 24 hours."
ASKED = "Your request is saved. Another lead has to approve it within 24 hours, on their page People."
TOO_LATE = "An account can be given back for 24 hours after its end, and not after that."
ENDED = "The account has ended. It can be given back for 24 hours, by Undo."
RESTORED = "The account is back. Its owner can log in as before."
REVOKED = "The invitation was revoked. Its code opens nothing any more."
DONE_MESSAGES = {"ended": ENDED, "restored": RESTORED, "revoked": REVOKED}
ALONE = "There is no other lead who could approve it. The operator can invite one, by tokaut staff invite."
PASSKEY_MESSAGES = {
    "passkey_added": "The passkey was added. You can log in with it now.",
    "passkey_removed": "The passkey was removed. It opens nothing here any more; delete it on the key or phone, too.",
    "passkey_refused": "No passkey was added: its answer was not valid, it is in use already, or you have ten.",
}
TWO_LEADS_MESSAGES = {
    accounts.ASKED: {"message": ASKED},
    accounts.ALREADY_ASKED: {"problem": AGAIN},
    accounts.NO_SECOND_LEAD: {"problem": ALONE},
}


@dataclass(frozen=True, slots=True)
class PendingLead:
    """Somebody who becomes a lead once another lead confirms it. `staff_id`: empty if there is no account yet."""

    name: str
    staff_id: str
    asked_by: str
    asked_at: int


@dataclass(frozen=True, slots=True)
class PendingDemotion:
    """A lead whose account is to end (`role` is empty), or who is to have another role."""

    name: str
    staff_id: str
    role: StaffRole | Literal[""]
    asked_by: str
    asked_at: int


@bp.get("/people")
@requires(LEAD, fresh=True)
def show_people(me: StaffRequest) -> Response:
    """Show the accounts of the hotline."""
    return _render_people(me, message=DONE_MESSAGES.get(responses.message_key() or "", ""))


def _render_people(me: StaffRequest, problem: str = "", message: str = "") -> Response:
    people = accounts.list_accounts(services.database, me.account.hotline)
    recoveries = accounts.list_recoveries(services.database, me.account.hotline)
    context: dict[str, object] = {"people": people, "asked": recoveries, "roles": ASSIGNABLE_ROLES, "wrong": problem}
    context |= {"said": message, "undo_from": services.database.now() - DAY}
    context |= {"names": {account.staff_id: account.name for account in people}, "inviter": _inviter}
    context |= {"typed_name": me.form.get("name", "") if problem else "", "typed_role": me.form.get("role", "")}
    open_invitations = accounts.list_invitations(services.database, me.account.hotline)
    context["invitations"] = [(invitation, _short_id(invitation.invitation_hash)) for invitation in open_invitations]
    context["to_be_lowered"] = _pending_demotions(me, people)
    return page("people.html", 400 if problem else 200, me=me, leads_to_be=_pending_leads(me, people), **context)


def _inviter(invitation: Invitation) -> str:
    """Return the name of the lead who made an invitation; empty for the operator."""
    hotline, _, name = invitation.made_by.removeprefix("staff:").partition("/")
    return name if hotline == invitation.hotline else ""


def _pending_leads(me: StaffRequest, people: Sequence[Account]) -> list[PendingLead]:
    names = {account.staff_id: account.name for account in people}
    return [
        PendingLead(
            names.get(promotion.about, promotion.about),
            promotion.about if promotion.about in names else "",
            names.get(promotion.asked_by, ""),
            promotion.asked_at,
        )
        for promotion in accounts.list_promotions(services.database, me.account.hotline)
    ]


def _pending_demotions(me: StaffRequest, people: Sequence[Account]) -> list[PendingDemotion]:
    names = {account.staff_id: account.name for account in people}
    return [
        PendingDemotion(
            names.get(demotion.staff_id, ""),
            demotion.staff_id,
            demotion.role,
            names.get(demotion.asked_by, ""),
            demotion.asked_at,
        )
        for demotion in accounts.list_demotions(services.database, me.account.hotline)
    ]


@bp.post("/people/invite")
@requires(LEAD, fresh=True, back="/people")
def invite_colleague(me: StaffRequest) -> Response:
    """Invite somebody, and show the slip; another lead must approve the invitation of a lead."""
    name, role = me.form.get("name", "").strip().lower(), _role_in_form(me)
    if role is None or not is_valid_name(name):
        return _render_people(me, NO_NAME)
    invited = InvitedAccount(name, me.account.hotline, role)
    if invited.role == LEAD:
        if accounts.find_by_name(services.database, invited.name):
            return _render_people(me, TAKEN)
        if unconfirmed := _request_promotion(me, invited.name, invited.name):
            return unconfirmed
    return _invite(me, invited) or _render_people(me, TAKEN)


@bp.post("/people/revoke")
@requires(LEAD, fresh=True, back="/people")
def revoke_invitation(me: StaffRequest) -> Response:
    """Revoke an open invitation: its code opens nothing any more."""
    for invitation in accounts.list_invitations(services.database, me.account.hotline):
        if _short_id(invitation.invitation_hash) == me.form.get("invitation"):
            accounts.revoke_invitation(services.database, invitation, me.account.actor)
    return redirect("/people?said=revoked")


@bp.post("/people/<staff_id>/role")
@requires(LEAD, fresh=True, back="/people")
def change_role(me: StaffRequest, staff_id: str) -> Response:
    """Give a colleague another role; another lead must confirm it if one of the two is lead."""
    colleague, role = _colleague(me, staff_id), _role_in_form(me) or abort(400)
    if role == colleague.role:  # to set it again would end the colleague's sessions and requests
        return _render_people(me, SAME_ROLE)
    if colleague.role == LEAD != role:
        if refusal := _request_demotion(me, colleague, role):
            return refusal
    elif colleague.staff_id == me.account.staff_id:
        return _render_people(me, NOT_YOURSELF)
    if role == LEAD != colleague.role and (unconfirmed := _request_promotion(me, colleague.staff_id, colleague.name)):
        return unconfirmed
    case_view.set_role(services.database, colleague, role, me.account.actor)
    return redirect("/people")


def _role_in_form(me: StaffRequest) -> StaffRole | None:
    return next((role for role in ASSIGNABLE_ROLES if role == me.form.get("role")), None)


def _request_promotion(me: StaffRequest, subject: str, name: str) -> Response | None:
    """Request a promotion; return the page to show, or None if another lead requested it before: it is confirmed."""
    outcome = accounts.request_promotion(services.database, subject, name, me.account)
    return None if outcome == accounts.CONFIRMED else _render_people(me, **TWO_LEADS_MESSAGES[outcome])


@bp.post("/people/<staff_id>/end")
@requires(LEAD, fresh=True, back="/people")
def end_account(me: StaffRequest, staff_id: str) -> Response:
    """End an account; another lead must confirm it for a lead."""
    colleague = _colleague(me, staff_id)
    if not me.form.get("sure"):
        return redirect(f"/people/{colleague.staff_id}/end")
    if colleague.role == LEAD and (refusal := _request_demotion(me, colleague, "")):
        return refusal
    if colleague.role != LEAD and colleague.staff_id == me.account.staff_id:
        return _render_people(me, NOT_YOURSELF)
    case_view.end_account(services.database, colleague, me.account.actor)
    return redirect("/people?said=ended")


@bp.get("/people/<staff_id>/end")
@requires(LEAD, fresh=True)
def confirm_end(me: StaffRequest, staff_id: str) -> Response:
    """Show what ending an account does, before it is done."""
    return page("end.html", me=me, one=_colleague(me, staff_id))


def _request_demotion(me: StaffRequest, colleague: Account, role: StaffRole | Literal[""]) -> Response | None:
    """Request a demotion; return the page to show, or None if another lead requested it before: it is confirmed.

    Leads may confirm what another lead asked about them, but cannot ask for it themselves.
    """
    is_own = colleague.staff_id == me.account.staff_id
    demotions = accounts.list_demotions(services.database, me.account.hotline)
    if is_own and (colleague.staff_id, role) not in [(row.staff_id, row.role) for row in demotions]:
        return _render_people(me, NOT_YOURSELF)
    outcome = accounts.request_demotion(services.database, colleague, role, me.account)
    return None if outcome == accounts.CONFIRMED else _render_people(me, **TWO_LEADS_MESSAGES[outcome])


@bp.post("/people/<staff_id>/undo")
@requires(LEAD, fresh=True, back="/people")
def restore_account(me: StaffRequest, staff_id: str) -> Response:
    """Restore an account within 24 hours of its end."""
    account = accounts.find_by_id(services.database, staff_id)
    if account is None or account.hotline != me.account.hotline:
        abort(404)
    if not accounts.reactivate(services.database, account, me.account.actor):
        return _render_people(me, TOO_LATE)
    return redirect("/people?said=restored")


@bp.post("/people/<staff_id>/recover")
@requires(LEAD, fresh=True, back="/people")
def recover_access(me: StaffRequest, staff_id: str) -> Response:
    """Restore access: a lead asks, another approves and gets the slip. Nobody alone can take over an account."""
    colleague = _colleague(me, staff_id)
    if colleague.staff_id == me.account.staff_id:
        return _render_people(me, NOT_YOURSELF)
    outcome = accounts.request_recovery(services.database, colleague, me.account)
    if outcome == accounts.CONFIRMED:
        invited = InvitedAccount(colleague.name, colleague.hotline, colleague.role)
        return _invite(me, invited, colleague.staff_id) or _render_people(me, TAKEN)
    return _render_people(me, **TWO_LEADS_MESSAGES[outcome])


def _invite(me: StaffRequest, invited: InvitedAccount, staff_id: str | None = None) -> Response | None:
    """Return the slip of a new invitation; None if the name is taken. `staff_id`: the account to restore."""
    address = services.settings.console_url or ""
    link = invite(services.database, address, invited, me.account.actor, staff_id)
    code = link.partition("#")[2]
    one = accounts.find_invitation(services.database, hash_code(code)) if link else None
    if one is None:
        return None
    picture = credentials.draw_qr_code(link) if address else None
    return page("slip.html", me=me, one=one, code=code, address=address, picture=picture)


def _colleague(me: StaffRequest, staff_id: str) -> Account:
    """Return an active account of the same hotline. Aborts with 404 for any other."""
    account = accounts.find_by_id(services.database, staff_id)
    if account is None or account.hotline != me.account.hotline or account.ended_at is not None:
        abort(404)
    return account


# A person's own page: their sessions, a new password, and the language of the pages.


@bp.get("/me")
@requires(*StaffRole)
def show_profile(me: StaffRequest) -> Response:
    """Show a person's own page."""
    return _render_profile(me)


def _render_profile(me: StaffRequest, problem: str = "") -> Response:
    open_sessions = [
        (session, _short_id(session.session_hash))
        for session in staff_sessions.list_sessions(services.database, me.account.staff_id)
    ]
    message = responses.message_key() or ""
    return page(
        "me.html",
        400 if problem else 200,
        me=me,
        sessions=open_sessions,
        wrong=problem,
        is_switched=message == "alarm",
        has_passkeys=console_site() is not None,
        logins=accounts.list_logins(services.database, me.account, LOGINS_SHOWN),
        passkeys=passkeys.list_passkeys(services.database, me.account.staff_id),
        passkey_said=PASSKEY_MESSAGES.get(message, ""),
        passkey_failed=message == "passkey_refused",
    )


def _short_id(full_hash: bytes) -> str:
    """Return a short id of a session or invitation for a form; it is of no use for anything else."""
    return full_hash[:8].hex()


@bp.post("/me/end")
@requires(*StaffRole)
def end_session(me: StaffRequest) -> Response:
    """End one of the person's sessions."""
    for session in staff_sessions.list_sessions(services.database, me.account.staff_id):
        if _short_id(session.session_hash) == me.form.get("session"):
            staff_sessions.end(services.database, me.account, session.session_hash)
    return redirect("/me")


@bp.post("/me/end-all")
@requires(*StaffRole)
def end_all_sessions(me: StaffRequest) -> Response:
    """End all of the person's sessions, this one included."""
    staff_sessions.end(services.database, me.account)
    return logout_response()


@bp.post("/me/password")
@requires(*StaffRole, fresh=True, back="/me")
def change_password(me: StaffRequest) -> Response:
    """Change the password, remove the passkeys that were ticked or were not on the page, and log out everywhere."""
    password = me.form.get("password", "")
    problem = credentials.rejection_reason(password, (me.account.name, me.account.hotline))
    if not problem and password != me.form.get("again"):
        problem = PASSWORDS_DIFFER
    if problem:
        return _render_profile(me, problem)
    own = passkeys.list_passkeys(services.database, me.account.staff_id)
    shown = me.form.get("shown", "").split(",")
    kept_passkeys = [
        passkey.credential_id
        for passkey in own
        if passkey.credential_id.hex() in shown and not me.form.get(f"passkey-{passkey.credential_id.hex()}")
    ]
    accounts.set_password(services.database, me.account, credentials.hash_password(password), kept_passkeys)
    return logout_response()


@bp.post("/language")
@public
def change_language(form: Form) -> Response:
    """Change the language of the pages in this browser."""
    tag = form.get("language", "")
    if tag not in services.page_catalogues:
        raise BadRequest
    response = redirect(known_page(form.get("then", "/")))
    cookies.set_cookie(response, cookies.LANGUAGE, tag, seconds=cookies.MAX_AGE_SECONDS)
    return response
