"""Access codes of reports that staff entered: drawn by the console, turned into a mailbox by web.

A mailbox is looked up by a hash under web's store key, which the console does not have. The console seals code and PIN
to a public key that web derives from its store key and publishes here; the scheduler holds them once it has stored the
report, and web makes the mailbox within seconds. Nothing is ever written to the mailbox of another report: the
scheduler holds a code only for a report that it stores now, and web only inserts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t
from reports.store.submissions import MailboxRecord

CODE_LABEL = "code"  # replaces the id of an answer in the seal context
PAGE_SIZE = 50


def publish_key(database: Database, public_key: bytes) -> None:
    """Publish web's public key as the newest one. Web calls this after each start.

    It may be an older key than another one that is published: an operator may have taken a new store key back.
    """
    k = t.entry_key.c
    with database.write() as connection:
        latest = connection.execute(select(func.max(k.made_at)).where(k.public_key != public_key)).scalar()
        made_at = max(database.now(), (latest or 0) + 1)  # also after the clock was set back
        connection.execute(database.insert_or_ignore(t.entry_key).values(public_key=public_key, made_at=made_at))
        connection.execute(update(t.entry_key).where(k.public_key == public_key).values(made_at=made_at))


def newest_key(database: Database, hotline: str) -> bytes | None:
    """Return the key that web published last: the console seals codes to it; None if web has published none yet."""
    with read_as(database, hotline) as connection:
        query = select(t.entry_key.c.public_key).order_by(t.entry_key.c.made_at.desc()).limit(1)
        return connection.execute(query).scalar()


def hold(connection: Connection, report_id: str, sealed: bytes, now: int) -> None:
    """Hold the code of a report until web makes its mailbox. The scheduler calls this, in its open transaction."""
    connection.execute(insert(t.entry_code).values(report_id=report_id, sealed=sealed, held_at=now))


def list_held(database: Database) -> Iterator[Any]:
    """Yield the rows (report_id, sealed, held_at) of codes without a mailbox, oldest first. Web calls this.

    It reads a page at a time. Rows that cannot be opened stay, and must not hide the later ones.
    """
    e = t.entry_code.c
    query = select(e.report_id, e.sealed, e.held_at).order_by(e.held_at, e.report_id).limit(PAGE_SIZE)
    page_query = query
    while True:
        with database.read() as connection:
            page = connection.execute(page_query).all()
        yield from page
        if len(page) < PAGE_SIZE:
            return
        page_query = query.where(tuple_(e.held_at, e.report_id) > (page[-1].held_at, page[-1].report_id))


def save_mailbox(database: Database, report_id: str, mailbox: MailboxRecord) -> None:
    """Store the mailbox of a held code, unless the report has one, and delete the code. Web calls this."""
    row = asdict(mailbox) | {"report_id": report_id, "created_at": database.now()}
    with database.write() as connection:
        if connection.execute(delete(t.entry_code).where(t.entry_code.c.report_id == report_id)).rowcount:
            connection.execute(database.insert_or_ignore(t.mailbox), row)
