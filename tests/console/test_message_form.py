"""The form for a message: its counter, the end of the phone's screen, and the state of a sent message."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from flows.pagination import GSM7_BASIC, size
from flows.staff_replies import MAX_SEPTETS, MAX_UNITS, room_for, split_at_edge
from reports.answer_notices import NoticeWay
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.sms import answer_notices
from runtime.time_units import DAY, HOUR, SECOND
from tests.console.running_console import HOTLINE
from tests.console.test_safe_hours import CALL, NO, at, told
from tests.support.console import Console
from tests.support.staff import Page, Person
from tokaut.local_stack.settings import StackPlan

TEXT = CALL | {"how": "sms"}
PULL = "The reporter sees the message when they next dial in and open My report."


def happens(page: Page) -> str:
    found = re.search(r'<p class="happens">(.*?)</p>', page.html)
    assert found
    return found[1].removeprefix(PULL).strip()


GOES_OUT = "Unless this phone has sent STOP, a text goes out"


@pytest.mark.rule("S-03")
@pytest.mark.parametrize(
    ("contact", "clock", "said"),
    [
        (NO, "12:00", "No text is sent: the reporter did not allow contact."),
        (CALL, "12:00", "No text is sent: the reporter allowed calls only."),
        (TEXT, "12:00", f"{GOES_OUT} now. It only asks them to dial."),
        (TEXT, "05:12", f"{GOES_OUT} after 08:00 (Pacific/Efate)"),
    ],
)
def test_the_form_says_whether_a_text_goes_out_and_when(
    console: Console, made: StackPlan, contact: dict[str, Any], clock: str, said: str
) -> None:
    mere = at(console, clock)
    page = mere.get(told(console, made, contact))
    assert PULL in page.html and happens(page).startswith(said)


def notices(console: Console, path: str, *rows: tuple[str, int | None, int | None]) -> None:
    names = ("answer_id", "due_at", "sent_at")
    with console.parts.database.write() as connection:
        for row in rows:
            connection.execute(insert(t.nudge), {"report_id": path[9:], **dict(zip(names, row, strict=True))})


def test_no_more_than_three_texts_and_no_old_permission(console: Console, made: StackPlan) -> None:
    mere, now = at(console, "12:00"), console.parts.database.now()
    path = told(console, made, TEXT)
    notices(console, path, ("1", None, now - HOUR))
    assert happens(mere.get(path)).startswith(f"{GOES_OUT} after "), "one in 24 hours"
    notices(console, path, ("2", None, now - 2 * DAY), ("3", None, now - 3 * DAY))
    assert happens(mere.get(path)) == "No text is sent: 3 were sent for this report already."
    old = told(console, made, TEXT)
    with console.parts.database.write() as connection:
        connection.execute(update(t.report).where(t.report.c.report_id == old[9:]).values(created_at=now - 31 * DAY))
    assert happens(mere.get(old)) == "No text is sent: the permission to text is older than 30 days."


@pytest.mark.parametrize(
    ("due", "sent", "said"),
    [
        (None, -1, "A text that asks them to dial was sent by SMS "),
        (1, None, "A text that asks them to dial goes out after "),
        (None, None, "No text of its own was sent for this message."),
    ],
)
def test_a_sent_message_says_what_became_of_its_text(
    console: Console, made: StackPlan, due: int | None, sent: int | None, said: str
) -> None:
    mere, now = at(console, "12:00"), console.parts.database.now()
    path = told(console, made, TEXT)
    assert mere.post(f"{path}/message", {"words": "Good evening.", "do": "send"}, at=path).status == 303
    assert said not in mere.get(path).text, "nothing was decided yet"
    with console.parts.database.read() as connection:
        answer_id = connection.execute(select(t.answer.c.answer_id)).scalar_one()
    row = (answer_id, due and now + HOUR, sent and now - HOUR)
    notices(console, path, row)
    assert said in mere.get(path).text


@pytest.mark.parametrize(
    ("sent", "by_sms", "said"),
    [
        (True, False, "The network was asked "),
        (True, True, "was sent by SMS "),
        (True, True, "The network had not confirmed that it showed the text by USSD."),
        (False, False, "The network has not confirmed that it showed the text by USSD. It goes out by SMS after "),
    ],
)
def test_a_text_by_ussd_is_not_called_an_sms(
    console: Console, made: StackPlan, sent: bool, by_sms: bool, said: str
) -> None:
    mere, now = at(console, "12:00"), console.parts.database.now()
    path = told(console, made, TEXT)
    assert mere.post(f"{path}/message", {"words": "Good evening.", "do": "send"}, at=path).status == 303
    with console.parts.database.write() as connection:
        answer_id = connection.execute(select(t.answer.c.answer_id)).scalar_one()
        row = {"answer_id": answer_id, "report_id": path[9:], "due_at": now + HOUR, "ussd_id": "u"}
        connection.execute(insert(t.nudge), row | {"sent_at": now - HOUR if sent else None})
        if by_sms:
            audit_log.append(connection, "clock", NoticeWay.SMS_AFTER_USSD, path[9:], now - HOUR)
    assert said in mere.get(path).text


def test_notices_of_another_hotline_s_report_are_not_seen(console: Console, made: StackPlan) -> None:
    database: Database = console.parts.database
    path = told(console, made, TEXT)
    notices(console, path, ("1", None, 5 * SECOND))
    assert [row.sent_at for row in answer_notices.list_notices(database, HOTLINE, path[9:]).rows] == [5 * SECOND]


@pytest.mark.parametrize(
    ("words", "fits", "over"),
    [
        ("a" * 120, "a" * 120, ""),
        ("a" * 121, "a" * 120, "a"),
        ("€" * 61, "€" * 60, "€"),
        ("\u014d" * 41, "\u014d" * 40, "\u014d"),
        ("\U0001f600" * 21, "\U0001f600" * 20, "\U0001f600"),
        ("", "", ""),
    ],
)
def test_the_screen_ends_where_its_alphabet_ends(words: str, fits: str, over: str) -> None:
    assert split_at_edge(words) == (fits, over)
    assert size(fits) <= room_for(words) <= MAX_SEPTETS and room_for("\u014d") == MAX_UNITS


def test_without_a_script_the_server_counts_and_marks_the_end(mere: Person, console: Console, made: StackPlan) -> None:
    path = told(console, made, NO)
    page = mere.post(f"{path}/message", {"words": "a" * 119 + "€", "do": "look"}, at=path)
    assert "121 of 120 characters: 1 too many." in page.text
    assert re.search(r'<p id="preview"[^>]*>a{119}<mark [^>]*>€</mark></p>', page.html)
    assert "One screen holds 120 characters, or 40" in mere.get(path).text


@pytest.mark.rule("S-25")
def test_are_you_safe_is_sent_without_a_question(mere: Person, console: Console, made: StackPlan) -> None:
    path = told(console, made, NO)
    looked = mere.post(f"{path}/message", {"words": "Are you safe?", "do": "look"}, at=path)
    assert "Please note: The first line says safe." in looked.text and 'name="anyway"' not in looked.html
    assert mere.post(f"{path}/message", {"words": "Are you safe?", "do": "send"}, at=path).status == 303


def test_the_script_counts_with_the_same_alphabet(mere: Person, console: Console, made: StackPlan) -> None:
    page = mere.get(told(console, made, NO))
    assert f'data-limits="{MAX_SEPTETS} {MAX_UNITS}"' in page.html
    found = re.search(r'data-basic="(.*?)" data-double="(.*?)"', page.html, re.DOTALL)
    assert found
    import_of = found[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")
    assert import_of.replace("&amp;", "&") == GSM7_BASIC.replace("\r", "")
