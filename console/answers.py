"""A page as it goes out: filled, with the headers of pages, and a redirect that says nothing."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template

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


def to(address: str) -> Response:
    """Elsewhere, by GET. The address is ours, never one that somebody gave."""
    return Response("", 303, {**HEADERS, "Location": address}, content_type=HTML)
