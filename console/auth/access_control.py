"""The doors of the pages: which roles may pass, and what each request has to bring. A page without a door is none.

A POST brings a form whose token only a page of ours could have had, from our own address (A-20). Whoever is not let in
gets what an address that does not exist gives. Who has been idle for 15 minutes gets the locked page.
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
from console.parsing import InvalidForm, MissingCookie, parse_form
from reports.crypto import RecordCipher
from reports.store.engine.database import Database
from reports.store.staff import staff_sessions
from reports.store.staff.accounts import Account
from reports.store.staff.staff_sessions import StaffSession
from runtime.time_units import MINUTE

IDLE_TIMEOUT = 15 * MINUTE
RECHECK_WINDOW = 5 * MINUTE  # after password and code were given, for what must not be done by a browser left alone
TOUCH_INTERVAL = MINUTE // 2  # a session is not written anew for each request

DRAFT_OF = "draft_of"  # the field of a form that carries what is being written: about which report

STAFF, LEAD, AUDITOR, OPERATOR = ROLES = ("staff", "lead", "auditor", "operator")
READERS = frozenset({STAFF, LEAD})  # of reports
ALL_ROLES = frozenset(ROLES)


@dataclass(frozen=True, slots=True)
class StaffRequest:
    """Somebody who is logged in, and what their forms carry. `once`: the key of this form, where it has one."""

    account: Account
    session: StaffSession
    token: str
    form: Mapping[str, str] = field(default_factory=dict)
    is_fresh: bool = False
    once: bytes | None = None

    @property
    def seen(self) -> int | None:
        """The revision of the report that stood beside this form."""
        said = self.form.get("revision", "")
        return int(said[:9]) if said.isascii() and said.isdigit() else None

    @property
    def status(self) -> str:
        """The key of the status that stood beside this form; empty where it carries none."""
        return self.form.get("status", "")[:40]


@dataclass(frozen=True, slots=True)
class PageRoute:
    """`roles`: None where nobody needs to be logged in. `fresh`: password and code were given a moment ago.
    `quiet`: a script's request, by which nobody shows that they are there. `renews`: the page loads itself again where
    no script runs, and such a load is quiet, too. `back`: its braces are filled from the address of the form."""

    rule: str
    roles: frozenset[str] | None
    post: bool = False
    fresh: bool = False
    quiet: bool = False
    reloads: bool = False
    back: str = ""  # of a form: the page where it stands


View = Callable[..., Response]


class PageRouter:
    def __init__(self, app: Flask, database: Database, cipher: RecordCipher) -> None:
        self._app = app
        self.database = database
        self.cipher = cipher
        self.all: dict[str, PageRoute] = {}  # by endpoint
        self.save_drafts: Callable[[StaffRequest], None] = lambda me: None

    def add(self, door: PageRoute, view: View) -> None:
        """`view` takes the visitor first where there are roles, and else the form."""
        endpoint = f"{'post' if door.post else 'get'} {door.rule}"
        self.all[endpoint] = door
        passing = partial(self._pass, door, view)
        self._app.add_url_rule(door.rule, endpoint, passing, methods=["POST"] if door.post else ["GET"])

    def _pass(self, door: PageRoute, view: View, **words: str) -> Response:
        if door.roles is None:
            form = self._form(self.page_csrf_token(cookies.Browser.of(request))) if door.post else {}
            if DRAFT_OF in form and (there := self.open_session()):
                self.save_drafts(StaffRequest(there[1], there[0], "", form))
            return view(form, **words)
        found = self.found()
        if found is None:
            return responses.redirect("/login")
        session, account = found
        form = self._form(self.csrf_token(session)) if door.post else {}
        now = self.database.now()
        if now - session.seen_at >= IDLE_TIMEOUT:
            return responses.redirect(self.locked("" if door.post or door.quiet else request.path))
        if account.role not in door.roles:
            abort(404)
        is_fresh = now - session.checked_at < RECHECK_WINDOW
        visitor = StaffRequest(account, session, self.csrf_token(session), form, is_fresh, _key(account, form))
        if door.fresh and not visitor.is_fresh:
            back = door.back.format_map(words) or request.path
            return responses.redirect(f"/check?then={quote(back, safe='/')}")
        is_quiet = door.quiet or (door.reloads and b"renewed=1" in request.query_string.split(b"&"))
        if not is_quiet and now - session.seen_at > TOUCH_INTERVAL:
            staff_sessions.touch(self.database, session.session_hash, IDLE_TIMEOUT)
        if DRAFT_OF in form:
            self.save_drafts(visitor)
        return view(visitor, **words)

    def open_session(self) -> tuple[StaffSession, Account] | None:
        """Whose request it is, where their desk is not locked."""
        found = self.found()
        return found if found and self.database.now() - found[0].seen_at < IDLE_TIMEOUT else None

    def found(self) -> tuple[StaffSession, Account] | None:
        """Whose request it is; also where they have been idle."""
        token = cookies.read(request, cookies.SESSION)
        return staff_sessions.find(self.database, cookies.token_hash(token)) if token else None

    def locked_session(self) -> tuple[StaffSession, Account] | None:
        """A session that is locked; None where there is none, or it is open."""
        found = self.found()
        return found if found and self.database.now() - found[0].seen_at >= IDLE_TIMEOUT else None

    def csrf_token(self, session: StaffSession) -> str:
        """What each form of this session carries."""
        return self.cipher.mac("form", session.session_hash).hex()

    def page_csrf_token(self, browser: cookies.Browser) -> str:
        """What a form carries that anybody may fill in; bound to the session where there is one all the same."""
        found = self.found()
        return self.csrf_token(found[0]) if found else self.cipher.mac("form", browser.nonce).hex()

    def known_page(self, path: str) -> str:
        """The same path where it is a page of ours; else the first page. Nobody is led elsewhere."""
        try:
            endpoint, _ = self._app.url_map.bind("").match(path, method="GET")
        except HTTPException:
            return "/"
        door = self.all.get(endpoint)
        return path if door and door.roles and not door.quiet and path.startswith("/") else "/"

    def locked(self, path: str) -> str:
        """The locked page, from which the password leads back to this path where it is a page of ours."""
        back = self.known_page(path)
        return "/locked" if back == "/" else f"/locked?then={quote(back, safe='/')}"

    def _form(self, token: str) -> Mapping[str, str]:
        if not is_same_origin(request):
            raise BadRequest
        try:
            form = dict(parse_form(request))
        except InvalidForm:
            raise BadRequest from None
        if not hmac.compare_digest(form.pop("token", "").encode(), token.encode()):
            has_any = any(cookies.read(request, name) for name in (cookies.BROWSER, cookies.SESSION))
            raise BadRequest if has_any else MissingCookie
        return form


def _key(account: Account, form: Mapping[str, str]) -> bytes | None:
    """Of a form that carries a word of its page, by all that it says: pressed twice it is the same one, and with other
    words, from a page that a browser had kept, another one."""
    if not form.get("once"):
        return None
    said = "\0".join((account.staff_id, request.path, repr(sorted(form.items()))))
    return hashlib.sha256(said.encode()).digest()


def is_same_origin(of: Request) -> bool:
    """Sent by a page of this address: browsers say so in one of two ways. Where neither is said, the token decides.

    Older browsers have the second way alone, and of a page whose address is told nobody it says null, of ours too.
    """
    if site := of.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    if (origin := of.headers.get("Origin", "null")) != "null":
        return urlsplit(origin).netloc == of.host
    return True
