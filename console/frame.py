"""The frame of all pages: what templates can say, the style and the script, and faults as pages that say nothing."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask, Response, abort, request
from jinja2 import StrictUndefined

from console import cookies
from console.answers import HEADERS, page
from console.forms import NoCookie
from console.languages import chosen
from console.passwords import Busy
from console.telling import dead
from flows.catalogues import ENGLISH, PLAIN, Catalogue
from reports.countries.country import Countries
from reports.store.engine.database import DatabaseUnavailable
from runtime.time_units import MINUTE_SECONDS, SECOND

STATIC = Path(__file__).parent / "static"
HANDLING = {
    "none": "not taken yet",
    "accepted": "taken",
    "in_progress": "in progress",
    "rejected": "sent to another hotline",
    "closed": "closed",
}
ROLES_SAID = {"primary": "first", "also": "at the same time", "fallback": "in the place of another"}  # in a route
Spoken = Mapping[str, Catalogue]
NAMELESS = SOMEBODY, OWN_SYSTEM = ("Somebody", "The system of your hotline")  # who changed a status
BRACES = re.compile(r"\{([a-z]+)\}")
MACHINES = ("/hotlines/", "/healthz")  # what no person opens
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Words:
    """Of the phones' screens. `tag`: of their language; empty where it is the page's."""

    text: str
    tag: str


def attach(
    app: Flask, mode: str, countries: Countries, languages: Spoken, screens: Spoken, *, now: Callable[[], int]
) -> None:
    """`languages`: of the pages; `screens`: of the phones. `now`: the database's clock, by which all times are kept."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    files = {one.name: (one.read_bytes(), TYPES[one.suffix]) for one in STATIC.iterdir() if one.suffix in TYPES}
    names = {hotline.id: hotline.name for hotline in countries.hotlines}
    zones = {id_: ZoneInfo(country.time_zone) for country in countries for id_ in country.hotlines}

    def words() -> dict[str, object]:
        catalogue = chosen(request, languages)
        return {
            "_": catalogue.say,
            "language": catalogue.tag,
            "languages": languages.values(),
            "once": secrets.token_urlsafe(16),  # of this page; with it a form has one effect
            "screen": lambda words: of_screen(words, catalogue, screens),
            "mode": mode,
            "here_at": here_at(),
            "alarm_ways": cookies.read(request, cookies.ALARM),
            "name_of": lambda hotline: names.get(hotline, hotline),
            "at": lambda when, hotline: when_said(when, zones.get(hotline)),
            "lately": lambda when, hotline: lately(when, now(), zones.get(hotline)),
            "told_at": lambda text, hotline: told_at(text, zones.get(hotline)),
            "lasting": lasting,
            "who_changed": who_changed,
            "dead": dead,
            "filled": lambda words, fields: filled(words, _named(fields, catalogue)),
            "handling_said": HANDLING,
            "roles_said": ROLES_SAID,
        }

    def static(name: str) -> Response:
        if name not in files:
            abort(404)
        body, kind = files[name]
        return Response(body, content_type=kind, headers=HEADERS)

    app.context_processor(words)
    app.add_url_rule("/static/<name>", "static", static)
    for code in (400, 404, 405, 413, 500):
        app.register_error_handler(code, _refused)
    for fault in (DatabaseUnavailable, Busy):
        app.register_error_handler(fault, lambda _: page("fault.html", 503, kind=503))


def here_at() -> str:
    """The page that somebody is on; of the answer to a form, the page where it stands. Whoever uses it asks whether
    there is one."""
    return request.path if request.method == "GET" else request.path.rpartition("/")[0] or "/"


def of_screen(words: str, page: Catalogue, screens: Spoken) -> Words:
    """In the language of the page where that or the screens have it. Else in English, and so marked; what is in no
    catalogue is a name, or somebody's own words, and is left as it is."""
    if found := page.words.get(words) or screens.get(page.tag, PLAIN).words.get(words):
        return Words(found, "")
    known = page.tag != ENGLISH and any(words in one.words for one in screens.values())
    return Words(words, ENGLISH if known else "")


def filled(words: str, fields: Mapping[str, str]) -> str:
    """By name, from a fixed set; what fills them is never looked into."""
    return BRACES.sub(lambda found: fields.get(found[1], found[0]), words)


def _named(fields: Mapping[str, str], catalogue: Catalogue) -> Mapping[str, str]:
    """What stands for a name is in the page's language; a name is nobody's to translate."""
    return {name: catalogue.say(value) if value in NAMELESS else value for name, value in fields.items()}


def lasting(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {rest:02} min" if hours else f"{rest} min"


def who_changed(name: str) -> str:
    """Somebody's name; also for what no person of the hotline pressed."""
    return {"": SOMEBODY, "call_back": OWN_SYSTEM}.get(name, name)


def ago(microseconds: int) -> str:
    """How long, in the largest unit that is not nought: 22 s, 3 min, 2 h 05 min."""
    seconds = microseconds // SECOND
    return f"{seconds} s" if seconds < MINUTE_SECONDS else lasting(seconds // MINUTE_SECONDS)


def when_said(microseconds: int, zone: ZoneInfo | None) -> str:
    """On the hotline's own clock; without one, UTC and said so."""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, zone or ZoneInfo("UTC"))
    return f"{moment:%Y-%m-%d %H:%M}" + ("" if zone else " UTC")


def lately(microseconds: int, now: int, zone: ZoneInfo | None) -> str:
    """Without the date while it is today's: less to read at night."""
    today, _, _ = when_said(now, zone).partition(" ")
    return when_said(microseconds, zone).removeprefix(f"{today} ")


def told_at(text: str, zone: ZoneInfo | None) -> str:
    """A report's own time, on the hotline's clock; as it stands where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return when_said(int(moment.timestamp() * 1_000_000), zone)


def _refused(fault: Exception) -> Response:
    """One page for an address that is none, for one that is another's, and for what a role may not. Systems that call
    get a word."""
    code = getattr(fault, "code", None) or 500
    if request.path.startswith(MACHINES):
        return Response("Not found\n" if code == 404 else "Failed\n", code, content_type="text/plain; charset=utf-8")
    return page("fault.html", code, kind="cookie" if isinstance(fault, NoCookie) else code)
