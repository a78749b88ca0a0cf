"""The kinds of database that every test of the store runs on: SQLite quickly, PostgreSQL as it is in production."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import pytest
from sqlalchemy import Connection

from reports.store import postgresql
from reports.store.database import Database
from reports.store.tables import metadata
from tests.support.postgres import Postgres, binaries

KINDS = ["sqlite", *([pytest.param("postgresql", marks=pytest.mark.slow)] if binaries() else [])]

# Whose each module of the store is; a function where it differs from its module.
SET_ROLE: dict[str, LiteralString] = {
    **dict.fromkeys(
        (
            "filing",
            "pending",
            "messages",
            "mailboxes",
            "tries",
            "screens",
            "sweeping.oldest",
            "paging.note_word",
        ),
        "SET ROLE tokaut_web",
    ),
    **dict.fromkeys(("tries.guessed_lately", "tries.locked_codes"), "SET ROLE tokaut_clock"),
    **dict.fromkeys(("drilling.due", "drilling.done", "optouts", "times", "hosts"), "SET ROLE tokaut_web"),
    **dict.fromkeys(("outbox", "sms_out", "paging", "optouts.stands", "nudging.holds"), "SET ROLE tokaut_worker"),
    **dict.fromkeys(
        (
            "drilling",
            "accounts",
            "two_leads",
            "at_the_desk",
            "waiting_list",
            "desk_sessions",
            "drafts",
            "knocking",
            "figures",
            "taking",
            "handovers",
        ),
        "SET ROLE tokaut_console",
    ),
    **dict.fromkeys(
        (
            "sweeping",
            "mending",
            "maturing",
            "chains",
            "letters",
            "answering",
            "clocking",
            "steps",
            "watching",
            "telling",
            "leases",
            "orders",
            "handing",
            "nudging",
            "optouts.keys",
            "reading",
            "taking.count_as_receipts",
            "taking.forget_calls",
            "drafts.forget",
            "purging",
            "legal_holds",
            "checkpoints",
            "exporting",
            "rewrapping",
            "tallying",
            "sms_out.due",
            "sms_out.state",
            "messages.put_outgoing",
            "sms_out.expire",
            "paging.silent",
            "paging.told_of",
            "paging.is_fresh",
            "paging.believe",
            "paging.outrun",
            "paging.forget",
            "drilling.forget",
            "fingerprints",
        ),
        "SET ROLE tokaut_clock",
    ),
}


class InRoles(Database):
    """PostgreSQL, where each part of the store has the rights of the process that calls it, and the test has all."""

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        role = _whose()
        with super()._connected() as connection:
            line = postgresql.line_of(connection)
            if role:
                line.execute(role)
                line.commit()
            try:
                yield connection
            finally:
                if role and not line.closed:
                    line.rollback()
                    line.execute("RESET ROLE")
                    line.commit()


def _whose() -> LiteralString | None:
    frame = sys._getframe()
    while frame := frame.f_back:
        package, _, module = frame.f_globals.get("__name__", "").rpartition(".")
        if package == "reports.store" and module not in ("database", "asking", "breakers", "standings", "ripeness"):
            return SET_ROLE.get(f"{module}.{frame.f_code.co_name}", SET_ROLE[module])
    return None


def made(kind: str, request: pytest.FixtureRequest, folder: Path, threads: int = 8) -> Database:
    """Empty, with all tables; on PostgreSQL with all rights."""
    if kind == "sqlite":
        return with_tables(f"sqlite:///{folder}/tokaut.db", threads)
    postgres: Postgres = request.getfixturevalue("postgres")
    address = postgres.new_filled()["tokaut_owner"].replace("tokaut_owner@", "postgres@")
    return InRoles(address, threads=threads)


def empty(kind: str, request: pytest.FixtureRequest, folder: Path) -> Database:
    """Without a table; the account that migrates it."""
    if kind == "sqlite":
        return Database(f"sqlite:///{folder}/tokaut.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return Database(postgres.new_tokaut()["tokaut_owner"], threads=1)


def with_tables(address: str, threads: int = 8) -> Database:
    database = Database(address, threads=threads)
    metadata.create_all(database.engine)
    return database
