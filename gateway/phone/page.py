"""The phone on a web page, for demo and training: the page, its files, and what its phones may dial.

The page sends only what any phone sends, to the simulator's endpoint. `gateway.app` does not load it in live mode, and
like that endpoint it answers only this machine. In a demo it also shows the page of the demo's hotline, in a frame: web
itself reads no report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort
from phonenumbers import PhoneNumberFormat, PhoneNumberType, example_number_for_type, format_number

from flows.catalogues import Catalogue
from gateway.views import is_local
from reports.countries.country import Country
from runtime.settings import Mode

HERE = Path(__file__).parent
PAGE, PAGE_DATA = "page.html", "world.json"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
POLICY = "Content-Security-Policy"
HEADERS = {
    POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
MADE_UP_DIGITS = 3  # last digits of a number, chosen by the page for each of its phones


def attach(
    app: Flask,
    mode: Mode,
    countries: Iterable[Country],
    languages: Mapping[str, Sequence[Catalogue]],
    hotline: str | None = None,
) -> None:
    """Add the routes of the page.

    `languages`: those offered in each country, by ISO code; a first call is in the first of them. `hotline`: the
    address of the demo's hotline, the one page that this page may show in a frame.
    """
    files = {path.name: path for path in HERE.iterdir() if path.suffix in TYPES}
    parts = {name: (path.read_bytes(), TYPES[path.suffix]) for name, path in files.items()}
    parts[PAGE_DATA] = (
        json.dumps(page_data(mode, countries, languages) | {"hotline": hotline}).encode(),
        "application/json",
    )
    headers = {**HEADERS, POLICY: f"{HEADERS[POLICY]}; frame-src {hotline}"} if hotline else HEADERS

    def part(name: str = PAGE) -> Response:
        if name not in parts or not is_local():
            abort(404)
        body, content_type = parts[name]
        return Response(body, content_type=content_type, headers=headers)

    app.add_url_rule("/phone", "phone", part)
    app.add_url_rule("/phone/<name>", "phone_part", part)


def page_data(mode: Mode, countries: Iterable[Country], languages: Mapping[str, Sequence[Catalogue]]) -> dict[str, Any]:
    """Return the mode and the countries for the page's phones. A country without a service code is left out."""
    reachable = [country for country in countries if country.codes]
    return {"mode": mode, "countries": [_country(country, languages[country.iso]) for country in reachable]}


def _country(country: Country, languages: Sequence[Catalogue]) -> dict[str, Any]:
    codes = {code.channel: code.code for code in reversed(country.codes)}  # the first of each
    return {
        "name": country.name,
        "ussd": codes.get("ussd"),
        "sms": codes.get("sms"),
        "number": _made_up(country.iso),
        "languages": [language.name for language in languages],
    }


def _made_up(iso: str) -> str:
    """Return the beginning of the made-up numbers of the page's phones; "" if the library has no example number.

    It is taken from that example, so that nobody enters a real number.
    """
    example = example_number_for_type(iso, PhoneNumberType.MOBILE)
    return str(format_number(example, PhoneNumberFormat.E164))[:-MADE_UP_DIGITS] if example else ""
