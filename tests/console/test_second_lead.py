"""One lead cannot act as two: not for a recovery, not for a false report."""

from __future__ import annotations

import pytest

from console.auth.invitations import InvitedAccount, invite
from reports.store.staff import accounts
from reports.store.staff.accounts import Account
from tests.console.conftest import someone
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.hotline_clients import first_delivery, store_report
from tests.support.staff import Page, Person, close_form, pass_time, staff_acts
from tokaut.local_stack.settings import StackPlan

HOTLINE = "vu-pikinini"
WAITS = "Another lead has to approve it"
A_DAY = 24 * 3600


def account(console: Console, name: str) -> Account:
    found = accounts.find_by_name(console.parts.database, name)
    assert found
    return found


def invited(lead: Person, name: str, role: str = "lead") -> Page:
    return lead.post("/people/invite", {"name": name, "role": role}, at="/people")


def raised(console: Console, lead: Person, name: str, role: str = "lead") -> Page:
    return lead.post(f"/people/{account(console, name).staff_id}/role", {"role": role}, at="/people")


def link_on(page: Page) -> str:
    return page.invitation


def test_an_invitation_as_lead_is_confirmed_by_another_who_gets_the_link(
    console: Console, ana: Person, ben: Person
) -> None:
    page = invited(ana, "luk")
    assert (page.status, link_on(page)) == (200, "") and WAITS in page.text
    assert "To become a lead luk · asked by ana" in ben.get("/people").text
    assert "Approve as lead" not in ana.get("/people").text
    assert not link_on(invited(ana, "luk")), "nobody confirms themselves"
    page = invited(ben, "luk")
    luk = Person(console.flask, console.parts.database, "luk")
    assert luk.join(link_on(page)).status == 200 and luk.log_in().leads_to == "/"
    assert luk.get("/people").status == 200
    assert "To become a lead" not in ana.get("/people").text
    acts = [(one.actor.rpartition("/")[2], one.act) for one in staff_acts(console.parts.database, HOTLINE)]
    assert {("ana", "lead_asked"), ("ben", "lead_confirmed"), ("ben", "invited")} <= set(acts)


def test_so_is_the_role_of_a_lead_and_no_other_role(console: Console, ana: Person, ben: Person) -> None:
    mere = someone(console, "mere", "staff")
    assert WAITS in raised(console, ana, "mere").text and mere.get("/people").status == 404
    assert WAITS in raised(console, ana, "mere").text and account(console, "mere").role == "staff"
    assert raised(console, ana, "mere", "auditor").leads_to == "/people"
    assert raised(console, ben, "mere", "lead").status == 200, "another role ended what was asked before it"
    assert raised(console, ana, "mere", "lead").leads_to == "/people"
    assert account(console, "mere").role == "lead"
    assert link_on(invited(ana, "luk", "staff")) and link_on(invited(ana, "eti", "auditor"))


def test_where_there_is_one_lead_the_operator_invites_another(console: Console, ana: Person) -> None:
    someone(console, "mere", "staff")
    someone(console, "eve", "lead", "vu-police")
    for page in (invited(ana, "luk"), raised(console, ana, "mere")):
        assert page.status == 400 and "The operator can invite one" in page.text
    assert accounts.list_promotions(console.parts.database, HOTLINE) == []
    link = invite(console.parts.database, "", InvitedAccount("luk", HOTLINE, "lead"), "staff:_operator/tino")
    assert Person(console.flask, console.parts.database, "luk").join(link).status == 200


def test_a_lead_elsewhere_or_who_has_left_confirms_nothing(console: Console, ana: Person, ben: Person) -> None:
    invited(ana, "luk")
    eve = someone(console, "eve", "lead", "vu-police")
    assert not link_on(invited(eve, "luk")) and "luk" not in eve.get("/people").text
    ended = f"/people/{account(console, 'ana').staff_id}/end"
    assert [one.post(ended, {"sure": "1"}, at="/people").status for one in (ben, ana)] == [200, 303]
    assert not link_on(invited(ben, "luk")), "what a leaver asked is gone with them"


def test_what_was_asked_ends_after_a_day(console: Console, ana: Person, ben: Person) -> None:
    invited(ana, "luk")
    pass_time(console.parts.database, A_DAY + 60)
    ben.log_in()
    assert "To become a lead" not in ben.get("/people").text
    page = invited(ben, "luk")
    assert WAITS in page.text and not link_on(page)


def test_an_account_of_that_name_is_not_who_was_meant(console: Console, ana: Person, ben: Person) -> None:
    """ana asks for a lead named luk and then creates this account: ben's confirmation must not promote it."""
    invited(ana, "luk")
    Person(console.flask, console.parts.database, "luk").join(link_on(invited(ana, "luk", "staff")))
    page = invited(ben, "luk")
    assert page.status == 400 and "Choose another one" in page.text and account(console, "luk").role == "staff"


def test_one_lead_is_not_two_who_let_somebody_back_in(console: Console, ana: Person) -> None:
    someone(console, "mere", "staff")
    luk = Person(console.flask, console.parts.database, "luk")
    assert luk.join(link_on(invited(ana, "luk", "staff"))).status == 200
    raised(console, ana, "luk")
    luk.log_in()
    ana.post(f"/people/{account(console, 'mere').staff_id}/recover", at="/people")
    assert luk.post(f"/people/{account(console, 'mere').staff_id}/recover", at="/me").status == 404


@pytest.mark.rule("S-36")
def test_no_account_that_is_newer_than_a_report_calls_it_a_hoax(made: StackPlan, console: Console, ana: Person) -> None:
    mere = someone(console, "mere", "staff")
    pass_time(console.parts.database, 1)
    keys, database = made.folder.inside / "keys", console.parts.database
    report = store_report(database, keys, [(HOTLINE, "primary")], body=SAMPLE.read_bytes())
    luk = someone(console, "luk", "staff")
    path, form = f"/reports/{report}", close_form("hoax")
    assert "newer than this report" in luk.post(f"{path}/close", form, at=path).text, "neither as the first"
    assert ana.post(f"{path}/close", form, at=path).leads_to == f"{path}?said=hoax_marked#said"
    assert "newer than this report" in luk.post(f"{path}/close", form, at=path).text, "nor as the second"
    assert first_delivery(database, report, HOTLINE).handling == "none"
    assert mere.post(f"{path}/close", form, at=path).leads_to == f"/?said=closed&closed={report}#said"
    assert first_delivery(database, report, HOTLINE).handling == "closed"


def test_the_role_that_somebody_has_changes_nothing_and_cancels_no_request(
    console: Console, ana: Person, ben: Person
) -> None:
    invited(ana, "luk", "staff")
    ben.post(f"/people/{account(console, 'ana').staff_id}/role", {"role": "staff"}, at="/people")
    for person, name in ((ana, "ben"), (ana, "ana"), (ben, "ana")):
        page = raised(console, person, name)
        assert page.status == 400 and "They have this role already. Nothing was changed." in page.text
    assert ben.get("/people").status == ana.get("/people").status == 200, "nobody was logged out"
    assert "ana : is to become: staff · asked by ben" in ben.get("/people").text
    assert [one.name for one in accounts.list_invitations(console.parts.database, HOTLINE)] == ["luk"]


@pytest.mark.parametrize("act", ["role", "end", "recover"])
def test_what_a_lead_asked_about_another_survives_their_own_end(
    console: Console, ana: Person, ben: Person, act: str
) -> None:
    """ben asks something about ana; ana and cora end ben's account first."""
    cora, ids = someone(console, "cora"), {name: account(console, name).staff_id for name in ("ana", "ben")}
    form = {"role": "staff", "sure": "1"}
    ben.post(f"/people/{ids['ana']}/{act}", form, at="/people")
    for lead in (ana, cora):
        lead.post(f"/people/{ids['ben']}/end", {"sure": "1"}, at="/people")
    assert account(console, "ben").ended_at and "asked by ben" in cora.get("/people").text
    confirmed = cora.post(f"/people/{ids['ana']}/{act}", form, at="/people")
    assert confirmed.status == (200 if act == "recover" else 303)
    found = account(console, "ana")
    assert {"role": found.role == "staff", "end": found.ended_at, "recover": link_on(confirmed)}[act]


@pytest.mark.parametrize("act", ["end", "role"])
def test_the_slip_of_a_reset_ends_with_the_account_or_its_role(
    console: Console, ana: Person, ben: Person, act: str
) -> None:
    mere = someone(console, "mere", "staff")
    path = f"/people/{account(console, 'mere').staff_id}"
    ana.post(f"{path}/recover", at="/people")
    link = link_on(ben.post(f"{path}/recover", at="/people"))
    ana.post(f"{path}/recover", at="/people")
    assert link and ana.post(f"{path}/{act}", {"sure": "1", "role": "auditor"}, at="/people").status == 303
    if act == "end":
        ana.post(f"{path}/undo", at="/people")
    stranger = Person(console.flask, console.parts.database, "mere", "another long password")
    assert stranger.open_invitation(link).status == 404
    assert "Approve reset" not in ben.get("/people").text
    assert mere.log_in().status == 303, "its owner logs in as before"
