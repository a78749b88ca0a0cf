"""Callbacks for another hotline's report or with an invalid form: no effect, and no information."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from sqlalchemy import update

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.support.console import Console
from tests.support.hotline_clients import HotlineClient, first_delivery, in_process_hotline, rows, store_report
from tokaut.local_stack.settings import StackPlan

SEEN = "We have read it."


@pytest.mark.rule("B-64")
@pytest.mark.rule("X-14")
def test_another_s_report_is_as_one_that_there_is_not(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    """A fallback that has not been asked yet has no report either, although it could open the body."""
    keys = made.folder.inside / "keys"
    ids = {
        "another's": store_report(database, keys, [(OTHER, "primary")]),
        "a fallback's": store_report(database, keys, [(OTHER, "primary"), (HOTLINE, "fallback")]),
        "none": "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e",
        "no id": "x" * 4000,
        "a row of a table": "%00",
    }
    found = {name: hotline_client.call(report_id, "accepted", message=SEEN) for name, report_id in ids.items()}
    assert {said.status_code for said in found.values()} == {404}
    assert {(said.content, said.headers["Content-Type"]) for said in found.values()} == {
        (b"Not found\n", "text/plain; charset=utf-8")
    }
    assert not [row for row in rows(database, t.delivery) if row.handling != "none"]
    third = in_process_hotline(THIRD, made.secrets.hotlines[THIRD], hotline_client.http)
    assert third.call(report, "accepted").status_code == 404
    with database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.hotline == HOTLINE).values(state="cancelled"))
    assert hotline_client.call(report, "accepted").status_code == 404


FORGED: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "none": lambda signed: {name: value for name, value in signed.items() if not name.startswith("webhook")},
    "no signature": lambda signed: {n: v for n, v in signed.items() if n != "webhook-signature"},
    "no id": lambda signed: {n: v for n, v in signed.items() if n != "webhook-id"},
    "no time": lambda signed: {n: v for n, v in signed.items() if n != "webhook-timestamp"},
    "another id": lambda signed: signed | {"webhook-id": "another"},
    "another time": lambda signed: signed | {"webhook-timestamp": str(int(time.time()) - 7)},
    "time is no time": lambda signed: signed | {"webhook-timestamp": "soon"},
    "time is none": lambda signed: signed | {"webhook-timestamp": "nan"},
    "garbage": lambda signed: signed | {"webhook-signature": "garbage"},
    "v1": lambda signed: signed | {"webhook-signature": "v1"},
    "three parts": lambda signed: signed | {"webhook-signature": "v1,A,B"},
    "no base64": lambda signed: signed | {"webhook-signature": "v1,ä"},
    "another version": lambda signed: signed | {"webhook-signature": signed["webhook-signature"].replace("v1", "v2")},
    "empty": lambda signed: signed | {"webhook-signature": ""},
}


@pytest.mark.rule("B-62")
@pytest.mark.parametrize("name", FORGED)
def test_what_is_not_signed(hotline_client: HotlineClient, database: Database, report: str, name: str) -> None:
    body = b'{"state":"accepted"}'
    said = hotline_client.raw(report, body, FORGED[name](hotline_client.headers(body)))
    assert (said.status_code, said.content) == (401, b"Not signed\n")
    assert (first_delivery(database, report, HOTLINE).handling, rows(database, t.callback)) == ("none", [])


@pytest.mark.rule("B-62")
@pytest.mark.rule("X-20")
@pytest.mark.parametrize("ahead", [-7200, -360, 360, 7200])
def test_old_and_early_calls(hotline_client: HotlineClient, database: Database, report: str, ahead: float) -> None:
    assert hotline_client.post(report, b'{"state":"accepted"}', ahead=ahead).status_code == 401
    assert first_delivery(database, report, HOTLINE).handling == "none"


@pytest.mark.parametrize("ahead", [-280, 280])
def test_a_clock_may_be_some_minutes_off(hotline_client: HotlineClient, report: str, ahead: float) -> None:
    body = json.dumps({"report_id": report, "state": "accepted"}).encode()
    assert hotline_client.post(report, body, ahead=ahead).status_code == 200


@pytest.mark.rule("B-62")
@pytest.mark.rule("X-14")
def test_another_hotline_s_signature(made: StackPlan, console: Console, database: Database, report: str) -> None:
    """Also if the other hotline has the report, too, and if the hotline does not exist."""
    for hotline in (HOTLINE, "vu-nobody", "_sender"):
        forger = in_process_hotline(hotline, made.secrets.hotlines[OTHER], console.http)
        assert forger.call(report).status_code == 401
    assert first_delivery(database, report, HOTLINE).handling == "none"


def test_a_changed_body_and_one_that_is_no_text(hotline_client: HotlineClient, report: str) -> None:
    headers = hotline_client.headers(b'{"state":"accepted"}')
    assert hotline_client.raw(report, b'{"state":"rejected"}', headers).status_code == 401
    assert hotline_client.raw(report, b"\xff\xfe", hotline_client.headers(b"\xff\xfe")).status_code == 401


@pytest.mark.rule("B-65")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"null"),
        (400, b'["accepted"]'),
        (400, b'{"state":"accepted"'),
        (400, b'{"state":NaN}'),
        (400, b"[" * 60_000),
        (400, b'{"state":"accepted","message":' + b"[" * 40_000 + b"]" * 20_000 + b"}"),
        (400, b'{"state":' + b"9" * 60_000 + b"}"),
        (422, b"{}"),
        (422, b'{"state":null}'),
        (422, b'{"state":1}'),
        (422, b'{"state":"Accepted"}'),
        (422, b'{"state":"none"}'),
        (422, b'{"state":"acknowledged"}'),
        (422, b'{"state":"accepted","state":"closed"}'),
        (422, b'{"state":"accepted","mesage":"lukaotem"}'),
        (422, b'{"state":"accepted","message":["lukaotem"]}'),
        (422, b'{"state":"accepted","reason":{}}'),
        (422, b'{"state":"accepted","message":0}'),  # a number is not accepted as words
        (422, b'{"state":"rejected","reason":7.5}'),
    ],
    ids=lambda given: repr(given)[:40],
)
def test_a_body_that_is_not_understood(
    hotline_client: HotlineClient, database: Database, report: str, status: int, body: bytes
) -> None:
    if body.startswith(b'{"'):
        body = b'{"report_id":"%s",' % report.encode() + body[1:]
    said = hotline_client.post(report, body)
    assert said.status_code == status
    assert said.json()["error"]
    assert "lukaotem" not in said.text
    assert first_delivery(database, report, HOTLINE).handling == "none"


@pytest.mark.rule("X-20")
def test_one_signed_call_says_nothing_of_another_report(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    """Otherwise a person who sees a callback in a log or proxy could send it to other reports of the hotline."""
    other = store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")])
    body = json.dumps({"report_id": report, "state": "closed"}).encode()
    headers = hotline_client.headers(body)
    said = hotline_client.raw(other, body, headers)
    assert (said.status_code, "report_id" in said.json()["error"]) == (422, True)
    assert first_delivery(database, other, HOTLINE).handling == "none"
    assert hotline_client.raw(report, body, headers).json() == {"state": "closed"}


@pytest.mark.parametrize("body", [b'{"state":"accepted"}', b'{"report_id":null,"state":"accepted"}'], ids=repr)
def test_a_call_that_does_not_name_the_report_is_told_what_is_missing(
    hotline_client: HotlineClient, database: Database, report: str, body: bytes
) -> None:
    said = hotline_client.post(report, body)
    assert (said.status_code, said.json()["error"][:20]) == (422, "report_id is missing")
    assert first_delivery(database, report, HOTLINE).handling == "none"


def test_the_id_may_be_written_in_capitals(hotline_client: HotlineClient, report: str) -> None:
    assert hotline_client.call(report.upper(), "accepted").json() == {"state": "accepted"}


def test_null_is_as_if_it_were_not_there(hotline_client: HotlineClient, report: str) -> None:
    assert hotline_client.call(report, "accepted", message=None, reason=None).json() == {"state": "accepted"}


def test_too_much_is_not_read(hotline_client: HotlineClient, report: str) -> None:
    assert hotline_client.post(report, b'{"state":"accepted"}' + b" " * 64 * 1024).status_code == 413


def test_other_methods(console: Console, report: str) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        said = console.http.send(method, f"/hotlines/{HOTLINE}/reports/{report}")
        assert (said.status_code, said.headers["Allow"]) == (405, "POST")
    said = console.http.send("POST", f"/hotlines/{HOTLINE}/deliveries")
    assert (said.status_code, said.headers["Allow"]) == (405, "GET, HEAD")
    assert console.http.send("DELETE", "/login").headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_two_secrets_while_one_is_rotated(made: StackPlan, report: str) -> None:
    old, new = made.secrets.hotlines[HOTLINE], made.secrets.hotlines[OTHER]
    settings = {**made.settings, "COUNTRIES": "vu", "HOTLINE_VU_PIKININI_SECRET": f"{new},{old}"}
    del settings["HOTLINE_VU_WOMENS_CENTRE_SECRET"]  # it has no callback and does not prevent the start
    console = Console(settings)
    try:
        for secret in (new, old):
            assert in_process_hotline(HOTLINE, secret, console.http).call(report).status_code == 200
        assert in_process_hotline(OTHER, new, console.http).call(report).status_code == 401
    finally:
        console.close()
