"""Which reports have new words of their reporter: by the time when each was read, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from reports.crypto.key_files import create_key_pair, load_public_keys
from reports.store.cases import case_list
from reports.store.cases.case_list import CaseFilter
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff.accounts import Account
from tests.support.databases import KINDS, migrated_database
from tests.support.many_reports import A_SECOND, insert_many_reports

pytestmark = pytest.mark.slow

HOTLINE = "vu-pikinini"
MERE = Account("id-of-mere", "mere", HOTLINE, "staff", "", b"", 0, 0, 0, None)


def wrote_more(database: Database, report_id: str, when: int) -> None:
    d = t.delivery
    with database.write() as connection:
        given = connection.execute(select(d).where(d.c.report_id == report_id)).one()._asdict()
        later = {"delivery_id": new_id(when), "type": "updated", "revision": 2, "created_at": when, "handling": "none"}
        connection.execute(insert(d), given | later)


@pytest.mark.parametrize("kind", KINDS)
def test_each_report_is_new_by_its_own_reading(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database = migrated_database(kind, request, tmp_path)
    create_key_pair(tmp_path / "keys", HOTLINE)
    insert_many_reports(database, [HOTLINE], load_public_keys(tmp_path / "keys", [HOTLINE]), 6)
    with database.write() as connection:
        connection.execute(delete(t.delivery).where(t.delivery.c.type == "updated"))
    now, d = database.now(), t.delivery.c
    with database.read() as connection:
        ids = list(connection.execute(select(d.report_id).order_by(d.created_at)).scalars())
    read, new, closed, closed_again, never, silent = ids
    hour = 3600 * A_SECOND
    for report_id, at in (
        (read, now - 2 * hour),
        (new, now),
        (closed, now - 2 * hour),
        (closed_again, now),
        (never, now),
    ):
        wrote_more(database, report_id, at)
    with database.write() as connection:
        rows = [{"report_id": one, "hotline": HOTLINE, "read_at": now - hour} for one in ids if one != never]
        connection.execute(insert(t.holding), rows)
        over = d.report_id.in_((closed, closed_again)) & (d.type == "created")
        connection.execute(update(t.delivery).where(over).values(handling="closed"))
    found, _ = case_list.list_cases(database, MERE, CaseFilter())
    assert {row.report_id: row.news for row in found} == {
        read: False,
        new: True,
        closed_again: True,
        never: True,
        silent: False,
    }
    database.close()
