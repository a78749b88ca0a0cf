"""The mode is on top of every page, also before login, and training cannot be overlooked."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from console import templating
from console.app import create_flask
from reports.countries.country import Countries
from runtime.time_units import SECOND

SAID = {"training": "TRAINING.", "demo": "DEMO.", "live": ""}


@pytest.mark.parametrize("mode", sorted(SAID))
def test_the_mode_is_said_on_every_page(mode: str) -> None:
    app = create_flask()
    templating.attach(app, mode, Countries(()), templating.load_page_catalogues(), {}, now=lambda: 0)
    page = app.test_client().get("/nowhere").get_data(as_text=True)
    assert [words for words in SAID.values() if words and words in page] == ([SAID[mode]] if SAID[mode] else [])
    assert ("No report here is real." in page) == (mode != "live")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2026-11-26T13:00", "00:30"),  # midnight of Efate is 13:00 UTC
        ("2026-11-27T12:59", "00:30"),
        ("2026-11-27T13:00", "2026-11-27 00:30"),
    ],
)
def test_today_is_the_databases_day_where_the_hotline_is(now: str, said: str) -> None:
    begun, moment = (
        int(datetime.fromisoformat(f"{one}+00:00").timestamp()) * SECOND for one in ("2026-11-26T13:30", now)
    )
    assert templating.format_recent_time(begun, moment, ZoneInfo("Pacific/Efate")) == said


def test_the_bar_of_training_stays_in_sight_and_is_printed() -> None:
    style = (templating.STATIC / "console.css").read_text(encoding="utf-8")
    rule = style.partition(".mode.training {")[2].partition("}")[0]
    assert "position: sticky" in rule and "top: 0" in rule
    assert ".mode:not(.training)" in style, "paper says it, too"
