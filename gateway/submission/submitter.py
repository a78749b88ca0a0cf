"""Writes down what was told: in the database, and in the spool while that is away. Only then "Sent"."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from msgspec.structs import replace

from gateway.sessions.circuit_breaker import CircuitBreaker
from gateway.sessions.record import ReportRef
from gateway.submission.builder import ReportBuilder, ReportInput
from gateway.submission.revisions import kept_as, sent_as
from reports import mailbox
from reports.entry import Entry
from reports.erasures import Journal
from reports.queue import DELIVER, Hurry, speed_of
from reports.routing import Leg
from reports.sealing import Vault
from reports.spool import NotKept, Spool
from reports.store import filing as store
from reports.store import pending
from reports.store.database import Database, DatabaseUnavailable
from reports.store.filing import Filed, Filing
from reports.store.ids import new_id

T = TypeVar("T")

log = structlog.get_logger()

RESCUE_SECONDS = {"ussd": 120, "sms": 600}  # after the last answer; typing an SMS takes that long
WORDS_SECONDS = 30 * 60
GATHER_SECONDS = 20  # from the first answer after Send that is not filed yet; words wait for nothing
SECRET_BYTES = 32


class NotSent(Exception):
    """Neither the database nor the spool took it. The reporter must be told NOT SENT."""


class Submitter:
    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        vault: Vault,
        builder: ReportBuilder,
        hurry: Hurry,
        count: Callable[[str], None],
        journal: Journal,
    ) -> None:
        self._database = database
        self._spool = spool
        self._vault = vault
        self._builder = builder
        self._hurry = hurry
        self._count = count
        self._journal = journal
        self._breaker = CircuitBreaker(failures=3, window=30, rest=30)

    def begin(self, now: int, *origin: str, walked_again: bool = False) -> ReportRef:
        """Begin a report of this conversation. `origin` makes a repeated Send the same report.

        The id follows from it too, and tells only the hour: walked again with Redis and database both away, what is
        added goes into the spool under the id of what was sent before.

        Code and PIN come from a secret that is stored nowhere but in the sealed session. `walked_again`: the provider
        sends what nobody can guess with each request, and the secret is computed from that: there may be no session.
        """
        origin_key = self._vault.mac("origin", *origin)
        secret = self._vault.mac("code-secret", *origin) if walked_again else secrets.token_bytes(SECRET_BYTES)
        return ReportRef(self._own_id(origin_key, now), origin_key, now, secret=secret)

    def _own_id(self, origin_key: bytes, now: int) -> str:
        return new_id((now - now % 3600) * 1_000_000, self._vault.mac("report-id", origin_key))

    # Send

    def send(self, told: ReportInput, begun: ReportRef, *, with_code: bool) -> ReportRef:
        """File it as complete; returns what is now known of it. Raises NotSent."""
        if waits := self._spool.sent_by(begun.origin_key):  # the same Send, walked again without Redis
            begun = replace(begun, report_id=waits[0], revision=max(begun.revision, waits[1]))
        begun = _with_secret(begun)
        box = mailbox.make(self._vault, begun.secret) if with_code else None
        try:
            if self._database.has_a_queue or self._breaker.is_open:  # known before it is sealed; the spool takes all
                raise DatabaseUnavailable("others wait, or it is left alone")
            first = replace(begun, revision=max(begun.revision, 1) + begun.unsent)
            filing = self._builder.seal(told, first, begun.legs, "complete")
            filed = self.write(lambda: store.file(self._database, filing, box, unsent=begun.unsent))
            if filed.completeness == "complete" and not (filed.own or filed.late):
                # The earlier walk's report went out whole; this may be another child: two reports rather than one.
                begun = replace(begun, report_id=self._own_id(begun.origin_key, told.now), revision=1)
                filing = self._builder.seal(told, begun, begun.legs, "complete")
                filed = self.write(lambda: store.file(self._database, filing, box))
            if not filed.fresh and (filed.late or filed.completeness == "incomplete"):
                filed = self._complete(told, begun, filed)
            log.info("report_submitted", report_id=filed.report_id, priority=filing.priority)
        except DatabaseUnavailable:
            filing, filed = self._spool_sent(told, begun, box)
            log.info("report_submitted", report_id=filed.report_id, priority=filing.priority, reason="database_away")
        for delivery_id in filed.deliveries:
            self._hurry.put(DELIVER, delivery_id, speed_of(filing.priority))
        begun = replace(begun, report_id=filed.report_id, revision=filed.revision, pending=False, unsent=False)
        return replace(
            begun, sent_at=begun.sent_at or told.now, code=0 if filed.has_code else None, floor=filing.priority
        )

    def _complete(self, told: ReportInput, begun: ReportRef, filed: Filed) -> Filed:
        """It is there already, INCOMPLETE, or kept late: it becomes complete, or what it is now."""
        again = replace(begun, report_id=filed.report_id, revision=max(begun.revision, filed.revision) + 1)
        return replace(filed, revision=self._put(told, again, again.legs, "update", seconds=0).revision)

    def _spool_sent(self, told: ReportInput, begun: ReportRef, box: store.Mailbox | None) -> tuple[Filing, Filed]:
        """Raises NotSent."""
        begun = replace(begun, revision=sent_as(begun))
        filing = self._builder.seal(told, begun, begun.legs, "complete")
        kind = "anew" if begun.unsent else "again" if begun.carried else "sent"
        self._keep_in_spool(Entry(filing, kind, due_at=self._database.now(), mailbox=box))
        return filing, Filed(filing.report_id, True, "complete", begun.revision, has_code=bool(box))

    def code_and_pin(self, begun: ReportRef) -> tuple[str, str]:
        """What Sent shows. By SMS the mailbox is opened only now, when it was asked for."""
        return mailbox.code_and_pin(self._vault, begun.secret)

    def open_mailbox(self, begun: ReportRef) -> ReportRef:
        """Keep the mailbox of a code that was asked for. Raises DatabaseUnavailable."""
        begun = _with_secret(begun)
        box = mailbox.make(self._vault, begun.secret)
        self.write(lambda: store.open_mailbox(self._database, begun.report_id, box))
        return replace(begun, code=0)

    # What files itself

    def rescue(self, told: ReportInput, begun: ReportRef, legs: tuple[Leg, ...]) -> ReportRef:
        """danger = now: if nobody comes back, the child helpline hears of it (S-12)."""
        return self._leave(told, begun, legs, "rescue", RESCUE_SECONDS[told.kind])

    def words(self, told: ReportInput, begun: ReportRef, legs: tuple[Leg, ...]) -> ReportRef:
        """Words that were sent and never confirmed are heard all the same, without the number."""
        return self._leave(told, begun, legs, "words", WORDS_SECONDS)

    def _leave(self, told: ReportInput, begun: ReportRef, legs: tuple[Leg, ...], kind: str, seconds: int) -> ReportRef:
        """It counts as waiting where nobody knows: "no" at COMMIT may mean "later", and then a deletion must ask."""
        if begun.unsent and self._spool.sent_by(begun.origin_key):  # kept late: whole, though it is not filed yet
            return replace(begun, sent_at=told.now, pending=False)
        further = 0 if begun.forgotten else 1  # than what may be written all the same
        begun = replace(begun, revision=kept_as(begun) if begun.pending else begun.revision + 1)
        try:
            return self._put(told, begun, legs, kind, seconds)
        except DatabaseUnavailable:
            begun = replace(begun, revision=begun.revision + further, pending=True)
            filing = self._builder.seal(told, begun, legs, "incomplete")
            entry = Entry(filing, kind, due_at=self._database.now() + seconds * 1_000_000)
        try:
            self._keep_in_spool(entry, lost="not_sent" if kind == "words" else "pending_not_kept")
        except NotSent:
            if kind == "words":  # it is promised that they will be heard
                raise
        return begun  # where a rescue is kept nowhere, the next answer tries again

    def update(self, told: ReportInput, begun: ReportRef, *, at_once: bool) -> ReportRef:
        """Store an answer given after Send as the next revision, and return what is known of the report then.

        `at_once`: the clock files it in its next round, with every answer gathered before. Otherwise answers gather
        for `GATHER_SECONDS`, so that the hotline does not get an update for each key pressed. Raises NotSent.
        """
        begun = replace(begun, revision=begun.revision if begun.pending else begun.revision + 1)
        try:
            return self._put(told, begun, begun.legs, "update", 0 if at_once else GATHER_SECONDS)
        except DatabaseUnavailable:
            begun = replace(begun, revision=begun.revision + 1, pending=False)
            filing = self._builder.seal(told, begun, begun.legs, "complete")
            self._keep_in_spool(Entry(filing, "update", due_at=self._database.now()))
            return replace(begun, floor=filing.priority)

    def _put(self, told: ReportInput, begun: ReportRef, legs: tuple[Leg, ...], kind: str, seconds: int) -> ReportRef:
        filing = self._builder.seal(told, begun, legs, "complete" if kind == "update" else "incomplete")
        rose = begun.floor is not None and filing.priority < begun.floor and kind == "update"
        due_at = self._database.now() + (0 if rose else seconds * 1_000_000)
        known = self.write(lambda: pending.put_pending(self._database, filing, kind, due_at))
        if known and known.complete and kind != "update":  # it was sent: nothing INCOMPLETE may come after that
            return replace(begun, report_id=known.report_id, revision=known.revision, sent_at=told.now, pending=False)
        if known:  # it was filed in the meantime
            again = replace(begun, report_id=known.report_id, revision=known.revision + 1)
            return self._put(told, again, legs, kind, seconds)
        return replace(begun, pending=True, floor=filing.priority)

    def drop(self, begun: ReportRef) -> bool:
        """Delete what would file itself, and no Send: its hotline was left out. False where it was filed already."""
        return not begun.pending or self.delete(replace(begun, unsent=False)) == "deleted"

    def delete(self, begun: ReportRef) -> str:
        """The reporter said Delete: "deleted"; "told" where a hotline knew of it before; "whole" where it was sent.

        Of what an earlier walk told, who dials now may be anybody, and learns nothing. Raises DatabaseUnavailable: then
        nobody may be told that it is deleted.
        """
        if not (begun.pending or begun.unsent):
            return "deleted"
        spooled = any(begun.report_id in name for name in self._spool.names())
        if spooled and not self._drop_from_spool(begun):
            raise DatabaseUnavailable("its deletion is not kept")
        found = self.write(lambda: pending.drop_pending(self._database, begun.origin_key, begun.report_id))
        by_another = begun.carried or begun.forgotten
        if found.filed != "complete" or by_another:
            self._record(begun)
        if not found.filed or (by_another and (found.waited or spooled or not begun.pending)):
            return "deleted"
        return "whole" if found.filed == "complete" and not by_another else "told"

    def take_back(self, begun: ReportRef) -> bool:
        """As `drop`; or by the spool once the database is back: false meanwhile.

        Raises DatabaseUnavailable where neither does it.
        """
        try:
            return self.drop(begun)
        except DatabaseUnavailable:
            if not self._drop_from_spool(replace(begun, unsent=False)):
                raise
            return False

    def withdraw(self, begun: ReportRef) -> None:
        """As `take_back`, for who leaves and can be told nothing."""
        with suppress(DatabaseUnavailable):
            self.take_back(begun)

    def _drop_from_spool(self, begun: ReportRef) -> bool:
        """What waits in the spool would come after the deletion; so the deletion goes behind it."""
        try:
            nothing = self._builder.nothing(replace(begun, revision=_deleted_as(begun)))
            self._spool.put(Entry(nothing, "drop_unsent" if begun.unsent else "drop"))
        except NotKept:
            self._count("pending_not_dropped")
            return False
        self._record(begun)
        return True

    def _record(self, begun: ReportRef) -> None:
        """Note the deletion for a restored backup, which may bring back the draft up to this revision."""
        self._journal.record("draft", report_id=begun.report_id, keys=(begun.origin_key,), revision=_deleted_as(begun))

    def hurry(self, begun: ReportRef) -> None:
        """File now what waits: Done was pressed, or the network said that the line is gone."""
        if begun.pending:
            try:
                now = self._database.now()
                self.write(lambda: pending.hurry_pending(self._database, begun.origin_key, begun.report_id, now))
            except DatabaseUnavailable:
                self._count("pending_not_hurried")  # it files itself in its own time

    # The two places

    def write(self, write: Callable[[], T]) -> T:
        """The database, unless it has just failed three times: then callers are not made to wait for it."""
        if self._breaker.is_open:
            raise DatabaseUnavailable("left alone")
        try:
            return write()
        except DatabaseUnavailable:
            self._breaker.failed()
            raise

    def _keep_in_spool(self, entry: Entry, lost: str = "not_sent") -> None:
        try:
            self._spool.put(entry)
        except NotKept:
            self._count(lost)
            raise NotSent from None
        self._count("spooled")


def _deleted_as(begun: ReportRef) -> int:
    """Return the highest revision that a deletion takes: the reporter may begin the same report again."""
    return sent_as(begun) if begun.unsent else kept_as(begun)


def _with_secret(begun: ReportRef) -> ReportRef:
    """Give a report that was begun under the release before a secret of its own."""
    return begun if begun.secret else replace(begun, secret=secrets.token_bytes(SECRET_BYTES))
