"""Access control of the views: each one declares its rule by a decorator, and each request is checked against it.

A POST must come from our own origin, with a token that only a page of ours contains (A-20). A request without
permission gets the same answer as an unknown address. After 15 idle minutes a session shows the locked page.

    @bp.post("/people/invite")
    @requires(LEAD, fresh=True, back="/people")
    def invite_colleague(me: StaffRequest) -> Response:

An application with a view that declares no rule does not start.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Concatenate
from urllib.parse import quote, urlsplit

from flask import Flask, Request, Response, abort, current_app, request
from werkzeug.exceptions import BadRequest, HTTPException

from console import form_drafts, responses
from console.auth import cookies
from console.responses import InvalidForm, MissingCookie, parse_form
from console.services import services
from reports.store.cases import case_list, drafts
from reports.store.schema.staff import READING_ROLES, StaffRole
from reports.store.staff import staff_sessions
from reports.store.staff.accounts import Account
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import MINUTE

IDLE_TIMEOUT = 15 * MINUTE
RECHECK_WINDOW = 5 * MINUTE  # after password and code were given; for actions that an unattended browser must not allow
TOUCH_INTERVAL = MINUTE // 2  # limits how often requests write the session

STAFF, LEAD, AUDITOR, OPERATOR = StaffRole
READERS = READING_ROLES

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StaffRequest:
    """A request of a logged-in person.

    `token`: for the forms of this session. `is_fresh`: password and code were given within RECHECK_WINDOW.
    `idempotency_key`: the idempotency key of the form; None if it has none.
    """

    account: Account
    session: StaffSession
    token: str
    form: Form = field(default_factory=dict)
    is_fresh: bool = False
    idempotency_key: bytes | None = None

    @property
    def seen(self) -> int | None:
        """Return the revision of the report that was on the page of this form; None if the form carries none."""
        text = self.form.get("revision", "")
        return int(text[:9]) if text.isascii() and text.isdigit() else None

    @property
    def answers(self) -> int | None:
        """Return how many messages of colleagues were on the page of this form; None if the form carries none."""
        text = self.form.get("answers", "")
        return int(text[:9]) if text.isascii() and text.isdigit() else None

    @property
    def status(self) -> str:
        """Return the key of the status that was on the page of this form; empty if the form carries none."""
        return self.form.get("status", "")[:40]


@dataclass(frozen=True, slots=True)
class AccessRule:
    """The access rule of a view.

    `roles`: who may use it; None if no login is needed. `exempt`: why nothing at all is checked. The other fields are
    arguments of `requires`.
    """

    roles: frozenset[StaffRole] | None
    fresh: bool = False
    quiet: bool = False
    reloads: bool = False
    back: str = ""
    exempt: str = ""


class CheckedView:
    """A view with its access rule. A call checks the current request, then calls the view."""

    def __init__(self, view: Callable[..., Response], rule: AccessRule) -> None:
        update_wrapper(self, view)
        self.rule, self._view = rule, view

    def __call__(self, **url_values: str) -> Response:
        """Call the view if the check admits the request; return the response of the view, or else of the check."""
        if self.rule.exempt:
            return self._view(**url_values)
        checked = _check_form() if self.rule.roles is None else _check_staff(self.rule, self.rule.roles, url_values)
        return checked if isinstance(checked, Response) else self._view(checked, **url_values)


def requires(
    *roles: StaffRole, fresh: bool = False, quiet: bool = False, reloads: bool = False, back: str = ""
) -> Callable[[Callable[Concatenate[StaffRequest, ...], Response]], CheckedView]:
    """Let only logged-in people with one of these roles use the view. Its first argument is the StaffRequest.

    `fresh`: password and code must have been given within RECHECK_WINDOW. `quiet`: a script's request, which does not
    count as activity. `reloads`: without scripts the page reloads itself, which does not count as activity either.
    `back`: the page of a form; its placeholders are filled from the address of the form.
    """
    return lambda view: CheckedView(view, AccessRule(frozenset(roles), fresh, quiet, reloads, back))


def public(view: Callable[Concatenate[Form, ...], Response]) -> CheckedView:
    """Let anybody use the view. Its first argument is the form, which needs a token too; empty for a GET."""
    return CheckedView(view, AccessRule(None))


def exempt(reason: str) -> Callable[[Callable[..., Response]], CheckedView]:
    """Check nothing before the view, for the reason given."""
    return lambda view: CheckedView(view, AccessRule(None, exempt=reason))


class UndeclaredAccess(Exception):
    """A view has none of the decorators `requires`, `public` and `exempt` directly below its route."""


def access_rule(endpoint: str) -> AccessRule:
    """Return the access rule of an endpoint of the current application. Raises UndeclaredAccess."""
    view = current_app.view_functions.get(endpoint)
    if not isinstance(view, CheckedView):
        raise UndeclaredAccess(f"{endpoint} declares no access rule: add @requires, @public or @exempt below its route")
    return view.rule


def protect(app: Flask) -> None:
    """Check that every route of `app` has an access rule, now and for routes added later. Raises UndeclaredAccess."""
    with app.app_context():
        for rule in app.url_map.iter_rules():
            access_rule(rule.endpoint)

    @app.before_request
    def refuse_undeclared() -> None:
        if request.endpoint is not None:
            access_rule(request.endpoint)


def _check_form() -> Form:
    if not _may_change():
        return {}
    current = found_session()
    if current is None:
        form, _ = _read_form(page_csrf_token(cookies.Browser.of(request)))
        return form
    session, account = current
    own_token = csrf_token(session)
    form, token = _read_form(own_token, _locked_csrf_token(session))
    if form_drafts.DRAFT_OF in form and token == own_token:
        form_drafts.save(account, form)
    return form


def _check_staff(rule: AccessRule, roles: frozenset[str], url_values: Mapping[str, str]) -> StaffRequest | Response:
    current = found_session()
    if current is None:
        return responses.redirect(_login_address(rule, url_values))
    session, account = current
    form: Form = _read_form(csrf_token(session))[0] if _may_change() else {}
    now = services.database.now()
    if now - session.seen_at >= IDLE_TIMEOUT:
        if form_drafts.DRAFT_OF in form:
            form_drafts.save(account, form)
        return responses.redirect(locked_address(_way_back(rule, url_values, form)))
    if account.role not in roles:
        abort(404)
    if form_drafts.DRAFT_OF in form:
        form_drafts.save(account, form)
    is_fresh = now - session.checked_at < RECHECK_WINDOW
    if rule.fresh and not is_fresh:
        return_path = rule.back.format_map(url_values) or request.path
        return responses.redirect(f"/check?then={quote(return_path, safe='/')}")
    is_quiet = rule.quiet or (rule.reloads and b"renewed=1" in request.query_string.split(b"&"))
    if not is_quiet and now - session.seen_at > TOUCH_INTERVAL:
        staff_sessions.touch(services.database, session.session_hash, IDLE_TIMEOUT)
    return StaffRequest(account, session, csrf_token(session), form, is_fresh, _idempotency_key(account, form))


def _way_back(rule: AccessRule, url_values: Mapping[str, str], form: Form) -> str:
    """Return the page to open after the login; for a form that was not carried out, its page with a notice of that."""
    if rule.quiet:
        return ""
    if not _may_change():
        return request.full_path.removesuffix("?")
    pages = (rule.back.format_map(url_values) or request.path.rpartition("/")[0], request.path)
    page = next((path for path in pages if known_page(path) != "/"), "")
    return f"{page}?said=not_sent#said" if page else form.get("then", "")


def _login_address(rule: AccessRule, url_values: Mapping[str, str]) -> str:
    """Return the address of the login page after a session has ended. Texts of a form of that session are kept.

    Only its writer finds them, after a login.
    """
    token = cookies.read(request, cookies.SESSION)
    if not token or not _may_change():
        return "/login"
    form: Form = {}
    ended = staff_sessions.find(services.database, cookies.token_hash(token), ended_within=drafts.LIFETIME)
    if ended:
        session, account = ended
        form, _ = _read_form(csrf_token(session))
        if form_drafts.DRAFT_OF in form:
            form_drafts.save(account, form)
    page = known_page(_way_back(rule, url_values, form))
    return "/login" if page == "/" else f"/login?then={quote(page, safe='/')}"


def _may_change() -> bool:
    """Return whether the method of the request may change something, so that it needs a form with a token."""
    return request.method not in ("GET", "HEAD")


def found_session() -> tuple[StaffSession, Account] | None:
    """Return session and account of this request, locked or not; None without a session."""
    token = cookies.read(request, cookies.SESSION)
    return staff_sessions.find(services.database, cookies.token_hash(token)) if token else None


def locked_session() -> tuple[StaffSession, Account] | None:
    """Return session and account of this request if the session is locked, else None."""
    current = found_session()
    return current if current and services.database.now() - current[0].seen_at >= IDLE_TIMEOUT else None


def csrf_token(session: StaffSession) -> str:
    """Return the CSRF token for the forms of this session.

    It outlives each new id that the session gets: the pages in other tabs stay valid.
    """
    return services.cipher.mac("form", session.staff_id, str(session.created_at)).hex()


def _locked_csrf_token(session: StaffSession) -> str:
    """Return the CSRF token for the pages of a locked session: whoever sits there may save no draft with it."""
    return services.cipher.mac("locked form", session.staff_id, str(session.created_at)).hex()


def page_csrf_token(browser: cookies.Browser) -> str:
    """Return the CSRF token for a form that needs no login; it is bound to the session if there is one."""
    if current := locked_session():
        return _locked_csrf_token(current[0])
    current = found_session()
    return csrf_token(current[0]) if current else services.cipher.mac("form", browser.nonce).hex()


def known_page(address: str, account: Account | None = None) -> str:
    """Return `address` if it is a page of ours, with its query, else `/`: redirects never leave the console.

    `account`: who wants to go there; `/` also if they may not.
    """
    if not address.isascii() or not address.isprintable():  # no line break gets into a header
        return "/"
    path = address.partition("#")[0].partition("?")[0]
    try:
        endpoint, url_values = current_app.url_map.bind("").match(path, method="GET")
    except HTTPException:
        return "/"
    rule = access_rule(endpoint)
    if not rule.roles or rule.quiet or not path.startswith("/") or path.startswith("//"):  # //help is the host `help`
        return "/"
    if account is not None and not _may_open(account, rule.roles, url_values):
        return "/"
    return address


def _may_open(account: Account, roles: frozenset[str], url_values: Mapping[str, str]) -> bool:
    report_id = url_values.get("report_id")
    return account.role in roles and (report_id is None or case_list.may_see(services.database, account, report_id))


def locked_address(address: str) -> str:
    """Return the address of the locked page, which leads back to `address` if that is a page of ours."""
    page = known_page(address)
    return "/locked" if page == "/" else f"/locked?then={quote(page, safe='/')}"


def _read_form(*tokens: str) -> tuple[Form, str]:
    """Read the form, and return it with its token, which must be one of `tokens`."""
    if not is_same_origin(request):
        raise BadRequest
    try:
        form = dict(parse_form(request))
    except InvalidForm:
        raise BadRequest from None
    sent = form.pop("token", "").encode()
    token = next((token for token in tokens if hmac.compare_digest(sent, token.encode())), None)
    if token is None:
        has_cookie = any(cookies.read(request, name) for name in (cookies.BROWSER, cookies.SESSION))
        raise BadRequest if has_cookie else MissingCookie
    return form, token


def _idempotency_key(account: Account, form: Form) -> bytes | None:
    """Return the idempotency key of a form that carries the nonce of its page, else None.

    The key covers all fields. Sent twice, a form has the same key; with other words, from a page that the browser
    kept, it has another one.
    """
    if not form.get("once"):
        return None
    text = "\0".join((account.staff_id, request.path, repr(sorted(form.items()))))
    return hashlib.sha256(text.encode()).digest()


def is_same_origin(request: Request) -> bool:
    """Return whether a page of this origin sent the request, by Sec-Fetch-Site or Origin.

    Older browsers send only Origin, which is `null` for pages that send no referrer, as ours. If neither header
    decides, the token does.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    if (origin := request.headers.get("Origin", "null")) != "null":
        return urlsplit(origin).netloc == request.host
    return True
