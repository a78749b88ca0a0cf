"""Two calls of one phone that may join: each Send is heard with its words, and its code and PIN open *My report*.

The second call continues the draft of the first, which is outdated if Redis failed while the first call went on.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.strategies import booleans, sampled_from
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import select

from gateway.circuit_breaker import CircuitBreaker
from gateway.sessions.report_ref import CodeState, ReportRef
from gateway.submission.builder import ReportBuilder, ReportInput
from gateway.submission.spool_drain import submit_late
from gateway.submission.submitter import NotSent, Submitter
from gateway.submission.transitions import LEAP, PER_REPLY, SubmissionEvent, after_event, known_up_to
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body
from reports.crypto.key_files import create_key_pair, read_private_key
from reports.erasure_journal import ErasureJournal
from reports.facts import GivenAnswer
from reports.narrative import UnaskedText
from reports.store import mailbox_access, pending_submissions, spool
from reports.store.engine import sqlite
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.gateway.test_transitions import HOTLINE, NOW, RECIPIENTS, VU, FailingDatabase, FailingSpool, NoQueue
from tests.support.databases import with_tables

pytestmark = pytest.mark.slow

HOSTS = ("a", "b")
CALLS = ("first", "second")


class Call(Struct):
    """One call: its report, its words with those that it continues, and what its reporter was promised."""

    host: str
    ref: ReportRef
    words: list[str]
    replies: int = 0
    promised: frozenset[str] = frozenset()
    pair: tuple[str, str] | None = None  # code and PIN, once they were shown
    sent_words: tuple[str, ...] = ()


class TwoCallsMachine(RuleBasedStateMachine):
    """Two calls, two hosts, one database; database and Redis fail and recover."""

    @initialize(sends_path=booleans())
    def set_up(self, sends_path: bool) -> None:
        self.patches = ExitStack()  # long timeouts: only chosen failures may happen
        self.patches.enter_context(patch.object(sqlite, "COMMIT_SECONDS", 60.0))
        self.patches.enter_context(patch.object(spool, "DISK_TIMEOUT_SECONDS", 60.0))
        self.folder = Path(tempfile.mkdtemp(prefix="tt-"))
        self.url = f"sqlite:///{self.folder}/tokaut.db"
        with_tables(self.url, threads=1).close()
        self.cipher = RecordCipher([b"k" * 32])
        self.keys = {HOTLINE: create_key_pair(self.folder, HOTLINE)}
        self.databases = {host: FailingDatabase(self.url, threads=1) for host in HOSTS}
        self.spools = {host: FailingSpool(self.folder / f"spool-{host}", self.cipher) for host in HOSTS}
        self.submitters = {host: self._submitter(host) for host in HOSTS}
        self.sends_path = sends_path
        self.has_redis = True
        self.draft: tuple[ReportRef, list[str]] | None = None
        self.calls: dict[str, Call] = {}
        self.all_words = 0

    def _submitter(self, host: str) -> Submitter:
        folder, ignore = self.folder / f"journal-{host}", lambda _name: None
        submitter = Submitter(
            database=self.databases[host],
            spool=self.spools[host],
            cipher=self.cipher,
            builder=ReportBuilder(self.keys, "demo"),
            job_queue=NoQueue(),  # type: ignore[arg-type]  # takes ids as a queue does
            count=ignore,
            journal=ErasureJournal(folder, host, is_shared=False, now=lambda: NOW * 1_000_000, count=ignore),
        )
        submitter._breaker = CircuitBreaker("database_unavailable", failures=10**9, window=30, pause=30)
        return submitter

    def teardown(self) -> None:
        if not hasattr(self, "databases"):
            return
        try:
            self.check_promises()
        finally:
            for host in HOSTS:
                self.databases[host].close()
                self.spools[host].close()
            shutil.rmtree(self.folder)
            self.patches.close()

    # Failures

    @rule(host=sampled_from(HOSTS), failure=sampled_from(("none", "refused")))
    def database_becomes(self, host: str, failure: str) -> None:
        self.databases[host].failure = failure

    @rule(is_up=booleans())
    def redis_becomes(self, is_up: bool) -> None:
        self.has_redis = is_up

    @rule(host=sampled_from(HOSTS))
    def the_spool_is_drained(self, host: str) -> None:
        if self.databases[host].failure == "none":
            self.spools[host].drain(lambda entry: submit_late(self.databases[host], entry))

    @rule(seconds=sampled_from((1, 150)))
    def the_scheduler_runs(self, seconds: int) -> None:
        later = Database(self.url, offset=seconds, threads=1)
        try:
            while due := pending_submissions.list_due(later):
                for origin_key in due:
                    pending_submissions.submit_due(later, origin_key)
        finally:
            later.close()

    # Actions of the reporters

    @precondition(lambda self: len(getattr(self, "calls", CALLS)) < len(CALLS))
    @rule(host=sampled_from(HOSTS))
    def dial(self, host: str) -> None:
        """Begin the next call; it continues the draft in Redis."""
        own = self._begun(host, len(self.calls))
        call = Call(host, own, [])
        if self.has_redis and self.draft:
            draft, words = self.draft
            joined = replace(draft, origin_key=own.origin_key, secret=own.secret, resumed=True)
            call = Call(host, replace(joined, own_revision=0, own_send=False), list(words))
        self.calls[CALLS[len(self.calls)]] = call

    @rule(what=sampled_from(("answer", "send", "add")))
    def reply(self, what: str) -> None:
        """Take a reply of the last call: a phone has one call at a time. Some scenarios have a Send that comes late."""
        if self.calls:
            getattr(self, what)(list(self.calls)[-1])

    def answer(self, name: str) -> None:
        """Answer in danger."""
        if (call := self._at_reply(name)) is None or call.ref.is_submitted:
            return
        call.ref = self._submitter_of(call).schedule_incomplete(self._told(call), call.ref, RECIPIENTS)
        if call.ref.is_submitted:
            self._add(call)
        else:
            call.promised = frozenset(call.words)
            self._save(call)

    def send(self, name: str) -> None:
        if (call := self._at_reply(name)) is None or call.ref.is_submitted:
            return
        self._send(call, self._told(call))
        self._save(call)

    def add(self, name: str) -> None:
        call = self.calls.get(name)
        if call is None or not call.ref.is_submitted:
            return
        self._at_reply(name)
        if call.ref.is_submitted:
            self._add(call)

    # Implementation

    def _begun(self, host: str, number: int) -> ReportRef:
        return self.submitters[host].begin(NOW, "channel", "phone", str(number), is_replayable=True)

    def _submitter_of(self, call: Call) -> Submitter:
        return self.submitters[call.host]

    def _at_reply(self, name: str) -> Call | None:
        """Return the call at its next reply, with new words; None if it cannot go on without Redis."""
        call = self.calls.get(name)
        if call is None or not (self.has_redis or self.sends_path):
            return None
        call.replies += 1
        self.all_words += 1
        if not self.has_redis:
            ref = self._begun(call.host, CALLS.index(name))
            call.ref = ref
            if call.sent_words:
                self._send(call, self._told(call, call.sent_words))
            else:
                by_place = LEAP + PER_REPLY * call.replies
                call.ref = after_event(call.ref, SubmissionEvent.REPLAY, by_place)
        call.words = [*call.words, f"word{self.all_words:04d}."]
        return call

    def _save(self, call: Call) -> None:
        if not self.has_redis:
            return
        self.draft = None if call.ref.is_submitted else (call.ref, call.words)

    def _told(self, call: Call, words: Any = None) -> ReportInput:
        answers = (("report.danger", "danger", "now"), ("report.category", "category", "harm"))
        given = tuple(GivenAnswer(screen, question, value, False, NOW, True) for screen, question, value in answers)
        texts = tuple(UnaskedText(NOW, "report.category", word) for word in (call.words if words is None else words))
        return ReportInput(given, texts, None, VU, "ussd", "ussd", "en", 1, None, None, NOW)

    def _send(self, call: Call, told: ReportInput) -> None:
        submitter = self._submitter_of(call)
        try:
            call.ref = submitter.send(told, call.ref, RECIPIENTS, with_code=True)
        except NotSent:
            call.ref = after_event(call.ref, SubmissionEvent.NOT_STORED)
            return
        if call.ref.code is CodeState.SHOWN:
            call.pair = submitter.code_and_pin(call.ref)
        call.sent_words = tuple(text.text for text in told.unasked)
        call.promised |= frozenset(call.sent_words)

    def _add(self, call: Call) -> None:
        if self.sends_path:
            call.ref = known_up_to(call.ref, max(call.ref.revision, 2 * LEAP + PER_REPLY * call.replies))
        try:
            call.ref = self._submitter_of(call).update(self._told(call), call.ref, at_once=True)
        except NotSent:
            call.ref = after_event(call.ref, SubmissionEvent.NOT_STORED)
            return
        call.promised = frozenset(call.words)

    def check_promises(self) -> None:
        """End all failures and let all time pass; then check that a hotline can read everything promised."""
        for _ in range(2):
            for host in HOSTS:
                self.databases[host].failure = self.spools[host].failure = "none"
                self.the_spool_is_drained(host)
            self.the_scheduler_runs(2 * 3600)
        latest = self.read_latest()
        read = b"".join(latest.values())
        for name, call in self.calls.items():
            missing = {word for word in call.promised if word.encode() not in read}
            assert not missing, f"words of the {name} call are lost: {missing}"
            if call.pair is not None:
                found = mailbox_access.find_report(self.databases["a"], self.cipher, *call.pair).report_id
                assert found is not None, f"the code of the {name} call opens nothing"
                assert all(word.encode() in latest[found] for word in call.sent_words), f"{name}: another's report"

    def read_latest(self) -> dict[str, bytes]:
        """Return the last revision of each report, as its hotline reads it."""
        with self.databases["a"].read() as connection:
            rows = list(connection.execute(select(t.report_body).order_by(t.report_body.c.revision)))
        return {row.report_id: self._read(row) for row in rows}

    def _read(self, row: Any) -> bytes:
        key = read_private_key(self.folder, HOTLINE, row.key_id)
        context = SealContext("demo", row.report_id, row.revision, HOTLINE)
        return open_body(key, context, SealedBody(row.key_id, row.wrap, row.head, row.sealed))


TwoCallsMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWalk = pytest.mark.rule("S-38")(TwoCallsMachine.TestCase)


# Steps of a walk; a step names the call, or the host whose database is unavailable or whose spool is drained.
SCENARIOS = {
    "the second call joins a draft": "dial a, answer first, dial a, answer second, send second",
    "it joins an incomplete report": "dial a, answer first, scheduler, dial a, answer second, send second",
    "it joins the draft of a report that was sent since": (
        "dial a, answer first, redis down, send first, redis up, dial a, send second"
    ),
    "it answers first": "dial a, answer first, redis down, send first, redis up, dial a, answer second, send second",
    "it drops": "dial a, answer first, redis down, send first, redis up, dial a, answer second",
    "the first Send waits for the scheduler": (
        "dial a, answer first, scheduler, redis down, send first, redis up, dial a, send second"
    ),
    "the first Send waits for the scheduler, and the second call drops": (
        "dial a, answer first, scheduler, redis down, send first, redis up, dial a, answer second"
    ),
    "the first Send comes late": "dial a, answer first, dial a, answer second, send first, send second",
    "the first Send comes late, and the second call drops": "dial a, answer first, dial a, answer second, send first",
    "both Sends are spooled": (
        "dial a, answer first, redis down, db a refused, send first, redis up, dial a, send second"
    ),
    "both Sends are spooled by two hosts, and the second is stored first": (
        "dial a, answer first, redis down, db a refused, send first, redis up, db b refused, dial b, send second, "
        "db b none, drain b"
    ),
    "a host without database and Redis has the first Send": (
        "dial a, answer first, redis down, db a refused, send first, redis up, dial b, answer second, send second"
    ),
    "a host without database and Redis has the first Send, and the report was incomplete": (
        "dial a, answer first, scheduler, redis down, db a refused, send first, redis up, dial b, send second"
    ),
    "the second Send is spooled, and drained after an addition to the first": (
        "dial a, answer first, redis down, send first, add first, scheduler, redis up, db b refused, dial b, "
        "send second"
    ),
    "words in danger are spooled after another call's Send": (
        "dial a, answer first, redis down, send first, redis up, db a refused, dial a, answer second"
    ),
    "additions to both": (
        "dial a, answer first, redis down, db a refused, send first, add first, redis up, dial b, answer second, "
        "send second, add second"
    ),
}


@pytest.mark.rule("S-38")
@pytest.mark.parametrize("steps", SCENARIOS.values(), ids=SCENARIOS)
def test_each_call_is_heard_and_its_code_works(steps: str) -> None:
    walk = TwoCallsMachine()
    walk.set_up(sends_path=True)
    try:
        for step in steps.split(", "):
            match step.split():
                case ["scheduler"]:
                    walk.the_scheduler_runs(150)
                case ["db", host, failure]:
                    walk.database_becomes(host, failure)
                case ["drain", host]:
                    walk.the_spool_is_drained(host)
                case ["redis", state]:
                    walk.redis_becomes(state == "up")
                case [action, name]:
                    getattr(walk, action)(name)
        assert any(call.promised for call in walk.calls.values())
    finally:
        walk.teardown()
