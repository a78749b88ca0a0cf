"""A button acts on the report that was read: newer words of the reporter are shown first."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select, update

from console.responses import MESSAGES
from console.views.case_actions import NOT_NOW, WROTE_MORE
from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store import pending_submissions
from reports.store.cases import case_actions
from reports.store.operations import delivery_actions
from reports.store.schema import tables as t
from reports.store.submissions import SealedCopy, Submission
from tests.console.running_console import HOTLINE
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.hotline_clients import first_delivery, store_report
from tests.support.staff import Page, Person, close_form, joined
from tokaut.local_stack.settings import StackPlan

pytestmark = pytest.mark.slow


@pytest.fixture
def report_id(made: StackPlan, console: Console) -> str:
    to = [(HOTLINE, "primary"), ("vu-police", "fallback")]
    return store_report(
        console.parts.database, made.folder.inside / "keys", to, body=SAMPLE.read_bytes(), priority="P3"
    )


@pytest.fixture
def mere(mere: Person, console: Console) -> Person:
    """Make mere's account older than any report."""
    with console.parts.database.write() as connection:
        connection.execute(update(t.staff).values(created_at=0))
    return mere


def more(made: StackPlan, console: Console, report_id: str, priority: str = "P1") -> None:
    """Submit the next revision, as the clock does."""
    database = console.parts.database
    with database.read() as connection:
        row = connection.execute(t.report.select().where(t.report.c.report_id == report_id)).one()
    public = load_public_keys(made.folder.inside / "keys", [HOTLINE])[HOTLINE]
    revision = row.revision + 1
    box = seal_body(public, SealContext("demo", report_id, revision, HOTLINE), b"{}", SAMPLE.read_bytes())
    sealed = SealedCopy(HOTLINE, "primary", "CATEGORY_FIRST", box.key_id, box.wrap, box.head, box.sealed)
    submission = Submission(
        report_id, row.origin_key, revision, row.created_at, "VU", "demo", priority, "complete", (sealed,)
    )
    pending_submissions.schedule_pending(database, submission, "update", database.now())
    for key in pending_submissions.list_due(database):
        pending_submissions.submit_due(database, key)


def shown_before(page: Page) -> dict[str, str]:
    """Return the hidden fields of this page's forms, with a new once-only token."""
    found = re.search(r'name="revision" value="(\d+)"', page.html)
    assert found
    return {**page.marks, "revision": found[1]}


@pytest.mark.parametrize(
    "pressed",
    [
        ("take", {}),
        ("work", {}),
        ("close", close_form()),
        ("close", close_form("hoax")),
        ("pass", {"to": ""}),
        ("decline", {"reason": "12", "sure": "1"}),
        ("hand-over", {"to": "vu-police", "reason": "12", "sure": "1"}),
    ],
)
def test_what_was_written_meanwhile_is_read_first(
    made: StackPlan, console: Console, mere: Person, report_id: str, pressed: tuple[str, dict[str, str]]
) -> None:
    (act, form), path = pressed, f"/reports/{report_id}"
    marks = shown_before(mere.get(path))
    more(made, console, report_id)
    page = mere.post(f"{path}/{act}", {**form, **marks})
    assert page.status == 400 and WROTE_MORE in page.text
    assert first_delivery(console.parts.database, report_id, HOTLINE).handling == "none"
    assert WROTE_MORE not in mere.post(f"{path}/{act}", {**form, **shown_before(page)}).text


def test_a_message_and_a_note_need_no_second_look(
    made: StackPlan, console: Console, mere: Person, report_id: str
) -> None:
    path = f"/reports/{report_id}"
    marks = shown_before(mere.get(path))
    more(made, console, report_id, "P3")
    for act, form in (("note", {"words": "12"}), ("message", {"words": "12", "do": "send"})):
        assert mere.post(f"{path}/{act}", {**form, **marks}).status == 303


def test_a_page_after_an_act_that_is_loaded_again_counts_as_read(
    made: StackPlan, console: Console, mere: Person, report_id: str
) -> None:
    """It shows the new words: the alarm about them must not go on."""
    path = f"/reports/{report_id}"
    after = mere.post(f"{path}/take", mere.get(path).marks).leads_to.partition("#")[0]
    assert "?said=" in after
    more(made, console, report_id)
    with console.parts.database.write() as connection:  # as the worker does
        connection.execute(update(t.delivery).values(state="delivered", delivered_at=t.delivery.c.created_at))
    assert "the reporter wrote more" in mere.get("/").text
    assert "New words from the reporter:" in mere.get(after).text
    assert "the reporter wrote more" not in mere.get("/").text


def said_to(console: Console, report_id: str) -> int:
    """Return the number of answers to the reporter."""
    with console.parts.database.read() as connection:
        return len(connection.execute(select(t.answer.c.answer_id).where(t.answer.c.report_id == report_id)).all())


@pytest.mark.rule("S-39")
@pytest.mark.parametrize("before", ["none", "accepted"])
def test_a_message_of_before_is_sent_and_takes_on_nothing_that_became_urgent(
    made: StackPlan, console: Console, mere: Person, report_id: str, before: str
) -> None:
    """Otherwise a message written before the report became urgent would stop the clock of P1."""
    path, database = f"/reports/{report_id}", console.parts.database
    if before == "accepted":
        mere.post(f"{path}/take", at=path)
    marks = shown_before(mere.get(path))
    more(made, console, report_id)
    sent = mere.post(f"{path}/message", {"words": "We read it.", "do": "send", **marks})
    assert sent.status == 303 and said_to(console, report_id) == 1
    assert first_delivery(database, report_id, HOTLINE).handling == "none"
    page = mere.get(sent.leads_to.partition("#")[0])
    assert MESSAGES["left_alone"][0] in page.text and "Not taken yet" in page.text
    mere.post(f"{path}/message", {"words": "We read it.", "do": "send", **marks})
    assert said_to(console, report_id) == 1, "pressed twice"
    mere.post(f"{path}/message", {"words": "We come.", "do": "send", **shown_before(mere.get(path))})
    assert first_delivery(database, report_id, HOTLINE).handling == "accepted" and said_to(console, report_id) == 2


@pytest.mark.rule("S-39")
def test_a_message_that_is_sent_as_it_becomes_urgent_takes_on_nothing(
    made: StackPlan, console: Console, mere: Person, report_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They held the report when the form came; a moment later the clock reset it."""
    path, write = f"/reports/{report_id}", case_actions.row_security.write_as
    mere.post(f"{path}/take", at=path)
    marks = shown_before(mere.get(path))

    def late(*who: Any) -> Any:
        monkeypatch.undo()
        more(made, console, report_id)
        return write(*who)

    monkeypatch.setattr("reports.store.cases.case_actions.row_security.write_as", late)
    assert mere.post(f"{path}/message", {"words": "We read it.", "do": "send", **marks}).leads_to.count("left_alone")
    assert (
        first_delivery(console.parts.database, report_id, HOTLINE).handling == "none"
        and said_to(console, report_id) == 1
    )


def holder(console: Console, report_id: str) -> str | None:
    with console.parts.database.read() as connection:
        return connection.execute(select(t.holding.c.holder).where(t.holding.c.report_id == report_id)).scalar()


@pytest.mark.parametrize("how", ["declined", "handed over", "closed"])
def test_what_a_colleague_gave_away_or_closed_meanwhile_is_nobodys_to_have(
    console: Console, mere: Person, report_id: str, how: str
) -> None:
    path, database = f"/reports/{report_id}", console.parts.database
    ana = joined(console.flask, database, "ana")
    ana.log_in()
    marks = shown_before(mere.get(path))
    ana.post(f"{path}/take", at=path)
    if how == "closed":
        ana.post(f"{path}/close", close_form(), at=path)
    elif how == "declined":
        ana.post(f"{path}/decline", {"reason": "12", "sure": "1"}, at=path)
    else:
        ana.post(f"{path}/hand-over", {"to": "vu-police", "reason": "12", "sure": "1"}, at=path)
        [asked] = delivery_actions.list_requested_transfers(database)
        assert delivery_actions.execute_transfer(database, asked)
    page = mere.post(f"{path}/take", marks)
    assert page.status == 400 and NOT_NOW in page.text
    assert first_delivery(database, report_id, HOTLINE).handling == ("closed" if how == "closed" else "rejected")
    assert holder(console, report_id) == "ana"


@pytest.mark.parametrize("revision", ["", "x", "²", "-1", "9" * 40])
def test_a_form_of_no_revision_is_taken_as_it_stands(mere: Person, report_id: str, revision: str) -> None:
    path = f"/reports/{report_id}"
    form = {**shown_before(mere.get(path)), "revision": revision}
    assert mere.post(f"{path}/take", form).status == 303


def test_i_have_it_holds_though_it_was_given_back_in_between(
    console: Console, mere: Person, report_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague held the report when the form came; a moment later it was raised and had no holder."""
    database, path = console.parts.database, f"/reports/{report_id}"
    ana = joined(console.flask, database, "ana")
    ana.log_in()
    assert ana.post(f"{path}/take", at=path).status == 303
    delivery = update(t.delivery).where(t.delivery.c.report_id == report_id, t.delivery.c.hotline == HOTLINE)
    write = case_actions.row_security.write_as

    def late(*who: Any) -> Any:
        with database.write() as connection:
            connection.execute(delivery.values(handling="none"))
        return write(*who)

    token = mere.get(path).token
    monkeypatch.setattr("reports.store.cases.case_actions.row_security.write_as", late)
    monkeypatch.setattr("reports.store.cases.case_view.write_as", late)
    assert mere.post(f"{path}/take", {"token": token, "over": "1"}).status == 303
    assert first_delivery(database, report_id, HOTLINE).handling == "accepted"
