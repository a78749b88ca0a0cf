"""The readiness of the served countries, as leads, auditors and operators read it."""

from __future__ import annotations

import pytest

from reports.countries.readiness import READINESS_TITLES
from tests.console.running_console import HOTLINE
from tests.support.console import Console
from tests.support.staff import joined


@pytest.mark.parametrize(("role", "hotline"), [("lead", HOTLINE), ("auditor", HOTLINE), ("operator", "_operator")])
def test_each_pillar_with_what_is_missing_and_its_source(console: Console, role: str, hotline: str) -> None:
    one = joined(console.flask, console.parts.database, role, role, hotline)
    one.log_in()
    page = one.get("/readiness")
    assert page.status == 200
    assert page.html.count('class="pillar"') == len(READINESS_TITLES)
    assert all(title in page.text for title in READINESS_TITLES.values())
    assert "To find out" in page.text or "to find out" in page.text
    assert "Nobody has dialled a number for this page" in page.text
    assert "Sources" in page.text and "Kenya" not in page.text, "of what is served here"
