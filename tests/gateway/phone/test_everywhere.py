"""In every shipped country and draft language, the page's demonstrated report reaches Sent in its own language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import locales
from flows import catalogues
from reports.countries.country import shipped_countries
from tests.gateway.phone.page_user import RIGHT, PageUser
from tests.support.app import App

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1"  # no server listens; the test's own application answers
COUNTRIES = shipped_countries()
DRAFTS = sorted(set(catalogues.load(locales.FOLDER)) - {"en"})


@pytest.fixture(scope="module")
def app(module_redis: str) -> Iterator[App]:
    settings = {"COUNTRIES": ",".join(COUNTRIES), "TOKAUT_DRAFT_LANGUAGES": ",".join(DRAFTS), "TOKAUT_DEMO_HOTLINE": ""}
    app = App(module_redis, settings)
    yield app
    app.close()


@pytest.fixture(scope="module")
def user(app: App, chromium: Any) -> Iterator[PageUser]:
    def served(route: Any) -> None:
        asked = route.request
        path = asked.url.removeprefix(NOWHERE)
        answer = app.http.send(asked.method, path, asked.post_data_buffer or b"", asked.headers)
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    user = PageUser(chromium.open(f"{NOWHERE}/phone", served=served))
    yield user
    user.leave(NOWHERE)


@pytest.mark.product(parts=3)
@pytest.mark.parametrize("at", range(len(COUNTRIES)), ids=COUNTRIES)
def test_a_report_in_every_language_of_a_country(user: PageUser, at: int) -> None:
    user.page.locator("#country").select_option(index=at)
    homes = set()
    languages = user.page.locator("#language option").all_inner_texts()
    for language in languages:
        user.choose("language", language)
        homes.add(user.dial(RIGHT))
        user.show("report")
        user.seen("report")
        text = user.screen()
        assert text.startswith("Sent") is (language == "English"), text
    assert len(homes) == len(languages)
