"""Callbacks of a hotline's own system, and their effects."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, update

from reports.case_state import HANDLING_STATES, HANDLING_TRANSITIONS
from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import read_private_key
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from tests.console.running_console import HOTLINE, OTHER
from tests.support.console import Console
from tests.support.hotline_clients import (
    HotlineClient,
    first_delivery,
    in_process_hotline,
    open_answer_as_reporter,
    rows,
    store_report,
)
from tokaut.local_stack.settings import StackPlan

SEEN = "We have read it. We are here at 4, too."


def has(database: Database, report_id: str, handling: str) -> None:
    """Set the handling that a test begins with."""
    mine = (t.delivery.c.report_id == report_id, t.delivery.c.hotline == HOTLINE)
    with database.write() as connection:
        connection.execute(update(t.delivery).where(*mine).values(handling=handling))


def test_a_report_is_accepted(hotline_client: HotlineClient, database: Database, report: str) -> None:
    said = hotline_client.call(report, "accepted")
    assert (said.status_code, said.json()) == (200, {"state": "accepted"})
    assert first_delivery(database, report, HOTLINE).handling == "accepted"
    assert first_delivery(database, report, OTHER).handling == "none"
    whole = rows(database, t.report)[0]
    assert (whole.state, whole.desk) == ("accepted", HOTLINE)
    audit = [(row.actor, row.act, row.object_id) for row in rows(database, t.audit) if row.actor.startswith("staff")]
    assert audit == [(f"staff:{HOTLINE}/call_back", "accepted", first_delivery(database, report, HOTLINE).delivery_id)]


@pytest.mark.parametrize("before", ["none", *HANDLING_STATES])
@pytest.mark.parametrize("to", HANDLING_STATES)
def test_every_pair(hotline_client: HotlineClient, database: Database, report: str, before: str, to: str) -> None:
    """The same state: 200, no change. A state that cannot follow: 409 with the allowed ones, no change."""
    has(database, report, before)
    count = len(rows(database, t.audit))
    said = hotline_client.call(report, to, reason="not ours")
    if to == before or to in HANDLING_TRANSITIONS[before]:
        assert (said.status_code, said.json()) == (200, {"state": to})
        assert first_delivery(database, report, HOTLINE).handling == to
        assert len(rows(database, t.audit)) == count + (to != before)
    else:
        assert said.status_code == 409
        assert (said.json()["state"], said.json()["allowed"]) == (before, list(HANDLING_TRANSITIONS[before]))
        assert first_delivery(database, report, HOTLINE).handling == before
        assert (len(rows(database, t.audit)), rows(database, t.callback), rows(database, t.note)) == (count, [], [])


def test_who_has_not_received_that_it_is_urgent_acknowledges_nothing(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    """The reporter sends danger = now while the hotline's person reads the first revision and its server is down."""
    report = store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")], priority="P3")
    first, d = first_delivery(database, report, HOTLINE)._mapping, t.delivery.c
    urgent = {**first, "delivery_id": new_id(database.now()), "type": "updated", "revision": 2, "priority": "P1"}
    with database.write() as connection:
        connection.execute(update(t.delivery).where(d.report_id == report).values(state="delivered"))
        connection.execute(insert(t.delivery).values(**urgent))
    for state in ("accepted", "in_progress", "closed"):
        said = hotline_client.call(report, state, message=SEEN)
        assert (said.status_code, said.json()["state"], said.json()["allowed"]) == (409, "none", ["rejected"])
        assert "more urgent" in said.json()["error"]
    assert (first_delivery(database, report, HOTLINE).handling, rows(database, t.answer)) == ("none", [])
    with database.write() as connection:  # as the worker does with the receipt of the update
        raised = {"state": "delivered", "priority": "P1"}
        connection.execute(update(t.delivery).where(d.report_id == report).values(raised))
    assert hotline_client.call(report, "accepted", message=SEEN).status_code == 200


def test_an_update_that_is_not_more_urgent_or_the_reports_own_delivery_stops_no_callback(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    first = first_delivery(database, report, HOTLINE)._mapping
    later = {**first, "delivery_id": new_id(database.now()), "type": "updated", "revision": 2}
    with database.write() as connection:
        connection.execute(insert(t.delivery).values(**later))
    assert hotline_client.call(report, "accepted").status_code == 200


@pytest.mark.rule("B-65")
def test_accepted_after_closed(hotline_client: HotlineClient, report: str) -> None:
    assert hotline_client.call(report, "closed").status_code == 200
    said = hotline_client.call(report, "accepted")
    assert (said.status_code, said.json()["allowed"]) == (409, ["in_progress"])


@pytest.mark.rule("B-63")
@pytest.mark.rule("X-20")
def test_the_same_call_again_has_no_second_effect(
    hotline_client: HotlineClient, database: Database, report: str
) -> None:
    """Also after other callbacks."""
    assert hotline_client.call(report, "accepted", key="one", message=SEEN).status_code == 200
    assert hotline_client.call(report, "closed").status_code == 200
    before = [rows(database, table) for table in (t.delivery, t.answer, t.audit, t.note)]
    for _ in range(2):
        said = hotline_client.call(report, "accepted", key="one", message=SEEN)
        assert (said.status_code, said.json()) == (200, {"state": "closed", "repeat": True})
    assert [rows(database, table) for table in (t.delivery, t.answer, t.audit, t.note)] == before
    assert len(rows(database, t.answer)) == 1


def test_an_id_that_is_used_again_for_another_callback_swallows_no_words(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    """A system that takes the report's id as webhook-id, or sends corrected words as a retry, gets 200 as before."""
    other = store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")])
    assert hotline_client.call(report, "accepted", key="one").status_code == 200
    said = [hotline_client.call(report, "accepted", key="one", message=words).json() for words in (SEEN, SEEN, "At 5.")]
    assert [one.get("repeat", False) for one in said] == [False, True, False]
    assert len(rows(database, t.answer)) == 2
    assert hotline_client.call(report, "closed", key="one", reason="done").json() == {"state": "closed"}
    assert hotline_client.call(other, "closed", key="one", reason="done").json() == {"state": "closed"}


def test_a_call_that_changed_nothing_may_come_again(
    hotline_client: HotlineClient, database: Database, report: str
) -> None:
    """409 and 422 do not store the key."""
    has(database, report, "rejected")
    assert hotline_client.call(report, "accepted", key="one").status_code == 409
    has(database, report, "none")
    assert hotline_client.call(report, "accepted", key="one", message="see www.example.org").status_code == 422
    assert hotline_client.call(report, "accepted", key="one").status_code == 200


def test_an_id_is_one_for_each_hotline(
    made: StackPlan, console: Console, hotline_client: HotlineClient, report: str
) -> None:
    other = in_process_hotline(OTHER, made.secrets.hotlines[OTHER], console.http)
    assert hotline_client.call(report, "accepted", key="one").json() == {"state": "accepted"}
    assert other.call(report, "accepted", key="one").json() == {"state": "accepted"}


def test_the_reporter_reads_the_message_and_nobody_else(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    said = hotline_client.call(report, "in_progress", message=f"  {SEEN}\n")
    assert said.json() == {"state": "in_progress", "message": "sealed for the reporter", "remarks": []}
    (row,), (box,) = rows(database, t.answer), rows(database, t.mailbox)
    assert row.hotline == HOTLINE
    assert open_answer_as_reporter("demo", report, row.answer_id, row.sealed, box.sealed_key) == SEEN
    (kept,) = rows(database, t.note)  # for the hotline's own staff
    key = read_private_key(made.folder.inside / "keys", HOTLINE, kept.key_id)
    context = SealContext.of_message("demo", report, kept.note_id, HOTLINE)
    read = json.loads(open_body(key, context, SealedBody(kept.key_id, kept.wrap, b"", kept.sealed)))
    assert read["kind"] == "answer"
    assert read["text"].strip() == SEEN
    assert {(row.act, row.object_id) for row in rows(database, t.audit)} >= {("answered", report)}


def test_a_message_alone_goes_with_the_same_state(
    hotline_client: HotlineClient, database: Database, report: str
) -> None:
    assert hotline_client.call(report, "accepted").status_code == 200
    assert hotline_client.call(report, "accepted", message=SEEN).status_code == 200
    assert hotline_client.call(report, "accepted", message=SEEN).status_code == 200
    assert len(rows(database, t.answer)) == 2


@pytest.mark.rule("B-65")
@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("x" * 10_000, "one screen has room for 120"),
        ("Look at www.example.org", "a link or an address"),
        ("Call 555 0199 today", "Only checked helpline numbers"),
        ("Please send us a photo of it", "asks for pictures"),
        ("   ", "The message is empty"),
        ("", "The message is empty"),
        ("a\u202eb", "characters that nobody can see"),
        ("a\ud800b", "characters that nobody can see"),
        ("ب" * 41, "room for 40"),
    ],
)
def test_words_that_no_phone_may_show(
    hotline_client: HotlineClient, database: Database, report: str, message: str, why: str
) -> None:
    """422 names the reason, and the state is unchanged, because both came in one request."""
    said = hotline_client.call(report, "accepted", message=message)
    assert said.status_code == 422
    assert why in said.json()["error"]
    assert first_delivery(database, report, HOTLINE).handling == "none"
    assert rows(database, t.answer) == []


def test_what_may_be_meant_goes_and_is_remarked(hotline_client: HotlineClient, database: Database, report: str) -> None:
    said = hotline_client.call(report, "accepted", message="Help is coming.")
    assert said.status_code == 200
    assert any("promises" in remark for remark in said.json()["remarks"])
    assert len(rows(database, t.answer)) == 1


@pytest.mark.parametrize(("code", "why"), [(False, "no code was ever shown"), (True, "has deleted it")])
def test_where_nobody_could_read_it_the_state_counts_all_the_same(
    made: StackPlan, hotline_client: HotlineClient, database: Database, code: bool, why: str
) -> None:
    report = store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")], code=code)
    if code:
        with database.write() as connection:
            connection.execute(update(t.mailbox).values(public_key=b"", sealed_key=b""))
    said = hotline_client.call(report, "accepted", message=SEEN)
    assert said.status_code == 200
    assert why in said.json()["message"]
    assert first_delivery(database, report, HOTLINE).handling == "accepted"
    assert rows(database, t.answer) == []


def test_who_has_handed_a_report_back_writes_to_its_reporter_no_more(
    hotline_client: HotlineClient, database: Database, report: str
) -> None:
    """The reporter's answer would reach only others. Staff in the console cannot do it either."""
    assert hotline_client.call(report, "rejected", reason="not ours", message=SEEN).status_code == 200
    said = hotline_client.call(report, "rejected", reason="not ours", message="Come at 4.")
    assert (said.status_code, said.json()["state"], said.json()["allowed"]) == (409, "rejected", [])
    assert len(rows(database, t.answer)) == 1
    assert hotline_client.call(report, "rejected", reason="said better").status_code == 200


def test_a_report_that_is_handed_back_says_why(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    assert hotline_client.call(report, "rejected").status_code == 422
    assert hotline_client.call(report, "rejected", reason=" \n").status_code == 422
    assert hotline_client.call(report, "rejected", reason="x" * 1001).status_code == 422
    assert hotline_client.call(report, "rejected", reason="Another island's. \ud800\0").status_code == 200
    assert rows(database, t.report)[0].state == "queued"  # because of the other hotline
    (kept,) = rows(database, t.note)
    assert (kept.kind, kept.recipient) == ("reason", HOTLINE)
    assert b"island" not in kept.sealed
