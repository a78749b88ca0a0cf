"""A report that is hidden from somebody who has it open: the page says so, and nobody is suspected."""

from __future__ import annotations

from sqlalchemy import insert, select

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support.hotline_clients import rows
from tests.support.staff import Person

GONE = "The report that was open here is not here for you any more"


def hidden_from(database: Database, name: str, report: str) -> None:
    with database.write() as connection:
        staff_id = connection.execute(select(t.staff.c.staff_id).where(t.staff.c.name == name)).scalar_one()
        connection.execute(insert(t.kept_away).values(report_id=report, staff_id=staff_id))


def refusals(database: Database) -> int:
    return sum(row.act == "not_given" for row in rows(database, t.audit))


def test_what_an_open_page_asks_by_itself_is_no_attempt(
    database: Database, people: tuple[Person, Person], report: str
) -> None:
    mere, nia = people
    path = f"/reports/{report}"
    form = {"token": mere.get(path).token, "draft_of": report, "words": "Can we"}
    for name in ("mere", "nia"):
        hidden_from(database, name, report)
    assert mere.get(f"{path}/news?since=0").status == 404
    assert mere.post(f"{path}/draft", form).status == 404
    assert refusals(database) == 0
    assert GONE in mere.get("/?said=gone").text
    assert nia.get(f"{path}/news?since=0").status == 404 and refusals(database) == 1, "nia never had it open"


def test_who_had_it_open_is_told_and_a_stranger_is_not(
    database: Database, people: tuple[Person, Person], report: str
) -> None:
    mere, nia = people
    path = f"/reports/{report}"
    marks = mere.get(path).marks
    for name in ("mere", "nia"):
        hidden_from(database, name, report)
    for page in (mere.get(path), mere.post(f"{path}/message", {**marks, "words": "Hello", "do": "send"})):
        assert page.status == 404 and GONE in page.text
    assert GONE not in nia.get(path).text
    assert refusals(database) == 3
