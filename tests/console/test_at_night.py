"""Information that a tired person may confuse: new and old words, sent and unsent, whose report, which page."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select

from console.presenters.report import ChoiceLabels, fill_placeholders, is_newer, present_report
from flows import loader
from reports.store.cases import case_actions
from reports.store.schema import tables as t
from runtime.time_units import SECOND
from tests.console.test_list import HOTLINE, SampleReport
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.staff import Page, Person, close_form
from tokaut.local_stack.settings import StackPlan

MORE = "the reporter wrote more"


@pytest.fixture
def sample(console: Console, made: StackPlan) -> SampleReport:
    return SampleReport(console, made, None)


def after(one: Person, path: str, form: dict[str, str]) -> Page:
    """Post a form and return the page that the browser shows next."""
    page = one.post(path, form, at="/me")
    return one.get(page.leads_to.partition("#")[0]) if page.leads_to else page


@pytest.mark.rule("S-23")
def test_the_page_after_an_act_marks_what_is_new_and_counts_as_reading(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, path = people[0], f"/reports/{sample.id}"
    before = mere.get(path)
    asks = re.search(r'data-live="([^"]+)"', before.html)
    assert asks and "New words" not in before.text and "Look." not in mere.get(asks[1]).text
    sample.revised({"category": "luring"})
    assert "The reporter wrote more. Look." in mere.get(asks[1]).text, "the open page says so itself"
    noted = after(mere, f"{path}/note", {"words": "Ask for the aunt"})
    assert "Note saved." in noted.text and "New words from the reporter:" in noted.text and 'id="new"' in noted.html
    assert MORE not in mere.get("/").text and "New words" not in mere.get(path).text


def test_who_asks_what_is_new_says_since_when(sample: SampleReport, people: tuple[Person, Person]) -> None:
    assert [people[0].get(f"/reports/{sample.id}/news{said}").status for said in ("", "?since=x", "?since=-1")] == [
        400
    ] * 3


@pytest.mark.parametrize(
    ("act", "form", "said"),
    [
        ("message", {"words": "x" * 130, "do": "send"}, "Cannot be sent yet:"),
        ("message", {"words": "Hello", "do": "look"}, "Not sent yet."),
        ("message", {"words": "", "ready": "1", "do": "put"}, "Not sent yet."),
        ("note", {"words": " "}, "Nothing was written."),
        ("decline", {"reason": " "}, "Write why you decline: your colleagues will ask."),
        ("hand-over", {"to": "vu-nobody", "reason": "x"}, "The report cannot go to this hotline"),
        ("close", close_form("hoax"), "Your account is newer than this report."),
    ],
)
def test_what_became_of_a_form_is_said_at_it(
    sample: SampleReport, people: tuple[Person, Person], act: str, form: dict[str, str], said: str
) -> None:
    path = f"/reports/{sample.id}"
    html = people[0].post(f"{path}/{act}", form, at="/me").html
    (box,) = re.finditer(r'<(\w+)[^>]*id="said"[^>]*>.*?</\1>', html, re.DOTALL)
    assert said in Page.text.fget(type("It", (), {"html": box[0]})), act  # type: ignore[attr-defined]  # of one element
    assert 'tabindex="-1"' in box[0] and re.search('role="(alert|status)"', box[0])
    if act != "hand-over":  # no other hotline is left for a transfer
        assert abs(html.index(f"{path}/{act}#said") - box.start()) < 2500, "a screen away nobody sees it"


def test_words_of_a_revision_are_new_by_when_they_were_typed() -> None:
    revised = 1_800_000_000 * SECOND + 7
    assert is_newer("2027-01-15T08:00:00Z", revised) and not is_newer("2027-01-15T07:59:59Z", revised)
    assert not is_newer("2027-01-15T08:00:00Z", 0) and not is_newer("", revised)


def test_what_was_handed_over_is_nobody_s_until_somebody_takes_it(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, nia = people
    path = f"/reports/{sample.id}"
    assert "<title>(1) Reports" in mere.get("/").html
    assert "You have taken this report." in after(nia, f"{path}/take", {}).text
    assert "<title>Reports" in mere.get("/").html and "Urgent reports waiting: 0" in locked(mere)
    assert "Passed on." in after(nia, f"{path}/pass", {"to": ""}).text
    assert "Back in the queue, from: nia" in mere.get(path).text and "Take this report" in mere.get(path).text
    assert "Back in the queue, from: nia" in mere.get("/?tab=unassigned").text
    assert "<title>(1) Reports" in mere.get("/").html and "Urgent reports waiting: 1" in locked(mere)
    after(nia, f"{path}/pass", {"to": "mere"})
    assert "Passed to mere, not accepted yet" in nia.get(path).text
    assert "Passed to mere, not accepted yet" in nia.get("/?tab=unassigned").text, "mere may be asleep"
    assert "<title>(1) Reports" in nia.get("/").html and "Urgent reports waiting: 1" in locked(nia)
    assert 'class="main">Take this report' in mere.get(path).html, "who is to have it has not said so"
    after(mere, f"{path}/take", {})
    assert "Taken by: mere" in nia.get(path).text and "<title>Reports" in nia.get("/").html


def locked(one: Person) -> str:
    one.post("/lock", at="/me")
    said = one.get("/locked").text
    one.post("/locked", {"password": one.password}, at="/locked")
    return said


def test_a_closed_one_says_how_and_offers_no_handing_over(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, path = people[0], f"/reports/{sample.id}"
    assert f"{path}/pass" in mere.get(path).html
    assert "Closed:" in after(mere, f"{path}/close", close_form("could_not_reach")).text
    assert f"{path}/pass" not in mere.get(path).html
    assert "Closed: the reporter could not be reached" in mere.get("/?tab=closed").text


def test_what_cannot_be_undone_asks_once_more(sample: SampleReport, people: tuple[Person, Person]) -> None:
    html = people[0].get(f"/reports/{sample.id}").html
    one_way = re.findall(r'<form[^>]*/(?:decline|hand-over)#said"(.*?)</form>', html, re.DOTALL)
    assert one_way and all("does not get" in one and 'name="sure" value="1" required' in one for one in one_way)


def test_the_password_brings_back_to_the_page_that_was_hidden(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, path = people[0], f"/reports/{sample.id}"
    there = f"/locked?then={path}"
    assert mere.post("/lock", {"then": path}, at=path).leads_to == there
    assert mere.get(path).leads_to == there and mere.get("/rows").leads_to == "/locked"
    form = {"password": mere.password, "then": path}
    assert f'name="then" value="{path}"' in mere.get(there).html
    assert mere.post("/locked", {**form, "password": "no"}, at="/locked").status == 403
    assert mere.post("/locked", form, at="/locked").leads_to == path
    assert "wrong password" not in mere.get("/").text, "a slip at one's own desk is nobody else's try"
    for elsewhere in ("//evil.example", "https://evil.example", "/rows", "/logout", "/static/console.js", "/login"):
        assert mere.post("/lock", {"then": elsewhere}, at="/me").leads_to == "/locked"
        assert mere.post("/locked", {**form, "then": elsewhere}, at="/locked").leads_to == "/"


def test_every_question_is_in_words() -> None:
    data = json.loads(SAMPLE.read_text())["data"]
    found = present_report(data, ChoiceLabels(loader.load())).asked
    asked = {fill_placeholders(one.question, one.fields): one.answer for one in found}
    assert "Shefa" in asked.values() and "VU-SEE" not in asked.values()
    assert not [one for one in asked if "{" in one]


def test_one_way_of_counting_what_is_read(sample: SampleReport, people: tuple[Person, Person]) -> None:
    """Each view is audited, also that of an older page."""
    mere, path = people[0], f"/reports/{sample.id}"
    after(mere, f"{path}/note", {"words": "x"})
    mere.get(path)
    with sample.database.read() as connection:
        acts = list(connection.execute(select(t.audit.c.act).where(t.audit.c.object_id == sample.id)).scalars())
    assert acts.count("read") == 2


@pytest.mark.parametrize("way", ["take", "work", "message", "call back", "close"])
def test_whoever_does_something_with_it_has_it(sample: SampleReport, people: tuple[Person, Person], way: str) -> None:
    mere, nia = people
    path = f"/reports/{sample.id}"
    after(nia, f"{path}/take", {})
    after(nia, f"{path}/pass", {"to": "mere"})
    assert "<title>(1) Reports" in nia.get("/").html
    if way == "call back":
        case_actions.perform(
            sample.database, case_actions.CaseAction(HOTLINE, sample.id, "in_progress", f"staff:{HOTLINE}/call_back")
        )
    else:
        form = {"message": {"words": "We have read it.", "do": "send"}, "close": close_form()}
        after(mere, f"{path}/{way}", form.get(way, {}))
    assert "<title>Reports" in nia.get("/").html and "not yet taken" not in nia.get(path).text
    if way == "close":
        asked = after(nia, f"{path}/work", {})
        assert "mere closed or transferred this report" in asked.text, "nia's page stood before that"
        nia.post(f"{path}/work", asked.marks)
        assert "In progress: nia" in nia.get(path).text
    elif way != "call back":
        assert ": mere" in nia.get("/").text
