"""Earlier reports of the same phone are linked for those who may see them, whatever a sealed list contains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from console.presenters.case_rows import reference
from console.presenters.earlier_reports import may_be_linked, named_ids
from reports.report import MAX_EARLIER, NO_REPORT
from reports.store.cases import case_view
from reports.store.cases.case_list import CaseRow
from reports.store.engine.database import Database
from reports.store.privileges.rights import CLOCK, CONSOLE, WEB
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff import accounts
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.databases import KINDS
from tests.support.hotline_clients import store_report
from tests.support.postgres import Postgres
from tests.support.staff import Person, joined, staff_acts
from tokaut.local_stack.settings import StackPlan

NO_NUMBER = {"how": "none", "safe_hours": None}
NUMBER = {"how": "sms", "safe_hours": {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}}
OWN = "01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"
EARLIER = "01a211f9-fa88-7a02-8b44-000000000001"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ({}, ()),
        ({"earlier": None}, ()),
        ({"earlier": EARLIER}, ()),
        ({"earlier": [NO_REPORT] * MAX_EARLIER}, ()),
        ({"earlier": [EARLIER, NO_REPORT]}, (EARLIER,)),
        ({"earlier": [OWN, EARLIER]}, (EARLIER,)),
        ({"earlier": [None, 1, {}, "", "../1", f"{EARLIER}\n", "\0" * 36, EARLIER]}, ()),
        ({"earlier": [new_id(n) for n in range(9)]}, MAX_EARLIER),
    ],
)
def test_a_list_is_input(head: dict[str, Any], found: tuple[str, ...] | int) -> None:
    ids = named_ids(head, OWN)
    assert ids == found or len(ids) == found


def row(contact: int | None = None) -> CaseRow:
    states: Any = ("P2", 0, "none", "created", "primary", "CATEGORY_FIRST", "complete", 1, "demo", "delivered")
    return CaseRow(OWN, *states, contact, None, None, None, False, 0)


GAVE = (row(), {"contact": NUMBER})
DID_NOT = (row(), {"contact": NO_NUMBER})
GAVE_LATER = (row(contact=1), {"contact": NO_NUMBER})
WITHDREW = (row(contact=0), {"contact": NUMBER})
UNKNOWN: tuple[CaseRow, dict[str, Any]] = (row(), {})


@pytest.mark.rule("S-13")
@pytest.mark.parametrize(
    ("one", "other", "linked"),
    [
        (DID_NOT, DID_NOT, True),
        (GAVE, GAVE, True),
        (GAVE, DID_NOT, False),
        (GAVE_LATER, DID_NOT, False),
        (GAVE, WITHDREW, False),
        (GAVE, GAVE_LATER, True),
        (WITHDREW, WITHDREW, True),
        (GAVE, UNKNOWN, False),
        (DID_NOT, UNKNOWN, False),
        (UNKNOWN, UNKNOWN, False),
    ],
)
def test_a_report_without_the_number_is_never_linked_to_one_that_shows_it(one: Any, other: Any, linked: bool) -> None:
    assert may_be_linked(one, other) is may_be_linked(other, one) is linked


@pytest.fixture(params=KINDS)
def console(request: pytest.FixtureRequest, made: StackPlan) -> Iterator[Console]:
    settings = {**made.settings, "COUNTRIES": "vu"}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        settings["DATABASE_URL"] = postgres.new_filled()[CONSOLE]
    one = Console(settings)
    yield one
    one.close()


@contextmanager
def as_role(console: Console, role: str) -> Iterator[Database]:
    """Open the console's database with the rights of another process."""
    url = console.parts.database.engine.url
    url = url if console.parts.database.is_sqlite else url.set(username=role)
    with closing(Database(url.render_as_string(hide_password=False), threads=1)) as database:
        yield database


def acts_of_mere(console: Console) -> list[tuple[str, str]]:
    with as_role(console, CLOCK) as clock:
        return [(row.act, row.object_id) for row in staff_acts(clock, HOTLINE) if row.actor.endswith("/mere")]


@pytest.mark.rule("S-23")
@pytest.mark.rule("S-26")
@pytest.mark.rule("A-36")
@pytest.mark.rule("X-14")
def test_a_page_links_what_its_reader_may_open_and_nothing_else(console: Console, made: StackPlan) -> None:
    """One list names all reports: those of others leave no trace, and each link ends with its report."""
    keys, sample = made.folder.inside / "keys", json.dumps(json.loads(SAMPLE.read_text())["data"]).encode()
    mere, eti = (
        joined(console.flask, console.parts.database, name, hotline=hotline)
        for name, hotline in (("mere", HOTLINE), ("eti", OTHER))
    )
    for one in (mere, eti):
        one.log_in()
    with as_role(console, WEB) as web:

        def stored(*where: tuple[str, str], earlier: Sequence[str] = (), contact: object = NO_NUMBER) -> str:
            head = {"category": "luring", "contact": contact, "earlier": list(earlier)}
            return store_report(web, keys, where, head=json.dumps(head).encode(), body=sample)

        ours, both = stored((HOTLINE, "primary")), stored((HOTLINE, "primary"), (OTHER, "also"))
        theirs, behind = stored((OTHER, "primary")), stored((OTHER, "primary"), (HOTLINE, "fallback"))
        with_number = stored((HOTLINE, "primary"), contact=NUMBER)
        hidden, cancelled = stored((HOTLINE, "primary")), stored((HOTLINE, "primary"))
        shown = stored((HOTLINE, "primary"), (OTHER, "also"), earlier=(ours, both, theirs, behind, with_number))
        more = stored((HOTLINE, "primary"), earlier=(hidden, cancelled, EARLIER, "x", ours))
    joined(console.flask, console.parts.database, "nia")
    account = accounts.find_by_name(console.parts.database, "mere")
    assert account
    case_view.set_access(console.parts.database, account, hidden, account.staff_id, away=True)
    with as_role(console, CLOCK) as clock, clock.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.report_id == cancelled).values(state="cancelled"))
    every = (ours, both, theirs, behind, with_number, hidden, cancelled)

    def linked(person: Person, report_id: str) -> set[str]:
        html = person.get(f"/reports/{report_id}").html
        return {one for one in every if one in html}

    assert linked(mere, shown) == {ours, both}
    assert linked(mere, more) == {ours}
    assert linked(eti, shown) == {both, theirs, behind}
    page = mere.get(f"/reports/{shown}")
    section = page.html.partition('id="earlier"')[2].partition("</section>")[0]
    assert "A phone is often shared." in section and "Asked for photos or money" in section
    assert "Not taken yet" in section and reference(ours) in section
    assert {about for act, about in acts_of_mere(console) if act == "read"} == {shown, more}, "a link is no reading"
    opened = mere.get(f"/reports/{ours}")
    assert opened.status == 200 and ("read", ours) in acts_of_mere(console)
    assert "Earlier reports from this phone" not in opened.text
    for lost in (theirs, behind, hidden):
        assert mere.get(f"/reports/{lost}").status == 404
    with as_role(console, WEB) as web, web.write() as connection:
        connection.execute(insert(t.contact).values(report_id=both, allowed=1, changed_at=1))
    assert linked(mere, shown) == {ours}, "the other one shows a number from now on"
    with as_role(console, CLOCK) as clock, clock.write() as connection:
        for table in (t.delivery, t.report_body, t.route, t.report):
            connection.execute(delete(table).where(table.c.report_id == ours))
    assert linked(mere, shown) == set(), "it was purged"
