"""Closing a report and undoing it, and a false report on which two people agree."""

from __future__ import annotations

from typing import Any

import pytest

from console.presenters.case_rows import reference
from console.views import closing as views
from reports.store.cases import case_view
from reports.store.escalation import steps
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_list import SampleReport
from tests.support.console import Console
from tests.support.hotline_clients import first_delivery, rows
from tests.support.staff import Page, Person, close_form, joined, pass_time
from tokaut.local_stack.settings import StackPlan

DONE = "Rang the aunt, who fetches her today"


@pytest.fixture
def people(console: Console) -> tuple[Person, Person]:
    found = [joined(console.flask, console.parts.database, name) for name in ("mere", "sam")]
    for one in found:
        one.log_in()
    return found[0], found[1]


@pytest.fixture
def sample(console: Console, made: StackPlan, people: tuple[Person, Person]) -> SampleReport:
    """A report that is newer than the accounts, so that both people may mark it as false."""
    pass_time(console.parts.database, 60)
    return SampleReport(console, made, None)


def act(one: Person, sample: SampleReport, name: str, form: dict[str, str] | None = None) -> Page:
    path = f"/reports/{sample.id}"
    return one.post(f"{path}/{name}", {**(form or {}), **one.get(path).marks})


def handling(sample: SampleReport) -> str:
    return str(first_delivery(sample.database, sample.id, HOTLINE).handling)


def held(sample: SampleReport) -> Any:
    (row,) = [row for row in rows(sample.database, t.holding) if row.hotline == HOTLINE]
    return row


@pytest.mark.parametrize(
    ("left_out", "said"),
    [({"outcome": ""}, "Choose an outcome."), ({"done": " "}, "Write what was done"), ({"service": "x"}, "")],
)
def test_what_a_closing_lacks_is_asked_for_and_what_was_written_stays(
    sample: SampleReport, people: tuple[Person, Person], left_out: dict[str, str], said: str
) -> None:
    mere = people[0]
    act(mere, sample, "take")
    page = act(mere, sample, "close", {**close_form(done=DONE), **left_out})
    assert page.status == 400 and said in page.text and handling(sample) == "accepted"
    if said and "done" not in left_out:
        assert DONE in page.html
    if "outcome" not in left_out and said:
        assert '<option value="helped" selected>' in page.html


def test_sex_and_disability_may_be_recorded_for_the_statistics_and_no_page_shows_them(
    console: Console, sample: SampleReport, people: tuple[Person, Person], ana: Person
) -> None:
    mere = people[0]
    act(mere, sample, "take")
    page = mere.get(f"/reports/{sample.id}")
    assert "do not ask the child for this" in page.text and page.html.count("Not known</option>") == 2
    refused = act(mere, sample, "close", {**close_form(done=DONE), "sex": "girl", "outcome": ""})
    assert refused.status == 400 and '<option value="girl" selected>' in refused.html
    assert act(mere, sample, "close", {**close_form(done=DONE), "sex": "<b>"}).status == 400
    assert act(mere, sample, "close", {**close_form(done=DONE), "sex": "girl", "disability": ""}).status == 303
    kinds = [row.kind for row in rows(sample.database, t.note)]
    assert kinds == ["closing", "child"] and "girl" not in repr(
        [rows(sample.database, one) for one in t.metadata.tables.values()]
    )
    path = f"/reports/{sample.id}"
    assert "Girl" not in mere.get(path).text.replace("Girl Boy Another", "")
    export = ana.get(f"{path}/export")
    assert export.status == 200 and DONE in export.html and '"sex"' not in export.html
    act(mere, sample, "work")
    assert act(mere, sample, "close", close_form(done=DONE)).status == 303
    assert [row.kind for row in rows(sample.database, t.note)].count("child") == 1, "not known stores nothing"
    act(mere, sample, "work")
    told = {"sex": "another", "disability": "no_disability"}
    assert act(mere, sample, "close", {**close_form(done=DONE), **told}).status == 303
    lengths = [len(row.sealed) for row in rows(sample.database, t.note) if row.kind == "child"]
    assert len(lengths) == 2 and len(set(lengths)) == 1, "the length of what is sealed tells no value"


def test_one_that_nobody_took_is_closed_by_a_second_press(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere = people[0]
    form = {**close_form(done=DONE), "asked_untaken": ""}
    asked = act(mere, sample, "close", form)
    assert asked.status == 400 and "Nobody has taken this report." in asked.text and handling(sample) == "none"
    assert 'name="asked_untaken" value="1"' in asked.html and DONE in asked.html
    assert mere.post(f"/reports/{sample.id}/close", {**form, "asked_untaken": "1", **asked.marks}).status == 303
    assert handling(sample) == "closed"


def test_what_was_done_is_sealed_and_shown_to_colleagues(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, sam = people
    form = close_form("handed_on", DONE) | {"told": "child_welfare", "service": "vu-womens-centre"}
    closed = act(mere, sample, "close", form)
    assert closed.leads_to == f"/?said=closed&closed={sample.id}#said"
    (note,) = rows(sample.database, t.note)
    assert note.kind == "closing" and DONE.encode() not in note.sealed and b"Women" not in note.sealed
    shown = sam.get(f"/reports/{sample.id}").text
    for words in (DONE, "Closed: referred to another service", "Told: Child welfare", "Vanuatu Women's Centre"):
        assert words in shown


def test_the_directory_shows_confirmed_numbers_only_and_says_what_is_made_up(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    shown = people[0].get(f"/reports/{sample.id}")
    assert "000 0001 DEMO: made up" in shown.text and "confirmed by made up" not in shown.text
    assert "Demo: Counselling by phone" in shown.text and "000 0003" not in shown.html
    assert "25764" not in shown.html and "DEMO: made up" in shown.text
    assert "No confirmed number." in shown.text


@pytest.mark.parametrize("before", ["none", "accepted", "in_progress"])
def test_a_closing_is_undone_for_ten_minutes_by_who_closed_it(
    sample: SampleReport, people: tuple[Person, Person], ana: Person, before: str
) -> None:
    mere, sam = people
    if before != "none":
        act(mere, sample, "take")
    if before == "in_progress":
        act(mere, sample, "work")
    closed = mere.get(act(mere, sample, "close", close_form()).leads_to.partition("#")[0])
    assert f"Closed: {reference(sample.id)}" in closed.text and "Undo" in closed.text
    assert "Undo" not in sam.get(f"/?said=closed&closed={sample.id}").text
    refused = act(sam, sample, "undo-close")
    assert refused.status == 400 and "cannot be undone any more" in refused.text and handling(sample) == "closed"
    form = {"token": closed.token, "once": closed.marks["once"]}
    for _ in range(2):  # a second press
        undone = mere.post(f"/reports/{sample.id}/undo-close", form)
        assert undone.leads_to == f"/reports/{sample.id}?said=close_undone#said"
    assert handling(sample) == before and held(sample).outcome is None
    assert held(sample).holder == (None if before == "none" else "mere")
    waiting = [report_id for report_id, _, _ in steps.list_unstarted(sample.database)]
    assert (sample.id in waiting) == (before == "none"), "the escalation of one that nobody has goes on"
    for text in (mere.get(f"/reports/{sample.id}").text, ana.get("/audit").text):
        assert text.count("mere undid the closing of the report.") == 1
        assert text.count("mere took the report.") == (before != "none"), "undoing takes nothing again"
        assert text.count("mere marked the report as in progress.") == (before == "in_progress")


def test_after_ten_minutes_a_closing_stays(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere = people[0]
    act(mere, sample, "take")
    act(mere, sample, "close", close_form())
    pass_time(sample.database, 9 * 60)
    assert "You can undo that until" in mere.get(f"/reports/{sample.id}").text
    pass_time(sample.database, 61)
    assert "You can undo that until" not in mere.get(f"/reports/{sample.id}").text
    assert act(mere, sample, "undo-close").status == 400 and handling(sample) == "closed"


def test_somebody_kept_out_of_a_report_undoes_nothing(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere = people[0]
    act(mere, sample, "close", close_form())
    staff_id = next(row.staff_id for row in rows(sample.database, t.staff) if row.name == "mere")
    with sample.database.write() as connection:
        connection.execute(t.kept_away.insert().values(report_id=sample.id, staff_id=staff_id))
    assert mere.post(f"/reports/{sample.id}/undo-close", at="/me").status == 404
    assert "Closed:" not in mere.get(f"/?said=closed&closed={sample.id}").text


@pytest.mark.rule("S-36")
def test_a_false_report_names_the_first_person_until_a_second_agrees(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    act(mere, sample, "take")
    assert "Write what was done" in act(mere, sample, "close", close_form("hoax", " ")).text, "a reason"
    act(mere, sample, "close", close_form("hoax", "Laughing in the background"))
    shown = sam.get(f"/reports/{sample.id}")
    assert "mere marked this as a false report (" in shown.text and "A second person must agree." in shown.text
    assert "Laughing in the background" in shown.text and "withdraw this mark" not in shown.text
    assert "marked as a false report by one person" in sam.get("/").text
    act(sam, sample, "withdraw-false-report")
    assert held(sample).hoax_by is not None, "only who marked it takes that back"
    assert "withdraw this mark" in mere.get(f"/reports/{sample.id}").text
    act(mere, sample, "withdraw-false-report")
    assert (held(sample).hoax_by, held(sample).hoax_at) == (None, None)
    assert "marked" not in sam.get("/").text and "hoax_withdrawn" in {row.act for row in rows(sample.database, t.audit)}
    act(mere, sample, "close", close_form("hoax"))
    assert act(sam, sample, "close", close_form("hoax", "I heard them, too")).status == 303
    assert handling(sample) == "closed"
    assert "Closed: false report (confirmed by 2)" in mere.get("/?tab=closed").text
    act(sam, sample, "undo-close")
    assert handling(sample) == "accepted" and held(sample).hoax_by is not None, "the first mark stays"


@pytest.mark.rule("S-36")
def test_a_mark_that_was_withdrawn_meanwhile_is_not_confirmed(
    sample: SampleReport, people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is withdrawn after the page has read the mark and before the closing."""
    mere, sam = people
    act(mere, sample, "take")
    act(mere, sample, "close", close_form("hoax"))
    load = case_view.load_holding

    def load_then_withdraw(*found: Any) -> Any:
        holding = load(*found)
        monkeypatch.setattr(case_view, "load_holding", load)
        act(mere, sample, "withdraw-false-report")
        return holding

    form = {**close_form("hoax"), **sam.get(f"/reports/{sample.id}").marks}
    monkeypatch.setattr(views, "_hoax_problem", lambda *_: "")
    monkeypatch.setattr(case_view, "load_holding", load_then_withdraw)
    assert sam.post(f"/reports/{sample.id}/close", form).status == 400
    assert handling(sample) == "accepted" and held(sample).hoax_by is None


@pytest.mark.rule("S-36")
@pytest.mark.parametrize("way", ["close", "decline"])
def test_a_report_that_is_closed_or_transferred_is_neither_marked_nor_closed_again(
    sample: SampleReport, people: tuple[Person, Person], way: str
) -> None:
    """The request comes from an old page: its error is not a conflict with oneself."""
    mere, _ = people
    act(mere, sample, "take")
    kept_page = mere.get(f"/reports/{sample.id}")
    act(mere, sample, way, {**close_form(), "reason": "not ours", "sure": "1"})
    closed_as, before = held(sample).outcome, handling(sample)
    for outcome in ("hoax", "no_child_in_need"):
        refused = mere.post(f"/reports/{sample.id}/close", {**close_form(outcome), **kept_page.marks})
        assert refused.status == 400 and "This is how it stands now." in refused.text
    refused = mere.post(f"/reports/{sample.id}/pass", {"to": "sam", **kept_page.marks})
    assert refused.status == 400 and "This is how it stands now." in refused.text
    assert (held(sample).outcome, held(sample).hoax_by, handling(sample)) == (closed_as, None, before)
    assert held(sample).handed_by is None


@pytest.mark.parametrize("is_own", [True, False], ids=["who declined it", "a colleague"])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        *(("message", {"words": "We read it.", "do": do}) for do in ("send", "look", "put")),
        ("message", {"words": "", "ready": "1"}),
        ("decline", {"reason": "not ours either", "sure": "1"}),
        ("hand-over", {"to": OTHER, "reason": "theirs", "sure": "1"}),
        ("follow-up", {"do": "removed"}),
        *((name, {}) for name in ("take", "work", "withdraw-false-report", "undo-close")),
    ],
)
def test_an_older_page_does_nothing_with_a_report_that_was_declined(
    sample: SampleReport, people: tuple[Person, Person], name: str, form: dict[str, str], *, is_own: bool
) -> None:
    one = people[0] if is_own else people[1]
    act(people[0], sample, "take")
    kept_page = one.get(f"/reports/{sample.id}")
    act(people[0], sample, "decline", {"reason": "not ours", "sure": "1"})
    tables = t.answer, t.note, t.holding, t.handover, t.delivery
    before = [rows(sample.database, table) for table in tables]
    page = one.post(f"/reports/{sample.id}/{name}", {**kept_page.marks, **form})
    assert page.status == 400 and 'id="said"' in page.html
    if name == "message":
        assert "This report went to another hotline" in page.text and "Nothing was sent." in page.text
    assert [rows(sample.database, table) for table in tables] == before


def test_undo_is_refused_where_nothing_was_closed(sample: SampleReport, people: tuple[Person, Person]) -> None:
    assert act(people[0], sample, "undo-close").status == 400 and handling(sample) == "none"
