"""A report in the console: listed, opened, taken, answered, passed on, closed; and its reporter's phone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from sqlalchemy import select

from reports.store.cases import case_view
from reports.store.engine.database import DatabaseUnavailable
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t
from runtime.visible_text import safe_for_display
from tests.safeguarding.call_paths import IN_DANGER, PHONE, TO_SEND, TO_SENT, dial_path, number
from tests.support.app import App
from tests.support.console import Console
from tests.support.staff import Person, close_form, joined, pass_time

pytestmark = pytest.mark.slow

CODE = re.compile(r"Code (\d{4}) (\d{4}),?\s+PIN (\d{4})")
WORDS = "The boat leaves before the school bell rings"
MESSAGE = "Hello. We have read it.\nWhen can you talk?"


def closed(report_id: str) -> str:
    return f"/?said=closed&closed={report_id}#said"


class Tags(HTMLParser):
    """Tags and addresses that a browser parses from a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")]
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))


@dataclass
class WebAndConsole:
    app: App
    console: Console
    mere: Person
    ana: Person  # a lead

    def submit(self, phone: str = PHONE, *more: str) -> str:
        """Send a report and return its id."""
        before = {row.report_id for row in self.app.rows(t.report)}
        self.screens = dial_path(self.app.ussd(phone), *TO_SENT, *more)
        (made,) = {row.report_id for row in self.app.rows(t.report)} - before
        return str(made)

    def acts(self) -> list[tuple[str, str, str]]:
        with self.console.parts.database.read() as connection:
            rows = connection.execute(select(t.audit).order_by(t.audit.c.at, t.audit.c.audit_id))
            return [(row.actor.rpartition("/")[2], row.act, row.object_id) for row in rows]

    def handling(self, report_id: str) -> str:
        rows = [row for row in self.app.rows(t.delivery) if row.report_id == report_id and row.type == "created"]
        return str(rows[0].handling)

    def someone(self, name: str, hotline: str = "vu-pikinini", role: str = "staff") -> Person:
        one = joined(self.console.flask, self.console.parts.database, name, role, hotline)
        one.log_in()
        return one


@pytest.fixture
def site(redis_url: str) -> Iterator[WebAndConsole]:
    app = App(redis_url)
    console = Console(app.plan.settings)
    people = [
        joined(console.flask, console.parts.database, name, role) for name, role in (("mere", "staff"), ("ana", "lead"))
    ]
    for one in people:
        one.log_in()
    yield WebAndConsole(app, console, *people)
    console.close()
    app.close()


def path(report_id: str, act: str = "") -> str:
    return f"/reports/{report_id}" + (f"/{act}" if act else "")


@pytest.mark.rule("S-24")
def test_the_list_holds_no_words_and_opening_is_another_step(site: WebAndConsole) -> None:
    report_id = site.submit(PHONE, WORDS, "Done")
    site.app.submit_due_within(300)
    page = site.mere.get("/")
    assert "P2 Asked for photos or money" in page.text and "Shefa" in page.text and "Take within" in page.text
    assert WORDS not in page.html and "13-15" not in page.html
    assert not [act for _, act, _ in site.acts() if act == "read"]
    opened = site.mere.get(path(report_id))
    assert WORDS in opened.text
    for said in (
        "Do not call or text. You can only leave a message",
        "Somebody asks a child for photos, money or a meeting.",
        "13-15",
        "Shefa",
        "Are you or a child in danger?",
        "How old are you?",
    ):
        assert said in opened.text, said


@pytest.mark.rule("S-23")
@pytest.mark.rule("X-15")
def test_each_reading_leaves_a_line_before_anything_is_shown(
    site: WebAndConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_id = site.submit()
    for _ in range(2):
        assert site.mere.get(path(report_id)).status == 200
    assert [(who, about) for who, act, about in site.acts() if act == "read"] == [("mere", report_id)] * 2

    def broken(*_: object) -> None:
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(case_view, "_record_read", broken)
    page = site.mere.get(path(report_id))
    assert page.status == 503 and "Shefa" not in page.text


@pytest.mark.rule("X-15")
def test_who_reads_very_many_is_told_of(site: WebAndConsole) -> None:
    ids = [site.submit(number(n)) for n in range(4)]
    case_view.MAX_READS_PER_HOUR = 3
    try:
        for one in ids:
            site.mere.get(path(one))
    finally:
        case_view.MAX_READS_PER_HOUR = 60
    assert [who for who, act, _ in site.acts() if act == "read_many"] == ["mere"]
    assert "mere has opened more than 60 reports within an hour." in site.ana.get("/audit").text


@pytest.mark.rule("S-23")
@pytest.mark.rule("A-35")
@pytest.mark.rule("X-14")
@pytest.mark.rule("B-80")
def test_another_hotline_s_report_is_as_one_that_there_is_not(site: WebAndConsole) -> None:
    report_id = site.submit()
    eti = site.someone("eti", "vu-police", "lead")
    unknown = "01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"
    nowhere = eti.get(path(unknown))
    assert nowhere.status == 404
    for one in (report_id, unknown, "x", "0", "..%2f1", "9" * 5000, f"{report_id}x", report_id.upper()):
        assert (eti.get(path(one)).status, eti.get(path(one)).html) == (404, nowhere.html), one
        assert eti.get(path(one, "export")).html == nowhere.html
        for act in ("take", "work", "message", "pass", "decline", "close", "note", "away"):
            page = eti.post(path(one, act), {"words": "x", "outcome": "helped", "reason": "x"}, at="/me")
            assert (page.status, page.html) == (404, nowhere.html), (one, act)
    assert "No report is open." in eti.get("/").text
    assert {act for who, act, about in site.acts() if who == "eti" and about == report_id} == {"not_given"}
    assert site.handling(report_id) == "none"


def test_a_whole_day_of_a_report(site: WebAndConsole) -> None:
    """Take it; look at a message, then send it; the reporter reads it and answers; close it."""
    report_id = site.submit()
    code, digits, pin = CODE.search(site.screens[-1]).groups()  # type: ignore[union-attr]  # the Sent screen
    assert site.mere.post(path(report_id, "take"), at=path(report_id)).leads_to.startswith(path(report_id))
    assert (site.handling(report_id), "Taken by: mere" in site.mere.get("/").text) == ("accepted", True)
    looked = site.mere.post(path(report_id, "message"), {"words": MESSAGE, "do": "look"}, at=path(report_id))
    assert "42 of 120 characters" in looked.text and site.app.count(t.answer) == 0
    assert (
        site.mere.post(path(report_id, "message"), {"words": MESSAGE, "do": "send"}, at=path(report_id)).status == 303
    )
    phone = site.app.ussd(PHONE)
    screens = dial_path(phone, "My report", code + digits, pin, "Messages (1)")
    assert "When can you talk?" in screens[-1]
    assert "When can you talk?" in site.mere.get(path(report_id)).text, "and the desk knows what it has said"
    dial_path(site.app.ussd(PHONE), "My report", code + digits, pin, "Write", "After four")
    site.app.submit_due_within(300)
    assert site.mere.post(path(report_id, "work"), at=path(report_id)).status == 303
    choices = site.mere.get(path(report_id)).html.partition('name="outcome"')[2]
    assert choices.startswith(' form="writing"><option value="">'), "one touch too many closes nothing as helped"
    assert site.mere.post(path(report_id, "close"), {"outcome": ""}, at=path(report_id)).status == 400
    assert site.mere.post(path(report_id, "close"), close_form(), at=path(report_id)).leads_to == closed(report_id)
    assert site.handling(report_id) == "closed"
    assert report_id not in site.mere.get("/").html
    assert "Closed: helped" in site.mere.get(path(report_id)).text
    acts = [act for who, act, about in site.acts() if who == "mere"]
    assert [act for act in acts if act != "read"][2:] == [
        *("accepted", "holds", "answered", "in_progress", "holds", "closed", "closed:helped")
    ]


@pytest.mark.rule("S-25")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Send us a picture of it", "asks for pictures"),
        ("See www.example.org", "a link"),
        ("Call 5550199", "Only checked helpline numbers"),
        ("x" * 130, "one screen has room for 120"),
        ("", "The message is empty"),
        ("The police will come", "promises something"),
    ],
)
def test_what_may_not_be_sent_is_not_sent(site: WebAndConsole, words: str, said: str) -> None:
    report_id = site.submit()
    page = site.mere.post(path(report_id, "message"), {"words": words, "do": "send"}, at=path(report_id))
    assert said in page.text and site.app.count(t.answer) == 0
    assert site.handling(report_id) == "none"


def test_what_only_looks_wrong_is_sent_when_it_is_meant(site: WebAndConsole) -> None:
    report_id = site.submit()
    form = {"words": "You are safe now", "do": "send"}
    assert "Please check:" in site.mere.post(path(report_id, "message"), form, at=path(report_id)).text
    assert site.mere.post(path(report_id, "message"), {**form, "anyway": "1"}, at=path(report_id)).status == 303
    assert site.app.count(t.answer) == 1 and site.handling(report_id) == "accepted"


@pytest.mark.rule("S-36")
def test_a_hoax_needs_a_second_person_and_changes_nothing_for_the_next(site: WebAndConsole) -> None:
    with site.console.parts.database.write() as connection:
        connection.execute(t.staff.update().values(created_at=0))  # older than the report
    report_id = site.submit()
    form = close_form("hoax")
    marked = site.mere.post(path(report_id, "close"), form, at=path(report_id))
    assert marked.leads_to == f"{path(report_id)}?said=hoax_marked#said"
    assert (
        "You marked this as a false report yourself"
        in site.mere.post(path(report_id, "close"), form, at=path(report_id)).text
    )
    assert site.handling(report_id) == "none"
    assert "mere marked this as a false report (" in site.ana.get(path(report_id)).text
    assert site.ana.post(path(report_id, "close"), form, at=path(report_id)).leads_to == closed(report_id)
    assert site.handling(report_id) == "closed"
    next_report = site.submit(PHONE)
    assert next_report in site.mere.get("/").html


def test_notes_are_for_colleagues_and_sealed(site: WebAndConsole) -> None:
    report_id = site.submit()
    sentence = "Ask for the aunt when you call"
    assert site.mere.post(path(report_id, "note"), {"words": sentence}, at=path(report_id)).status == 303
    assert sentence in site.ana.get(path(report_id)).text
    kept = site.app.rows(t.note)
    assert len(kept) == 1 and sentence.encode() not in kept[0].sealed


def test_handed_to_a_colleague_in_two_steps_and_to_another_hotline_with_a_reason(site: WebAndConsole) -> None:
    report_id = site.submit()
    site.mere.post(path(report_id, "take"), at=path(report_id))
    assert site.mere.post(path(report_id, "pass"), {"to": "ana"}, at=path(report_id)).status == 303
    assert report_id in site.ana.get("/?tab=mine").html and report_id not in site.mere.get("/?tab=mine").html
    assert site.mere.post(path(report_id, "pass"), {"to": "nobody"}, at=path(report_id)).status == 400
    assert (
        "Write why you decline" in site.ana.post(path(report_id, "decline"), {"reason": " "}, at=path(report_id)).text
    )
    no_tick = site.ana.post(path(report_id, "decline"), {"reason": "Not for us"}, at=path(report_id))
    assert "Tick that you understand" in no_tick.text
    given = {"reason": "Not for us", "sure": "1"}
    assert site.ana.post(path(report_id, "decline"), given, at=path(report_id)).status == 303
    assert site.handling(report_id) == "rejected"
    page = site.mere.post(path(report_id, "close"), close_form(), at=path(report_id))
    assert page.status == 400 and "cannot follow" in page.text


@pytest.mark.rule("S-26")
def test_who_is_kept_out_of_a_report_sees_no_trace_of_it(site: WebAndConsole) -> None:
    report_id = site.submit()
    site.someone("nia")  # somebody besides the lead must be able to open it
    who = next(row.staff_id for row in site.app.rows(t.staff) if row.name == "mere")
    assert site.ana.post(path(report_id, "away"), {"who": who}, at=path(report_id)).status == 303
    nowhere = site.mere.get(path("01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"))
    assert site.mere.get(path(report_id)).html == nowhere.html
    assert "No report is open." in site.mere.get("/").text
    site.mere.post("/lock", at="/me")
    assert "Urgent reports waiting: 0" in site.mere.get("/locked").text
    assert site.ana.post(path(report_id, "away"), {"who": who, "do": "back"}, at=path(report_id)).status == 303
    site.mere.post("/locked", {"password": site.mere.password}, at="/locked")
    assert site.mere.get(path(report_id)).status == 200


@pytest.mark.rule("S-13")
def test_reports_of_one_phone_are_linked_without_the_number(site: WebAndConsole) -> None:
    """From one phone: three without the number, two with it; from another phone one. Hotlines get no links."""
    first, second = site.submit(), site.submit(PHONE, WORDS, "Done")
    gave = (*TO_SEND[:-1], "SMS 8am-4pm", "Send")
    before = {row.report_id for row in site.app.rows(t.report)}
    for _ in range(2):
        dial_path(site.app.ussd(PHONE), *gave)
    third, fourth = sorted({row.report_id for row in site.app.rows(t.report)} - before, key=by_time(site))
    stranger, last = site.submit("+6785550102"), site.submit()
    site.app.submit_due_within(300)
    every = (first, second, third, fourth, stranger, last)
    linked = {one: {other for other in every if path(other) in links(site, one)} for one in every}
    assert linked == {
        first: set(),
        second: {first},
        third: set(),
        fourth: {third},
        stranger: set(),
        last: {first, second},
    }
    assert "4 reports in the 24 hours before this one." in site.mere.get(path(last)).text
    bodies = site.app.rows(t.report_body)
    assert len({len(row.head) for row in bodies if row.report_id in (first, second, stranger, last)}) == 1
    delivered = json.dumps([kept.data for kept in site.app.bodies([last])])
    assert not [one for one in every[:-1] if one in delivered]


def links(site: WebAndConsole, report_id: str) -> list[str]:
    """Return the addresses in the page's list of earlier reports."""
    tags = Tags()
    tags.feed(site.mere.get(path(report_id)).html.partition('id="earlier"')[2].partition("</section>")[0])
    return tags.addresses


def by_time(site: WebAndConsole) -> Callable[[str], int]:
    sent_at = {row.report_id: row.created_at for row in site.app.rows(t.delivery) if row.type == "created"}
    return lambda report_id: int(sent_at[report_id])


@pytest.mark.rule("X-16")
@pytest.mark.rule("A-02")
@pytest.mark.rule("A-06")
@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script>",
        "'\"><img src=x onerror=alert(1)>",
        "</textarea></blockquote><svg/onload=alert(1)>",
        "javascript:alert(1)",
        "https://example.org/a?b=1",
        "{{9*9999}} ${9*9999} %s {0.__class__}",
        "\u202eevil\u202c \u200b",
        "&lt;b&gt; &amp;",
        "4111 1111 1111 1111",
    ],
)
def test_words_are_words(site: WebAndConsole, words: str) -> None:
    report_id = site.submit(PHONE, words, "Done")
    site.app.submit_due_within(300)
    site.mere.post(path(report_id, "note"), {"words": words}, at=path(report_id))
    page = site.mere.get(path(report_id))
    tags = Tags()
    tags.feed(page.html)
    assert tags.scripts == ["/static/console.js"] and not {"img", "svg", "b", "iframe"} & tags.names
    assert not [name for name in tags.attributes if name.startswith("on") or name == "style"]
    assert all(address.startswith(("/", "#")) for address in tags.addresses)
    assert "89991" not in page.text
    if words.startswith("4111"):
        assert "4111 1111" not in page.text and "16 digits that look like a card, ending 11" in page.text
    elif words.startswith("https"):
        assert "hxxps://example.org/a?b=1" in page.text
    else:
        assert " ".join(safe_for_display(words).split()) in page.text


@pytest.mark.rule("A-34")
def test_an_export_is_a_lead_s_is_asked_again_and_is_written_down(site: WebAndConsole) -> None:
    report_id = site.submit()
    assert site.mere.get(path(report_id, "export")).status == 404
    pass_time(site.console.parts.database, 360)
    assert site.ana.get(path(report_id, "export")).leads_to == f"/check?then={path(report_id, 'export')}"
    form = {"password": site.ana.password, "code": site.ana.code(), "then": path(report_id, "export")}
    site.ana.post("/check", form, at="/check")
    page = site.ana.get(path(report_id, "export"))
    found = json.loads(page.html)
    assert found["report"]["report_id"] == report_id
    assert page.headers["Content-Disposition"] == f'attachment; filename="report-{report_id}.json"'
    assert ("ana", "exported:json", report_id) in site.acts()


def test_filters(site: WebAndConsole) -> None:
    one = site.submit(number(1))
    other = site.submit(number(2))
    site.mere.post(path(other, "take"), at=path(other))

    def shown(query: str) -> list[bool]:
        html = site.mere.get(f"/?{query}").html
        return [one in html, other in html]

    assert shown("tab=unassigned") == [True, False]
    assert shown("tab=mine") == [False, True] and shown("tab=others") == shown("tab=waiting") == [False] * 2
    assert (
        shown("tab=closed") == shown("priority=P1") == shown("category=bullying") == shown("place=Tanna") == [False] * 2
    )
    assert (
        shown("priority=P2") == shown("category=luring") == shown("place=shef") == shown("tab=nonsense") == [True] * 2
    )
    assert shown("page=999999") == shown("page=-1") == shown("") == [True] * 2
    assert site.mere.get("/?a=%ff").status == 400
    rows = site.mere.get("/rows?tab=unassigned").html
    assert one in rows and other not in rows and "<html" not in rows


def test_urgent_first_then_the_oldest(site: WebAndConsole) -> None:
    older, newer = site.submit(number(1)), site.submit(number(2))
    dial_path(site.app.ussd(number(3)), *IN_DANGER, "Send")
    html = site.mere.get("/").html
    urgent = next(row.report_id for row in site.app.rows(t.report) if row.priority == "P1")
    found = [html.index(one) for one in (urgent, older, newer)]
    assert found == sorted(found)
    site.mere.post("/lock", at="/me")
    assert "Urgent reports waiting: 3" in site.mere.get("/locked").text


def test_who_writes_again_after_it_was_closed_stands_on_the_list_until_somebody_reads_it(site: WebAndConsole) -> None:
    """The phone said "You can write more", but nobody searches the closed reports."""
    site.console.parts.database.offset = 0  # the same time as on the phone's side
    report_id = site.submit()
    code, digits, pin = CODE.search(site.screens[-1]).groups()  # type: ignore[union-attr]  # the Sent screen
    assert site.mere.post(path(report_id, "close"), close_form(), at=path(report_id)).leads_to == closed(report_id)
    assert report_id not in site.mere.get("/").html
    dial_path(site.app.ussd(PHONE), "My report", code + digits, pin, "Write", "It is worse now")
    for message_id, about in correspondence.list_undelivered_messages(site.app.database):
        correspondence.deliver_message(site.app.database, message_id, about)
    page = site.ana.get("/")
    assert report_id in page.html and "the reporter wrote more" in page.text
    assert "It is worse now" in site.ana.get(path(report_id)).text
    assert report_id not in site.ana.get("/").html, "read, and still closed"
