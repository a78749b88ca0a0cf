"""Strict parsing of form bodies and query strings.

Werkzeug returns an empty form if one byte is invalid; these functions refuse the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from flask import Request, request
from werkzeug.exceptions import BadRequest

MAX_FIELDS = 100
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"


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
