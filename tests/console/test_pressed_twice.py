"""A button pressed twice, or a form sent again: one effect, and complete or none."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Table, select

from reports.store.cases import case_status, case_view
from reports.store.engine.database import DatabaseUnavailable
from reports.store.schema import tables as t
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.hotline_clients import first_delivery, store_report
from tests.support.staff import Person, close_form
from tokaut.local_stack.settings import StackPlan

HELLO = "Hello. We have read it."
MESSAGE = {"words": HELLO, "do": "send"}
BUSY = 503  # HTTP status
KEPT: dict[str, tuple[dict[str, str], Table, int]] = {
    # act: (its form, a table, the number of rows in it afterwards)
    "take": ({}, t.holding, 1),
    "message": (MESSAGE, t.answer, 1),
    "note": ({"words": "Called the aunt"}, t.note, 1),
    "pass": ({"to": ""}, t.holding, 1),
    "decline": ({"reason": "Not for us", "sure": "1"}, t.note, 1),
    "hand-over": ({"to": "vu-police", "reason": "They are nearer", "sure": "1"}, t.note, 1),
    "close": (close_form(), t.holding, 1),
}


@pytest.fixture
def report(made: StackPlan, console: Console) -> str:
    where = [("vu-pikinini", "primary"), ("vu-police", "fallback")]
    return store_report(console.parts.database, made.folder.inside / "keys", where, body=SAMPLE.read_bytes())


def count(console: Console, table: Table, **having: object) -> int:
    with console.parts.database.read() as connection:
        rows = connection.execute(select(table)).mappings()
        return sum(all(row[name] == value for name, value in having.items()) for row in rows)


def acts(console: Console, actor: str = "mere") -> list[str]:
    """Return the acts, without reading."""
    query = select(t.audit.c.act).where(t.audit.c.actor == f"staff:vu-pikinini/{actor}", t.audit.c.act != "read")
    with console.parts.database.read() as connection:
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize("act", KEPT)
def test_it_is_done_once(console: Console, mere: Person, report: str, act: str) -> None:
    form, table, most = KEPT[act]
    path = f"/reports/{report}"
    full = {**form, **mere.get(path).marks}
    assert mere.post(f"{path}/{act}", full).status == 303
    done = acts(console)
    for _ in range(2):
        assert mere.post(f"{path}/{act}", full).leads_to.partition("?")[0] == path, "and nobody is told that it failed"
    assert (count(console, table), acts(console)) == (most, done)


def test_two_at_the_same_moment_leave_one_message(console: Console, mere: Person, report: str) -> None:
    path, at = f"/reports/{report}", threading.Barrier(4)
    full = {**MESSAGE, **mere.get(path).marks}
    came: list[int] = []

    def press() -> None:
        one = mere.another_browser()
        one.client.set_cookie("__Host-tokaut", cookie.value, domain="desk.example", secure=True)
        at.wait(60)
        while (status := one.post(f"{path}/message", full).status) == BUSY:
            pass  # the page asks to try again: on a busy machine the database may be locked for a second
        came.append(status)

    cookie = mere.client.get_cookie("__Host-tokaut", domain="desk.example")
    assert cookie
    presses = [threading.Thread(target=press) for _ in range(4)]
    for one in presses:
        one.start()
    for one in presses:
        one.join()
    assert came == [303] * 4 and count(console, t.answer) == 1
    assert acts(console)[-3:] == ["accepted", "answered", "holds"]


def test_other_words_are_another_message_also_from_a_page_that_was_kept(
    console: Console, mere: Person, report: str
) -> None:
    path = f"/reports/{report}"
    marks = mere.get(path).marks
    for words in (HELLO, "Hello. When can you talk?"):
        assert mere.post(f"{path}/message", {**MESSAGE, **marks, "words": words}).status == 303
    assert mere.post(f"{path}/message", {**MESSAGE, **mere.get(path).marks, "anyway": "1"}).status == 303
    assert count(console, t.answer) == 3, "and whoever means the same again on a new page says it again"


def test_a_second_press_that_waited_for_the_first_is_no_doubt(
    console: Console, mere: Person, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its page says "Not sent yet" beside words that were sent."""
    path, listed = f"/reports/{report}", case_view.list_answers
    form = {**MESSAGE, **mere.get(path).marks}

    def late(*what: Any) -> Any:
        monkeypatch.undo()
        assert mere.post(f"{path}/message", form).leads_to.endswith("said=left#words")
        return listed(*what)

    monkeypatch.setattr("console.views.case_actions.case_view.list_answers", late)
    assert mere.post(f"{path}/message", form).leads_to.endswith("said=before#said")
    assert count(console, t.answer) == 1


def test_what_was_looked_at_or_refused_may_be_sent_yet(console: Console, mere: Person, report: str) -> None:
    path = f"/reports/{report}"
    marks = mere.get(path).marks
    for do in ("look", "look", "send"):
        mere.post(f"{path}/message", {**MESSAGE, **marks, "do": do})
    assert count(console, t.answer) == 1


@pytest.mark.parametrize("act", ["take", "message", "close"])
def test_what_fails_half_way_has_not_been_and_comes_again(
    console: Console, mere: Person, report: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handling and holder are saved together: no report is taken without a holder."""
    form, _, _ = KEPT[act]
    path = f"/reports/{report}"
    full = {**form, **mere.get(path).marks}
    before, done = first_delivery(console.parts.database, report, "vu-pikinini").handling, acts(console)
    right: Callable[..., Any] = case_status.save_change

    def away(*_: object) -> None:
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(case_status, "save_change", away)
    assert mere.post(f"{path}/{act}", full).status == 503
    assert (first_delivery(console.parts.database, report, "vu-pikinini").handling, acts(console)) == (before, done)
    assert count(console, t.answer) == count(console, t.note) == 0
    monkeypatch.setattr(case_status, "save_change", right)
    assert mere.post(f"{path}/{act}", full).status == 303
    assert first_delivery(console.parts.database, report, "vu-pikinini").handling != before


def test_every_form_of_a_report_has_its_word(mere: Person, report: str) -> None:
    html = mere.get(f"/reports/{report}").html
    forms = [one.partition("</form>")[0] for one in html.split("<form ")[1:]]
    those = [one for one in forms if f'action="/reports/{report}/' in one]
    assert all('name="once"' in one for one in those)
    other_buttons = re.findall(r'<button form="([a-z]+)" formaction="/reports/[^"]+/([a-z-]+)', html)
    assert {name for name, _ in other_buttons} == {"writing"} and any('id="writing"' in one for one in those)
    assert len(those) + len(other_buttons) >= 7
