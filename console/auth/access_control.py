"""Access control of the pages: the roles that may use each route, and the checks of every request.

A POST must come from our own origin, with a token that only a page of ours contains (A-20). A request without
permission gets the same answer as an unknown address. After 15 idle minutes a session shows the locked page.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote, urlsplit

from flask import Flask, Request, Response, abort, request
from werkzeug.exceptions import BadRequest, HTTPException

from console import responses
from console.auth import cookies
from console.responses import InvalidForm, MissingCookie, parse_form
from reports.crypto import RecordCipher
from reports.store.engine.database import Database
from reports.store.schema.staff import StaffRole
from reports.store.staff import staff_sessions
from reports.store.staff.accounts import Account
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import MINUTE

IDLE_TIMEOUT = 15 * MINUTE
RECHECK_WINDOW = 5 * MINUTE  # after password and code were given; for actions that an unattended browser must not do
TOUCH_INTERVAL = MINUTE // 2  # so that not every request writes its session

DRAFT_OF = "draft_of"  # field of a form that carries a draft: the id of its report

STAFF, LEAD, AUDITOR, OPERATOR = StaffRole
READERS = frozenset({STAFF, LEAD})  # may read reports
ALL_ROLES = frozenset(StaffRole)


@dataclass(frozen=True, slots=True)
class StaffRequest:
    """A request of a logged-in person.

    `token`: for the forms of this session. `is_fresh`: password and code were given within RECHECK_WINDOW. `once`: the
    idempotency key of the form; None if it has none.
    """

    account: Account
    session: StaffSession
    token: str
    form: Mapping[str, str] = field(default_factory=dict)
    is_fresh: bool = False
    once: bytes | None = None

    @property
    def seen(self) -> int | None:
        """Return the revision of the report that was on the page of this form; None if the form carries none."""
        text = self.form.get("revision", "")
        return int(text[:9]) if text.isascii() and text.isdigit() else None

    @property
    def status(self) -> str:
        """Return the key of the status that was on the page of this form; empty if the form carries none."""
        return self.form.get("status", "")[:40]


@dataclass(frozen=True, slots=True)
class PageRoute:
    """A route with its access rules.

    `roles`: who may use it; None if no login is needed. `fresh`: password and code must have been given within
    RECHECK_WINDOW. `quiet`: a script's request, which does not count as activity. `reloads`: without scripts the page
    reloads itself, which does not count as activity either. `back`: the page of a form; its placeholders are filled
    from the address of the form.
    """

    rule: str
    roles: frozenset[StaffRole] | None
    post: bool = False
    fresh: bool = False
    quiet: bool = False
    reloads: bool = False
    back: str = ""


View = Callable[..., Response]


class PageRouter:
    """Registers routes with the application, and checks each request before its view runs."""

    def __init__(self, app: Flask, database: Database, cipher: RecordCipher) -> None:
        self._app = app
        self.database = database
        self.cipher = cipher
        self.all: dict[str, PageRoute] = {}  # by endpoint
        self.save_drafts: Callable[[StaffRequest], None] = lambda me: None

    def add(self, door: PageRoute, view: View) -> None:
        """Register a view. Its first argument is the StaffRequest if the route has roles, else the form."""
        endpoint = f"{'post' if door.post else 'get'} {door.rule}"
        self.all[endpoint] = door
        handler = partial(self._dispatch, door, view)
        self._app.add_url_rule(door.rule, endpoint, handler, methods=["POST"] if door.post else ["GET"])

    def _dispatch(self, route: PageRoute, view: View, **url_values: str) -> Response:
        if route.roles is None:
            form = self._read_form(self.page_csrf_token(cookies.Browser.of(request))) if route.post else {}
            if DRAFT_OF in form and (unlocked := self.open_session()):
                self.save_drafts(StaffRequest(unlocked[1], unlocked[0], "", form))
            return view(form, **url_values)
        current = self.found()
        if current is None:
            return responses.redirect("/login")
        session, account = current
        form = self._read_form(self.csrf_token(session)) if route.post else {}
        now = self.database.now()
        if now - session.seen_at >= IDLE_TIMEOUT:
            return responses.redirect(self.locked("" if route.post or route.quiet else request.path))
        if account.role not in route.roles:
            abort(404)
        is_fresh = now - session.checked_at < RECHECK_WINDOW
        staff_request = StaffRequest(
            account, session, self.csrf_token(session), form, is_fresh, _idempotency_key(account, form)
        )
        if route.fresh and not staff_request.is_fresh:
            return_path = route.back.format_map(url_values) or request.path
            return responses.redirect(f"/check?then={quote(return_path, safe='/')}")
        is_quiet = route.quiet or (route.reloads and b"renewed=1" in request.query_string.split(b"&"))
        if not is_quiet and now - session.seen_at > TOUCH_INTERVAL:
            staff_sessions.touch(self.database, session.session_hash, IDLE_TIMEOUT)
        if DRAFT_OF in form:
            self.save_drafts(staff_request)
        return view(staff_request, **url_values)

    def open_session(self) -> tuple[StaffSession, Account] | None:
        """Return session and account of this request; None without a session, or if it is locked."""
        current = self.found()
        return current if current and self.database.now() - current[0].seen_at < IDLE_TIMEOUT else None

    def found(self) -> tuple[StaffSession, Account] | None:
        """Return session and account of this request, locked or not; None without a session."""
        token = cookies.read(request, cookies.SESSION)
        return staff_sessions.find(self.database, cookies.token_hash(token)) if token else None

    def locked_session(self) -> tuple[StaffSession, Account] | None:
        """Return session and account of this request if the session is locked, else None."""
        current = self.found()
        return current if current and self.database.now() - current[0].seen_at >= IDLE_TIMEOUT else None

    def csrf_token(self, session: StaffSession) -> str:
        """Return the token for the forms of this session."""
        return self.cipher.mac("form", session.session_hash).hex()

    def page_csrf_token(self, browser: cookies.Browser) -> str:
        """Return the token for a form that needs no login; it is bound to the session if there is one."""
        current = self.found()
        return self.csrf_token(current[0]) if current else self.cipher.mac("form", browser.nonce).hex()

    def known_page(self, path: str) -> str:
        """Return `path` if it is a page of ours, else `/`: redirects never leave the console."""
        try:
            endpoint, _ = self._app.url_map.bind("").match(path, method="GET")
        except HTTPException:
            return "/"
        route = self.all.get(endpoint)
        return path if route and route.roles and not route.quiet and path.startswith("/") else "/"

    def locked(self, path: str) -> str:
        """Return the address of the locked page, which leads back to `path` if that is a page of ours."""
        page_path = self.known_page(path)
        return "/locked" if page_path == "/" else f"/locked?then={quote(page_path, safe='/')}"

    def _read_form(self, token: str) -> Mapping[str, str]:
        if not is_same_origin(request):
            raise BadRequest
        try:
            form = dict(parse_form(request))
        except InvalidForm:
            raise BadRequest from None
        if not hmac.compare_digest(form.pop("token", "").encode(), token.encode()):
            has_cookie = any(cookies.read(request, name) for name in (cookies.BROWSER, cookies.SESSION))
            raise BadRequest if has_cookie else MissingCookie
        return form


def _idempotency_key(account: Account, form: Mapping[str, str]) -> bytes | None:
    """Return the idempotency key of a form that carries the nonce of its page, else None.

    The key covers all fields. Sent twice, a form has the same key; with other words, from a page that the browser
    kept, it has another one.
    """
    if not form.get("once"):
        return None
    text = "\0".join((account.staff_id, request.path, repr(sorted(form.items()))))
    return hashlib.sha256(text.encode()).digest()


def is_same_origin(of: Request) -> bool:
    """Return whether a page of this origin sent the request, by Sec-Fetch-Site or Origin.

    Older browsers send only Origin, which is `null` for pages that send no referrer, as ours. If neither header
    decides, the token does.
    """
    if site := of.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    if (origin := of.headers.get("Origin", "null")) != "null":
        return urlsplit(origin).netloc == of.host
    return True
