"""The timeline of a report: one list of all events, in order of time, with their texts."""

from __future__ import annotations

from types import SimpleNamespace as Row
from typing import Any

import pytest

from console.presenters.access_log import SENTENCES
from console.presenters.timeline import (
    ACTS,
    ADDED,
    NOTED,
    READ_OFTEN,
    RECEIVED,
    RECEIVED_MORE,
    TimelineEntry,
    timeline,
)
from reports.answer_notices import NOT_SENT, NoticeWay
from reports.exports import WITHOUT_CODE
from reports.store.cases import case_view
from reports.store.staff import accounts
from runtime.time_units import MINUTE, SECOND
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_list import SampleReport
from tests.support.console import Console
from tests.support.staff import Person
from tokaut.local_stack.settings import StackPlan

START = 1_800_000_000 * SECOND  # 2027-01-15T08:00:00Z


def act(minute: float, name: str, act: str) -> Any:
    return Row(at=START + int(minute * MINUTE), actor=f"staff:{HOTLINE}/{name}" if name else "clock", act=act)


def made(acts: list[Any], **more: Any) -> tuple[TimelineEntry, ...]:
    empty: dict[str, Any] = {"messages": (), "notes": (), "typed": (), "new": frozenset()}
    return timeline(START, acts, **{**empty, **more}, is_new=lambda at: at > "2027-01-15T08:05")


def test_all_that_happened_stands_in_the_order_of_time() -> None:
    said = [
        {"kind": "words", "text": "After four", "created_at": "2027-01-15T08:04:00Z", "message_id": "m"},
        {"kind": "contact_withdrawn", "created_at": "2027-01-15T08:06:00Z"},
    ]
    notes = [
        {"kind": "answer", "by": "nia", "at": START + 3 * MINUTE, "text": "When can you talk?"},
        {"kind": "note", "by": "sam", "at": START + 2 * MINUTE, "text": "Ask the aunt"},
        {"kind": "reason", "by": "sam", "at": START + 8 * MINUTE, "text": None},
    ]
    typed = [("Their own words", "", "first"), ("Added later", "2027-01-15T08:05:30Z", "later")]
    acts = [act(1, "nia", "accepted"), act(1, "nia", "holds"), act(2, "sam", "noted"), act(3, "nia", "answered")]
    acts += [act(9, "nia", "closed"), act(9, "nia", "closed:helped"), act(9, "", "made")]
    found = made(acts, messages=said, notes=notes, typed=typed, new={"m"})
    assert [(one.kind, one.sentence.format(**one.fields), one.text, one.is_new) for one in found] == [
        ("act", "The report was received.", None, False),
        ("act", "nia took the report.", None, False),
        ("note", "sam wrote a note for colleagues:", "Ask the aunt", False),
        ("ours", "nia wrote to the reporter:", "When can you talk?", False),
        ("theirs", "The reporter wrote:", "After four", True),
        ("act", "The reporter added words: see above, under “In their own words”.", None, True),
        ("theirs", "The reporter does not want to be contacted any more.", None, False),
        ("note", "sam said why it was passed on:", "It does not open with the keys that are here", False),
        ("act", "nia closed the report. Outcome: helped.", None, False),
    ]


def test_words_without_code_are_not_said_to_be_the_reporters() -> None:
    said = [{"kind": "words", "text": "It is over", "created_at": "2027-01-15T08:04:00Z", "without_code": True}]
    [_, entry] = made([], messages=said)
    assert (entry.sentence, entry.text) == (WITHOUT_CODE, "It is over")


def test_a_later_delivery_is_not_said_to_be_the_report() -> None:
    found = made([act(1, "", "delivered"), act(2, "", "delivered"), act(3, "", "delivered")])
    assert [one.sentence for one in found] == [RECEIVED, ACTS["delivered"], RECEIVED_MORE, RECEIVED_MORE]


@pytest.mark.parametrize("way", NoticeWay)
def test_how_the_reporter_was_asked_to_dial(way: NoticeWay) -> None:
    said = {
        NoticeWay.SMS: "A text message asked the reporter to dial in.",
        NoticeWay.USSD: "The network was asked to show a text by USSD that asks the reporter to dial in.",
        NoticeWay.SMS_AFTER_USSD: "A text message asked the reporter to dial in. The network had not confirmed that it "
        "showed the text by USSD.",
    }
    assert [one.sentence for one in made([act(1, "", way.value)])] == [RECEIVED, said[way]]
    not_sent = "The text message that asks the reporter to dial in was not sent."
    assert [one.sentence for one in made([act(1, "", way.value), act(9, "", NOT_SENT)])][2:] == [not_sent]


def test_readings_of_one_person_in_a_row_are_one_entry() -> None:
    acts = [act(1, "nia", "read"), act(2, "nia", "read"), act(3, "sam", "read"), act(4, "nia", "read")]
    acts += [act(5, "nia", "number_shown"), act(6, "nia", "read"), act(90, "nia", "read")]
    readings = [(one.sentence, one.fields["who"], one.count) for one in made(acts) if one.kind == "reading"]
    assert readings == [(READ_OFTEN, "nia", 2), *((SENTENCES["read"], who, 1) for who in ("sam", "nia", "nia", "nia"))]


def test_acts_within_one_second_stay_in_their_order() -> None:
    """A reporter's words have times in whole seconds, and come after the entry that the report was received."""
    note = {"kind": "note", "by": "nia", "at": START + 3, "text": "Ask the aunt"}
    actor = f"staff:{HOTLINE}/nia"
    acts = [Row(at=START + 2, actor=actor, act="read"), Row(at=START + 4, actor=actor, act="accepted")]
    entries = timeline(
        START + 1,
        acts,
        messages=(),
        notes=[note],
        typed=[("Added later", "2027-01-15T08:00:00Z", "later")],
        new=frozenset(),
        is_new=lambda _: False,
    )
    assert [one.sentence for one in entries] == [RECEIVED, ADDED, SENTENCES["read"], NOTED, SENTENCES["accepted"]]


def test_a_colleague_who_takes_it_over_is_named() -> None:
    acts = [act(1, "nia", "accepted"), act(1, "nia", "holds"), act(7, "sam", "holds")]
    assert [one.fields.get("who") for one in made(acts)] == [None, "nia", "sam"]


@pytest.fixture
def sample(console: Console, made: StackPlan) -> SampleReport:
    return SampleReport(console, made, None)


def test_a_note_goes_with_the_report_in_one_form(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, nia = people
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/take", mere.get(path).marks)
    seen = mere.get(path)
    given = mere.post(f"{path}/pass", {"to": "nia", "pass_note": "Ask the aunt first", **seen.marks})
    assert given.status == 303
    page = nia.get(path)
    assert "Passed to nia, not accepted yet" in page.text
    assert "mere passed the report to a colleague." in page.text
    assert "mere wrote a note for colleagues: Ask the aunt first" in page.text
    mere.post(f"{path}/pass", {"to": "nia", "pass_note": "Ask the aunt first", **seen.marks})
    assert nia.get(path).text.count("Ask the aunt first") == 1, "pressed twice it is written once"


def test_a_note_is_not_lost_if_the_report_was_not_passed(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, nia = people
    path = f"/reports/{sample.id}"
    seen = mere.get(path)
    nia.post(f"{path}/take", nia.get(path).marks)
    refused = mere.post(f"{path}/pass", {"to": "nia", "pass_note": "Ask the aunt first", **seen.marks})
    assert refused.status == 400 and "nia took this report" in refused.text
    assert "Ask the aunt first</textarea>" in refused.html
    assert "wrote a note" not in nia.get(path).text


@pytest.mark.rule("S-26")
def test_a_report_is_not_passed_to_who_is_kept_out_of_it(
    sample: SampleReport, people: tuple[Person, Person], ana: Person
) -> None:
    mere, path = people[0], f"/reports/{sample.id}"
    known = {one.name: one for one in accounts.list_accounts(sample.database, HOTLINE)}
    lead, nia = known[ana.name], known["nia"]
    case_view.set_access(sample.database, lead, sample.id, nia.staff_id, away=True)
    assert mere.post(f"{path}/pass", {"to": "nia"}, at=path).status == 400
    assert "Passed to" not in mere.get(path).text


@pytest.mark.rule("S-23")
def test_what_staff_of_another_hotline_did_is_not_in_it(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, stranger = people[0], accounts.list_accounts(sample.database, HOTLINE)[0]
    elsewhere = type(stranger)(**{**_fields(stranger), "hotline": OTHER, "name": "eti"})
    accounts.record_act(sample.database, elsewhere, "read", sample.id)
    assert "eti" not in mere.get(f"/reports/{sample.id}").text


def _fields(account: Any) -> dict[str, Any]:
    return {name: getattr(account, name) for name in type(account).__dataclass_fields__}
