"""Staff accounts of a hotline, managed by leads, and each person's own page.

It takes two leads to restore access to an account, to make a lead, and to end or demote one. A lead who could make
another one alone could act as two people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from flask import Response, abort
from werkzeug.exceptions import BadRequest

from console import responses
from console.auth import cookies, credentials
from console.auth.access_control import ALL_ROLES, AUDITOR, LEAD, STAFF, PageRoute, PageRouter, StaffRequest
from console.auth.invitations import PASSWORDS_DIFFER, InvitedAccount, invite, is_valid_name
from console.auth.login import logout_response
from console.responses import page, redirect
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts, staff_sessions
from reports.store.staff.accounts import Account
from runtime.time_units import DAY

LEADS = frozenset({LEAD})
ASSIGNABLE_ROLES = (STAFF, LEAD, AUDITOR)  # operators are invited on the command line
NO_NAME = "A name has 2 to 24 small letters and digits; dots and hyphens may stand between them."
TAKEN = "Somebody has this name, or had it once. Take another one."
NOT_YOURSELF = "You cannot do this to your own account; another lead can."
AGAIN = "You have asked for this already. Another lead has to confirm it, within a day."
ASKED = "Asked. Another lead has to confirm it, within a day."
TOO_LATE = "An account can be given back for 24 hours after its end, and not after that."
ENDED = "The account has ended. It can be given back for 24 hours, by Undo."
RESTORED = "The account is back. Its owner can log in as before."
DONE_MESSAGES = {"ended": ENDED, "restored": RESTORED}
ALONE = "There is no other lead who could confirm it. The operator can invite one, by tokaut staff invite."
TWO_LEADS_MESSAGES = {
    accounts.ASKED: {"said": ASKED},
    accounts.ALREADY_ASKED: {"wrong": AGAIN},
    accounts.NO_SECOND_LEAD: {"wrong": ALONE},
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


def attach(router: PageRouter, address: str) -> None:
    """Register the pages of staff accounts. `address`: of the console, for links."""

    def add(rule: str, view: Callable[..., Response]) -> None:
        router.add(PageRoute(rule, LEADS, post=True, fresh=True, back="/people"), view)

    router.add(
        PageRoute("/people", LEADS, fresh=True),
        lambda me: _page(router, me, said=DONE_MESSAGES.get(responses.message_key() or "", "")),
    )
    add("/people/invite", partial(_invite, router, address))
    add("/people/<staff_id>/role", partial(_role, router))
    router.add(PageRoute("/people/<staff_id>/end", LEADS, fresh=True), partial(_end_page, router))
    add("/people/<staff_id>/end", partial(_end, router))
    add("/people/<staff_id>/undo", partial(_restore, router))
    add("/people/<staff_id>/recover", partial(_recover, router, address))


def _page(router: PageRouter, me: StaffRequest, wrong: str = "", said: str = "", link: str = "") -> Response:
    people = accounts.list_accounts(router.database, me.account.hotline)
    recoveries = accounts.list_recoveries(router.database, me.account.hotline)
    context: dict[str, object] = {"people": people, "asked": recoveries, "roles": ASSIGNABLE_ROLES, "wrong": wrong}
    context |= {"said": said, "link": link, "undo_from": router.database.now() - DAY}
    context["to_be_lowered"] = _pending_demotions(router, me, people)
    return page("people.html", 400 if wrong else 200, me=me, leads_to_be=_pending_leads(router, me, people), **context)


def _pending_leads(router: PageRouter, me: StaffRequest, people: Sequence[Account]) -> list[PendingLead]:
    names = {account.staff_id: account.name for account in people}
    return [
        PendingLead(
            names.get(promotion.about, promotion.about),
            promotion.about if promotion.about in names else "",
            names.get(promotion.asked_by, ""),
            promotion.asked_at,
        )
        for promotion in accounts.list_promotions(router.database, me.account.hotline)
    ]


def _pending_demotions(router: PageRouter, me: StaffRequest, people: Sequence[Account]) -> list[PendingDemotion]:
    names = {account.staff_id: account.name for account in people}
    return [
        PendingDemotion(
            names.get(demotion.staff_id, ""),
            demotion.staff_id,
            demotion.role,
            names.get(demotion.asked_by, ""),
            demotion.asked_at,
        )
        for demotion in accounts.list_demotions(router.database, me.account.hotline)
    ]


def _invite(router: PageRouter, address: str, me: StaffRequest) -> Response:
    name, role = me.form.get("name", "").strip().lower(), _role_in_form(me)
    if role is None or not is_valid_name(name):
        return _page(router, me, NO_NAME)
    invited = InvitedAccount(name, me.account.hotline, role)
    if invited.role == LEAD:
        if accounts.find_by_name(router.database, invited.name):
            return _page(router, me, TAKEN)
        if unconfirmed := _request_promotion(router, me, invited.name, invited.name):
            return unconfirmed
    link = invite(router.database, address, invited, me.account.actor)
    return _page(router, me, link=link) if link else _page(router, me, TAKEN)


def _role_in_form(me: StaffRequest) -> StaffRole | None:
    return next((role for role in ASSIGNABLE_ROLES if role == me.form.get("role")), None)


def _role(router: PageRouter, me: StaffRequest, staff_id: str) -> Response:
    colleague, role = _colleague(router, me, staff_id), _role_in_form(me) or abort(400)
    if colleague.role == LEAD != role:
        if refusal := _request_demotion(router, me, colleague, role):
            return refusal
    elif colleague.staff_id == me.account.staff_id:
        return _page(router, me, NOT_YOURSELF)
    if role == LEAD != colleague.role and (
        unconfirmed := _request_promotion(router, me, colleague.staff_id, colleague.name)
    ):
        return unconfirmed
    accounts.set_role(router.database, colleague, role, me.account.actor)
    return redirect("/people")


def _request_promotion(router: PageRouter, me: StaffRequest, subject: str, name: str) -> Response | None:
    """Request a promotion; return the page that says so, or None if another lead requested it: it is confirmed."""
    outcome = accounts.request_promotion(router.database, subject, name, me.account)
    return None if outcome == accounts.CONFIRMED else _page(router, me, **TWO_LEADS_MESSAGES[outcome])


def _end(router: PageRouter, me: StaffRequest, staff_id: str) -> Response:
    colleague = _colleague(router, me, staff_id)
    if not me.form.get("sure"):
        return redirect(f"/people/{colleague.staff_id}/end")
    if colleague.role == LEAD and (refusal := _request_demotion(router, me, colleague, "")):
        return refusal
    if colleague.role != LEAD and colleague.staff_id == me.account.staff_id:
        return _page(router, me, NOT_YOURSELF)
    accounts.deactivate(router.database, colleague, me.account.actor)
    return redirect("/people?said=ended")


def _end_page(router: PageRouter, me: StaffRequest, staff_id: str) -> Response:
    """Show what ending an account does, before it is done."""
    return page("end.html", me=me, one=_colleague(router, me, staff_id))


def _request_demotion(
    router: PageRouter, me: StaffRequest, colleague: Account, role: StaffRole | Literal[""]
) -> Response | None:
    """Request a demotion; return the page that says so, or None if another lead requested it: it is confirmed.

    Leads may confirm what another lead asked about them, but cannot ask for it themselves.
    """
    is_own = colleague.staff_id == me.account.staff_id
    demotions = accounts.list_demotions(router.database, me.account.hotline)
    if is_own and (colleague.staff_id, role) not in [(row.staff_id, row.role) for row in demotions]:
        return _page(router, me, NOT_YOURSELF)
    outcome = accounts.request_demotion(router.database, colleague, role, me.account)
    return None if outcome == accounts.CONFIRMED else _page(router, me, **TWO_LEADS_MESSAGES[outcome])


def _restore(router: PageRouter, me: StaffRequest, staff_id: str) -> Response:
    account = accounts.find_by_id(router.database, staff_id)
    if account is None or account.hotline != me.account.hotline:
        abort(404)
    if not accounts.reactivate(router.database, account, me.account.actor):
        return _page(router, me, TOO_LATE)
    return redirect("/people?said=restored")


def _recover(router: PageRouter, address: str, me: StaffRequest, staff_id: str) -> Response:
    """Restore access: a lead asks, another confirms and gets the link. Nobody alone can take over an account."""
    colleague = _colleague(router, me, staff_id)
    if colleague.staff_id == me.account.staff_id:
        return _page(router, me, NOT_YOURSELF)
    outcome = accounts.request_recovery(router.database, colleague, me.account)
    if outcome == accounts.CONFIRMED:
        invited = InvitedAccount(colleague.name, colleague.hotline, colleague.role)
        link = invite(router.database, address, invited, me.account.actor, colleague.staff_id)
        return _page(router, me, link=link)
    return _page(router, me, **TWO_LEADS_MESSAGES[outcome])


def _colleague(router: PageRouter, me: StaffRequest, staff_id: str) -> Account:
    """Return an active account of the same hotline. Aborts with 404 for any other."""
    account = accounts.find_by_id(router.database, staff_id)
    if account is None or account.hotline != me.account.hotline or account.ended_at is not None:
        abort(404)
    return account


# A person's own page: their sessions, a new password, and the language of the pages.


def attach_profile(router: PageRouter, languages: Mapping[str, object]) -> None:
    """Register a person's own page. `languages`: by tag."""
    router.add(PageRoute("/me", ALL_ROLES), partial(_profile_page, router))
    router.add(PageRoute("/me/end", ALL_ROLES, post=True), partial(_end_session, router))
    router.add(PageRoute("/me/end-all", ALL_ROLES, post=True), partial(_end_all, router))
    router.add(PageRoute("/me/password", ALL_ROLES, post=True, fresh=True, back="/me"), partial(_password, router))
    router.add(PageRoute("/language", None, post=True), partial(_language, router, languages))


def _profile_page(router: PageRouter, me: StaffRequest, problem: str = "") -> Response:
    open_sessions = [
        (session, _short_id(session.session_hash))
        for session in staff_sessions.list_sessions(router.database, me.account.staff_id)
    ]
    is_switched = responses.message_key() == "alarm"
    return page(
        "me.html", 400 if problem else 200, me=me, sessions=open_sessions, wrong=problem, is_switched=is_switched
    )


def _short_id(session_hash: bytes) -> str:
    """Return a short id of a session for a form; it is of no use for anything else."""
    return session_hash[:8].hex()


def _end_session(router: PageRouter, me: StaffRequest) -> Response:
    for session in staff_sessions.list_sessions(router.database, me.account.staff_id):
        if _short_id(session.session_hash) == me.form.get("session"):
            staff_sessions.end(router.database, me.account, session.session_hash)
    return redirect("/me")


def _end_all(router: PageRouter, me: StaffRequest) -> Response:
    staff_sessions.end(router.database, me.account)
    return logout_response()


def _password(router: PageRouter, me: StaffRequest) -> Response:
    """Change the password and log out everywhere."""
    password = me.form.get("password", "")
    problem = credentials.rejection_reason(password, (me.account.name, me.account.hotline))
    if not problem and password != me.form.get("again"):
        problem = PASSWORDS_DIFFER
    if problem:
        return _profile_page(router, me, problem)
    accounts.set_password(router.database, me.account, credentials.hash_password(password))
    return logout_response()


def _language(router: PageRouter, languages: Mapping[str, object], form: Mapping[str, str]) -> Response:
    tag = form.get("language", "")
    if tag not in languages:
        raise BadRequest
    response = redirect(router.known_page(form.get("then", "/")))
    cookies.set_cookie(response, cookies.LANGUAGE, tag, seconds=cookies.MAX_AGE_SECONDS)
    return response
