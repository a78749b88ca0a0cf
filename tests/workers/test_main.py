"""The worker processes themselves: start, kill and stop, with Redis and without."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from reports.store import outbox
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from runtime.queue import DELIVER_JOB, JobQueue, QueueName
from runtime.redis_clients import queue_client
from runtime.settings import RedisAddress
from tests.support.valkey import Valkey
from tests.support.wait import until
from tests.workers.fake_http_server import Answer, FakeHttpServer
from tests.workers.processes import Process, settings
from tests.workers.sample_store import ONE, WORDS, SampleStore

pytestmark = pytest.mark.slow

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """SQLite only: starting processes is slow, and other tests run the SQL on both databases."""
    made = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    upgrade(made, "demo")
    yield made
    made.close()


@pytest.fixture
def hotline() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as it:
        yield it


def queued(url: str, job: str, item: str, speed: QueueName) -> bool:
    with closing(JobQueue(queue_client(RedisAddress(url)))) as job_queue:
        return job_queue.put(job, item, speed)


def arrives(hotline: FakeHttpServer, count: int) -> None:
    until(lambda: len(hotline.requests) >= count, "nothing arrived", seconds=30)


def is_delivered(store: SampleStore, *ids: str) -> bool:
    return all(store.delivery(one).state == "delivered" for one in ids)


def test_a_queued_id_goes_out_and_the_log_says_ids_only(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, redis_url: str
) -> None:
    [first], [second] = store.submit(priority="P2"), store.submit(priority="P1")
    with Process("urgent", settings(store, tmp_path, hotline, redis_url), tmp_path / "log") as worker:
        assert queued(redis_url, DELIVER_JOB, first, "urgent")
        arrives(hotline, 2)
        until(lambda: is_delivered(store, first, second), "not marked")
        assert (tmp_path / "alive-urgent-1").exists()  # for the health check
        assert worker.stop() == 0
    said = worker.said()
    assert '"event":"delivered"' in said
    assert '"event":"stopped"' in said
    assert WORDS not in said
    assert "127.0.0.1" not in said


@pytest.fixture
def spaced_valkey() -> Iterator[Valkey]:
    """A server with blanks and `=` in the path of its socket, as in a checkout below such a folder."""
    server = Valkey(prefix="t v w=1=2 ")
    yield server.start()
    server.remove()


def test_a_worker_reaches_redis_by_a_socket_whose_path_has_blanks(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, spaced_valkey: Valkey
) -> None:
    [delivery] = store.submit(priority="P1")
    assert " " in str(spaced_valkey.folder)
    with Process("urgent", settings(store, tmp_path, hotline, spaced_valkey.url), tmp_path / "log") as worker:
        assert queued(spaced_valkey.url, DELIVER_JOB, delivery, "urgent")
        arrives(hotline, 1)
        until(lambda: is_delivered(store, delivery), "not marked")
        assert worker.stop() == 0


@pytest.mark.rule("X-11")
def test_a_job_that_is_not_ours_is_refused_and_the_next_one_is_done(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, redis_url: str
) -> None:
    [delivery] = store.submit()
    planted = tmp_path / "planted"
    with Redis.from_url(redis_url) as client:
        queue = Queue("urgent", connection=client, serializer=JSONSerializer)
        queue.enqueue("os.system", f"touch {planted}")
        queue.enqueue("subprocess.run", ["touch", str(planted)])
        queue.enqueue(DELIVER_JOB, delivery, delivery)
        queue.enqueue(DELIVER_JOB, "no id at all")
        queue.enqueue(DELIVER_JOB, kwargs={"delivery_id": delivery})
        queue.enqueue("workers.jobs.deliver.Forwarder.deliver", delivery)
        queue.enqueue("workers.main.main", str(uuid.uuid4()))
    with Process("urgent", settings(store, tmp_path, hotline, redis_url), tmp_path / "log") as worker:
        queued(redis_url, DELIVER_JOB, delivery, "urgent")
        arrives(hotline, 1)
        until(lambda: worker.said().count('"event":"job_refused"') >= 7, "they were not all refused")
        assert worker.stop() == 0
    assert not planted.exists()


def test_the_clock_delivers_by_itself_while_redis_is_away(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer
) -> None:
    urgent, slow = store.submit(priority="P1"), store.submit(priority="P4")
    with Process("clock", settings(store, tmp_path, hotline, NOWHERE), tmp_path / "log") as clock:
        until(lambda: is_delivered(store, *urgent, *slow), "not delivered", seconds=30)
        assert clock.stop() == 0
    assert sorted(taken.headers["webhook-id"] for taken in hotline.requests) == sorted(urgent + slow)


def test_a_worker_lives_through_redis_and_what_came_meanwhile(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, own_valkey: Valkey
) -> None:
    with Process("urgent", settings(store, tmp_path, hotline, own_valkey.url), tmp_path / "log") as worker:
        [before] = store.submit()
        until(lambda: queued(own_valkey.url, DELIVER_JOB, before, "urgent"), "not queued")
        arrives(hotline, 1)
        own_valkey.kill()
        [after] = store.submit()
        assert not queued(own_valkey.url, DELIVER_JOB, after, "urgent")
        own_valkey.start()
        until(lambda: queued(own_valkey.url, DELIVER_JOB, after, "urgent"), "not queued")
        arrives(hotline, 2)
        assert worker.stop() == 0


@pytest.mark.rule("F4")
@pytest.mark.rule("F5")
def test_a_killed_workers_lease_is_given_up_by_the_next_in_its_slot(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, redis_url: str
) -> None:
    hotline.answer(Answer(how="never"), Answer())
    [delivery] = store.submit()
    environ = settings(store, tmp_path, hotline, redis_url)
    with Process("urgent", environ, tmp_path / "log") as worker:
        queued(redis_url, DELIVER_JOB, delivery, "urgent")
        arrives(hotline, 1)
        worker.kill()
    assert outbox.lease(store.database, delivery, "another/urgent-1/x") is None, "it is still held"
    with Process("urgent", environ, tmp_path / "log") as worker:
        until(lambda: store.delivery(delivery).lease_by is None, "not given up")
        [other] = store.submit()
        queued(redis_url, DELIVER_JOB, other, "urgent")
        until(lambda: is_delivered(store, delivery, other), "not delivered")
        assert worker.stop() == 0
    assert [taken.headers["webhook-id"] for taken in hotline.requests].count(delivery) == 2


def test_a_term_lets_the_call_in_hand_finish(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, redis_url: str
) -> None:
    hotline.answer(Answer(how="body_in_drips"))
    [delivery] = store.submit()
    with Process("urgent", settings(store, tmp_path, hotline, redis_url), tmp_path / "log") as worker:
        queued(redis_url, DELIVER_JOB, delivery, "urgent")
        arrives(hotline, 1)
        assert worker.stop() == 0
    assert is_delivered(store, delivery)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"TOKAUT_MOED": "live"}, "TOKAUT_MOED is not a setting. Did you mean TOKAUT_MODE?"),
        ({"HOTLINE_VU_PIKININI_SERCET": "x"}, "HOTLINE_VU_PIKININI_SERCET is not a setting."),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        ({"SMTP_URL": "", "TOKAUT_ON_CALL": "desk@example.org"}, "SMTP_URL"),
        ({"TOKAUT_ALERT_CHANNEL": "ussd", "TOKAUT_ALERT_FROM": "163"}, "TOKAUT_ALERT_CHANNEL is none of CHANNELS that"),
        ({"COUNTRIES": "zz"}, "zz"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, more: dict[str, str], line: str
) -> None:
    with Process("clock", settings(store, tmp_path, hotline, NOWHERE, **more), tmp_path / "log") as clock:
        assert clock.status() == 1
    assert line in clock.said()
    assert "Traceback" not in clock.said()


@pytest.mark.parametrize("arguments", ["", "fast", "urgent --now"])
def test_how_it_is_used(store: SampleStore, tmp_path: Path, hotline: FakeHttpServer, arguments: str) -> None:
    with Process(arguments, settings(store, tmp_path, hotline, NOWHERE), tmp_path / "log") as worker:
        assert worker.status() == 1
    assert "Usage: python -m workers.main" in worker.said()


def test_a_hotline_without_its_secret_stops_nobody_else(
    store: SampleStore, tmp_path: Path, hotline: FakeHttpServer
) -> None:
    [fine], [without] = store.submit(), store.submit([("vu-police", "primary")])
    with Process("clock", settings(store, tmp_path, hotline, NOWHERE), tmp_path / "log") as clock:
        until(lambda: is_delivered(store, fine), "not delivered", seconds=30)
        until(lambda: store.delivery(without).last_class == "no_hotline", "not tried")
        assert clock.stop() == 0
    assert '"event":"setting_refused","' in clock.said()
    assert f'"hotline":"{ONE}"' in clock.said()
