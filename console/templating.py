"""Templates of all pages: their context, translations, time formats, static files, and error pages."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask, Request, Response, abort, request
from jinja2 import StrictUndefined

from console.auth import cookies
from console.auth.access_control import exempt
from console.auth.credentials import TooManyLogins
from console.form_drafts import text_digest
from console.presenters.case_rows import reference
from console.presenters.earlier_wordings import EARLIER_TEXTS
from console.presenters.report import fill_placeholders as fill_screen_placeholders
from console.presenters.report import inert_text, parse_time
from console.presenters.timeline import PHONE
from console.responses import HEADERS, MissingCookie, page
from console.services import services
from console.untranslated import translator
from flows.catalogues import ENGLISH, ENGLISH_CATALOGUE, Catalogue, load
from flows.pagination import without_context
from reports import staff_labels
from reports.countries.country import Countries
from reports.countries.opening_hours import hotline_hours
from reports.delivery import RecipientRole
from reports.store.cases import case_list
from reports.store.engine.database import DatabaseUnavailable
from runtime.settings import Mode
from runtime.time_units import MINUTE_SECONDS, SECOND

FOLDER = Path(__file__).parent / "locales"
STATIC = Path(__file__).parent / "static"
# The roles of hotlines on a route.
ROLE_LABELS = {
    RecipientRole.PRIMARY: "first",
    RecipientRole.ALSO: "at the same time",
    RecipientRole.FALLBACK: "in the place of another",
}
Catalogues = Mapping[str, Catalogue]
SOMEBODY, OWN_SYSTEM = "Somebody", "The system of your hotline"
NAMELESS = (SOMEBODY, OWN_SYSTEM, PHONE)  # shown in place of a name
BRACES = re.compile(r"\{([a-z]+)\}")
# Languages with all sentences of the pages; others are offered if the operator names them.
COMPLETE_LANGUAGES = (ENGLISH, "fr")
ONLY_ONCE = ("said", "closed", "renewed")  # fields of a query that belong to one opening of the page
API_PATHS = ("/hotlines/", "/healthz")  # for machines: their errors are plain text
CONTENT_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


# Translations of the pages. As in the flows, the English text is the message id and each language is a .po file.


@cache
def load_page_catalogues() -> Mapping[str, Catalogue]:
    """Load the catalogues of the pages, by language tag."""
    return load(FOLDER)


def offered_catalogues(catalogues: Mapping[str, Catalogue], named: Collection[str]) -> Mapping[str, Catalogue]:
    """Return the languages of the pages that staff can choose: complete ones, and drafts that the operator names."""
    return {tag: one for tag, one in catalogues.items() if tag in COMPLETE_LANGUAGES or tag in named}


def select_catalogue(request: Request, catalogues: Mapping[str, Catalogue]) -> Catalogue:
    """Select the language of the pages: by cookie, else by the Accept-Language header, else English."""
    if (tag := cookies.read(request, cookies.LANGUAGE)) in catalogues:
        return catalogues[tag]
    for accepted in request.accept_languages.values():
        if (tag := accepted.partition("-")[0].lower()) in catalogues:
            return catalogues[tag]
    return catalogues[ENGLISH]


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text of the phones' screens. `tag`: its language; empty if that is the language of the page."""

    text: str
    tag: str


def attach(
    app: Flask, mode: Mode, countries: Countries, languages: Catalogues, screens: Catalogues, *, now: Callable[[], int]
) -> None:
    """Set up templates, static files and error pages.

    `languages`: catalogues of the pages; `screens`: of the phones. `now`: the database's clock, by which all times are
    stored, in microseconds.
    """
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    static_files = {
        path.name: (path.read_bytes(), CONTENT_TYPES[path.suffix])
        for path in STATIC.iterdir()
        if path.suffix in CONTENT_TYPES
    }
    page_messages = frozenset().union(*(catalogue.words for catalogue in languages.values()))
    names = {hotline.id: hotline.name for hotline in countries.hotlines}
    zones = {
        hotline.id: hotline_hours(hotline.card, country.time_zone).zone
        for country in countries
        for hotline in country.hotlines.values()
    }

    def words() -> dict[str, object]:
        catalogue = select_catalogue(request, languages)
        return {
            "_": translator(catalogue),
            "language": catalogue.tag,
            "languages": languages.values(),
            "once": secrets.token_urlsafe(16),  # nonce of this page: a form with it takes effect once
            "screen": lambda words: screen_text(words, catalogue, screens, page_messages),
            "filled_question": fill_screen_placeholders,
            "mode": mode,
            "here_at": current_page(),
            "not_sent": b"said=not_sent" in request.query_string.split(b"&"),  # a form, because of a lock or the end
            "passed_to": lambda account: case_list.count_passed_to(services.database, account),
            "alarm_ways": cookies.read(request, cookies.ALARM),
            "keys_off": cookies.read(request, cookies.KEYS) == "off",
            "name_of": lambda hotline: names.get(hotline, hotline),
            "zone_of": lambda hotline: zones[hotline].key if hotline in zones else "UTC",
            "at": lambda when, hotline: format_time(when, zones.get(hotline)),
            "lately": lambda when, hotline: format_recent_time(when, now(), zones.get(hotline)),
            "told_at": lambda text, hotline: format_report_time(text, zones.get(hotline)),
            "lasting": format_duration,
            "who_changed": actor_name,
            "dead": inert_text,
            "reference_of": reference,
            "text_digest": text_digest,
            "filled": lambda words, fields: fill_placeholders(words, _translate_stand_ins(fields, catalogue)),
            "handling_said": staff_labels.STATUSES,
            "roles_said": ROLE_LABELS,
        }

    @app.get("/static/<name>")
    @exempt("the same files for everybody")
    def static(name: str) -> Response:
        if name not in static_files:
            abort(404)
        body, kind = static_files[name]
        return Response(body, content_type=kind, headers=HEADERS)

    app.context_processor(words)
    for code in (400, 404, 405, 413, 500):
        app.register_error_handler(code, _error_page)
    app.register_error_handler(TooManyLogins, lambda _: page("fault.html", 503, kind=503, by_database=False))
    app.register_error_handler(DatabaseUnavailable, lambda _: page("fault.html", 503, kind=503, by_database=True))


def current_page() -> str:
    """Return the address of the current page, without the messages about an act; for a POST, of the page with the form.

    Callers check that such a page exists.
    """
    if request.method != "GET":
        return request.path.rpartition("/")[0] or "/"
    fields = request.query_string.decode("ascii", "replace").split("&")
    query = "&".join(field for field in fields if field and field.partition("=")[0] not in ONLY_ONCE)
    return f"{request.path}?{query}" if query else request.path


def screen_text(
    words: str, page: Catalogue, screens: Catalogues, page_messages: Collection[str] = frozenset()
) -> TaggedText:
    """Translate a screen text into the language of the page, or return it in English with the tag `en`.

    A text that is in no catalogue is a name or somebody's own words, and is returned unchanged. `page_messages`: the
    messages of the pages in any language.
    """
    if translation := page.words.get(words) or screens.get(page.tag, ENGLISH_CATALOGUE).words.get(words):
        return TaggedText(translation, "")
    is_known = page.tag != ENGLISH and (
        words in page_messages
        or words in EARLIER_TEXTS
        or any(words in catalogue.words for catalogue in screens.values())
    )
    return TaggedText(without_context(words), ENGLISH if is_known else "")


def fill_placeholders(words: str, fields: Mapping[str, str]) -> str:
    """Replace each `{name}` by its field. The values are never searched for placeholders."""
    return BRACES.sub(lambda match: fields.get(match[1], match[0]), words)


def _translate_stand_ins(fields: Mapping[str, str], catalogue: Catalogue) -> Mapping[str, str]:
    """Translate the placeholders for missing names; names themselves are not translated."""
    return {name: catalogue.translate(value) if value in NAMELESS else value for name, value in fields.items()}


def format_duration(minutes: int) -> str:
    """Format minutes as `3 min`, `2 h 05 min`, `2 h`, `1 d 4 h` or `1 d`."""
    hours, remaining_minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {remaining_minutes:02} min" if remaining_minutes else f"{hours} h"
    return f"{remaining_minutes} min"


def actor_name(name: str) -> str:
    """Return the name to show for an actor, also for a change that no person of the hotline made."""
    return {"": SOMEBODY, "call_back": OWN_SYSTEM}.get(name, name)


def format_age(microseconds: int) -> str:
    """Format a duration in its largest unit: `22 s`, `3 min`, `2 h 05 min`."""
    seconds = microseconds // SECOND
    return f"{seconds} s" if seconds < MINUTE_SECONDS else format_duration(seconds // MINUTE_SECONDS)


def format_time(microseconds: int, zone: ZoneInfo | None) -> str:
    """Format a time on the hotline's local clock; without a zone in UTC, with that suffix."""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, zone or ZoneInfo("UTC"))
    return f"{moment:%Y-%m-%d %H:%M}" + ("" if zone else " UTC")


def format_recent_time(microseconds: int, now: int, zone: ZoneInfo | None) -> str:
    """Format a time as `format_time`, without the date if it is today: less to read at night."""
    today, _, _ = format_time(now, zone).partition(" ")
    return format_time(microseconds, zone).removeprefix(f"{today} ")


def format_report_time(text: str, zone: ZoneInfo | None) -> str:
    """Format an ISO 8601 time of a report on the hotline's local clock; other text is only made inert."""
    at = parse_time(text)
    return format_time(at, zone) if at else inert_text(text)


def _error_page(error: Exception) -> Response:
    """Answer an error. An unknown address, another hotline's and a forbidden one look the same; machines get text."""
    code = getattr(error, "code", None) or 500
    if request.path.startswith(API_PATHS):
        return Response("Not found\n" if code == 404 else "Failed\n", code, content_type="text/plain; charset=utf-8")
    return page("fault.html", code, kind="cookie" if isinstance(error, MissingCookie) else code)
