"""Who works at the hotlines: invitations, accounts, and ways back into one. Every change is in the audit with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, insert, or_, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import staff as s
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.time_units import DAY


@dataclass(frozen=True, slots=True)
class Account:
    staff_id: str
    name: str
    hotline: str
    role: str  # staff, lead, auditor, operator
    password: str
    totp: bytes
    totp_step: int
    wrong: int
    created_at: int
    ended_at: int | None

    @property
    def actor(self) -> str:
        """In the audit."""
        return actor(self.hotline, self.name)


def actor(hotline: str, name: str) -> str:
    return f"staff:{hotline}/{name}"


@dataclass(frozen=True, slots=True)
class Invitation:
    """`staff_id`: whose account it gives back; None: it makes one."""

    invitation_hash: bytes
    name: str
    hotline: str
    role: str
    staff_id: str | None
    made_by: str
    until: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person has chosen: `password` as Argon2id writes it, `totp` sealed under the account's id."""

    password: str
    totp: bytes
    totp_step: int


def find_by_name(database: Database, name: str) -> Account | None:
    return _one(database, select(s.staff).where(s.staff.c.name == name))


def find_by_id(database: Database, staff_id: str) -> Account | None:
    return _one(database, select(s.staff).where(s.staff.c.staff_id == staff_id))


def list_accounts(database: Database, hotline: str) -> tuple[Account, ...]:
    """Of one hotline, those who have left too."""
    query = select(s.staff).where(s.staff.c.hotline == hotline).order_by(s.staff.c.name)
    with database.read() as connection:
        return tuple(account_from_row(row._mapping) for row in connection.execute(query))


def invite(database: Database, one: Invitation) -> bool:
    """False where the name is taken."""
    taken = select(s.staff.c.staff_id).where(s.staff.c.name == one.name, s.staff.c.staff_id != (one.staff_id or ""))
    now = database.now()
    with write_as(database, _hotline_of(one.made_by)) as connection:
        if connection.execute(taken).first() is not None:
            return False
        older = (s.invitation.c.name == one.name) & (s.invitation.c.hotline == one.hotline)
        connection.execute(delete(s.invitation).where(older))  # the newest link holds; another hotline's is theirs
        connection.execute(insert(s.invitation), asdict(one))
        audit_log.append(connection, one.made_by, "invited", f"{one.hotline}/{one.name}"[:80], now)
    return True


def find_invitation(database: Database, invitation_hash: bytes) -> Invitation | None:
    """None where there is none, or no more."""
    i = s.invitation.c
    query = select(s.invitation).where(i.invitation_hash == invitation_hash, i.until > database.now())
    with database.read() as connection:
        row = connection.execute(query).first()
    return Invitation(**row._mapping) if row else None


def accept_invitation(database: Database, one: Invitation, staff_id: str, chosen: Credentials) -> bool:
    """Use an invitation up. False where somebody was faster. Whoever had the account is logged out everywhere."""
    now = database.now()
    i = s.invitation.c
    with write_as(database, one.hotline) as connection:
        used = delete(s.invitation).where(i.invitation_hash == one.invitation_hash, i.until > now)
        if connection.execute(used).rowcount != 1:
            return False
        values = asdict(chosen) | {"wrong": 0}
        if one.staff_id is None:
            row = {"staff_id": staff_id, "name": one.name, "hotline": one.hotline, "role": one.role, "created_at": now}
            made = connection.execute(database.insert_new(s.staff).values(row | values)).rowcount == 1
            if not made:
                return False
        else:
            connection.execute(update(s.staff).where(s.staff.c.staff_id == one.staff_id).values(values))
            connection.execute(delete(s.staff_session).where(s.staff_session.c.staff_id == one.staff_id))
        audit_log.append(connection, actor(one.hotline, one.name), "joined", one.staff_id or staff_id, now)
    return True


def use_totp_step(database: Database, account: Account, step: int) -> bool:
    """A one-time code works once, also for two who come at the same moment; and none that is older than the last."""
    code = update(s.staff).where(s.staff.c.staff_id == account.staff_id, s.staff.c.totp_step < step)
    with database.write() as connection:
        return connection.execute(code.values(totp_step=step)).rowcount == 1


def update_password_hash(database: Database, account: Account, password: str) -> None:
    """The same password under newer parameters."""
    with database.write() as connection:
        connection.execute(update(s.staff).where(s.staff.c.staff_id == account.staff_id).values(password=password))


def reset_failed_logins(database: Database, account: Account) -> None:
    """Its owner has seen how many there were."""
    with database.write() as connection:
        connection.execute(update(s.staff).where(s.staff.c.staff_id == account.staff_id).values(wrong=0))


def set_password(database: Database, account: Account, password: str) -> None:
    """Everywhere else, whoever knew the old one is logged out."""
    _change(database, account, account.actor, "password_changed", {"password": password})


def set_role(database: Database, account: Account, role: str, by: str) -> None:
    _change(database, account, by, f"role_{role}", {"role": role}, leaves=True)


def deactivate(database: Database, account: Account, by: str) -> None:
    """They have left: no login from now on, no session, and no link that they made."""
    _change(database, account, by, "staff_ended", {"ended_at": database.now()}, leaves=True)


def reactivate(database: Database, account: Account, by: str) -> bool:
    """Undo the end of an account within a day of it; False where it is too late, or was done already."""
    now, c = database.now(), s.staff.c
    young = update(s.staff).where(c.staff_id == account.staff_id, c.ended_at > now - DAY)
    with write_as(database, _hotline_of(by)) as connection:
        if connection.execute(young.values(ended_at=None)).rowcount != 1:
            return False
        audit_log.append(connection, by, "staff_restored", account.staff_id, now)
    return True


def record_act(database: Database, account: Account, act: str, about: str) -> None:
    """A line of the audit by itself; it is committed when this returns."""
    with write_as(database, account.hotline) as connection:
        audit_log.append(connection, account.actor, act, about, database.now())


def list_acts(database: Database, hotline: str, most: int, reader: str = "") -> list[Row[Any]]:
    """The newest that the staff of a hotline did: at, actor, act, object_id. Nothing of what `reader`, an account, is
    kept out of (S-26)."""
    a, d = t.audit.c, t.delivery.c
    away = select(t.kept_away.c.report_id).where(t.kept_away.c.staff_id == reader)
    sent = select(d.delivery_id).where(d.report_id.in_(away), d.hotline == hotline)
    query = select(a.at, a.actor, a.act, a.object_id).where(a.actor.startswith(f"staff:{hotline}/", autoescape=True))
    query = query.where(a.object_id.not_in(away), a.object_id.not_in(sent))
    with read_as(database, hotline) as connection:
        return list(connection.execute(query.order_by(a.at.desc(), a.audit_id.desc()).limit(most)))


def _change(
    database: Database, account: Account, by: str, act: str, values: dict[str, object], *, leaves: bool = False
) -> None:
    """`leaves`: what they began as who they were goes with it, or they could come back by a link of their own."""
    now = database.now()
    with write_as(database, _hotline_of(by)) as connection:
        connection.execute(update(s.staff).where(s.staff.c.staff_id == account.staff_id).values(values))
        connection.execute(delete(s.staff_session).where(s.staff_session.c.staff_id == account.staff_id))
        connection.execute(delete(t.draft).where(t.draft.c.staff_id == account.staff_id))
        if leaves:
            connection.execute(delete(s.invitation).where(s.invitation.c.made_by == account.actor))
            connection.execute(delete(s.recovery).where(s.recovery.c.asked_by == account.staff_id))
            r, who = s.raising.c, account.staff_id
            connection.execute(delete(s.raising).where(or_(r.asked_by == who, r.about == who)))
            lowered = s.lowering.c
            connection.execute(delete(s.lowering).where(or_(lowered.asked_by == who, lowered.staff_id == who)))
        audit_log.append(connection, by, act, account.staff_id, now)


def _hotline_of(actor: str) -> str:
    return actor.removeprefix("staff:").partition("/")[0]


def _one(database: Database, query: Select[Any]) -> Account | None:
    with database.read() as connection:
        row = connection.execute(query).first()
    return account_from_row(row._mapping) if row else None


def account_from_row(row: Mapping[Any, Any]) -> Account:
    return Account(**row)


def new_staff_id(database: Database) -> str:
    return new_id(database.now())
