"""The list with 10,000 open reports: by its index, a page at a time."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from sqlalchemy import insert

from console.opening import Opener
from reports.keyfolder import load_private, load_public, new_pair
from reports.sealing import Context, seal
from reports.store import tables as t
from reports.store import waiting_list
from reports.store.accounts import Account
from reports.store.database import Database
from reports.store.filing import new_id
from reports.store.waiting_list import PAGE, Wanted
from tests.support.databases import KINDS, made

pytestmark = pytest.mark.slow

HOTLINE = "vu-pikinini"
HEAD = b'{"category":"luring","place":{"name":"Tanna"}}'
OPEN = 10_000
MOST = 0.2  # seconds, of the quickest of five: the machine may be busy with other things


def account(name: str = "mere") -> Account:
    return Account(f"id-of-{name}", name, HOTLINE, "staff", "", b"", 0, 0, 0, None)


def fill(database: Database, keys: Path) -> None:
    new_pair(keys, HOTLINE)
    public = load_public(keys, [HOTLINE])[HOTLINE]
    now = database.now()
    reports, bodies, deliveries = [], [], []
    for n in range(OPEN):
        report_id, priority = new_id(now + n * 1000), f"P{1 + n % 4}"
        box = seal(public, Context("demo", report_id, 1, HOTLINE), HEAD, b"{}")
        reports.append(
            {"report_id": report_id, "origin_key": n.to_bytes(32), "created_at": now, "country": "VU", "revision": 1}
            | {"priority": priority, "completeness": "complete", "mode": "demo", "state": "delivered"}
        )
        sealed = {"key_id": box.key_id, "wrap": box.wrap, "head": box.head, "sealed": box.sealed}
        bodies.append({"report_id": report_id, "revision": 1, "recipient": HOTLINE} | sealed)
        deliveries.append(
            {"delivery_id": new_id(now), "report_id": report_id, "hotline": HOTLINE, "type": "created", "revision": 1}
            | {"role": "primary", "why": "CATEGORY_FIRST", "priority": priority, "state": "delivered"}
            | {"handling": "none", "attempt": 1, "next_at": now, "created_at": now + n}
        )
    with database.write() as connection:
        for table, rows in ((t.report, reports), (t.report_body, bodies), (t.delivery, deliveries)):
            connection.execute(insert(table), rows)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_open_reports(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database = made(kind, request, tmp_path)
    fill(database, tmp_path / "keys")
    opener = Opener(load_private(tmp_path / "keys", [HOTLINE]), "demo")
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        rows, more = waiting_list.listed(database, account(), Wanted())
        heads = [opener.head(row, HOTLINE) for row in rows]
        took.append(time.perf_counter() - begin)
    logging.getLogger(__name__).warning("%s: %.0f ms", kind, min(took) * 1000)
    assert more and len(rows) == PAGE and {row.priority for row in rows} == {"P1"}
    assert heads[0]["category"] == "luring"
    last, more = waiting_list.listed(database, account(), Wanted(after=OPEN - 10))
    assert (len(last), more, {row.priority for row in last}) == (10, False, {"P4"})
    assert waiting_list.urgent(database, account()) == OPEN // 2
    assert min(took) < MOST
    database.close()
