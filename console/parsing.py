"""What a browser sends: a form or a query, read strictly. The framework's readers empty a form over one wrong byte."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from flask import Request, request
from werkzeug.exceptions import BadRequest

MAX_FIELDS = 100
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


class MissingCookie(BadRequest):
    """A form came without any cookie of ours, so that no token of it can be right."""


class InvalidForm(Exception):
    """It is no form of ours. Says nothing of what came."""


def parse_form(request: Request) -> Mapping[str, str]:
    """Raises Unreadable."""
    if request.mimetype != FORM_CONTENT_TYPE or request.headers.get("Content-Encoding"):
        raise InvalidForm
    return _read(request.get_data(cache=False))


def parse_query(request: Request) -> Mapping[str, str]:
    """Raises Unreadable."""
    return _read(request.query_string)


def current_query() -> Mapping[str, str]:
    """Of the address that is asked for; what cannot be read is refused."""
    try:
        return parse_query(request)
    except InvalidForm:
        raise BadRequest from None


def _read(raw: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise InvalidForm from None
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in found or "\0" in value:
            raise InvalidForm  # two readers could take two different ones
        found[key] = value.replace("\r\n", "\n")
    return found
