"""A report is hidden from a colleague, never from an auditor, and somebody else can always open it."""

from __future__ import annotations

import csv
import io

import pytest

from reports.store.schema import tables as t
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts
from reports.store.staff.accounts import Account
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE
from tests.console.test_access_log import BOM, sentences
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.staff import Page, Person

pytestmark = pytest.mark.rule("S-26")

OPERATOR = "staff:_operator/oper"  # as `tokaut staff end` writes it
NOBODY_ELSE = "Nothing was hidden: another lead must be able to open this report"


def account(console: Console, name: str) -> Account:
    found = accounts.find_by_name(console.parts.database, name)
    assert found
    return found


def hide(console: Console, lead: Person, report: str, name: str, do: str = "away") -> Page:
    path = f"/reports/{report}"
    return lead.post(f"{path}/away", {"who": account(console, name).staff_id, "do": do}, at=path)


def readers(report: str, *people: Person) -> set[str]:
    return {one.name for one in people if one.get(f"/reports/{report}").status == 200}


def downloaded(one: Person, report: str) -> list[dict[str, str]]:
    given = one.post("/audit/export", {"report": report}, at="/audit")
    return list(csv.DictReader(io.StringIO(given.html.removeprefix(BOM))))


def test_nothing_is_hidden_from_an_auditor(console: Console, ana: Person, mere: Person, report: str) -> None:
    aud = someone(console, "aud", "auditor")
    page = hide(console, ana, report, "aud")
    assert page.status == 400 and "aud opens no reports" in page.text
    assert rows(console.parts.database, t.kept_away) == []
    with console.parts.database.write() as connection:  # as an earlier release did
        connection.execute(t.kept_away.insert().values(report_id=report, staff_id=account(console, "aud").staff_id))
    mere.post("/reference", {"reference": report[-6:]}, at="/")
    assert set(sentences(aud.get(f"/audit?report={report}"))) == {"ana opened the report."}
    assert "mere looked for a report by its reference." in sentences(aud.get("/audit"))
    assert {row["report"] for row in downloaded(aud, report)} == {report}


def test_the_access_log_says_from_whom_and_who_did_it(console: Console, ana: Person, mere: Person, report: str) -> None:
    aud, nia = someone(console, "aud", "auditor"), someone(console, "nia", "staff")
    assert hide(console, ana, report, "mere").status == 303
    assert hide(console, ana, report, "mere", "back").status == 303
    said = ["ana showed the report to mere again.", "ana hid the report from mere."]
    for one in (ana, aud):
        assert sentences(one.get(f"/audit?report={report[-6:]}&act=hidden")) == said
    shown = [(row["who"], row["report"], row["about"]) for row in downloaded(aud, report) if "mere" in row["sentence"]]
    assert shown == [("ana", report, "mere")] * 2
    assert "ana hid the report from a colleague." in nia.get(f"/reports/{report}").text, "colleagues do not read whom"
    hide(console, ana, report, "mere")
    with console.parts.database.write() as connection:
        connection.execute(t.staff.update().where(t.staff.c.name == "mere").values(role=StaffRole.LEAD))
    assert report not in mere.get("/audit").html and "hid the report" not in mere.get("/audit").text


def test_another_lead_can_open_each_report_and_undo_the_hiding(
    console: Console, ana: Person, ben: Person, mere: Person, report: str
) -> None:
    page = hide(console, ana, report, "ben")
    assert page.status == 400 and NOBODY_ELSE in page.text and readers(report, ana, ben, mere) == {"ana", "ben", "mere"}
    assert "hid the report" not in ana.get("/audit").text
    cora = someone(console, "cora")
    assert hide(console, ana, report, "ben").status == 303 and readers(report, ana, ben, cora) == {"ana", "cora"}
    for lead, name in ((ana, "cora"), (cora, "ana")):
        assert NOBODY_ELSE in hide(console, lead, report, name).text
    assert hide(console, cora, report, "ben", "back").status == 303 and readers(report, ben) == {"ben"}


def test_where_there_is_one_lead_a_colleague_can_open_it(
    console: Console, ana: Person, people: tuple[Person, Person], report: str
) -> None:
    assert hide(console, ana, report, "mere").status == 303
    assert NOBODY_ELSE in hide(console, ana, report, "nia").text
    assert readers(report, ana, *people) == {"ana", "nia"}


@pytest.mark.parametrize("way", ["end", "role"])
def test_no_report_is_left_that_no_lead_can_open(
    console: Console, ana: Person, ben: Person, report: str, way: str
) -> None:
    database, cora = console.parts.database, someone(console, "cora")
    hide(console, ana, report, "ben")
    assert "it is shown again to the leads" in ben.get(f"/people/{account(console, 'ana').staff_id}/end").text

    def leave(name: str) -> None:
        if way == "end":
            accounts.deactivate(database, account(console, name), OPERATOR)
        else:
            accounts.set_role(database, account(console, name), StaffRole.AUDITOR, OPERATOR)

    leave("cora")
    assert readers(report, ana, ben) == {"ana"}, "one lead is enough"
    leave("ana")
    assert readers(report, ben) == {"ben"}
    shown = [(one.actor, one.object_id) for one in rows(database, t.audit) if one.act == "shown_to"]
    assert shown == [(OPERATOR, f"{report}/{account(console, 'ben').staff_id}")]
    assert "oper showed the report to ben again." in sentences(ben.get(f"/audit?report={report}&act=hidden"))
    assert "oper showed the report to a colleague again." in ben.get(f"/reports/{report}").text
    eti = someone(console, "eti", "lead", "vu-police")
    assert "showed the report" not in eti.get("/audit").text
    del cora


def test_nor_is_one_left_after_an_account_was_given_back(
    console: Console, ana: Person, ben: Person, report: str
) -> None:
    database, cora = console.parts.database, someone(console, "cora")
    hide(console, ana, report, "ben")
    for name in ("ben", "cora", "ana"):
        accounts.deactivate(database, account(console, name), OPERATOR)
    assert rows(database, t.kept_away), "nobody is there to whom it could be shown"
    assert accounts.reactivate(database, account(console, "ben"), f"staff:{HOTLINE}/ana")
    ben.log_in()
    assert readers(report, ben) == {"ben"}
    del cora


def test_a_report_of_another_hotline_is_not_touched(console: Console, ana: Person, report: str) -> None:
    eti, oto = someone(console, "eti", "staff", "vu-police"), someone(console, "oto", "lead", "vu-police")
    assert hide(console, ana, report, "eti").status == 400
    assert rows(console.parts.database, t.kept_away) == []
    del eti, oto
