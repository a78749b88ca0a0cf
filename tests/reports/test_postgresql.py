"""PostgreSQL without a definite success: the network stalls, COMMIT waits for a standby, or a warning comes with it.

Behind a proxy that stalls, each call ends within its timeout. An uncertain result raises DatabaseUnavailable, and
the report goes to the spool.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, insert, select, text, update

from gateway.submission.submitter import Submitter
from reports.crypto import RecordCipher
from reports.store import mailbox_access, submissions
from reports.store.engine.database import Database, DatabaseUnavailable, RowRefused
from reports.store.engine.timeouts import INTERACTIVE
from reports.store.schema import tables as t
from reports.store.submissions import MailboxRecord
from runtime.deadline import RequestTime, request_time
from tests.support.databases import with_tables
from tests.support.postgres import Postgres
from tests.support.proxy import Proxy
from tests.support.stopwatch import Stopwatch
from tests.support.wait import until
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore

pytestmark = pytest.mark.slow
SLACK = 0.5  # seconds for a busy machine


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    proxy = Proxy(postgres.port).start()
    yield proxy
    proxy.stop()


@pytest.fixture
def straight(postgres_url: str) -> Iterator[Database]:
    """The database without the proxy, to see what is really stored."""
    made = with_tables(postgres_url)
    yield made
    made.close()


@pytest.fixture
def database(straight: Database, postgres_url: str, postgres: Postgres, proxy: Proxy) -> Iterator[Database]:
    """The database as web uses it, through the proxy."""
    made = Database(postgres_url.replace(f":{postgres.port}/", f":{proxy.port}/"), timeouts=INTERACTIVE)
    put(made, "first")
    yield made
    made.close()


def put(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(t.lease).values(name=name, holder="x", until=0))


def names(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(t.lease.c.name)).scalars())


def seconds_until_away(use: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        use()
    return time.monotonic() - began


def ends_within(seconds: float, use: Callable[[], object]) -> None:
    """Check that a call fails within the time, in one of three tries: a busy machine only adds time."""
    for _ in range(3):
        if (took := seconds_until_away(use)) < seconds:
            return
    pytest.fail(f"away after {took:.2f} s, three times")


def test_each_kind_of_use_ends_in_time_when_the_network_stalls(database: Database, proxy: Proxy) -> None:
    proxy.stall()
    ends_within(INTERACTIVE.statements + SLACK, lambda: put(database, "second"))
    ends_within(INTERACTIVE.statements + SLACK, lambda: names(database))
    proxy.resume()
    assert names(database) == {"first"}


def test_a_connection_that_is_not_made_ends_in_time(database: Database, proxy: Proxy) -> None:
    database.engine.dispose()
    proxy.stall()
    ends_within(INTERACTIVE.connect + SLACK, lambda: put(database, "second"))


def test_the_second_of_two_servers_is_used_while_the_first_is_silent(
    straight: Database, postgres_url: str, postgres: Postgres, proxy: Proxy
) -> None:
    """A host without power is silent. Reaching the second one takes a second, which a Send can spare."""
    proxy.stall()
    user, _, place = postgres_url.rpartition("@")
    servers = f"host=127.0.0.1:{proxy.port}&host=127.0.0.1:{postgres.port}&target_session_attrs=read-write"
    both = Database(f"{user}@/{place.rpartition('/')[2]}?{servers}", timeouts=INTERACTIVE)
    try:
        put(both, "second")
    finally:
        both.close()
    assert names(straight) == {"second"}


@pytest.mark.rule("B-73")
def test_a_commit_whose_answer_does_not_come_is_given_up_after_a_second(
    database: Database, straight: Database, proxy: Proxy
) -> None:
    """F15: the commit succeeded, but the response was lost. Repeating the write shows that."""
    proxy.drop_replies_after(b"COMMIT")
    assert INTERACTIVE.commit <= seconds_until_away(lambda: put(database, "second")) < INTERACTIVE.total + SLACK
    assert "second" in names(straight)
    proxy.resume()
    with database.write() as connection:
        again = database.insert_or_ignore(t.lease).values(name="second", holder="x", until=0)
        assert connection.execute(again).rowcount == 0


def test_a_line_that_is_cut_at_commit_is_no_yes(database: Database, proxy: Proxy) -> None:
    proxy.reset_after(b"COMMIT")
    with pytest.raises(DatabaseUnavailable):
        put(database, "second")
    put(database, "third")


def test_a_slow_network_is_no_longer_than_its_time(database: Database, proxy: Proxy) -> None:
    proxy.latency(3)
    ends_within(INTERACTIVE.total + SLACK, lambda: put(database, "second"))


def test_all_uses_of_one_answer_share_its_time(database: Database, proxy: Proxy) -> None:
    proxy.latency(0.2)
    watch = Stopwatch()
    token = request_time.set(RequestTime(time.monotonic() + 60))
    try:
        with pytest.raises(DatabaseUnavailable):
            for n in range(20):
                put(database, f"n{n}")
    finally:
        request_time.reset(token)
    assert watch.seconds < INTERACTIVE.total + SLACK
    proxy.resume()
    put(database, "later")


def test_many_that_wait_at_once_all_end_in_time(database: Database, proxy: Proxy) -> None:
    proxy.stall()
    watch = Stopwatch()
    with ThreadPoolExecutor(24) as threads:
        for done in [threads.submit(put, database, f"n{n}") for n in range(24)]:
            assert isinstance(done.exception(), DatabaseUnavailable)
    assert watch.seconds < INTERACTIVE.total + SLACK + 0.5  # and 0.5 s to get a connection from the pool


def test_a_lock_of_another_ends_after_a_second(database: Database, straight: Database) -> None:
    with straight.write() as holder:
        holder.execute(update(t.lease).values(until=1))

        def wait_for_it() -> None:
            with database.write() as connection:
                connection.execute(update(t.lease).values(until=2))

        assert 0.9 < seconds_until_away(wait_for_it) < INTERACTIVE.statements + SLACK


def test_after_three_unknown_outcomes_web_asks_no_more_for_half_a_minute(database: Database, proxy: Proxy) -> None:
    nothing: Any = None
    vault = RecordCipher([b"k" * 32])
    submitter = Submitter(
        database=database,
        spool=nothing,
        cipher=vault,
        builder=nothing,
        job_queue=nothing,
        count=nothing,
        journal=nothing,
    )
    proxy.stall()

    def open_it() -> None:
        submitter.write(lambda: mailbox_access.find_report(database, vault, "48219303", "7350"))

    for _ in range(3):
        assert seconds_until_away(open_it) > 1
    ends_within(0.1, open_it)


def test_who_stops_in_the_middle_of_a_transaction_lets_the_others_go_on(postgres_url: str) -> None:
    made = with_tables(postgres_url)
    with made.read() as connection:
        said = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()
    assert said == "10s"
    made.close()


def test_a_word_of_warning_at_commit_is_no_yes(straight: Database, database: Database) -> None:
    with straight.engine.begin() as connection:
        connection.execute(text(WARNS))
    with pytest.raises(DatabaseUnavailable, match="warning"):
        put(database, "second")
    assert "second" in names(straight), "that is why it counts as unknown, and the spool keeps the same report"


WARNS = """
CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'no second copy'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER warns AFTER INSERT ON lease DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()
"""


class TestASecondCopyThatNeverComes:
    """F16: `synchronous_standby_names` names a standby that does not exist, so COMMIT waits."""

    @pytest.fixture(autouse=True)
    def standby(self, postgres: Postgres, database: Database) -> Iterator[None]:
        self.say(postgres, "nobody_has_that_name")
        until(lambda: waits_at_commit(postgres, database), "COMMIT does not wait for the standby")
        yield
        self.say(postgres, "")

    @staticmethod
    def say(postgres: Postgres, standby: str) -> None:
        with psycopg.connect(postgres.administration, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")  # type: ignore[call-overload]  # our own words
            connection.execute("SELECT pg_reload_conf()")

    def test_the_client_gives_up_after_a_second_and_the_server_goes_on(
        self, database: Database, straight: Database
    ) -> None:
        assert seconds_until_away(lambda: put(database, "second")) < INTERACTIVE.total + SLACK
        assert "second" not in names(straight), "the server still waits, and the row is not seen"
        assert 0.9 < seconds_until_away(lambda: put(database, "second")) < INTERACTIVE.total + SLACK, (
            "nor can it be put"
        )

    def test_a_wait_that_was_cancelled_commits_with_a_warning_and_counts_as_unknown(
        self, database: Database, straight: Database, postgres: Postgres
    ) -> None:
        with (
            ThreadPoolExecutor(1) as thread,
            psycopg.connect(postgres.administration, autocommit=True) as administrator,
        ):
            put_it = thread.submit(put, database, "second")
            while not put_it.done():
                administrator.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                )
        with pytest.raises(DatabaseUnavailable, match="warning"):
            put_it.result()
        assert "second" in names(straight)


def waits_at_commit(postgres: Postgres, database: Database) -> bool:
    try:
        put(database, f"probe{time.monotonic_ns()}"[:32])
    except DatabaseUnavailable:
        return True
    return False


def box(number: int) -> MailboxRecord:
    return MailboxRecord(bytes([number]) * 32, bytes(32), bytes(60))


def test_a_send_needs_four_round_trips(database: Database, proxy: Proxy, tmp_path: Path) -> None:
    """BEGIN, a check for a repeat, all other statements together, COMMIT: the time of "Sent" with distant hosts."""
    store = SampleStore.create(database, tmp_path / "keys")
    trips = []
    for number in range(8):
        submission = store.sealed(((ONE, "primary"), (TWO, "also"), (THREE, "held")))
        before = proxy.round_trips
        result = submissions.commit(database, submission, box(number))
        trips.append(proxy.round_trips - before)
        assert result.is_new and result.has_code and len(result.deliveries) == 2
    assert sorted(trips) == [4] * 7 + [5], "one more when the driver prepares the first statement, at its sixth use"


def test_of_statements_sent_together_one_that_fails_undoes_all(
    database: Database, straight: Database, tmp_path: Path
) -> None:
    store = SampleStore.create(database, tmp_path / "keys")
    twice = store.sealed(((ONE, "primary"), (ONE, "also")))
    with pytest.raises(RowRefused, match="UniqueViolation"):
        submissions.commit(database, twice, box(1))
    with straight.read() as connection:
        for table in (t.report, t.report_body, t.delivery, t.mailbox, t.audit):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
    assert submissions.commit(database, replace(twice, parts=twice.parts[:1]), box(1)).is_new


def test_a_mailbox_of_an_earlier_session_is_replaced_by_the_code_that_is_shown(
    database: Database, straight: Database, tmp_path: Path
) -> None:
    submission = SampleStore.create(database, tmp_path / "keys").sealed()
    submissions.commit(database, submission, box(1))
    submissions.save_mailbox(database, submission.report_id, box(2))
    with straight.read() as connection:
        assert connection.execute(select(t.mailbox.c.lookup)).scalars().all() == [box(2).lookup]
