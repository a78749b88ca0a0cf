"""In every language: until code and PIN are shown, a wrong key on a page of *Sent* loses neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from flows import catalogues
from flows.pagination import SORRY
from flows.renderer import SHORT_SORRY
from reports.store.schema import tables as t
from tests.flows.test_countries import COUNTRIES, country
from tests.safeguarding.call_paths import send_texts
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "It happens on the way home every day"
SECRETS = (re.compile(r"\d{4} \d{4}"), re.compile(r"PIN\W+\d{4}"))
OFFER = re.compile(r"^(\d) .*\b5\b", re.MULTILINE)  # "Within 5 min: code to read answers"
CATALOGUES = catalogues.shipped()
COUNTRY_OF = {tag: next(country(iso) for iso in COUNTRIES if tag in country(iso).languages) for tag in CATALOGUES}


@pytest.fixture(params=sorted(CATALOGUES))
def made(request: pytest.FixtureRequest, redis_url: str) -> Iterator[tuple[App, str]]:
    app = App(redis_url, {"COUNTRIES": COUNTRY_OF[request.param].iso.lower(), "TOKAUT_DRAFT_LANGUAGES": request.param})
    yield app, request.param
    app.close()


def by_ussd(app: App, tag: str) -> Any:
    code = next(code.code for code in COUNTRY_OF[tag].codes if code.channel == "ussd")
    phone = app.ussd("+6785550101", "simulator", code)
    seen = phone.dial().text

    def type_(key: str) -> str:
        return str(phone.type(key).text)

    return type_, seen


def by_sms(app: App, tag: str) -> Any:
    code = next(code.code for code in COUNTRY_OF[tag].codes if code.channel == "sms")
    phone = app.sms("+6785550102", code)
    return (lambda key: send_texts(phone, key)[0]), send_texts(phone, "hello")[0]


def is_wrong(text: str, tag: str) -> bool:
    return text.startswith((CATALOGUES[tag].translate(SORRY), SORRY, SHORT_SORRY))


def find(type_: Any, seen: str, line: re.Pattern[str]) -> str:
    """Press the key of a line, after More where it is on a later page; return the next screen."""
    for _ in range(9):
        if found := line.search(seen):
            return str(type_(found[1]))
        seen = type_("98")
    raise AssertionError(seen)


def to_sent(app: App, type_: Any, seen: str, tag: str) -> str:
    """Report with the first choice of each screen, in this language; return the first page of *Sent*."""
    if tag != "en":
        seen = find(type_, seen, re.compile(r"^(\d) Language", re.MULTILINE))
        seen = find(type_, seen, re.compile(rf"^(\d) {re.escape(CATALOGUES[tag].name)}", re.MULTILINE))
    for _ in range(40):
        seen = type_("1")
        if is_wrong(seen, tag):
            seen = type_("98")
        if app.count(t.report):
            return seen
    raise AssertionError(seen)


@pytest.mark.rule("X-01")
@pytest.mark.parametrize("odd", ["7", "1", WORDS])
@pytest.mark.parametrize("channel", [by_ussd, by_sms])
def test_no_reply_before_code_and_pin_loses_them(made: tuple[App, str], channel: Any, odd: str) -> None:
    app, tag = made
    type_, first = channel(app, tag)
    seen = to_sent(app, type_, first, tag)
    if channel is by_sms:
        seen = find(type_, seen, OFFER)
    pages, replies = [seen], 0
    while len(pages) < 12 and not all(any(map(secret.search, pages)) for secret in SECRETS):
        pages += [type_(odd), type_("98")]
        replies += 1
    assert all(any(map(secret.search, pages)) for secret in SECRETS), pages
    assert (replies > 0) == ((tag, channel) == ("to", by_ussd)), "elsewhere they are on the first page"
    if replies and odd == WORDS:
        app.submit_due_within(600)
        assert any(WORDS in str(body.data) for body in app.bodies())
    seen = type_("7")
    assert not any(secret.search(seen) for secret in SECRETS), "they were shown"
