"""The hand-over at the end of a shift, the badge of a report's recipients, and a printed report."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select

from console.presenters.case_rows import reference
from console.views import shift
from reports.store.cases import case_list, case_view
from reports.store.schema import tables as t
from reports.store.staff import accounts
from tests.console.running_console import HOTLINE
from tests.console.test_list import SampleReport
from tests.console.test_safe_hours import CALL, NUMBER, at, told
from tests.support.console import Console
from tests.support.hotline_clients import rows, store_report
from tests.support.staff import Page, Person, close_form
from tokaut.local_stack.settings import StackPlan

NOTE = "The aunt rings at six"


@pytest.fixture
def sample(console: Console, made: StackPlan) -> SampleReport:
    return SampleReport(console, made, None)


@pytest.fixture
def ids(sample: SampleReport, made: StackPlan) -> list[str]:
    more = [store_report(sample.database, made.folder.inside / "keys", [(HOTLINE, "primary")]) for _ in range(2)]
    return [sample.id, *more]


def take(one: Person, ids: list[str]) -> None:
    for id_ in ids:
        one.post(f"/reports/{id_}/take", at=f"/reports/{id_}")


def form(page: Page, **more: str) -> dict[str, str]:
    """Return the form's fields as a browser sends them, with `more` changed."""
    found = dict(re.findall(r'name="(status-[0-9a-f-]+|give-[0-9a-f-]+)" value="([^"]*)"', page.html))
    return {"token": page.token, "once": page.marks["once"], **found, **more}


def holders(sample: SampleReport) -> set[tuple[str, str]]:
    return {(str(row.holder), str(row.handed_by)) for row in rows(sample.database, t.holding)}


def test_all_is_given_in_one_act_and_accepted_one_by_one(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person]
) -> None:
    mere, nia = people
    take(mere, ids)
    asked = form(mere.get("/shift"), to="nia", note=NOTE)
    assert mere.post("/shift/give", asked).leads_to == "/shift?said=given#said"
    assert holders(sample) == {("nia", "mere")}
    assert "For you (3)" in nia.get("/help").text and "For you" not in mere.get("/help").text
    mere.post("/shift/give", asked)
    assert len(rows(sample.database, t.note)) == 3, "pressed twice, each report has the note once"
    assert NOTE in nia.get(f"/reports/{ids[1]}").text
    page = nia.get("/shift")
    assert page.text.count("mere passed this report to you.") == 3 and "You hold no report." in page.text
    status = re.search(r'name="status" value="([^"]+)"', page.html.partition(f"/shift/{ids[0]}/accept")[2])
    assert status
    accept = {"token": page.token, "once": page.marks["once"], "status": status[1]}
    assert nia.post(f"/shift/{ids[0]}/accept", accept).leads_to == "/shift?said=accepted#said"
    assert "For you (2)" in nia.get("/").text
    assert "Taken by: nia" in mere.get(f"/reports/{ids[0]}").text
    assert "Passed to nia, not accepted yet" in mere.get(f"/reports/{ids[1]}").text


def test_the_note_is_a_draft_until_the_reports_are_given(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person]
) -> None:
    """A call may interrupt whoever writes it for longer than the 15 minutes after which the page is locked."""
    mere, nia = people
    take(mere, ids[:2])
    asked = form(mere.get("/shift"), to="nia", note=NOTE, draft_of="shift")
    assert mere.post("/shift/draft", asked).status == 204
    assert (drafted(mere.get("/shift")), drafted(nia.get("/shift"))) == (("nia", NOTE), ("", ""))
    assert NOTE not in repr(rows(sample.database, t.draft))
    mere.post("/lock", {**asked, "note": f"{NOTE} sharp", "then": "/shift"})
    mere.post("/locked", {"password": mere.password, "then": "/shift"}, at="/locked")
    page = mere.get("/shift")
    assert drafted(page) == ("nia", f"{NOTE} sharp")
    assert mere.post("/shift/give", form(page, to="nia", note=NOTE, draft_of="shift")).status == 303
    take(mere, ids[2:])
    assert drafted(mere.get("/shift")) == ("", "")
    assert rows(sample.database, t.draft) == []


def drafted(page: Page) -> tuple[str, str]:
    """Return the colleague and the note that the form shows."""
    colleague = re.search(r"<option selected>([^<]*)<", page.html)
    note = re.search(r'<textarea id="shift-note"[^>]*>([^<]*)<', page.html)
    return colleague[1] if colleague else "", note[1] if note else ""


def test_what_a_colleague_took_meanwhile_is_not_given(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person]
) -> None:
    mere, nia = people
    take(mere, ids)
    page = mere.get("/shift")
    nia.post(f"/reports/{ids[0]}/take", nia.get(f"/reports/{ids[0]}").marks | {"over": "1"})
    refused = mere.post("/shift/give", form(page, to="nia", note=NOTE))
    assert refused.status == 400 and f"These reports were not given: {reference(ids[0])}." in refused.text
    assert holders(sample) == {("nia", "None"), ("nia", "mere")}


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("is_read", [True, False], ids=["read", "unread"])
def test_one_that_was_hidden_meanwhile_is_named_and_the_rest_is_given(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person], ana: Person, *, is_read: bool
) -> None:
    mere, nia = people
    take(mere, ids)
    if not is_read:  # as if it had been passed to mere and accepted in the list
        with sample.database.write() as connection:
            connection.execute(t.audit.delete().where(t.audit.c.act == "read"))
    page = mere.get("/shift")
    ana.post(f"/reports/{ids[1]}/away", {"who": staff_id(sample, "mere")}, at=f"/reports/{ids[1]}")
    refused = mere.post("/shift/give", form(page, to="nia", note=NOTE))
    assert refused.status == 400 and f"These reports were not given: {reference(ids[1])}." in refused.text
    assert nia.get("/shift").html.count("/accept#said") == 2
    assert holders(sample) == {("nia", "mere"), ("", "ana")}


def test_neither_passed_nor_held_reports_hide_the_others(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shift, "MAX_REPORTS", 2)
    mere, nia = people
    take(mere, ids)
    page = mere.get("/shift")
    assert page.html.count('name="give-') == 2 and "1 more not shown here." in page.text
    assert 'href="/?tab=mine"' in page.html
    mere.post("/shift/give", form(page, to="nia"))
    assert mere.get("/shift").html.count('name="give-') == 1, "the next ones follow"
    mere.post("/shift/give", form(mere.get("/shift"), to="nia"))
    own = store_report(sample.database, sample.keys, [(HOTLINE, "primary")], priority="P4")
    take(nia, [own])
    shown = nia.get("/shift")
    assert shown.html.count("/accept#said") == 2 and "1 more not shown here." in shown.text
    assert f'name="give-{own}"' in shown.html and "You hold no report." not in shown.text


@pytest.mark.parametrize(("more", "said"), [({"to": ""}, "Choose a colleague."), ({"to": "nobody"}, "were not given")])
def test_it_says_what_is_missing(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person], more: dict[str, str], said: str
) -> None:
    mere = people[0]
    assert "Tick the reports" in mere.post("/shift/give", {"to": "nia"}, at="/shift").text
    take(mere, ids)
    assert said in mere.post("/shift/give", form(mere.get("/shift"), **more)).text
    assert holders(sample) == {("mere", "None")}


@pytest.mark.rule("S-26")
def test_who_is_kept_out_of_a_report_gets_neither_it_nor_a_badge(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person]
) -> None:
    mere, nia = people
    take(mere, ids[:1])
    account = next(one for one in accounts.list_accounts(sample.database, HOTLINE) if one.name == "nia")
    case_view.set_access(sample.database, account, ids[0], account.staff_id, away=True)
    assert "were not given" in mere.post("/shift/give", form(mere.get("/shift"), to="nia")).text
    with sample.database.write() as connection:
        connection.execute(t.holding.update().values(holder="nia", handed_by="mere"))
    assert case_list.count_passed_to(sample.database, account) == 0
    assert nia.post(f"/shift/{ids[0]}/accept", at="/me").status == 404


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("is_accepted", [True, False], ids=["held", "passed on"])
def test_a_report_that_is_hidden_from_its_holder_waits_for_somebody_again(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person], ana: Person, *, is_accepted: bool
) -> None:
    mere, nia = people
    path, who = f"/reports/{ids[0]}", {"who": staff_id(sample, "mere")}
    if is_accepted:
        take(mere, ids[:1])
        mere.post(f"{path}/draft", {**mere.get(path).marks, "draft_of": ids[0], "words": "Hello"})
    else:
        nia.post(f"{path}/pass", {"to": "mere"}, at=path)
    form = who | ana.get(path).marks
    page = ana.post(f"{path}/away", form)
    assert ana.post(f"{path}/away", form).status == 303, "pressed twice"
    assert "back in the queue" in ana.get(page.leads_to.partition("#")[0]).text
    assert holders(sample) == {("", "ana")} and "For you" not in mere.get("/help").text
    assert json.loads(nia.get("/waiting").html)["urgent"] == len(ids), "as one that nobody has taken"
    assert f"row-{ids[0]}" in nia.get("/?tab=unassigned").html and f"row-{ids[0]}" not in nia.get("/?tab=others").html
    log = ana.get(f"/audit?report={ids[0]}").text
    assert log.count("ana put the report back into the queue.") == log.count("ana hid the report from mere.") == 1
    assert mere.post(f"/shift/{ids[0]}/accept", at="/me").status == 404
    ana.post(f"{path}/away", who | {"do": "back"}, at=path)
    assert holders(sample) == {("", "ana")}, "and who may see it again does not get it back unasked"
    take(nia, ids[:1])
    ana.post(f"{path}/away", who, at=path)
    assert holders(sample) == {("nia", "None")}, "a report that somebody else holds stays with them"


def staff_id(sample: SampleReport, name: str) -> str:
    return next(one.staff_id for one in accounts.list_accounts(sample.database, HOTLINE) if one.name == name)


def test_a_report_that_nobody_had_taken_can_be_passed_too(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, nia = people
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/pass", {"to": "nia"}, at=path)
    assert "Passed to nia, not accepted yet" in mere.get(path).text and "For you (1)" in nia.get("/help").text
    assert "mere passed this report to you." in nia.get("/shift").text
    assert nia.post(f"/shift/{sample.id}/accept", at="/shift").status == 303
    assert "Taken by: nia" in mere.get(path).text and "For you" not in nia.get("/help").text


def test_nobody_accepts_what_was_passed_to_somebody_else(
    sample: SampleReport, ids: list[str], people: tuple[Person, Person]
) -> None:
    mere, nia = people
    take(mere, ids)
    refused = nia.post(f"/shift/{ids[0]}/accept", at="/me")
    assert refused.status == 400 and "It is not yours." in refused.text
    assert nia.post("/shift/x/accept", at="/me").status == 404
    assert holders(sample) == {("mere", "None")}


@pytest.mark.rule("S-03")
@pytest.mark.rule("S-23")
@pytest.mark.parametrize("clock", ["05:12", "09:00"])
def test_on_paper_the_number_stands_only_if_it_was_asked_for(console: Console, made: StackPlan, clock: str) -> None:
    mere = at(console, clock)
    path = told(console, made, CALL)
    page = mere.get(path)
    plain = mere.post(f"{path}/print", {"token": page.token})
    assert plain.status == 200 and NUMBER not in plain.html
    assert plain.text.count("CONFIDENTIAL · Reference: " + reference(path)) == 2, (
        "at the head and the foot of each page"
    )
    assert "The number is not printed." in plain.text
    assert NUMBER in mere.post(f"{path}/print", {"token": page.token, "number": "1"}).text
    with console.parts.database.read() as connection:
        acts = list(connection.execute(select(t.audit.c.act).where(t.audit.c.object_id == path[9:])).scalars())
    assert sorted(act for act in acts if "printed" in act) == ["printed", "printed:number"]


def test_what_was_closed_meanwhile_is_not_accepted_and_the_page_says_so(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, nia = people
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/pass", {"to": "nia", **mere.get(path).marks})
    shown = nia.get("/shift")
    mere.post(f"{path}/close", {**close_form(), **mere.get(path).marks})
    page = nia.post(f"/shift/{sample.id}/accept", {"token": shown.token, "once": shown.marks["once"]})
    assert page.status == 400 and "A colleague took or closed this report meanwhile." in page.text
