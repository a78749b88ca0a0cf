"""A hotline's own ready-made replies: one lead writes a reply, a second lead signs it, any lead withdraws it.

Their words are about no report and are stored in plain text. A reply is never changed or deleted, so that each approval
stays on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, insert, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.idempotency_keys import claim_key, key_exists
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.schema.staff import StaffRole
from reports.store.staff.accounts import Account

MAX_REPLIES = 30  # in use or waiting; a longer list would be too slow to read at night


@dataclass(frozen=True, slots=True)
class OwnReply:
    """A reply that is in use or waits for a signature.

    `texts`: language tag → words. `is_writer_lead`: the lead who wrote it still is one; otherwise it cannot be signed.
    """

    reply_id: str
    texts: Mapping[str, str]
    written_by: str  # account id
    written_at: int
    signed_by: str | None
    signed_at: int | None
    is_writer_lead: bool


def list_replies(database: Database, hotline: str) -> tuple[OwnReply, ...]:
    """Return the replies of a hotline that were not withdrawn, oldest first."""
    o = t.own_reply.c
    query = select(t.own_reply, _writer_is_lead(hotline).label("is_writer_lead"))
    query = query.where(o.hotline == hotline, o.withdrawn_at.is_(None))
    rows_by_id: dict[str, list[Any]] = {}
    with read_as(database, hotline) as connection:
        for row in connection.execute(query.order_by(o.written_at, o.reply_id, o.language)):
            rows_by_id.setdefault(row.reply_id, []).append(row)
    return tuple(_reply(rows) for rows in rows_by_id.values())


def list_signed(database: Database, hotline: str) -> tuple[OwnReply, ...]:
    """Return the replies that all staff of the hotline may use, oldest first."""
    return tuple(reply for reply in list_replies(database, hotline) if reply.signed_at is not None)


class TooManyReplies(Exception):
    """The hotline has MAX_REPLIES replies: one must be withdrawn first."""


def write(database: Database, lead: Account, texts: Mapping[str, str], key: bytes | None = None) -> str:
    """Store a reply that waits for a second lead, and return its id.

    `key`: idempotency key of the form; of a form that was sent before nothing is stored. Raises TooManyReplies.
    """
    now = database.now()
    reply_id = new_id(now)
    o = t.own_reply.c
    count_query = select(o.reply_id).where(o.hotline == lead.hotline, o.withdrawn_at.is_(None)).distinct()
    with write_as(database, lead.hotline) as connection:
        if not claim_key(connection, database, key):
            return reply_id
        if len(connection.execute(count_query).all()) >= MAX_REPLIES:
            raise TooManyReplies  # the key is not stored: the same form may be sent again
        row = {"reply_id": reply_id, "hotline": lead.hotline, "written_by": lead.staff_id, "written_at": now}
        connection.execute(
            insert(t.own_reply), [row | {"language": tag, "text": text} for tag, text in sorted(texts.items())]
        )
        audit_log.append(connection, lead.actor, "reply_written", reply_id, now)
    return reply_id


def sign(database: Database, lead: Account, reply_id: str, key: bytes | None = None) -> bool:
    """Sign a reply that another lead wrote, and return whether it is signed: all staff see it from then on.

    `key`: idempotency key of the form; True also if this form signed it before.
    """
    o = t.own_reply.c
    conditions = (o.signed_at.is_(None), o.written_by != lead.staff_id, _writer_is_lead(lead.hotline))
    return _mark(database, lead, reply_id, "signed", key, *conditions)


def withdraw(database: Database, lead: Account, reply_id: str, key: bytes | None = None) -> bool:
    """Withdraw a reply, and return whether there was one. `key`: as for `sign`."""
    return _mark(database, lead, reply_id, "withdrawn", key)


def _mark(database: Database, lead: Account, reply_id: str, mark: str, key: bytes | None, *conditions: Any) -> bool:
    o, now = t.own_reply.c, database.now()
    values = {f"{mark}_by": lead.staff_id, f"{mark}_at": now}
    is_current = (o.reply_id == reply_id, o.hotline == lead.hotline, o.withdrawn_at.is_(None), *conditions)
    with write_as(database, lead.hotline) as connection:
        if not _update(connection, is_current, values):
            return key is not None and key_exists(connection, key)
        claim_key(connection, database, key)
        audit_log.append(connection, lead.actor, f"reply_{mark}", reply_id, now)
    return True


def _update(connection: Connection, conditions: tuple[Any, ...], values: Mapping[str, Any]) -> int:
    return connection.execute(update(t.own_reply).where(*conditions).values(values)).rowcount


def _writer_is_lead(hotline: str) -> Any:
    """Match replies whose writer is a lead of the hotline now: a lead's request ends with their role."""
    s = t.staff.c
    conditions = (s.staff_id == t.own_reply.c.written_by, s.hotline == hotline, s.role == StaffRole.LEAD)
    return exists(select(s.staff_id).where(*conditions, s.ended_at.is_(None)).correlate(t.own_reply))


def _reply(rows: list[Any]) -> OwnReply:
    first = rows[0]
    return OwnReply(
        first.reply_id,
        {row.language: row.text for row in rows},
        first.written_by,
        first.written_at,
        first.signed_by,
        first.signed_at,
        bool(first.is_writer_lead),
    )
