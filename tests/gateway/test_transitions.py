"""The state table of a submission, walked at random over a real database and spool that fail at any moment.

The promise: the last revision that a hotline gets has the words of each stored answer and of each Send that said
"Sent", despite failures, repeats and replays; and nothing is left of a deleted report.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, sampled_from
from msgspec.structs import replace
from sqlalchemy import Connection, select

from flows.model import Answer, FlowState
from gateway.circuit_breaker import CircuitBreaker
from gateway.messaging.model import Inbound, Reply
from gateway.sessions.record import LastTurn, Record
from gateway.sessions.report_ref import (
    NotSubmitted,
    PerhapsScheduled,
    ReportRef,
    Scheduled,
    SubmissionState,
    SubmissionUncertain,
    Submitted,
)
from gateway.submission.builder import ReportBuilder, ReportInput
from gateway.submission.spool_drain import submit_late
from gateway.submission.submitter import NotSent, Submitter
from gateway.submission.transitions import (
    LEAP,
    PER_REPLY,
    TABLE,
    SubmissionEvent,
    after_event,
    known_up_to,
    numbered,
    replayed,
    revision_for,
)
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body
from reports.crypto.key_files import create_key_pair, read_private_key
from reports.erasure_journal import ErasureJournal
from reports.facts import GivenAnswer
from reports.narrative import UnaskedText
from reports.routing import Recipient
from reports.store import pending_submissions, spool
from reports.store.engine import sqlite
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.schema import tables as t
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from tests.safeguarding.call_paths import COUNTRIES
from tests.support.databases import with_tables

pytestmark = pytest.mark.slow

VU = COUNTRIES["VU"]
HOTLINE = "vu-pikinini"
RECIPIENTS = (Recipient(HOTLINE, "primary", "CATEGORY_FIRST"),)
NOW = 1_795_593_740  # Unix seconds
HOUR_SECONDS = 3600
FAILURES = ("none", "refused", "late")  # late: stored, but reported as failed


class FailingDatabase(Database):
    """A database whose next writes are refused, or stored and reported as failed."""

    failure = "none"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self.failure == "refused":
            raise DatabaseUnavailable("refused")
        with super().write() as connection:
            yield connection
        if self.failure == "late":
            raise DatabaseUnavailable("late")


class FailingSpool(Spool):
    """A spool whose next entries are refused, or stored and reported as failed."""

    failure = "none"

    def put(self, entry: SpoolEntry) -> None:
        if self.failure == "refused":
            raise SpoolWriteError("full")
        super().put(entry)
        if self.failure == "late":
            raise SpoolWriteError("late")


class NoQueue:
    """A job queue that is unavailable: the scheduler finds what is due."""

    def put(self, _job: str, _item: str, _queue: str) -> bool:
        return False


class SubmissionMachine(RuleBasedStateMachine):
    """One phone and its report; the state machine presses keys while database and disk fail and recover."""

    @initialize(sends_path=booleans())
    def dial(self, sends_path: bool) -> None:
        self.patches = ExitStack()  # long timeouts: only chosen failures may happen
        self.patches.enter_context(patch.object(sqlite, "COMMIT_SECONDS", 60.0))
        self.patches.enter_context(patch.object(spool, "DISK_TIMEOUT_SECONDS", 60.0))
        self.folder = Path(tempfile.mkdtemp(prefix="tt-"))
        self.url = f"sqlite:///{self.folder}/tokaut.db"
        with_tables(self.url, threads=1).close()
        self.database = FailingDatabase(self.url, threads=1)
        cipher = RecordCipher([b"k" * 32])
        self.spool = FailingSpool(self.folder / "spool", cipher)
        keys = {HOTLINE: create_key_pair(self.folder, HOTLINE)}
        self.counted: list[str] = []
        journal = ErasureJournal(
            self.folder / "journal", "host", is_shared=False, now=lambda: NOW * 1_000_000, count=self.counted.append
        )
        self.submitter = Submitter(
            database=self.database,
            spool=self.spool,
            cipher=cipher,
            builder=ReportBuilder(keys, "demo"),
            job_queue=NoQueue(),  # type: ignore[arg-type]  # takes ids as a queue does
            count=self.counted.append,
            journal=journal,
        )
        self.submitter._breaker = CircuitBreaker("database_unavailable", failures=10**9, window=30, pause=30)
        self.sends_path = sends_path
        self.reports = self.replies = 0
        self.words: list[str] = []
        self.all_words = 0
        self.sent_words: list[str] | None = None
        self.promised: set[str] = set()
        self.deleted: set[str] = set()
        self.begin()

    def begin(self) -> None:
        self.reports += 1
        self.ref = self.submitter.begin(NOW, "channel", "phone", str(self.reports), is_replayable=True)
        self.in_redis: ReportRef | None = None  # the report in Redis while the session is replayed without it

    def teardown(self) -> None:
        if not hasattr(self, "database"):
            return
        try:
            self.check_promises()
        finally:
            self.database.close()
            self.spool.close()
            shutil.rmtree(self.folder)
            self.patches.close()

    # Failures

    @rule(failure=sampled_from(FAILURES))
    def database_becomes(self, failure: str) -> None:
        self.database.failure = failure

    @rule(failure=sampled_from(FAILURES))
    def spool_becomes(self, failure: str) -> None:
        self.spool.failure = failure

    @rule()
    def the_spool_is_drained(self) -> None:
        if self.database.failure == "none":
            self.spool.drain(lambda entry: submit_late(self.database, entry))

    @rule()
    def the_scheduler_runs(self) -> None:
        if self.database.failure == "none":
            self._submit_due(150)

    # Actions of the reporter

    @precondition(lambda self: not self.ref.is_submitted)
    @rule()
    def answer(self) -> None:
        self._type()
        counted = len(self.counted)
        before = self.ref
        self.ref = self.submitter.schedule_incomplete(self._told(), self.ref, RECIPIENTS)
        if self.ref.is_submitted:  # it was already submitted, so the answer is an addition, as in a session
            self._add(self.ref)
            return
        assert isinstance(self.ref.state, Scheduled | SubmissionUncertain) and self.ref.is_pending
        assert self.ref.revision >= before.revision
        if "incomplete_reports_not_stored" not in self.counted[counted:]:
            self.promised = set(self.words)

    @precondition(lambda self: not self.ref.is_submitted or self.ref.is_unconfirmed)
    @rule()
    def send(self) -> None:
        self._type()
        self._send(self._told())

    @precondition(lambda self: self.ref.is_submitted)
    @rule()
    def add(self) -> None:
        self._type()
        if self.sends_path:
            self.ref = known_up_to(self.ref, max(self.ref.revision, 2 * LEAP + PER_REPLY * self.replies))
        self._add(self.ref)

    @precondition(lambda self: self.ref.is_pending and not self.ref.is_submitted)
    @rule()
    def leave(self) -> None:
        self.replies += 1
        self.submitter.withdraw(self.ref)
        self.ref = after_event(self.ref, SubmissionEvent.CANCEL)
        self.promised = set()

    @precondition(lambda self: self.ref.is_pending and not self.ref.is_submitted)
    @rule()
    def leave_out(self) -> None:
        """Leave the helpline out, so that no hotline may have the report."""
        self.replies += 1
        try:
            self.submitter.cancel(self.ref)
        except DatabaseUnavailable:  # the reporter reads that it failed, and goes on
            self.ref = after_event(self.ref, SubmissionEvent.NOT_WORKING)
            self.promised = set()
            return
        self.ref = after_event(self.ref, SubmissionEvent.CANCEL)
        self.promised = set()

    @precondition(lambda self: not self.ref.is_submitted or self.ref.is_unconfirmed)
    @rule()
    def delete(self) -> None:
        self.replies += 1
        was_uncertain = self.ref.is_unconfirmed or isinstance(self.ref.state, PerhapsScheduled)
        try:
            outcome = self.submitter.delete(self.ref)
        except DatabaseUnavailable:  # the reporter reads that it failed; it may have been deleted
            self.ref = after_event(self.ref, SubmissionEvent.NOT_WORKING)
            self.promised = set()
            return
        if outcome == "deleted" and not was_uncertain and not isinstance(self.ref.state, NotSubmitted):
            self.deleted |= set(self.words)
        self.promised, self.words, self.sent_words = set(), [], None
        self.begin()

    @precondition(lambda self: self.sends_path)
    @rule()
    def replay(self) -> None:
        """Empty Redis: the session is replayed from the path, including its Send, and then takes the next reply."""
        self.in_redis = self.in_redis or self.ref
        ref = self.submitter.begin(NOW, "channel", "phone", str(self.reports), is_replayable=True)
        assert ref.origin_key == self.ref.origin_key
        self._replay(ref)

    @precondition(lambda self: self.in_redis is not None)
    @rule()
    def redis_returns(self) -> None:
        """Bring back the session as it was before: the replies since then are replayed, and then the next is taken."""
        if self.in_redis is None:
            raise LookupError("there is no session in Redis")
        ref, self.in_redis = self.in_redis, None
        self._replay(ref)

    @invariant()
    def the_state_is_in_the_table(self) -> None:
        if hasattr(self, "ref"):
            assert (type(self.ref.state), SubmissionEvent.DROP) in TABLE

    # Implementation

    def _replay(self, ref: ReportRef) -> None:
        self.ref = ref
        if self.sent_words is not None and not self.ref.is_submitted:
            self._send(self._told(self.sent_words), words=self.sent_words)
        if not self.ref.is_submitted:
            revision_by_place = LEAP + PER_REPLY * (self.replies + 1)
            self.ref = after_event(self.ref, SubmissionEvent.REPLAY, max(self.ref.revision, revision_by_place))

    def _type(self) -> None:
        self.replies += 1
        self.all_words += 1
        self.words.append(f"word{self.all_words:04d}.")

    def _told(self, words: list[str] | None = None) -> ReportInput:
        answers = (("report.danger", "danger", "now"), ("report.category", "category", "harm"))
        given = tuple(GivenAnswer(screen, question, value, False, NOW, True) for screen, question, value in answers)
        texts = tuple(UnaskedText(NOW, "report.category", word) for word in (self.words if words is None else words))
        return ReportInput(given, texts, None, VU, "ussd", "ussd", "en", 1, None, None, NOW)

    def _send(self, told: ReportInput, words: list[str] | None = None) -> None:
        try:
            self.ref = self.submitter.send(told, self.ref, RECIPIENTS, with_code=False)
        except NotSent:
            before = self.ref
            self.ref = after_event(self.ref, SubmissionEvent.NOT_STORED)
            assert self.ref.is_unconfirmed or before.is_submitted
            return
        assert isinstance(self.ref.state, Submitted) and self.ref.state.confirmed
        self.sent_words = list(self.words if words is None else words)
        self.promised |= set(self.sent_words)

    def _add(self, ref: ReportRef) -> None:
        try:
            self.ref = self.submitter.update(self._told(), ref, at_once=True)
        except NotSent:
            self.ref = after_event(ref, SubmissionEvent.NOT_STORED)
            return
        assert self.ref.revision > 0 and isinstance(self.ref.state, Submitted)
        self.promised = set(self.words)

    def _submit_due(self, seconds: int) -> None:
        later = Database(self.url, offset=seconds, threads=1)
        try:
            while due := pending_submissions.list_due(later):
                for origin_key in due:
                    pending_submissions.submit_due(later, origin_key)
        finally:
            later.close()

    def check_promises(self) -> None:
        """End all failures and let all time pass; then check that a hotline can read everything promised."""
        self.database.failure = self.spool.failure = "none"
        for _ in range(2):
            self.spool.drain(lambda entry: submit_late(self.database, entry))
            self._submit_due(2 * HOUR_SECONDS)
        assert self.spool.names() == []
        latest: dict[str, Any] = {}
        with self.database.read() as connection:
            rows = list(connection.execute(select(t.report_body).order_by(t.report_body.c.revision)))
        for row in rows:
            latest[row.report_id] = row
        read = b""
        for row in latest.values():
            key = read_private_key(self.folder, HOTLINE, row.key_id)
            context = SealContext("demo", row.report_id, row.revision, HOTLINE)
            read += open_body(key, context, SealedBody(row.key_id, row.wrap, row.head, row.sealed))
        assert not {word for word in self.promised if word.encode() not in read}
        assert not {word for word in self.deleted if word.encode() in read}


SubmissionMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=9, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWalk = pytest.mark.rule("S-38")(SubmissionMachine.TestCase)

# Steps of a walk; "db" and "disk" set the failure from then on.
SCENARIOS = {
    "an answer is spooled after one that is scheduled": "answer, db refused, answer",
    "two answers are spooled": "db refused, answer, answer",
    "an answer is scheduled after one that is spooled": "db refused, answer, db none, answer",
    "Send is spooled after an answer that is scheduled": "answer, db refused, send",
    "Send follows an incomplete report": "answer, scheduler, send",
    "Send is spooled after an incomplete report": "answer, scheduler, db refused, send",
    "an answer is spooled after Send": "send, db refused, add",
    "two answers are spooled after Send": "send, db refused, add, add",
    "an answer is scheduled after one that is spooled after Send": "send, db refused, add, db none, add",
    "Send follows NOT SENT": "db refused, disk refused, send, db none, disk none, send",
    "Send follows NOT SENT that was stored late": "db late, disk refused, send, db none, disk none, send",
    "Send is spooled after NOT SENT": "answer, db refused, disk refused, send, disk none, send",
    "an answer follows NOT SENT that the disk stored late": "db refused, disk late, send, db none, disk none, answer",
    "an answer follows a replay": "answer, replay, answer",
    "an answer is spooled after a replay": "answer, replay, db refused, answer",
    "an answer follows a replay of an incomplete report": "answer, scheduler, replay, answer",
    "Send follows a replay of an incomplete report": "answer, scheduler, replay, send",
    "Send is spooled after a replay": "answer, answer, replay, db refused, send",
    "an answer follows a replay of Send": "send, replay, add",
    "an answer is spooled after a replay of Send": "send, add, replay, db refused, add",
    "an answer is scheduled after Delete failed": "db refused, answer, delete, db none, answer",
    "an answer is scheduled after leaving out failed": "db refused, answer, leave_out, db none, answer",
    "an answer is spooled after NOT SENT and a deletion that was stored late": (
        "answer, db refused, disk refused, send, disk none, db late, delete, db refused, answer"
    ),
    "an answer is spooled after one that is scheduled, each after a replay": (
        "replay, answer, replay, db refused, answer"
    ),
    "an answer is scheduled after one that is spooled, each after a replay": (
        "replay, answer, replay, db refused, answer, replay, db none, answer"
    ),
    "an answer follows a replay and leaving": "db refused, answer, replay, db none, leave, answer",
    "an answer is scheduled when Redis is back after one that is spooled": (
        "answer, replay, db refused, answer, redis_returns, db none, answer"
    ),
    "Send is spooled after a replay of an incomplete report": (
        "answer, answer, replay, answer, scheduler, replay, db refused, send"
    ),
    "an addition that waits stays after a replay of a Send that waits": "answer, scheduler, send, add, replay",
    "Delete fails after a replay": "replay, db refused, answer, replay, delete, db none, answer",
}


@pytest.mark.rule("S-38")
@pytest.mark.parametrize("steps", SCENARIOS.values(), ids=SCENARIOS)
def test_words_that_were_promised_reach_the_hotline(steps: str) -> None:
    walk = SubmissionMachine()
    walk.dial(sends_path="replay" in steps)
    rules = {"scheduler": walk.the_scheduler_runs}
    try:
        for step in steps.split(", "):
            what, _, failure = step.partition(" ")
            if failure:
                walk.database_becomes(failure) if what == "db" else walk.spool_becomes(failure)
            else:
                rules.get(what, getattr(walk, what, None))()
        assert walk.promised
    finally:
        walk.teardown()


@pytest.mark.rule("S-38")
def test_a_send_of_another_call_is_no_repeat_of_what_waits() -> None:
    """It continues a draft that Redis still has, as the earlier call's Send and words after it were not saved there."""
    walk = SubmissionMachine()
    walk.dial(sends_path=True)
    try:
        walk.answer()
        walk.the_scheduler_runs()
        draft, words = walk.ref, list(walk.words)
        walk.send()
        walk.add()
        walk.begin()
        walk.ref = replace(draft, origin_key=walk.ref.origin_key, secret=walk.ref.secret, resumed=True)
        walk.words, walk.promised = words, set()
        walk.send()
        assert len(walk.promised) == 2
    finally:
        walk.teardown()


def test_a_deletion_of_a_report_that_was_sent_is_not_journaled() -> None:
    """On a restored backup it would be repeated, and delete a draft whose report the reporter knows to be sent."""
    walk = SubmissionMachine()
    walk.dial(sends_path=False)
    try:
        walk.answer()
        walk.database_becomes("late")
        walk.spool_becomes("refused")
        walk.send()
        walk.database_becomes("none")
        assert walk.ref.is_unconfirmed and walk.submitter.delete(walk.ref) == "whole"
        journal = walk.folder / "journal"
        assert not journal.is_dir() or list(journal.iterdir()) == []
        walk.promised = set()
    finally:
        walk.teardown()


# Each row is written by hand; docs/submission.md is generated from the code.
REVISION = 9  # the stored revision
NEXT_STATES: list[tuple[SubmissionState, SubmissionEvent, SubmissionState]] = [
    (NotSubmitted(), SubmissionEvent.SCHEDULE, Scheduled(9)),
    (NotSubmitted(), SubmissionEvent.SCHEDULE_SPOOLED, Scheduled(9)),
    (NotSubmitted(), SubmissionEvent.SEND, Submitted(9, 0)),
    (NotSubmitted(), SubmissionEvent.SEND_SPOOLED, Submitted(9, 0)),
    (NotSubmitted(), SubmissionEvent.NOT_STORED, SubmissionUncertain(9)),
    (NotSubmitted(), SubmissionEvent.REPLAY, PerhapsScheduled(9)),
    (NotSubmitted(3), SubmissionEvent.REPLAY, Scheduled(9)),
    (NotSubmitted(3), SubmissionEvent.NOT_WORKING, NotSubmitted(3)),
    (NotSubmitted(3), SubmissionEvent.DROP, NotSubmitted(3)),
    (PerhapsScheduled(7), SubmissionEvent.SCHEDULE, Scheduled(9)),
    (PerhapsScheduled(7), SubmissionEvent.NOT_STORED, SubmissionUncertain(9, is_scheduled=True)),
    (PerhapsScheduled(7), SubmissionEvent.CANCEL, NotSubmitted(7)),
    (PerhapsScheduled(7), SubmissionEvent.DELETE, NotSubmitted()),
    (PerhapsScheduled(7), SubmissionEvent.NOT_WORKING, PerhapsScheduled(9)),
    (PerhapsScheduled(7), SubmissionEvent.REPLAY, PerhapsScheduled(9)),
    (Scheduled(7), SubmissionEvent.SCHEDULE, Scheduled(9)),
    (Scheduled(7), SubmissionEvent.SEND, Submitted(9, 0)),
    (Scheduled(7), SubmissionEvent.NOT_STORED, SubmissionUncertain(9, is_scheduled=True)),
    (Scheduled(7), SubmissionEvent.CANCEL, NotSubmitted(7)),
    (Scheduled(7), SubmissionEvent.DELETE, NotSubmitted()),
    (Scheduled(7), SubmissionEvent.NOT_WORKING, Scheduled(9)),
    (Scheduled(7), SubmissionEvent.REPLAY, Scheduled(9)),
    (Scheduled(7), SubmissionEvent.DROP, Scheduled(7)),
    (SubmissionUncertain(7), SubmissionEvent.SCHEDULE, SubmissionUncertain(9, is_scheduled=True)),
    (SubmissionUncertain(7), SubmissionEvent.SEND, Submitted(9, 0)),
    (SubmissionUncertain(7), SubmissionEvent.NOT_STORED, SubmissionUncertain(9)),
    (SubmissionUncertain(7, is_scheduled=True), SubmissionEvent.NOT_STORED, SubmissionUncertain(9, is_scheduled=True)),
    (SubmissionUncertain(7, is_scheduled=True), SubmissionEvent.CANCEL, SubmissionUncertain(7)),
    (SubmissionUncertain(7), SubmissionEvent.NOT_WORKING, SubmissionUncertain(9)),
    (SubmissionUncertain(7), SubmissionEvent.REPLAY, SubmissionUncertain(9, is_scheduled=True)),
    (SubmissionUncertain(7), SubmissionEvent.DELETE, NotSubmitted()),
    (Submitted(7, 5, confirmed=False), SubmissionEvent.SEND, Submitted(9, 5, confirmed=False)),
    (Submitted(7, 5, has_update=True), SubmissionEvent.NOT_STORED, Submitted(9, 5, has_update=True)),
    (Submitted(7, 5), SubmissionEvent.ADD, Submitted(9, 5, has_update=True)),
    (Submitted(7, 5, has_update=True), SubmissionEvent.ADD_SPOOLED, Submitted(9, 5)),
    (Submitted(7, 5), SubmissionEvent.DELETE, NotSubmitted()),
    (Submitted(7, 5, confirmed=False), SubmissionEvent.NOT_WORKING, Submitted(9, 5, confirmed=False)),
    (Submitted(7, 5, has_update=True), SubmissionEvent.DROP, Submitted(7, 5, has_update=True)),
]


@pytest.mark.parametrize(("state", "event", "after"), NEXT_STATES, ids=str)
def test_the_state_after_an_event(state: SubmissionState, event: SubmissionEvent, after: SubmissionState) -> None:
    report = ReportRef("id", b"", NOW, state)
    assert after_event(report, event, REVISION) == replace(report, state=after)


def test_a_replay_that_may_have_scheduled_nothing_is_known_as_such() -> None:
    report = ReportRef("id", b"", NOW)
    assert after_event(report, SubmissionEvent.REPLAY).state == PerhapsScheduled(LEAP)
    assert known_up_to(replace(report, state=PerhapsScheduled(LEAP)), 70).state == Scheduled(70)
    assert known_up_to(replace(report, state=SubmissionUncertain(2)), 4).state == SubmissionUncertain(4)


@pytest.mark.parametrize(
    ("state", "event", "resumed", "revision"),
    [
        (NotSubmitted(), SubmissionEvent.SEND, False, 1),
        (NotSubmitted(3), SubmissionEvent.SEND, False, 3),
        (NotSubmitted(3), SubmissionEvent.SEND_SPOOLED, False, 4),
        (NotSubmitted(3), SubmissionEvent.SEND_SPOOLED, True, 3 + LEAP),
        (PerhapsScheduled(70), SubmissionEvent.SCHEDULE, False, 70),
        (PerhapsScheduled(70), SubmissionEvent.SCHEDULE_SPOOLED, False, 71),
        (PerhapsScheduled(70), SubmissionEvent.SEND_SPOOLED, False, 71),
        (PerhapsScheduled(70), SubmissionEvent.DELETE, False, 70),
        (SubmissionUncertain(3), SubmissionEvent.SCHEDULE, False, 4),
        (SubmissionUncertain(3, is_scheduled=True), SubmissionEvent.SCHEDULE, False, 3),
        (SubmissionUncertain(3, is_scheduled=True), SubmissionEvent.SCHEDULE_SPOOLED, False, 4),
        (Submitted(3, 5), SubmissionEvent.ADD, False, 4),
        (Submitted(3, 5, has_update=True), SubmissionEvent.ADD, False, 3),
        (Submitted(3, 5, has_update=True), SubmissionEvent.ADD_SPOOLED, True, 4),
        (Submitted(3, 5), SubmissionEvent.DELETE, True, 3 + LEAP),
    ],
    ids=str,
)
def test_the_revision_of_an_event(state: SubmissionState, event: SubmissionEvent, resumed: bool, revision: int) -> None:
    assert revision_for(ReportRef("id", b"", NOW, state, resumed=resumed), event) == revision


DELETABLE = [PerhapsScheduled(70), Scheduled(3), SubmissionUncertain(3), Submitted(3, 5)]


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("state", DELETABLE, ids=str)
def test_after_a_failed_deletion_the_next_number_is_beyond_what_it_deletes(
    state: SubmissionState, resumed: bool
) -> None:
    report = ReportRef("id", b"", NOW, state, resumed=resumed)
    deleted_up_to = revision_for(report, SubmissionEvent.DELETE)
    assert after_event(report, SubmissionEvent.NOT_WORKING).revision == deleted_up_to + 1


def in_call(state: SubmissionState | None, danger: str = "now", question: str = "danger") -> Record:
    answers = (Answer("report.danger", question, danger, False, NOW),)
    report = None if state is None else ReportRef("id", b"", NOW, state)
    state = FlowState("report.category", trail=(("report.danger", 0),), answers=answers)
    return Record(state, LastTurn("1"), Reply("Who?", expects_reply=True), NOW, report=report)


REPLY = Inbound("ussd", "africastalking", "+6785550101", "*111#", "1*2*3", path=True)
BY_PLACE = LEAP + 2 * PER_REPLY


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (in_call(NotSubmitted()), PerhapsScheduled(BY_PLACE)),
        (in_call(PerhapsScheduled(999)), PerhapsScheduled(999)),
        (in_call(SubmissionUncertain(7)), SubmissionUncertain(BY_PLACE, is_scheduled=True)),
        (in_call(NotSubmitted(), danger="soon"), NotSubmitted()),
        (in_call(NotSubmitted(), question="other"), NotSubmitted()),
        (in_call(NotSubmitted(7)), Scheduled(BY_PLACE)),
        (in_call(Scheduled(7)), Scheduled(BY_PLACE)),
        (in_call(Scheduled(7), danger="soon"), Scheduled(BY_PLACE)),
        (in_call(Scheduled(999)), Scheduled(999)),
        (in_call(Submitted(7, 5)), Submitted(7, 5)),
    ],
)
def test_in_danger_a_replayed_session_is_numbered_by_its_place_in_the_path(
    before: Record, after: SubmissionState
) -> None:
    found = replayed(before, REPLY).report
    assert found and found.state == after


@pytest.mark.parametrize(
    ("state", "path", "after"),
    [
        (Submitted(3, 5), True, Submitted(2 * LEAP + 2 * PER_REPLY, 5)),
        (Submitted(999, 5), True, Submitted(999, 5)),
        (Submitted(3, 5), False, Submitted(3, 5)),
        (Scheduled(3), True, Scheduled(3)),
    ],
)
def test_an_answer_after_send_is_numbered_by_its_place_in_the_path(
    state: SubmissionState, path: bool, after: SubmissionState
) -> None:
    found = numbered(in_call(state), replace(REPLY, path=path)).report
    assert found and found.state == after


def test_without_a_report_a_replay_begins_none() -> None:
    assert replayed(in_call(None), REPLY) == numbered(in_call(None), REPLY) == in_call(None)
