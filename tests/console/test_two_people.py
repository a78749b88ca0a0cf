"""Two people in two browsers and one report: both know who has it, at any timing."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from reports.crypto.key_files import create_key_pair
from reports.store.cases import case_actions, case_view
from reports.store.cases.case_actions import CaseAction
from reports.store.cases.case_status import CaseChange, StatusConflict
from reports.store.schema import tables as t
from reports.store.sms import duty_phones
from reports.store.staff.accounts import Account
from tests.console.running_console import HOTLINE
from tests.console.test_list import SampleReport
from tests.support.console import Console
from tests.support.databases import KINDS, migrated_database
from tests.support.hotline_clients import first_delivery, rows, store_report
from tests.support.logged_in import logged_in
from tests.support.staff import Page, Person, close_form, joined, pass_time
from tokaut.local_stack.settings import StackPlan

HELD = ("accepted", "in_progress")


@pytest.fixture
def sample(console: Console, made: StackPlan) -> SampleReport:
    return SampleReport(console, made, None)


@pytest.fixture
def people(console: Console) -> tuple[Person, Person]:
    found = [joined(console.flask, console.parts.database, name) for name in ("mere", "sam")]
    for one in found:
        one.log_in()
    return found[0], found[1]


def after(one: Person, page: Page) -> Page:
    return one.get(page.leads_to.partition("#")[0]) if page.leads_to else page


def holder(sample: SampleReport) -> str | None:
    (row,) = [row for row in rows(sample.database, t.holding) if row.hotline == HOTLINE]
    return None if row.holder is None else str(row.holder)


@pytest.mark.parametrize("act", ["take", "work"])
def test_a_report_that_somebody_took_is_not_taken_unasked(
    sample: SampleReport, people: tuple[Person, Person], act: str
) -> None:
    mere, sam = people
    path = f"/reports/{sample.id}"
    sams = sam.get(path)
    assert "Not taken yet" in sams.text
    assert mere.post(f"{path}/take", mere.get(path).marks).status == 303
    pass_time(sample.database, 22)
    asked = sam.post(f"{path}/{act}", sams.marks)
    assert asked.status == 400 and "mere took this report 22 s ago. Take it over?" in asked.text
    assert holder(sample) == "mere", "nothing was done"
    meres = mere.get(path)
    assert "Yes, take over from mere" in asked.text and 'name="over" value="1"' in asked.html
    took = after(sam, sam.post(f"{path}/take", asked.marks | {"over": "1"}))
    assert "Taken by: sam" in took.text and holder(sample) == "sam"
    news = re.search(r'data-live="([^"]+)"', meres.html)
    assert news
    said = mere.get(news[1].replace("&amp;", "&")).text
    assert "sam took this report over from you at" in said and "It is not yours any more." in said
    assert (
        "took this report" not in sam.get(re.findall(r'data-live="([^"]+)"', took.html)[0].replace("&amp;", "&")).text
    )


@pytest.mark.parametrize("act", ["take", "work"])
def test_what_a_colleague_holds_is_taken_over_only_after_a_question(
    sample: SampleReport, people: tuple[Person, Person], act: str
) -> None:
    """The page shows the colleague's name, and one press is still too little: a key could press the button."""
    mere, sam = people
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/take", mere.get(path).marks)
    page = sam.get(path)
    assert "Take over from mere" in page.text and "data-free" not in page.html
    assert "Mark as in progress" not in page.text and "Mark as in progress" in mere.get(path).text
    asked = sam.post(f"{path}/{act}", page.marks)
    assert asked.status == 400 and "Take it over?" in asked.text and holder(sample) == "mere"
    assert sam.post(f"{path}/take", asked.marks).status == 400, "nor does the same form sent again"
    assert sam.post(f"{path}/take", asked.marks | {"over": "1"}).status == 303 and holder(sample) == "sam"
    assert mere.post(f"{path}/take", asked.marks | {"over": "1"}).status == 400, "the answer is for what was asked"


@pytest.mark.parametrize(
    ("act", "form"),
    [("message", {"words": "We read it.", "do": "send"}), ("close", close_form()), ("pass", {"to": ""})],
)
def test_nothing_else_is_done_to_it_unasked_either(
    sample: SampleReport, people: tuple[Person, Person], act: str, form: dict[str, str]
) -> None:
    mere, sam = people
    path = f"/reports/{sample.id}"
    sams = sam.get(path)
    mere.post(f"{path}/take", mere.get(path).marks)
    asked = sam.post(f"{path}/{act}", {**form, **sams.marks})
    assert asked.status == 400 and "mere took this report" in asked.text and "Nothing was done" in asked.text
    assert holder(sample) == "mere" and not rows(sample.database, t.answer)
    if act == "message":
        assert "We read it." in asked.text, "and the words are not lost"
    assert sam.post(f"{path}/{act}", {**form, **asked.marks}).status == 303


def test_what_nobody_has_or_was_given_to_somebody_is_taken_at_once(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    path = f"/reports/{sample.id}"
    sams = sam.get(path)
    mere.post(f"{path}/take", mere.get(path).marks)
    mere.post(f"{path}/pass", {"to": "sam", **mere.get(path).marks})
    assert "Taken by: sam" in after(sam, sam.post(f"{path}/take", sams.marks)).text
    meres = mere.get(path)
    sam.post(f"{path}/pass", {"to": "", **sam.get(path).marks})
    assert "Taken by: mere" in after(mere, mere.post(f"{path}/take", meres.marks)).text


def test_the_hotlines_own_system_counts_as_somebody(sample: SampleReport, people: tuple[Person, Person]) -> None:
    sam, path = people[1], f"/reports/{sample.id}"
    sams = sam.get(path)
    case_actions.perform(sample.database, CaseAction(HOTLINE, sample.id, "accepted", f"staff:{HOTLINE}/call_back"))
    assert "The system of your hotline took this report" in sam.post(f"{path}/take", sams.marks).text


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_at_the_same_moment_one_gets_it(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Compare-and-set in one transaction, on both databases."""
    database = migrated_database(kind, request, tmp_path)
    create_key_pair(tmp_path / "keys", HOTLINE)
    report_id = store_report(database, tmp_path / "keys", [(HOTLINE, "primary")])
    names = [f"nia{n}" for n in range(6)]
    for name in names:
        logged_in(database, name)
    came: list[str] = []
    start = threading.Barrier(len(names))

    def take(name: str) -> None:
        kept = CaseChange("holds", {"holder": name})
        step = CaseAction(
            HOTLINE,
            report_id,
            "accepted",
            f"staff:{HOTLINE}/{name}",
            column_changes=kept,
            unless_in=HELD,
            seen_status="none.0",
        )
        start.wait(20)
        try:
            case_actions.perform(database, step)
        except StatusConflict as changed:
            came.append(f"after {changed.by}")
        else:
            came.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in names]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    (winner,) = [one for one in came if not one.startswith("after")]
    assert sorted(came) == sorted([winner, *[f"after {winner}"] * 5])
    with database.read() as connection:
        assert list(connection.execute(select(t.holding.c.holder)).scalars()) == [winner]
    account = Account("id", "sam", HOTLINE, "staff", "", b"", 0, 0, 0, None)
    with pytest.raises(StatusConflict):
        case_view.save_change(database, account, report_id, CaseChange("passed_on", {"holder": ""}), status="none.0")
    database.close()


def test_what_a_colleague_wrote_to_the_reporter_is_read_before_more_is_sent(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    """Otherwise a reporter gets two messages that contradict each other, and a second text that asks to dial."""
    mere, sam = people
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/take", mere.get(path).marks)
    meres, sams = mere.get(path), sam.get(path)
    news = re.search(r'<div class="newsbar" role="status" data-live="([^"]+)"', meres.html)
    assert news, "a screen reader reads what is put into a status that is there already"
    address = news[1].replace("&amp;", "&")
    assert "wrote to the reporter" not in mere.get(address).text
    form = {"do": "send", "answers": answers(sams)}
    assert sam.post(f"{path}/message", {"words": "Please wait.", **form, **sams.marks}).status == 303
    pass_time(sample.database, 22)
    said = mere.get(address)
    assert "sam wrote to the reporter at" in said.text and "role=" not in said.html
    asked = mere.post(f"{path}/message", {"words": "We call you.", **form, **meres.marks})
    assert asked.status == 400 and "sam wrote to the reporter 22 s ago. Nothing was sent." in asked.text
    assert len(rows(sample.database, t.answer)) == 1 and "We call you." in asked.html
    form["answers"] = answers(asked)
    assert mere.post(f"{path}/message", {"words": "We call you.", **form, **asked.marks}).status == 303


def answers(page: Page) -> str:
    return re.findall(r'name="answers" value="(\d+)"', page.html)[0]


def test_the_same_words_are_sent_again_only_after_a_question(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    """By Back a browser puts a sent text into its field again."""
    mere, _ = people
    path, form = f"/reports/{sample.id}", {"words": "We read it.", "do": "send"}
    assert mere.post(f"{path}/message", form | mere.get(path).marks).status == 303
    pass_time(sample.database, 22)
    asked = mere.post(f"{path}/message", form | mere.get(path).marks)
    assert "Please check: The reporter was sent these words 22 s ago." in asked.text and "Not sent yet." in asked.text
    assert len(rows(sample.database, t.answer)) == 1
    assert mere.post(f"{path}/message", form | asked.marks | {"anyway": "1"}).status == 303
    assert len(rows(sample.database, t.answer)) == 2


def test_an_open_page_says_to_whom_a_report_that_nobody_had_taken_was_passed(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    path = f"/reports/{sample.id}"

    def sams_news(to: str) -> str:
        address = news_of(sam, path)
        mere.post(f"{path}/pass", {"to": to, **mere.get(path).marks})
        return sam.get(address).text

    assert "mere passed this report to sam at" in sams_news("sam")
    assert "mere put this report back into the queue at" in sams_news("")


def news_of(one: Person, path: str) -> str:
    """Return the address by which the open page of a report asks for news."""
    found = re.search(r'<div class="newsbar" role="status" data-live="([^"]+)"', one.get(path).html)
    assert found
    return found[1].replace("&amp;", "&")


def test_what_a_duty_phone_took_before_anybody_opened_it_was_taken_at_its_time(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    database, path = sample.database, f"/reports/{sample.id}"
    delivery_id = first_delivery(database, sample.id, HOTLINE).delivery_id
    text = {"sms_id": "s" * 36, "delivery_id": delivery_id, "hotline": HOTLINE, "word": "100001", "rank": 0}
    with database.write() as connection:
        connection.execute(insert(t.page), text | {"created_at": database.now()})
    duty_phones.record_reply(database, "a-1", [HOTLINE], "100001")
    [reply] = duty_phones.list_replies(database)
    assert duty_phones.accept_reply(database, reply) == sample.id
    pass_time(database, 22)
    page = people[0].get(path)
    asked = people[0].post(f"{path}/take", page.marks)
    assert asked.status == 400 and "Somebody took this report 22 s ago. Take it over?" in asked.text


@pytest.mark.parametrize("way", ["undo", "call back"])
def test_who_still_holds_a_report_is_not_told_that_they_do_not(
    sample: SampleReport, people: tuple[Person, Person], way: str
) -> None:
    mere, sam = people
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/take", mere.get(path).marks)
    address = news_of(mere, path)
    if way == "undo":
        sam.post(f"{path}/close", close_form() | sam.get(path).marks)
        sam.post(f"{path}/undo-close", sam.get(path).marks)
    else:
        step = CaseAction(HOTLINE, sample.id, "in_progress", f"staff:{HOTLINE}/call_back")
        case_actions.perform(sample.database, step)
    assert holder(sample) == "mere"
    who = "sam" if way == "undo" else "The system of your hotline"
    said = mere.get(address).text
    assert f"{who} changed the status of this report at" in said and "It is still yours." in said


def test_what_the_hotlines_system_changed_was_not_passed_to_anybody(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    path = f"/reports/{sample.id}"
    sams = sam.get(path)
    mere.post(f"{path}/take", mere.get(path).marks)
    case_actions.perform(sample.database, CaseAction(HOTLINE, sample.id, "in_progress", f"staff:{HOTLINE}/call_back"))
    asked = sam.post(f"{path}/message", {"words": "We read it.", "do": "send"} | sams.marks)
    assert asked.status == 400 and "passed this report" not in asked.text
    assert "The system of your hotline took this report" in asked.text and "Nothing was done." in asked.text
