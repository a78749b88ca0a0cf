"""A head, a report or a message of another version has fields of other shapes: it hides nothing else."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import insert
from structlog.testing import capture_logs

from console import bodies
from console.bodies import is_head
from console.presenters import reachability, referral, timeline
from console.presenters.case_rows import CaseListItem, reference
from console.presenters.follow_up import suggested_times
from console.presenters.reachability import reach
from console.presenters.report import PresentedReport, inert_text, present_report
from console.views import case_list
from flows.catalogues import ENGLISH_CATALOGUE
from reports.countries.opening_hours import parse_zone
from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_list import HOURS, SampleReport
from tests.console.test_older_bodies import LABELS, NOW, WHOLE, parts, without
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.staff import Person
from tokaut.local_stack.settings import StackPlan

ODD_HEADS = (
    *('{"place":"Port Vila"}', '{"place":{"name":["Port Vila"]}}', '{"contact":"no"}', '{"category":["harm"]}'),
    *("[1]", '"text"', "7", "null", "no JSON", "[" * 20_000, '{"danger":{"now":true}}', '{"age_band":["6-9"]}'),
    *('{"contact":{"how":["call"]}}', '{"contact":{"how":"call","safe_hours":"always"}}', '{"about":5}'),
)
ODD: tuple[Any, ...] = (
    *("words of another version", "", "\ud800", "0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00"),
    *(7, -1, 10**30, 1.5, True, False, [], [7], ["a text"], [{}], [[]], [{"text": ["deep"]}]),
    *({}, {"a": "b"}, {"name": ["Port Vila"]}, {"from": 8, "to": 16, "tz": []}, {"allowed": "no", "how": "call"}),
)
PAGES = ("/", "/rows", "/?category=luring", "/?category=harm", "/?place=vila", "/?place=vila&priority=P1", "/waiting")
ORIGIN = referral.Origin("id", HOTLINE, "Pikinini", "mere", 1_800_000_000, "today")
EVERY_SECTION = referral.ReferralRequest("A clinic", "Care", "duty", "", tuple(referral.SECTIONS))


def store(console: Console, made: StackPlan, head: str, body: Any = WHOLE, priority: str = "P1") -> str:
    where, keys = [(HOTLINE, "primary"), (OTHER, "also")], made.folder.inside / "keys"
    data = json.dumps(body).encode()
    return store_report(console.parts.database, keys, where, head=head.encode(), body=data, priority=priority)


@pytest.mark.parametrize("head", ODD_HEADS, ids=lambda head: head[:40])
def test_a_head_of_another_shape_hides_no_other_report(
    console: Console, made: StackPlan, mere: Person, head: str
) -> None:
    good = SampleReport(console, made, {"place": {"name": "Port Vila", "group": None}})
    with capture_logs() as logs:
        odd = store(console, made, head)
        pages = {address: mere.get(address) for address in PAGES}
        mere.post(f"/reports/{odd}/take", at=f"/reports/{odd}")
        pages["/shift"] = mere.get("/shift")
        pages["report"] = mere.get(f"/reports/{good.id}")
    assert {address: page.status for address, page in pages.items()} == dict.fromkeys(pages, 200)
    for address in ("/", "/rows", "/shift"):
        assert f"/reports/{odd}" in pages[address].html and "It does not open" in pages[address].text, address
        assert "P1" in pages[address].text and reference(odd) in pages[address].text
    assert all(f"/reports/{good.id}" in pages[address].html for address in ("/", "/rows", "/?category=luring"))
    failed = [entry for entry in logs if entry["event"] == "head_unreadable"]
    assert failed and all(entry["report_id"] == odd and entry["hotline"] == HOTLINE for entry in failed)
    assert set().union(*failed) == {"event", "log_level", "report_id", "hotline"}


def test_a_row_that_cannot_be_made_hides_no_other(console: Console, made: StackPlan, mere: Person) -> None:
    good, bad = SampleReport(console, made, None), SampleReport(console, made, {"category": "harm"})
    make = case_list.list_item

    def fail_once(row: Any, head: Any, *more: Any) -> CaseListItem:
        assert head.get("category") != "harm"
        return make(row, head, *more)

    with patch.object(case_list, "list_item", fail_once), capture_logs() as logs:
        page = mere.get("/")
    assert page.status == 200 and "It does not open" in page.text and "Take within" in page.text
    assert f"/reports/{good.id}" in page.html and f"/reports/{bad.id}" in page.html
    (failed,) = [entry for entry in logs if entry["event"] == "row_failed"]
    assert (failed["report_id"], failed["hotline"]) == (bad.id, HOTLINE)


def test_a_priority_or_a_status_of_another_version_hides_no_other(
    console: Console, made: StackPlan, mere: Person
) -> None:
    good, odd, moved = (SampleReport(console, made, None) for _ in range(3))
    odd.is_now(t.delivery, priority="P0")
    moved.is_now(t.delivery, handling="elsewhere")
    for address in ("/", "/rows"):
        page = mere.get(address)
        assert page.status == 200 and "P0" in page.text, address
        assert f"/reports/{good.id}" in page.html and f"/reports/{odd.id}" in page.html, address
    for one in (good, odd, moved):
        assert mere.get(f"/reports/{one.id}").status == 200


def test_a_head_may_lack_fields_and_have_others() -> None:
    head = {"category": "harm", "place": None, "contact": {"how": "call", "safe_hours": HOURS}, "later": [1]}
    assert is_head({}) and is_head(head) and is_head({**head, "place": {"code": "VU-SEE", "name": None}})


def everything(report: dict[str, Any]) -> str:
    """Return what staff see of a report: its page, its forms and its referral forms."""
    presented = present_report(report, LABELS)
    contact = bodies.complete_report(report)["contact"]
    reach(contact, "", NOW)
    suggested_times(NOW, parse_zone("Pacific/Efate"), contact)
    lines = referral.referral_lines(EVERY_SECTION, ORIGIN, report, LABELS, ENGLISH_CATALOGUE.translate)
    form = referral.referral_json(EVERY_SECTION, ORIGIN, report)
    entries = timeline.timeline(
        NOW, [], messages=[report], notes=[], typed=presented.words, new=frozenset(), is_new=bool
    )
    texts = [presented.title, presented.priority, *presented.flags, *presented.why, *texts_of(presented)]
    assert all(0 <= entry.at < 10**17 for entry in entries)
    assert all(isinstance(text, str) for _, text in lines) and form["schema"] == "cop-referral"
    "\n".join(texts).encode()  # a page can hold it
    return "\n".join(texts)


def texts_of(presented: PresentedReport) -> list[str]:
    facts, words = (answer for _, answer in presented.facts), (text for _, _, text in presented.words)
    return [*facts, *words, *(text for one in presented.asked for text in (one.question, one.answer))]


@pytest.mark.parametrize("put", ODD, ids=lambda put: ascii(put)[:30])
def test_one_field_of_another_shape_hides_no_other(put: Any) -> None:
    narrative, place = inert_text(WHOLE["narrative"]), WHOLE["place"]["name"]
    for way in parts(WHOLE):
        shown = everything(without(way, put))
        assert narrative in shown or way[0] == "narrative", way
        assert place in shown or way[0] == "place", way


@pytest.mark.parametrize(
    ("name", "put", "shown"),
    [
        ("narrative", ["he waits", "at the bus"], '["he waits", "at the bus"]'),
        ("additions", ["he waits"], "he waits"),
        ("unasked", "he waits", "he waits"),
        ("place", "Port Vila", "Port Vila"),
    ],
)
def test_words_of_another_shape_are_shown(name: str, put: Any, shown: str) -> None:
    assert shown in everything({**WHOLE, name: put})


@pytest.mark.parametrize("put", ["vu-police", [{"id": "vu-police"}], [["vu-police"]]], ids=str)
def test_a_hotline_that_the_reporter_left_out_is_named_in_any_shape(put: Any) -> None:
    report = {**WHOLE, "routing": {**WHOLE["routing"], "avoid": put}}
    ((_, fields),) = present_report(report, LABELS).restrictions
    assert "vu-police" in fields["who"]


def test_a_name_without_letters_leaves_no_service_out() -> None:
    assert "to" not in EVERY_SECTION.problems(["", "[]"]) and "to" in EVERY_SECTION.problems(["clinic"])


@pytest.mark.rule("S-03")
@pytest.mark.parametrize("put", [*ODD, None], ids=lambda put: ascii(put)[:30])
def test_a_number_whose_terms_have_another_shape_is_not_shown(put: Any) -> None:
    number = WHOLE["contact"]["msisdn"]
    for way in parts(WHOLE["contact"]):
        if (put is True and way == ("allowed",)) or (isinstance(put, str) and put):
            continue
        report = without(("contact", *way), put)
        assert bodies.complete_report(report)["contact"] == bodies.NO_CONTACT, way
    others = {name: value for name, value in WHOLE["contact"].items() if name != "msisdn"}
    for contact in (number, [number], {**WHOLE["contact"], "allowed": "no"}, {**others, "phones": [number]}):
        export = reachability.withhold_numbers({"report": {**WHOLE, "contact": contact}, "said": []})
        assert export["number_withheld"] and number not in json.dumps(export["report"]["contact"])


@pytest.mark.parametrize("is_withdrawn", [False, True], ids=["allowed", "withdrawn"])
def test_the_page_of_a_report_of_another_shape_opens(
    console: Console, made: StackPlan, ana: Person, is_withdrawn: bool
) -> None:
    names = sorted(set(WHOLE) - {"narrative"})
    for put in ODD:
        odd = store(console, made, "{}", {"narrative": "made up", **dict.fromkeys(names, put)})
        fields = ({name: put} for name in bodies.MESSAGE_DEFAULTS)
        leave_messages(console, made, odd, [{"text": "still here"}, *fields, put])
        if is_withdrawn:
            with console.parts.database.write() as connection:
                connection.execute(insert(t.contact), {"report_id": odd, "allowed": 0, "changed_at": 1})
        page = ana.get(f"/reports/{odd}")
        assert page.status == 200 and "made up" in page.text and "still here" in page.text, put
        assert ana.post(f"/reports/{odd}/print", at=f"/reports/{odd}").status == 200, put


@pytest.mark.parametrize("is_withdrawn", [False, True], ids=["allowed", "withdrawn"])
@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_have_is_downloaded_as_text(
    console: Console, made: StackPlan, ana: Person, number: str, is_withdrawn: bool
) -> None:
    keys, body = made.folder.inside / "keys", json.dumps(WHOLE | {"score": 7.5}).replace("7.5", number)
    odd = store_report(console.parts.database, keys, [(HOTLINE, "primary")], head=b"{}", body=body.encode())
    if is_withdrawn:
        with console.parts.database.write() as connection:
            connection.execute(insert(t.contact), {"report_id": odd, "allowed": 0, "changed_at": 1})
    found = ana.get(f"/reports/{odd}/export")
    assert found.status == 200
    report = json.loads(found.html)["report"]
    assert report["score"] == number and report["narrative"] == WHOLE["narrative"]


def leave_messages(console: Console, made: StackPlan, report_id: str, messages: list[Any]) -> None:
    database = console.parts.database
    public = load_public_keys(made.folder.inside / "keys", [HOTLINE])[HOTLINE]
    with database.write() as connection:
        for number, message in enumerate(messages, 1):
            message_id = new_id(database.now() + number)
            context = SealContext.of_message("demo", report_id, message_id, HOTLINE)
            box = seal_body(public, context, b"", json.dumps(message).encode())
            row = {"message_id": message_id, "recipient": HOTLINE, "report_id": report_id, "number": number}
            sealed = {"created_at": 1, "key_id": box.key_id, "wrap": box.wrap, "sealed": box.sealed}
            connection.execute(insert(t.message), row | sealed)
