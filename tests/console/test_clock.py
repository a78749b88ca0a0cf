"""Staff read all times by one clock: of their hotline's card, else of its country. Each page names it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.console.conftest import someone
from tests.console.running_console import HOTLINE
from tests.house.files import ROOT
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tokaut.local_stack.settings import StackPlan

ABROAD = "America/Lima"  # at most times it is another day there than in Vanuatu


@pytest.fixture
def abroad(made: StackPlan, tmp_path: Path) -> Iterator[Console]:
    """Return a console whose first hotline works in another time zone."""
    (folder := tmp_path / "countries").mkdir()
    text = (ROOT / "reports" / "countries" / "vu.toml").read_text()
    (folder / "vu.toml").write_text(text.replace('\ntime_zone = ""', f'\ntime_zone = "{ABROAD}"', 1))
    one = Console({**made.settings, "COUNTRIES": "vu", "TOKAUT_COUNTRY_DIR": str(folder)})
    yield one
    one.close()


def test_times_are_those_of_the_card(abroad: Console, made: StackPlan) -> None:
    report = store_report(abroad.parts.database, made.folder.inside / "keys", [(HOTLINE, "primary")])
    mere = someone(abroad, "mere", "staff")
    day = datetime.fromtimestamp(abroad.parts.database.now() / 1_000_000, ZoneInfo(ABROAD)).date().isoformat()
    for page in (mere.get(f"/reports/{report}"), mere.get("/"), mere.get("/me")):
        assert f"All times here are those of {ABROAD}, unless another is named." in page.text
    assert day in mere.get("/me").text
    printed = mere.post(f"/reports/{report}/print", at=f"/reports/{report}").text
    assert f"Printed by mere, {day}" in printed and f"({ABROAD})" in printed
    log = someone(abroad, "leila", "lead").post("/audit/export", at="/audit").text
    assert f'"when ({ABROAD})","who"' in log and f'"{day} ' in log


def test_times_are_those_of_the_country_if_the_card_names_none(console: Console) -> None:
    page = someone(console, "mere", "staff").get("/").text
    assert "All times here are those of Pacific/Efate, unless another is named." in page
