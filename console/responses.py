"""A page as it goes out: filled, with the headers of pages, and a redirect that says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, render_template

from console.parsing import current_query

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HTML = "text/html; charset=utf-8"


def page(template: str, status: int = 200, **words: Any) -> Response:
    """Half a letter in what somebody typed, which UTF-8 cannot hold, costs no more than itself."""
    body = render_template(template, **words).encode("utf-8", "replace")
    return Response(body, status, HEADERS, content_type=HTML)


def redirect(address: str) -> Response:
    """Elsewhere, by GET. The address is ours, never one that somebody gave."""
    return Response("", 303, {**HEADERS, "Location": address}, content_type=HTML)


# What was done, for the page after it: a word in its address, and never words of anybody.

MESSAGES: Final[Mapping[str, tuple[str, str]]] = {  # by that word: the sentence, and the form where it is said
    "taken": ("You have it.", ""),
    "working": ("You work on it.", ""),
    "left": ("The message is left.", "message"),
    "left_alone": (
        "The message is left. The reporter wrote more meanwhile: look again, then take it on.",
        "",
    ),
    "noted": ("The note is kept.", "note"),
    "passed": ("Handed over.", ""),
    "asked": ("", ""),  # its own box says more
    "away": ("It is kept so.", ""),
    "declined": ("Handed on to the next hotline.", ""),
    "closed": ("Closed.", ""),
    "before": ("That was done already.", ""),
}


def redirect_with_message(page: str, what: str, at: str = "said") -> Response:
    """There, by GET; `at`: the place on it."""
    return redirect(f"{page}?said={what}#{at}")


def message_key() -> str | None:
    """Which word this address has; None where it has none, as where somebody opened the page."""
    return current_query().get("said")
