"""Two hosts of web on one PostgreSQL and one Redis: one loses the database, with reports in its spool."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import redis
from sqlalchemy import Table, delete, func, select, update

from gateway.background.erasures import ErasureReplay
from gateway.circuit_breaker import CircuitBreaker
from gateway.sessions.keys import NAME
from gateway.submission import spool_copies
from gateway.submission.spool_copies import KEY
from gateway.submission.spool_drain import submit_late
from reports.case_state import ReportState
from reports.delivery import DeliveryState
from reports.retention import RetentionPolicy
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.engine.timeouts import INTERACTIVE
from reports.store.schema import tables as t
from reports.store.spool import SpoolEntry
from tests.reports.test_spool import submission
from tests.safeguarding.call_paths import PHONE, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import code_and_pin
from tests.support.app import App
from tests.support.postgres import Postgres
from tests.support.proxy import Proxy
from tests.support.wait import until
from tests.workers.sample_store import SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from workers.jobs.retention import ErasureJob

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

WORDS = "It happens on the way home every day"


class TwoHosts:
    """Two hosts with the same keys, secrets and Redis. Host `a` loses the database at times; `b` does not."""

    def __init__(self, redis_url: str, address: str) -> None:
        self._redis = redis.Redis.from_url(redis_url)
        self.a = App(redis_url, {"DATABASE_URL": address, "TOKAUT_HOST": "a"})
        settings = {name: value for name, value in self.a.plan.settings.items() if "PROMETHEUS" not in name}
        data = self.a.folder / "b"
        data.mkdir(mode=0o700)
        shutil.copy(Path(settings["TOKAUT_DATA"]) / NAME, data)  # as an operator does for another host
        folder = {"TOKAUT_DATA": str(data), "TOKAUT_KEYS": str(self.a.keys), "TOKAUT_HOST": "b"}
        self.b = App(redis_url, {**settings, **folder})
        self.b.plan = replace(self.b.plan, secrets=self.a.plan.secrets)

    def close(self) -> None:
        self.b.close()
        self.a.close()
        self._redis.close()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Make the database unavailable to all threads of host a; its Redis works."""
        with ExitStack() as stack:
            for database in (self.a.database, self.a.parts.background_database):
                for use in ("read", "write"):
                    stack.enter_context(patch.object(database, use, side_effect=DatabaseUnavailable("away")))
            with self.b.database.write() as connection:
                connection.execute(delete(t.lease))  # without this, the lease ends within 30 s
            yield
        self.a.parts.submitter._breaker = CircuitBreaker("database_unavailable", failures=3, window=30, pause=30)

    def copies(self) -> int:
        return int(self._redis.hlen(KEY))

    def until_copied(self, count: int) -> None:
        until(lambda: self.copies() == count, "the entries were not copied to Redis")

    def count(self, table: Table) -> int:
        with self.b.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def restore(self) -> None:
        """Do to the database what a backup does that is older than the deletions, and start web on host b."""
        with self.b.database.write() as connection:
            for table in (t.tombstone, t.purged, t.host):
                connection.execute(delete(table))
        before = self.b.parts.housekeeping._erasure_replay
        ErasureReplay(self.b.database, self.b.parts.journal, before._reporter_mailbox, before._host).reapply()

    def erase(self) -> None:
        """Do the work of scheduler and workers for a report that its reporter has deleted."""
        harness = SchedulerHarness(SampleStore.create(self.b.database, self.a.keys))
        harness.jobs.messages()
        with self.b.database.write() as connection:
            connection.execute(update(t.delivery).values(state=DeliveryState.DELIVERED))
            connection.execute(update(t.report).values(state=ReportState.DELIVERED))
        erasing = ErasureJob(self.b.database, RetentionPolicy(), harness.metrics)
        erasing.start()
        erasing._pool.finish()
        harness.finish()


@pytest.fixture
def hosts(redis_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoHosts]:
    monkeypatch.setattr(spool_copies, "OWN_HOST_SECONDS", 0)
    made = TwoHosts(redis_url, postgres.new_filled()["tokaut_owner"].replace("tokaut_owner@", "postgres@"))
    yield made
    made.close()


def test_another_host_submits_it_and_nothing_comes_back(hosts: TwoHosts) -> None:
    """Host a sends it, host b submits it, and its reporter reads and deletes it through b; then host a is back."""
    with hosts.cut_off():
        code, pin = code_and_pin(dial_path(hosts.a.ussd(PHONE, "africastalking"), *TO_SENT)[-1])
        hosts.until_copied(1)
        hosts.a.parts.housekeeping.once()
        assert (hosts.count(t.report), len(hosts.a.parts.spool.names())) == (0, 1)
        hosts.b.parts.housekeeping.once()
        assert (hosts.count(t.report), hosts.copies()) == (1, 0)
        before = hosts.count(t.delivery)
    hosts.a.parts.housekeeping.once()
    assert (hosts.a.parts.spool.names(), hosts.count(t.report), hosts.count(t.delivery)) == ([], 1, before)

    with hosts.cut_off():  # again, with another report
        code, pin = code_and_pin(dial_path(hosts.a.ussd(number(2), "africastalking"), *TO_SENT)[-1])
        hosts.until_copied(1)
        hosts.b.parts.housekeeping.once()
        my_report = dial_path(hosts.b.ussd(number(3), "africastalking"), "My report", code, pin, "4", "Delete")
        assert "Being deleted here" in my_report[-1]
        hosts.erase()
        assert hosts.count(t.report) == 1, "the first one"
    assert len(hosts.a.parts.spool.names()) == 1
    hosts.a.parts.housekeeping.once()
    assert (hosts.a.parts.spool.names(), hosts.count(t.report), hosts.count(t.delivery)) == ([], 1, before)


@pytest.mark.parametrize("copied", [True, False])
def test_words_deleted_through_another_host_stay_deleted(hosts: TwoHosts, *, copied: bool) -> None:
    if not copied:
        hosts.a.parts.copies.add = lambda name: None  # type: ignore[union-attr, method-assign]
    with hosts.cut_off():
        send_texts(hosts.a.sms(PHONE), WORDS)
        assert len(hosts.a.parts.spool.names()) == 1
        if copied:
            hosts.until_copied(1)
            hosts.b.parts.housekeeping.once()
            assert hosts.count(t.pending) > 0
        send_texts(hosts.b.sms(PHONE), "00")
        assert hosts.count(t.pending) == 0
    hosts.a.parts.housekeeping.once()
    assert (hosts.a.parts.spool.names(), hosts.count(t.pending), hosts.count(t.report)) == ([], 0, 0)


def test_a_spool_brings_nothing_back_into_a_restored_database(hosts: TwoHosts) -> None:
    """The tombstones of the backup are older than the deletions; the journal has them."""
    with hosts.cut_off():
        send_texts(hosts.a.sms(PHONE), WORDS)
        code, pin = code_and_pin(dial_path(hosts.a.ussd(number(3), "africastalking"), *TO_SENT)[-1])
        hosts.until_copied(2)
        hosts.b.parts.housekeeping.once()
        send_texts(hosts.b.sms(PHONE), "00")
        my_report = dial_path(hosts.b.ussd(number(4), "africastalking"), "My report", code, pin, "4", "Delete")
        assert "Being deleted here" in my_report[-1]
        hosts.erase()
        assert (hosts.count(t.pending), hosts.count(t.report)) == (0, 0)
        hosts.restore()
    assert len(hosts.a.parts.spool.names()) == 2
    hosts.a.parts.housekeeping.once()
    assert (hosts.a.parts.spool.names(), hosts.count(t.pending), hosts.count(t.report)) == ([], 0, 0)


def test_a_slow_network_to_the_database_keeps_nothing_in_the_spool(postgres: Postgres) -> None:
    """A round trip of 600 ms is too slow while a reporter waits, but not for emptying the spool."""
    proxy = Proxy(postgres.port).start()
    address = postgres.new_filled()["tokaut_owner"].replace("tokaut_owner@", "postgres@")
    database = Database(address.replace(f":{postgres.port}/", f":{proxy.port}/"), timeouts=INTERACTIVE)
    background = database.in_background()
    try:
        proxy.latency(0.3)
        entry = SpoolEntry(submission(1), "sent")
        with pytest.raises(DatabaseUnavailable):
            submit_late(database, entry)
        submit_late(background, entry)
    finally:
        proxy.resume()
        for each in (database, background):
            each.close()
        proxy.stop()
