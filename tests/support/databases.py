"""The databases on which each test of the store runs: SQLite for speed, PostgreSQL as in production."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import LiteralString

import pytest
from sqlalchemy import Connection

from reports.store.engine import postgresql
from reports.store.engine.database import Database
from reports.store.schema.tables import metadata
from tests.support.postgres import Postgres, binaries
from tests.support.prepared import copy

KINDS = ["sqlite", *([pytest.param("postgresql", marks=pytest.mark.slow)] if binaries() else [])]

# The PostgreSQL role that uses each module of the store, or one function if it differs from its module.
ROLES: dict[LiteralString, tuple[str, ...]] = {
    "SET ROLE tokaut_web": (
        "call_hours.save_hours",
        "clock_skew",
        "correspondence._ask_to_delete",
        "correspondence._close",
        "correspondence._is_closed",
        "correspondence._note_contact",
        "correspondence._overdue",
        "correspondence.current_recipients",
        "correspondence.has_message",
        "correspondence.is_contact_changed_since",
        "correspondence.list_contact_to_end",
        "correspondence.load_mailbox",
        "correspondence.save_message",
        "correspondence.withdraw_contact",
        "drill_runs.list_due",
        "drill_runs.mark_done",
        "entry_codes",
        "messages.list_inbound",
        "messages.mark_processed",
        "messages.outgoing_row",
        "messages.record_delivery_report",
        "messages.save_inbound",
        "duty_phones.record_reply",
        "duty_phones.was_hotline_alerted_within",
        "opt_outs",
        "outbox.oldest_ages",
        "pending_submissions.cancel_pending",
        "pending_submissions.expedite_pending",
        "pending_submissions.schedule_from_spool",
        "pending_submissions.schedule_pending",
        "pin_throttle",
        "recordings.arrive",
        "recordings.expect",
        "recordings.note_silence",
        "quarterly_figures.save_screen_counts",
        "spool_status",
        "submissions",
    ),
    "SET ROLE tokaut_worker": (
        "answer_notices.is_still_permitted",
        "messages",
        "duty_phones",
        "opt_outs.is_opted_out",
        "outbox",
        "recordings.find_copy",
        "recordings.load_copy",
    ),
    "SET ROLE tokaut_console": (
        "access_log",
        "accounts",
        "answer_notices.list_notices",
        "board",
        "call_hours.list_quiet",
        "case_actions",
        "case_list",
        "case_view",
        "closing",
        "delivered_copies",
        "drafts",
        "drill_runs",
        "follow_ups",
        "idempotency_keys",
        "entries",
        "entry_codes.newest_key",
        "login_throttle",
        "own_replies",
        "overview._backlogs_by",
        "overview._hotlines",
        "overview.load_overview",
        "presence",
        "provider_faults.list_undelivered",
        "quarterly_figures.list_published",
        "staff_sessions",
        "synthetic_calls.list_statuses",
    ),
    "SET ROLE tokaut_clock": (
        "answer_notices",
        "audit_log",
        "call_hours",
        "case_actions.mark_handled_delivered",
        "case_view.load_report",
        "case_view.read_report",
        "clock_skew._has_rows",
        "clock_skew._changes",
        "clock_skew._move",
        "clock_skew._repair_steps",
        "clock_skew.repair_times",
        "correspondence",
        "delivery_actions",
        "delivery_alerts",
        "drafts.delete_old",
        "presence.delete_old",
        "drill_runs.delete_missed",
        "fallbacks",
        "follow_ups.count_overdue",
        "idempotency_keys.delete_old_keys",
        "key_rotation",
        "leases",
        "messages.delete_old_inbound",
        "messages.delete_old_outgoing",
        "messages.enqueue_outgoing",
        "messages.expire_old",
        "messages.list_due",
        "messages.list_due_by_channel",
        "messages.load_state",
        "duty_phones.accept_reply",
        "duty_phones.delete_old",
        "duty_phones.find_unacknowledged",
        "duty_phones.list_replies",
        "duty_phones.list_superseded",
        "duty_phones.list_unanswered",
        "duty_phones.was_alerted_within",
        "opt_outs.list_keys",
        "outbox._end",
        "outbox.count_undelivered",
        "outbox.list_due",
        "outbox.park_expired",
        "outbox.refuse_for_gone_hotlines",
        "overview",
        "pending_submissions",
        "pin_throttle.count_locked_codes",
        "pin_throttle.count_recent_failures",
        "provider_faults",
        "quarterly_figures",
        "recordings",
        "retention",
        "spool_status.forget",
        "steps",
        "synthetic_calls",
        "tombstones",
    ),
}
SET_ROLE: dict[str, LiteralString] = {name: role for role, names in ROLES.items() for name in names}
OF_NO_ROLE = ("database", "row_security", "row_isolation", "circuit_breakers", "deliveries")  # used by several roles


class RoleScopedPostgres(Database):
    """PostgreSQL on which each store module has the rights of the process that calls it; tests have all."""

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        role = _calling_role()
        with super()._connected() as connection:
            driver_connection = postgresql.driver_connection(connection)
            if role:
                driver_connection.execute(role)
                driver_connection.commit()
            try:
                yield connection
            finally:
                if role and not driver_connection.closed:
                    driver_connection.rollback()
                    driver_connection.execute("RESET ROLE")
                    driver_connection.commit()


def _calling_role() -> LiteralString | None:
    frame = sys._getframe()
    while frame := frame.f_back:
        package, _, module = frame.f_globals.get("__name__", "").rpartition(".")
        if f"{package}.".startswith("reports.store.") and module not in OF_NO_ROLE:
            return SET_ROLE.get(f"{module}.{frame.f_code.co_name}", SET_ROLE[module])
    return None


def migrated_database(kind: str, request: pytest.FixtureRequest, folder: Path, threads: int = 8) -> Database:
    """Return an empty database with all tables; on PostgreSQL with all roles and rights."""
    if kind == "sqlite":
        return with_tables(f"sqlite:///{folder}/tokaut.db", threads)
    postgres: Postgres = request.getfixturevalue("postgres")
    address = postgres.new_filled()["tokaut_owner"].replace("tokaut_owner@", "postgres@")
    return RoleScopedPostgres(address, threads=threads)


def empty_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Database:
    """Return a database without tables, connected as the role that migrates it."""
    if kind == "sqlite":
        return Database(f"sqlite:///{folder}/tokaut.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return Database(postgres.new_tokaut()["tokaut_owner"], threads=1)


def with_tables(address: str, threads: int = 8) -> Database:
    """Create all tables in the new database at this address, and return it."""
    database = Database(address, threads=threads)
    if database.is_sqlite:
        copy(_tables(), Path(address.removeprefix("sqlite:///")))
    else:
        metadata.create_all(database.engine)
    return database


@cache
def _tables() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokaut.db"
        with closing(Database(f"sqlite:///{file}", threads=1)) as database:
            metadata.create_all(database.engine)
        return file.read_bytes()
