"""Staff accounts of the hotlines, invitations, and the requests that a second person must confirm.

Invitations and changes of role, password and membership are written to the audit log in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, Select, Table, and_, delete, insert, or_, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import staff as s
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.schema.staff import READING_ROLES, StaffRole
from reports.store.staff import hidden_reports
from runtime.time_units import DAY

ASKED: Final = "asked"
CONFIRMED: Final = "confirmed"
ALREADY_ASKED: Final = "again"
NO_SECOND_LEAD: Final = "alone"
RequestOutcome = Literal["asked", "confirmed", "again", "alone"]  # outcome of a request that two people have to make


@dataclass(frozen=True, slots=True)
class Account:
    """An account at one hotline.

    `password`: Argon2id hash with its parameters. `totp`: the sealed secret of the one-time codes. `totp_step`: time
    step of the last code that was used. `wrong`: failed logins since the last login. `ended_at`: when the account was
    ended; None: it is active.
    """

    staff_id: str
    name: str
    hotline: str
    role: StaffRole
    password: str
    totp: bytes
    totp_step: int
    wrong: int
    created_at: int
    ended_at: int | None

    @property
    def actor(self) -> str:
        """Return the actor of this account as the audit log stores it."""
        return actor(self.hotline, self.name)


def actor(hotline: str, name: str) -> str:
    """Return the actor of a staff member as the audit log stores it."""
    return f"staff:{hotline}/{name}"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link by which one person can create an account, or get back into theirs, once.

    `staff_id`: the account to restore; None: the invitation creates one. `made_by`: actor who invited. `until`: when
    the link expires, in microseconds.
    """

    invitation_hash: bytes
    name: str
    hotline: str
    role: StaffRole
    staff_id: str | None
    made_by: str
    until: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials that a person has chosen.

    `password`: Argon2id hash. `totp`: sealed under the account's id. `totp_step`: of the code that was entered.
    """

    password: str
    totp: bytes
    totp_step: int


def find_by_name(database: Database, name: str) -> Account | None:
    """Return the account of this name, ended or not; None if there is none."""
    return _find(database, select(s.staff).where(s.staff.c.name == name))


def find_by_id(database: Database, staff_id: str) -> Account | None:
    """Return the account of this id, ended or not; None if there is none."""
    return _find(database, select(s.staff).where(s.staff.c.staff_id == staff_id))


def list_accounts(database: Database, hotline: str) -> tuple[Account, ...]:
    """Return the accounts of one hotline by name, including ended ones."""
    query = select(s.staff).where(s.staff.c.hotline == hotline).order_by(s.staff.c.name)
    with database.read() as connection:
        return tuple(Account(**row._mapping) for row in connection.execute(query))


def invite(database: Database, invitation: Invitation) -> bool:
    """Store an invitation, and return whether the name was free.

    It replaces older invitations of the same hotline for the name. An invitation that restores an account removes the
    account's passkeys at once: they may be on a lost phone.
    """
    same_name = select(s.staff.c.staff_id).where(
        s.staff.c.name == invitation.name, s.staff.c.staff_id != (invitation.staff_id or "")
    )
    now = database.now()
    with write_as(database, _hotline_of(invitation.made_by)) as connection:
        if connection.execute(same_name).first() is not None:
            return False
        # Only the newest link is valid; an invitation of another hotline is not touched.
        is_older = (s.invitation.c.name == invitation.name) & (s.invitation.c.hotline == invitation.hotline)
        connection.execute(delete(s.invitation).where(is_older))
        connection.execute(insert(s.invitation), asdict(invitation))
        audit_log.append(connection, invitation.made_by, "invited", f"{invitation.hotline}/{invitation.name}"[:80], now)
        if (
            invitation.staff_id
            and connection.execute(delete(s.passkey).where(s.passkey.c.staff_id == invitation.staff_id)).rowcount
        ):
            audit_log.append(connection, invitation.made_by, "passkeys_removed", invitation.staff_id, now)
    return True


def find_invitation(database: Database, invitation_hash: bytes) -> Invitation | None:
    """Return the invitation; None if it does not exist, was used, or has expired."""
    i = s.invitation.c
    query = select(s.invitation).where(i.invitation_hash == invitation_hash, i.until > database.now())
    with database.read() as connection:
        row = connection.execute(query).first()
    return Invitation(**row._mapping) if row else None


def list_invitations(database: Database, hotline: str) -> tuple[Invitation, ...]:
    """Return the open invitations of one hotline; the one that expires first comes first."""
    i = s.invitation.c
    query = select(s.invitation).where(i.hotline == hotline, i.until > database.now()).order_by(i.until, i.name)
    with database.read() as connection:
        return tuple(Invitation(**row._mapping) for row in connection.execute(query))


def revoke_invitation(database: Database, invitation: Invitation, by: str) -> None:
    """Delete an open invitation. `by`: the actor who does it."""
    with write_as(database, _hotline_of(by)) as connection:
        deletion = delete(s.invitation).where(s.invitation.c.invitation_hash == invitation.invitation_hash)
        if connection.execute(deletion).rowcount == 1:
            audit_log.append(
                connection, by, "invitation_revoked", f"{invitation.hotline}/{invitation.name}"[:80], database.now()
            )


class NameTaken(Exception):
    """Another account has the name of an invitation, perhaps at a hotline of another operator."""


def accept_invitation(database: Database, invitation: Invitation, staff_id: str, chosen: Credentials) -> bool:
    """Delete an invitation, and create or restore its account.

    Return False if the invitation was used meanwhile. A restored account is logged out everywhere and loses its
    passkeys, so nobody who used it before stays in. Raises NameTaken; the invitation stays.
    """
    now = database.now()
    i = s.invitation.c
    with write_as(database, invitation.hotline) as connection:
        deletion = delete(s.invitation).where(i.invitation_hash == invitation.invitation_hash, i.until > now)
        if connection.execute(deletion).rowcount != 1:
            return False
        values = asdict(chosen) | {"wrong": 0}
        if invitation.staff_id is None:
            row = {
                "staff_id": staff_id,
                "name": invitation.name,
                "hotline": invitation.hotline,
                "role": invitation.role,
                "created_at": now,
            }
            is_created = connection.execute(database.insert_or_ignore(s.staff).values(row | values)).rowcount == 1
            if not is_created:
                raise NameTaken
        else:
            connection.execute(update(s.staff).where(s.staff.c.staff_id == invitation.staff_id).values(values))
            connection.execute(delete(s.staff_session).where(s.staff_session.c.staff_id == invitation.staff_id))
            connection.execute(delete(s.passkey).where(s.passkey.c.staff_id == invitation.staff_id))
        audit_log.append(
            connection, actor(invitation.hotline, invitation.name), "joined", invitation.staff_id or staff_id, now
        )
    return True


def use_totp_step(database: Database, account: Account, step: int) -> bool:
    """Record the time step of a one-time code, and return False if it or a later one was used before.

    Of two logins with one code at the same moment, only one succeeds.
    """
    unused_step = update(s.staff).where(s.staff.c.staff_id == account.staff_id, s.staff.c.totp_step < step)
    with database.write() as connection:
        return connection.execute(unused_step.values(totp_step=step)).rowcount == 1


def update_password_hash(database: Database, account: Account, password: str) -> None:
    """Replace the hash of an unchanged password by one with newer parameters."""
    c = s.staff.c
    unchanged = update(s.staff).where(c.staff_id == account.staff_id, c.password == account.password)
    with database.write() as connection:
        connection.execute(unchanged.values(password=password))


def reset_failed_logins(database: Database, account: Account) -> None:
    """Set the number of failed logins to zero, after the owner has seen it."""
    with database.write() as connection:
        connection.execute(update(s.staff).where(s.staff.c.staff_id == account.staff_id).values(wrong=0))


def set_password(database: Database, account: Account, password: str, kept_passkeys: Collection[bytes] = ()) -> None:
    """Set another password and end the account's sessions: anybody who knew the old one is logged out.

    `kept_passkeys`: credential ids. All other passkeys of the account are removed in the same transaction, also one
    that somebody else added while the person looked at the form.
    """
    values: dict[str, object] = {"password": password}
    _change(database, account, account.actor, "password_changed", values, kept_passkeys=kept_passkeys)


def set_role(database: Database, account: Account, role: StaffRole, by: str) -> None:
    """Give the account another role. `by`: the actor who does it.

    The account's sessions, invitations and open requests end.
    """
    _change(database, account, by, f"role_{role}", {"role": role}, revoke_requests=True)


def deactivate(database: Database, account: Account, by: str) -> None:
    """End an account, with its sessions, invitations and open requests; it cannot log in any more.

    `by`: the actor who does it.
    """
    _change(database, account, by, "staff_ended", {"ended_at": database.now()}, revoke_requests=True)


def reactivate(database: Database, account: Account, by: str) -> bool:
    """Restore an account within a day of its end; return False if it is too late, or if it is active."""
    now, c = database.now(), s.staff.c
    recently_ended = update(s.staff).where(c.staff_id == account.staff_id, c.ended_at > now - DAY)
    with write_as(database, _hotline_of(by), account.hotline) as connection:
        hidden_reports.lock_accounts(connection, account.hotline)
        if connection.execute(recently_ended.values(ended_at=None)).rowcount != 1:
            return False
        audit_log.append(connection, by, "staff_restored", account.staff_id, now)
        hidden_reports.show_unreadable(connection, account.hotline, by, now)
    return True


def record_act(database: Database, account: Account, act: str, about: str) -> None:
    """Write one audit entry in a transaction of its own. It is committed when this returns."""
    with write_as(database, account.hotline) as connection:
        audit_log.append(connection, account.actor, act, about, database.now())


def list_logins(database: Database, account: Account, at_most: int) -> list[Row[Any]]:
    """Return the latest logins with this account and refused ones, newest first: at, act."""
    a = t.audit.c
    query = select(a.at, a.act).where(a.actor == account.actor, a.act.in_(("logged_in", "login_refused")))
    with read_as(database, account.hotline) as connection:
        return list(connection.execute(query.order_by(a.at.desc(), a.audit_id.desc()).limit(at_most)))


def _change(
    database: Database,
    account: Account,
    changed_by: str,
    act: str,
    values: dict[str, object],
    *,
    revoke_requests: bool = False,
    kept_passkeys: Collection[bytes] | None = None,
) -> None:
    """Change an account, end its sessions, delete its drafts, and write the audit entries.

    The drafts stay if it only gets another role that opens reports.
    `kept_passkeys`: passkeys that are not removed; None: all.

    `revoke_requests`: also delete the invitations and the open requests by or about it. Otherwise the person could get
    back in by a link of their own, or somebody else by the slip of a reset. But what the person asked about another
    lead stays: that lead could cancel it by ending or changing this account. A report that no lead of the hotline could
    open then is shown to them again.
    """
    now = database.now()
    with write_as(database, _hotline_of(changed_by), account.hotline) as connection:
        if revoke_requests:
            hidden_reports.lock_accounts(connection, account.hotline)
        connection.execute(update(s.staff).where(s.staff.c.staff_id == account.staff_id).values(values))
        connection.execute(delete(s.staff_session).where(s.staff_session.c.staff_id == account.staff_id))
        if values.get("role") not in READING_ROLES:
            connection.execute(delete(t.draft).where(t.draft.c.staff_id == account.staff_id))
        if revoke_requests:
            own_id, i, recovery, promotion = account.staff_id, s.invitation.c, s.recovery.c, s.raising.c
            connection.execute(delete(s.invitation).where(or_(i.made_by == account.actor, i.staff_id == own_id)))
            leads = select(s.staff.c.staff_id).where(s.staff.c.role == StaffRole.LEAD)
            is_asked = and_(recovery.asked_by == own_id, recovery.staff_id.not_in(leads))
            connection.execute(delete(s.recovery).where(or_(is_asked, recovery.staff_id == own_id)))
            connection.execute(delete(s.raising).where(or_(promotion.asked_by == own_id, promotion.about == own_id)))
            connection.execute(delete(s.lowering).where(s.lowering.c.staff_id == own_id))
            hidden_reports.show_unreadable(connection, account.hotline, changed_by, now)
        audit_log.append(connection, changed_by, act, account.staff_id, now)
        if kept_passkeys is not None:
            others = s.passkey.c.staff_id == account.staff_id, s.passkey.c.credential_id.not_in(kept_passkeys)
            for _ in range(connection.execute(delete(s.passkey).where(*others)).rowcount):
                audit_log.append(connection, changed_by, "passkey_removed", account.staff_id, now)


def _hotline_of(actor: str) -> str:
    """Return the hotline of an actor `staff:<hotline>/<name>`."""
    return actor.removeprefix("staff:").partition("/")[0]


def _find(database: Database, query: Select[Any]) -> Account | None:
    with database.read() as connection:
        row = connection.execute(query).first()
    return Account(**row._mapping) if row else None


def new_staff_id(database: Database) -> str:
    """Return an id for a new account."""
    return new_id(database.now())


# Requests of a lead that a second person has to confirm within a day.
#
# They restore access to an account, make somebody a lead, or end or demote a lead. No lead can do this alone.


def request_recovery(database: Database, account: Account, lead: Account) -> RequestOutcome:
    """Request that an account be restored, or confirm the request of another lead.

    Return ASKED if another lead has to confirm it, CONFIRMED if another lead had asked, ALREADY_ASKED if the same lead
    had asked.
    """
    return _request(database, s.recovery, {"staff_id": account.staff_id}, lead, ("recovery", account.staff_id))


def request_promotion(database: Database, about: str, name: str, lead: Account) -> RequestOutcome:
    """Request that somebody become a lead, or confirm the request of another lead.

    `about`: an account id, or the name of somebody who has no account yet. Return as `request_recovery` does, or
    NO_SECOND_LEAD if nobody could confirm it.
    """
    if not _has_other_lead(database, lead):
        return NO_SECOND_LEAD
    audit = ("lead", f"{lead.hotline}/{name}"[:80])
    return _request(database, s.raising, {"hotline": lead.hotline, "about": about}, lead, audit)


def request_demotion(
    database: Database, account: Account, role: StaffRole | Literal[""], lead: Account
) -> RequestOutcome:
    """Request that a lead be given another role, or confirm such a request; an empty role ends the account.

    Return as `request_recovery` does. The lead whom it is about may confirm it.
    """
    audit = ("end" if not role else f"role_{role}", account.staff_id)
    return _request(database, s.lowering, {"staff_id": account.staff_id, "role": role}, lead, audit)


def list_demotions(database: Database, hotline: str) -> list[Row[Any]]:
    """Return the open requests to end or demote a lead, oldest first: staff_id, role, asked_by, asked_at."""
    c = s.lowering.c
    query = select(c.staff_id, c.role, c.asked_by, c.asked_at).join(s.staff, s.staff.c.staff_id == c.staff_id)
    query = query.where(s.staff.c.hotline == hotline, c.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(c.asked_at)))


def list_recoveries(database: Database, hotline: str) -> dict[str, str]:
    """Return the open requests to restore an account: account id → id of the lead who asked."""
    r = s.recovery.c
    query = select(r.staff_id, r.asked_by).join(s.staff, s.staff.c.staff_id == r.staff_id)
    query = query.where(s.staff.c.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return {row.staff_id: row.asked_by for row in connection.execute(query)}


def list_promotions(database: Database, hotline: str) -> list[Row[Any]]:
    """Return the open requests to make somebody a lead, oldest first: about, asked_by, asked_at."""
    r = s.raising.c
    query = select(r.about, r.asked_by, r.asked_at).where(r.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(r.asked_at)))


def _has_other_lead(database: Database, lead: Account) -> bool:
    c = s.staff.c
    query = select(c.staff_id).where(c.hotline == lead.hotline, c.role == StaffRole.LEAD, c.ended_at.is_(None))
    with database.read() as connection:
        return connection.execute(query.where(c.staff_id != lead.staff_id).limit(1)).first() is not None


def _request(
    database: Database, table: Table, key: Mapping[str, str], lead: Account, audit: tuple[str, str]
) -> RequestOutcome:
    """Store or confirm a request. `audit`: the first word of its act in the audit log, and the object."""
    now = database.now()
    with write_as(database, lead.hotline) as connection:
        outcome = _store_or_confirm(connection, database, table, key, lead.staff_id)
        if outcome != ALREADY_ASKED:
            audit_log.append(connection, lead.actor, f"{audit[0]}_{outcome}", audit[1], now)
    return outcome


def _store_or_confirm(
    connection: Connection, database: Database, table: Table, key: Mapping[str, str], asked_by: str
) -> RequestOutcome:
    """Store the request, or delete it if another person made it. Requests older than a day are deleted first."""
    now, same_request = database.now(), and_(*(table.c[name] == value for name, value in key.items()))
    connection.execute(delete(table).where(same_request, table.c.asked_at < now - DAY))
    row = {**key, "asked_by": asked_by, "asked_at": now}
    if connection.execute(database.insert_or_ignore(table).values(row)).rowcount == 1:
        return ASKED
    statement = delete(table).where(same_request, table.c.asked_by != asked_by)
    return CONFIRMED if connection.execute(statement).rowcount == 1 else ALREADY_ASKED
