"""The page of drills in a real Chromium: on a phone and on a desktop, with axe; a drill is planned and printed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.console.test_browser import looked_at, opened
from tests.console.test_drills import TrainingSite, answer, site
from tests.support.staff import HERE, Person

pytestmark = pytest.mark.slow
DESKTOP = True  # the headless shell does not follow redirects that the test answers

__all__ = ["opened", "site"]

PASSED_ON = ("content-type", "sec-fetch-site", "origin")


def answered(person: Person, route: Any) -> None:
    """Answer with the console of this test, for the person logged in there."""
    asked = route.request
    headers = {name: value for name, value in asked.headers.items() if name in PASSED_ON}
    path = asked.url.removeprefix(HERE)
    said = person.client.open(path, method=asked.method, data=asked.post_data, headers=headers, base_url=HERE)
    route.fulfill(status=said.status_code, headers=dict(said.headers), body=said.data)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 900)])
def test_a_lead_plans_a_drill_and_prints_how_it_went(
    site: TrainingSite, opened: Callable[..., Any], width: int, height: int, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    served = partial(answered, site["ana"])
    page = opened(f"{HERE}/", width=width, height=height, served=served).page
    page.get_by_role("link", name="Drills").click()
    page.get_by_label("Danger now", exact=True).check()
    page.get_by_label("The next time the clock shows:").check()
    page.get_by_label("Time", exact=True).fill("02:10")
    looked_at(page, "drills-plan", width, folder)
    page.get_by_role("button", name="Plan this drill").click()
    page.get_by_text("Planned:").wait_for()
    looked_at(page, "drills-planned", width, folder)
    page.get_by_role("button", name="Cancel this drill").click()
    page.get_by_text("No drill has arrived yet.").wait_for()
    site.plan("danger_now")
    site.go_on()
    report_id = site.drills()[0].report_id
    assert report_id
    answer(site, report_id)
    site["ana"]
    page.goto(f"{HERE}/drills")
    page.get_by_role("cell", name="7 min in time").wait_for()
    looked_at(page, "drills-results", width, folder)
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Plan this drill").is_visible()
    assert page.get_by_text("drill_minutes = 7").is_visible()
    page.screenshot(path=folder / f"drills-printed-{width}.png", full_page=True)
