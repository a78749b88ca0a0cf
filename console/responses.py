"""Forms and responses of the pages: strict parsing, rendered templates, redirects, messages about actions.

After an action, the address of the next page carries only the key of a message (`?said=…`), never anybody's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import Request, Response, render_template, request
from werkzeug.exceptions import BadRequest

from console.untranslated import finish

MAX_FIELDS = 100
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "media-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HTML = "text/html; charset=utf-8"


# Strict parsing of form bodies and query strings.
#
# Werkzeug returns an empty form if one byte is invalid; these functions refuse the request.


class MissingCookie(BadRequest):
    """A form was sent without any of our cookies, so its token cannot be valid."""


class InvalidForm(Exception):
    """The body or query string is not a valid form. The exception never contains the input."""


def parse_form(request: Request) -> Mapping[str, str]:
    """Parse a form body. Raises InvalidForm."""
    if request.mimetype != FORM_CONTENT_TYPE or request.headers.get("Content-Encoding"):
        raise InvalidForm
    return _parse_fields(request.get_data(cache=False))


def parse_query(request: Request) -> Mapping[str, str]:
    """Parse a query string. Raises InvalidForm."""
    return _parse_fields(request.query_string)


def current_query() -> Mapping[str, str]:
    """Parse the query string of the current request. Raises BadRequest if it is invalid."""
    try:
        return parse_query(request)
    except InvalidForm:
        raise BadRequest from None


def _parse_fields(raw: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise InvalidForm from None
    fields: dict[str, str] = {}
    for key, value in pairs:
        if key in fields or "\0" in value:
            raise InvalidForm  # two parsers could pick different values of a repeated field
        fields[key] = value.replace("\r\n", "\n")
    return fields


def page(template: str, status: int = 200, **words: Any) -> Response:
    """Render a template. A lone surrogate in typed text, which UTF-8 cannot encode, becomes a question mark."""
    body = finish(render_template(template, **words)).encode("utf-8", "replace")
    return Response(body, status, HEADERS, content_type=HTML)


def download(body: str | bytes, content_type: str, name: str, policy: str = CSP) -> Response:
    """Return a file, to be saved under this name."""
    own = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": policy}
    return Response(body, headers={**HEADERS, **own}, content_type=content_type)


def redirect(address: str) -> Response:
    """Redirect with 303 See Other. `address` is always one of ours, never taken from input."""
    return Response("", 303, {**HEADERS, "Location": address}, content_type=HTML)


MESSAGES: Final[Mapping[str, tuple[str, str]]] = {  # key → sentence, and the form beside which it is shown
    "taken": ("You have taken this report.", ""),
    "working": ("Marked as in progress.", ""),
    "left": ("Sent. The reporter sees it when they next open My report.", "message"),
    "left_alone": (
        "Sent. The reporter wrote more in the meantime: read it, then take this report.",
        "",
    ),
    "noted": ("Note saved.", "note"),
    "passed": ("Passed on.", ""),
    "asked": ("", ""),  # the form to transfer a report shows its own text
    "away": ("The access to this report was changed.", ""),
    "away_put_back": (
        "The access to this report was changed. Your colleague held it: it is back in the queue, and nobody holds it.",
        "",
    ),
    "declined": ("Declined. The next hotline on the reporter's list gets the report.", ""),
    "declined_others": ("Declined. The other hotlines that have the report keep it.", ""),
    "closed": ("Closed.", ""),
    "given": ("Given. Each report stays “not accepted yet” until your colleague accepts it.", ""),
    "accepted": ("Accepted. You hold this report now.", ""),
    "before": ("This was done already.", ""),
    "reply_written": ("Saved. Staff see the reply when another lead has signed it.", ""),
    "reply_signed": ("Signed. All staff of your hotline may use this reply now.", ""),
    "reply_withdrawn": ("Withdrawn. Staff do not see this reply any more.", ""),
    "hoax_marked": ("You marked this as a false report. It stays open until a second person agrees.", "close"),
    "hoax_withdrawn": ("You withdrew your mark of a false report.", "close"),
    "close_undone": ("The closing is undone. The report is as it was before.", ""),
    "follow_up_set": ("The follow-up date is set.", "follow-up"),
    "follow_up_done": ("The follow-up is done. Choose the next date, or close the report.", "follow-up"),
    "gone": (
        "The report that was open here is not here for you any more: it was deleted, or a lead hides it from you. "
        "Nothing was done.",
        "",
    ),
    "follow_up_removed": ("The follow-up date is removed. Choose another one, or close the report.", "follow-up"),
}


def redirect_with_message(page: str, key: str, at: str = "said") -> Response:
    """Redirect to a page that shows the message `key`, a key of MESSAGES. `at`: the fragment of the address."""
    return redirect(f"{page}?said={key}#{at}")


def message_key() -> str | None:
    """Return the key of a message in the current address; None if the page was simply opened."""
    return current_query().get("said")
