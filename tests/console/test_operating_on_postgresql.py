"""The operator's page on PostgreSQL: the console's role sees the counted rows and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from reports.store.engine.database import Database
from reports.store.operations import overview
from reports.store.privileges.rights import CONSOLE, WEB
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_operator import table
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.postgres import Postgres
from tests.support.staff import joined
from tokaut.local_stack.settings import StackPlan

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-42")]


@pytest.fixture
def addresses(postgres: Postgres) -> dict[str, str]:
    return postgres.new_filled()


@pytest.fixture
def console(made: StackPlan, addresses: dict[str, str]) -> Iterator[Console]:
    one = Console({**made.settings, "COUNTRIES": "vu", "DATABASE_URL": addresses[CONSOLE]})
    yield one
    one.close()


def test_counts_of_all_hotlines_and_of_those_that_are_asked_for(
    console: Console, made: StackPlan, addresses: dict[str, str]
) -> None:
    with closing(Database(addresses[WEB], threads=1)) as web:
        for hotline, priority in ((HOTLINE, "P1"), (OTHER, "P1"), (OTHER, "P3")):
            store_report(web, made.folder.inside / "keys", [(hotline, "primary")], priority=priority)
    one = joined(console.flask, console.parts.database, "oto", "operator", "_operator")
    one.log_in()
    page = one.get("/operator")
    assert page.status == 200
    found = table(page.html, "Not delivered yet")
    assert [found[priority][0] for priority in ("P1", "P2", "P3", "P4")] == ["2", "0", "1", "0"]
    assert "ask who looks after PostgreSQL" in page.text
    asked = overview.load_overview(console.parts.database, [HOTLINE], late_after=0)
    assert asked.by_priority["P1"].count == 1 and asked.by_priority["P3"].count == 0
    assert overview.load_overview(console.parts.database, [], late_after=0).by_priority["P1"].count == 0
