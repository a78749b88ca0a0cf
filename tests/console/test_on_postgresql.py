"""The console on PostgreSQL, with the rights of its own role and no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reports.migrations import upgrade
from reports.store.database import Database
from reports.store.rights import CONSOLE, OWNER
from tests.support.console import Console
from tests.support.postgres import Postgres
from tests.support.staff import Person, joined, pass_time
from tokaut.demo_settings import Plan

pytestmark = pytest.mark.slow


@pytest.fixture
def console(made: Plan, postgres: Postgres) -> Iterator[Console]:
    addresses = postgres.new_tokaut()
    owner = Database(addresses[OWNER], threads=1)
    upgrade(owner, "demo")
    owner.close()
    one = Console({**made.settings, "COUNTRIES": "vu", "DATABASE_URL": addresses[CONSOLE]})
    yield one
    one.close()


@pytest.mark.rule("A-36")
@pytest.mark.rule("A-42")
def test_all_that_people_do_with_accounts(console: Console) -> None:
    database = console.parts.database
    ana, ben = (joined(console.flask, database, name, "lead") for name in ("ana", "ben"))
    mere = joined(console.flask, database, "mere")
    other = joined(console.flask, database, "eti", "lead", "vu-police")
    for one in (ana, ben, mere, other):
        assert one.log_in().leads_to == "/"
    assert mere.another_browser().log_in(password="not this pass phrase").status == 403
    staff_id = ana.get("/people").html.partition("<h2>mere")[2].partition("/people/")[2][:36]
    assert other.post(f"/people/{staff_id}/end", at="/people").status == 404
    ana.post(f"/people/{staff_id}/recover", at="/people")
    link = ben.post(f"/people/{staff_id}/recover", at="/people").html.partition("/join/")[2].partition("<")[0]
    again = Person(console.flask, database, "mere")
    assert again.join(f"/join/{link}").status == 200
    assert again.log_in().leads_to == "/"
    assert ana.post(f"/people/{staff_id}/role", {"role": "auditor"}, at="/people").leads_to == "/people"
    assert again.get("/").leads_to == "/login"
    assert again.log_in().leads_to == "/"
    seen = again.get("/audit").text
    assert "recovery confirmed" in seen and "login refused" in seen and "eti" not in seen
    pass_time(database, 16 * 60)
    assert again.post("/locked", {"password": again.password}, at="/locked").leads_to == "/"
    assert again.post("/logout", at="/me").leads_to == "/login"
