"""Board, statistics and access log in a real Chromium: on a phone and a desktop, with axe, and a downloaded table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from reports.countries import country
from reports.statistics.examples import example_figures
from reports.store.engine.database import Database
from reports.store.privileges.console_hotlines import OPERATOR_HOTLINE
from reports.store.schema import tables as t
from tests.console.test_browser import ConsoleSite, join, looked_at, opened, site
from tests.support.staff import PASSWORD

pytestmark = pytest.mark.slow

__all__ = ["opened", "site"]

SIZES = [(360, 740), (1280, 900)]


@pytest.fixture(scope="module")
def filled(site: ConsoleSite) -> Iterator[ConsoleSite]:
    """A console with made-up quarters, to which the suppression was applied as to real ones."""
    with closing(database(site)) as there, there.write() as connection:
        names = ("quarter", "country", "sheet", "cell", "number")
        rows = [
            {name: getattr(one, name) for name in names}
            for one in example_figures(country.load_countries(["vu"], "demo").all)
        ]
        connection.execute(insert(t.figure), rows)
    yield site


def database(site: ConsoleSite) -> Database:
    return Database(f"sqlite:///{site.installation.environment['TOKAUT_DATA']}/tokaut.db")


def come(site: ConsoleSite, page: Any, name: str, role: str, hotline: str) -> None:
    """Make an account and log in with it."""
    join(site, page, name, role, hotline)
    page.goto(f"{site.address}/login")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("6-digit code from your authenticator app").fill(site.code(name))
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name=re.compile("Reports|System status")).first.wait_for()


PRINTED_PAGES = 6  # A4, for all statistics


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_lead_looks_at_the_quarters_and_takes_a_table_away(
    filled: ConsoleSite, opened: Callable[..., Any], width: int, height: int, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    page = opened(f"{filled.address}/login", width=width, height=height).page
    come(filled, page, f"lea{width}", "lead", "vu-pikinini")
    page.get_by_role("link", name="Statistics").click()
    page.get_by_role("heading", name="Statistics").wait_for()
    looked_at(page, "statistics", width, folder)
    printed = page.pdf(path=folder / "statistics.pdf", format="A4")
    assert 0 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= PRINTED_PAGES
    page.locator("details.numbers summary").first.click()
    assert page.locator("details.numbers td").first.is_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="All tables (CSV)").click()
    assert download.value.suggested_filename == "demo-statistics-reports.csv"
    assert "Vanuatu" not in Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()[0]
    page.get_by_role("link", name="Readiness").click()
    page.get_by_role("heading", name="Country readiness").wait_for()
    looked_at(page, "readiness", width, folder)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_an_operator_sees_how_it_is_going(
    filled: ConsoleSite, opened: Callable[..., Any], width: int, height: int, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    page = opened(f"{filled.address}/login", width=width, height=height).page
    come(filled, page, f"oto{width}", "operator", OPERATOR_HOTLINE)
    assert page.locator("tbody th").last.evaluate("cell => cell.offsetHeight") < 120, (
        "cells are rows, not columns of letters"
    )
    looked_at(page, "operator", width, folder)
