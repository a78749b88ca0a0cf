"""A hotline that lost its own data fetches its deliveries again, and reads which deliveries fail."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update
from standardwebhooks.webhooks import Webhook

from console import deliveries
from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys, read_private_key
from reports.json_bodies import envelope
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.time_units import DAY, MINUTE, SECOND
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE, OTHER
from tests.house.files import ROOT
from tests.support.app import ReceivedResponse
from tests.support.console import Console
from tests.support.hotline_clients import HotlineClient, rows, store_report
from tokaut.documents.recovery_sheet import sheet_text
from tokaut.local_stack.settings import StackPlan

DATA = b'{"mode":"demo","narrative":"made up"}'
PATH = f"/hotlines/{HOTLINE}/deliveries"
FAILURES = f"/hotlines/{HOTLINE}/failures"


def kit() -> Any:
    spec = importlib.util.spec_from_file_location("fetch_again", ROOT / "docs/hotline-kit/fetch_again.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KIT = kit()


def fetch(hotline_client: HotlineClient, target: str, *, signed: str | None = None, at: float = 0) -> ReceivedResponse:
    """Send the kit's request. `signed`: another address to sign. `at`: seconds by which the hotline's clock is fast."""
    headers = KIT.signed(hotline_client.secret, f"https://desk.example{signed or target}", "any", int(time.time() + at))
    said: ReceivedResponse = hotline_client.http.send("GET", target, headers=headers)
    return said


def signed_words(hotline_client: HotlineClient, words: str) -> dict[str, str]:
    """Return headers for a GET, cut out of a signed body that contains another person's words."""
    now = str(int(time.time()))
    body = f'{{"narrative":"{words.replace("NOW", now)}'
    signature = Webhook(hotline_client.secret).sign("any", datetime.fromtimestamp(int(now), UTC), body)
    key = f"any.{now}.{body.partition(f'.{now}.')[0]}"
    return {"webhook-id": key, "webhook-timestamp": now, "webhook-signature": signature}


def delivered(made: StackPlan, database: Database, hotline: str = HOTLINE, ago: int = MINUTE) -> str:
    """Store a report as delivered, and return its id."""
    report = store_report(database, made.folder.inside / "keys", [(hotline, "primary")], body=DATA)
    [row] = [row for row in rows(database, t.delivery) if row.report_id == report]
    digest = hashlib.sha256(envelope("report.created", row.created_at // SECOND, DATA)).digest()
    values = {"state": "delivered", "delivered_at": database.now() - ago, "sent_sha256": digest}
    with database.write() as connection:
        connection.execute(
            update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id).values(**values, attempt=1)
        )
    return report


def spoken(made: StackPlan, database: Database, report: str, data: bytes = DATA) -> str:
    """Store a reporter's message as delivered, and return its id."""
    now = database.now()
    message, keys = new_id(now), load_public_keys(made.folder.inside / "keys", [HOTLINE])
    box = seal_body(keys[HOTLINE], SealContext.of_message("demo", report, message, HOTLINE), b"", data)
    kept = {"report_id": report, "message_id": message, "recipient": HOTLINE, "number": 1, "created_at": now}
    row = next(row for row in rows(database, t.delivery) if row.report_id == report)._mapping
    sent = {**row, "delivery_id": new_id(now), "type": "message", "revision": 1, "sent_sha256": None}
    with database.write() as connection:
        connection.execute(insert(t.message).values(**kept, key_id=box.key_id, wrap=box.wrap, sealed=box.sealed))
        connection.execute(insert(t.delivery).values(sent))
    return message


def test_a_delivery_is_fetched_again_and_only_the_hotline_opens_it(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str, console: Console
) -> None:
    """The bytes are those of the first delivery. Deliveries that are still due are not listed."""
    told = delivered(made, database)
    said = fetch(hotline_client, PATH)
    assert said.status_code == 200, said.content
    [one] = said.json()["deliveries"]
    assert (one["report_id"], one["type"], one["withheld"], said.json()["next"]) == (told, "report.created", None, None)
    assert b"narrative" not in said.content
    key = read_private_key(made.folder.inside / "keys", HOTLINE, one["copy"]["key_id"])
    body = KIT.opened({key.key_id: key._key}, HOTLINE, one)
    assert json.loads(body)["data"]["narrative"] == "made up"
    assert hashlib.sha256(body).hexdigest() == one["sha256"]
    acts = [(row.actor, row.act, row.object_id) for row in rows(database, t.audit) if row.act == "fetched_again"]
    assert acts == [(f"staff:{HOTLINE}/call_back", "fetched_again", one["delivery_id"])]
    assert "fetched the encrypted report again." in someone(console, "ana").get("/audit").text


def test_a_message_of_the_reporter_comes_too(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    message = spoken(made, database, delivered(made, database))
    one = next(one for one in fetch(hotline_client, PATH).json()["deliveries"] if one["type"] == "report.message")
    assert one["copy"]["message_id"] == message
    key = read_private_key(made.folder.inside / "keys", HOTLINE, one["copy"]["key_id"])
    assert json.loads(KIT.opened({key.key_id: key._key}, HOTLINE, one))["data"]["narrative"] == "made up"


def test_the_key_of_the_kit_is_the_one_on_the_recovery_sheet(made: StackPlan, tmp_path: Any) -> None:
    public = load_public_keys(made.folder.inside / "keys", [HOTLINE])[HOTLINE]
    sheet = sheet_text(HOTLINE, read_private_key(made.folder.inside / "keys", HOTLINE, public.key_id))
    groups = sheet.partition("private key and check\n")[2].partition("  To put it back")[0].replace("\n", " ")
    (tmp_path / "keys.txt").write_text(f"{groups}\n")
    assert list(KIT.keys(tmp_path / "keys.txt")) == [public.key_id]


@pytest.mark.rule("X-14")
def test_what_is_not_signed_for_this_address(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    delivered(made, database)
    callback = Webhook(hotline_client.secret).sign("any", datetime.fromtimestamp(int(time.time()), UTC), "{}")
    stamp = {"webhook-id": "any", "webhook-timestamp": str(int(time.time())), "webhook-signature": callback}
    other = HotlineClient(OTHER, made.secrets.hotlines[OTHER], hotline_client.http)
    for said in (
        hotline_client.http.send("GET", PATH),
        hotline_client.http.send("GET", PATH, headers=stamp),
        fetch(hotline_client, f"{PATH}?after=1", signed=PATH),
        fetch(hotline_client, PATH, signed=FAILURES),
        fetch(other, PATH),
        fetch(hotline_client, PATH, at=-360),
        fetch(hotline_client, PATH, at=360),
        fetch(hotline_client, "/hotlines/vu-nobody/deliveries"),
        hotline_client.http.send("GET", PATH, headers=signed_words(hotline_client, f"x.NOW.GET {PATH}")),
    ):
        assert (said.status_code, said.content) == (401, b"Not signed\n")
    assert [row for row in rows(database, t.audit) if row.act == "fetched_again"] == []


@pytest.mark.rule("X-14")
def test_nothing_of_another_hotline_is_in_it(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    delivered(made, database, OTHER)
    assert fetch(hotline_client, PATH).json()["deliveries"] == []
    other = HotlineClient(OTHER, made.secrets.hotlines[OTHER], hotline_client.http)
    assert len(fetch(other, PATH.replace(HOTLINE, OTHER)).json()["deliveries"]) == 1


def test_pages_follow_one_another_and_lose_nothing(
    made: StackPlan, hotline_client: HotlineClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if several have the same delivery time."""
    monkeypatch.setattr(deliveries, "MAX_COPIES", 2)
    told = [delivered(made, database) for _ in range(5)]
    with database.write() as connection:
        connection.execute(update(t.delivery).values(delivered_at=database.now() - MINUTE))
    seen, target = [], PATH
    while target:
        page = fetch(hotline_client, target).json()
        assert len(page["deliveries"]) <= 2
        seen += [one["report_id"] for one in page["deliveries"]]
        target = f"{PATH}?after={page['next']}" if page["next"] else ""
    assert sorted(seen) == sorted(told)


def test_a_page_is_full_by_its_bytes_too(
    made: StackPlan, hotline_client: HotlineClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries.delivered_copies, "MAX_BYTES", 10)
    for _ in range(2):
        delivered(made, database)
    first = fetch(hotline_client, PATH).json()
    assert len(first["deliveries"]) == 1
    second = fetch(hotline_client, f"{PATH}?after={first['next']}").json()
    assert (len(second["deliveries"]), second["next"]) == (1, None)


def test_since_a_time(made: StackPlan, hotline_client: HotlineClient, database: Database) -> None:
    old, new = delivered(made, database, ago=3 * DAY), delivered(made, database)
    delivered(made, database, ago=31 * DAY)
    all_of_them = fetch(hotline_client, PATH).json()["deliveries"]
    assert [one["report_id"] for one in all_of_them] == [old, new]
    yesterday = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86_400))
    assert [one["report_id"] for one in fetch(hotline_client, f"{PATH}?since={yesterday}").json()["deliveries"]] == [
        new
    ]


WRONG = (
    ("since=2020-01-01T00:00:00Z", "at most 30 days ago"),
    ("since=yesterday", "a time in UTC"),
    ("since=2026-02-30T00:00:00Z", "a time in UTC"),
    ("since=", "a time in UTC"),
    ("after=1", "of the page before"),
    ("after=99999999999999999999.01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e", "of the page before"),
    ("after=", "of the page before"),
    ("until=2026-11-25T08:05:21Z", "since and after"),
    ("after=1.0&after=1.0", "since and after"),
)


def test_what_the_address_may_not_say(hotline_client: HotlineClient) -> None:
    for query, why in WRONG:
        said = fetch(hotline_client, f"{PATH}?{query}")
        assert said.status_code == 422, query
        assert why in said.json()["error"], query


@pytest.mark.rule("S-13")
def test_no_copy_with_a_number_that_was_withdrawn_and_none_of_a_deleted_report(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    """Only the worker can remove the number; the last statement about contact is not withheld."""
    withdrawn, given_anew, deleted = (delivered(made, database) for _ in range(3))
    spoken(made, database, given_anew)
    [statement] = [row for row in rows(database, t.message) if row.report_id == given_anew]
    contacts = [(withdrawn, 0, database.now()), (given_anew, 1, statement.created_at)]
    with database.write() as connection:
        for report, allowed, at in contacts:
            connection.execute(insert(t.contact).values(report_id=report, allowed=allowed, changed_at=at))
        connection.execute(update(t.report).where(t.report.c.report_id == deleted).values(delete_asked_at=1))
    found = {(one["report_id"], one["type"]): one for one in fetch(hotline_client, PATH).json()["deliveries"]}
    why = {key: one["withheld"] for key, one in found.items()}
    assert why == {
        (withdrawn, "report.created"): "contact_withdrawn",
        (given_anew, "report.created"): "contact_withdrawn",
        (given_anew, "report.message"): None,
        (deleted, "report.created"): "deleted",
    }
    assert [key for key, one in found.items() if one["copy"]] == [(given_anew, "report.message")]


def test_a_body_that_is_not_stored_any_more_is_named(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    delivered(made, database)
    with database.write() as connection:
        connection.execute(t.report_body.delete())
    [one] = fetch(hotline_client, PATH).json()["deliveries"]
    assert (one["copy"], one["withheld"]) == (None, "not_stored")


def test_too_many_requests(hotline_client: HotlineClient, console: Console) -> None:
    """Signed requests are counted for each hotline: a stranger locks nobody out."""
    for _ in range(deliveries.RATE_LIMIT.max_attempts + 5):
        hotline_client.http.send("GET", PATH)
    for _ in range(deliveries.RATE_LIMIT.max_attempts):
        assert fetch(hotline_client, FAILURES).status_code == 200
    said = fetch(hotline_client, PATH)
    assert (said.status_code, said.headers["Retry-After"]) == (429, "60")


def test_deliveries_that_fail_are_events(
    made: StackPlan, hotline_client: HotlineClient, database: Database, report: str
) -> None:
    keys, d = made.folder.inside / "keys", t.delivery.c
    ids = {state: store_report(database, keys, [(HOTLINE, "primary")]) for state in ("due", "refused", "parked")}
    delivered(made, database)
    with database.write() as connection:
        for state, report_id in ids.items():
            values = {"state": state, "attempt": 3, "last_class": "refused 2", "last_status": 422}
            connection.execute(update(t.delivery).where(d.report_id == report_id).values(values))
        paused = {"failures": 5, "open_until": database.now() + MINUTE, "opened_times": 1}
        connection.execute(insert(t.hotline_state).values(hotline=HOTLINE, **paused))
    page = fetch(hotline_client, FAILURES).json()
    events = {one["type"]: one["data"] for one in page["events"]}
    assert {kind: data["report_id"] for kind, data in events.items()} == {
        "delivery.failing": ids["due"],
        "delivery.refused": ids["refused"],
        "delivery.parked": ids["parked"],
    }
    assert (events["delivery.failing"]["class"], events["delivery.failing"]["status"]) == ("refused", 422)
    assert events["delivery.failing"]["next_attempt_at"].endswith("Z")
    assert events["delivery.refused"]["next_attempt_at"] is None
    assert (page["paused_until"] is None, page["gone_since"], page["next"]) == (False, None, None)


def test_a_delivery_that_failed_long_ago_is_listed_as_long_as_it_fails(
    made: StackPlan, hotline_client: HotlineClient, database: Database
) -> None:
    """An empty list means that nothing is failing. A parked delivery stays for months until a person handles it."""
    report = store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")])
    old = {"created_at": database.now() - 80 * DAY, "state": "parked", "attempt": 300, "last_class": "timeout"}
    with database.write() as connection:
        connection.execute(update(t.delivery).values(old))
    [event] = fetch(hotline_client, FAILURES).json()["events"]
    assert (event["type"], event["data"]["report_id"]) == ("delivery.parked", report)
    for days, count in ((90, 1), (60, 0)):
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))
        assert len(fetch(hotline_client, f"{FAILURES}?since={since}").json()["events"]) == count


def test_failures_have_pages_too(
    made: StackPlan, hotline_client: HotlineClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MAX_FAILURES", 1)
    for _ in range(2):
        store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")])
    with database.write() as connection:
        connection.execute(update(t.delivery).values(last_class="busy", attempt=1))
    first = fetch(hotline_client, FAILURES).json()
    second = fetch(hotline_client, f"{FAILURES}?after={first['next']}").json()
    assert first["events"] != second["events"]
    assert (len(first["events"]), len(second["events"]), second["next"]) == (1, 1, None)
