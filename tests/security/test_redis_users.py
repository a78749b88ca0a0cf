"""Each process may do in Redis what it needs, and nothing harmful: a whole report, then every attack."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from runtime.queue import DELIVER_JOB, AllowedJob, JobQueue, open_queue
from runtime.redis_clients import queue_client
from tests.security.redis_users import RedisWithUsers
from tests.support.installation import Installation
from tests.support.wait import until

pytestmark = pytest.mark.slow

ID = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
TO_SEND = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")
REFUSED = r"(?i)no permissions|ACL failure|DEBUG command not allowed|not allowed from script"
USERS = ("web", "webq", "worker", "clock")
FORBIDDEN = (
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "DBSIZE",
    "CONFIG GET *",
    "CONFIG SET dir /tmp",
    "MONITOR",
    "ACL LIST",
    "ACL WHOAMI",
    "ACL SETUSER web +@all",
    "DEBUG SLEEP 0",
    "REPLICAOF 127.0.0.1 1",
    "SLAVEOF NO ONE",
    "SHUTDOWN NOSAVE",
    "SAVE",
    "MODULE LIST",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "SWAPDB 0 1",
    "SELECT 1",
    "FUNCTION LIST",
    "FUNCTION FLUSH",
    "SCRIPT FLUSH",
    "RESTORE rq:x 0 x",
    "MIGRATE 127.0.0.1 1 rq:x 0 100",
    "SORT rq:x",
    "PUBSUB CHANNELS",
    "PUBLISH elsewhere x",
)
ANOTHERS = {
    "web": ("BGREWRITEAOF", "INFO persistence", "GET rq:x", "SET rq:x x", "GET other", "DEL rq:queue:urgent"),
    "webq": (
        "BGREWRITEAOF",
        "INFO persistence",
        "GET s:x",
        "GET d:x",
        "GET l:seen:x",
        "LRANGE rq:queue:urgent 0 -1",
        "RPOP rq:queue:urgent",
    ),
    "worker": (
        "BGREWRITEAOF",
        "GET s:x",
        "SET s:x x",
        "DEL d:x",
        "RENAME rq:x s:x",
        "COPY s:x rq:x",
        "SUBSCRIBE elsewhere",
    ),
    "clock": ("GET s:x", "SET l:seen:x 1", "RPOP rq:queue:urgent", "SMEMBERS rq:workers"),
}
SCRIPTS = (
    "return redis.call('GET', 'other')",
    "return redis.call('FLUSHALL')",
    "return redis.call('CONFIG', 'GET', '*')",
    "return redis.call('KEYS', '*')",
    "return redis.call('ACL', 'WHOAMI')",
)


@pytest.fixture(scope="module")
def redis_with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisWithUsers]:
    made = RedisWithUsers(tmp_path_factory.mktemp("users"))
    yield made
    made.server.remove()


@pytest.fixture
def installation(redis_with_users: RedisWithUsers) -> Iterator[Installation]:
    """Every process under its own user; without the clock, so that all work comes by the queue."""
    installation = Installation()
    installation.prepare_for_own_redis()
    with redis_with_users.asked() as admin:
        admin.execute_command("ACL LOG RESET")
    for name in ("hotline", "urgent", "standard", "web"):
        installation.start(name, redis_with_users.settings_of(name))
    installation.until_web_answers()
    yield installation
    installation.down()


def send(installation: Installation, number: str) -> None:
    phone = installation.ussd_phone("ussd", number)
    phone.dial()
    assert "Sent to" in [phone.type(reply) for reply in TO_SEND][-1].text


def by_the_queue(again: Callable[[int], object], came: Callable[[], bool], what: str) -> int:
    """Repeat an action until its job comes by the queue, and return how often.

    Web waits 50 ms for the queue and otherwise leaves the job to the clock, which does not run here.
    """
    for n in range(1, 6):
        again(n)
        try:
            until(came, f"{what} did not come by the queue", 5)
        except AssertionError:
            if n == 5:
                raise
        else:
            break
    return n


@pytest.mark.rule("X-11")
@pytest.mark.rule("A-42")
def test_reports_and_texts_go_the_whole_way_and_nothing_is_refused(
    redis_with_users: RedisWithUsers, installation: Installation
) -> None:
    sent = by_the_queue(
        lambda n: send(installation, f"+67855501{n:02}"), lambda: bool(installation.received()), "the report"
    )
    texts = installation.sms_phone("africastalking", "+6785550150")
    by_the_queue(lambda _: texts.text("HELP"), lambda: bool(texts.replies()), "the SMS")
    assert redis_with_users.refusals() == []

    installation.kill("web", signal.SIGTERM)
    stranger = redis_with_users.reach("web").url.replace("web:", "webq:")  # web cannot queue, so the clock does
    installation.start(
        "web", {**redis_with_users.settings_of("web"), "REDIS_QUEUE_URL_FILE": "", "REDIS_QUEUE_URL": stranger}
    )
    installation.start("clock", redis_with_users.settings_of("clock"))
    installation.until_web_answers()
    send(installation, "+6785550151")
    installation.until_received(lambda got: len(got) == sent + 1, "the report did not come by the clock")
    with redis_with_users.asked() as admin:
        assert "clock" in {one["user"] for one in admin.client_list()}
    assert {one.split(":")[0] for one in redis_with_users.refusals()} <= {"webq"}


def test_what_a_worker_does_now_and_then_is_allowed_too(redis_with_users: RedisWithUsers) -> None:
    """A job whose worker was killed is found again; a worker maintains the lists of other workers."""
    with redis_with_users.asked() as admin:
        admin.execute_command("ACL LOG RESET")
    for user in ("webq", "clock", "worker"):
        with queue_client(redis_with_users.reach(user)) as client:
            assert JobQueue(client).put(DELIVER_JOB, ID, "standard")
    with queue_client(redis_with_users.reach("worker")) as client:
        own = open_queue("standard", client)
        lost = own.fetch_job(f"deliver-{ID}")
        assert lost is not None
        with client.pipeline() as pipeline:
            own.remove(lost, pipeline=pipeline)
            pipeline.execute()
        worker = SimpleWorker([own], connection=client, job_class=AllowedJob, serializer=JSONSerializer)
        worker.run_maintenance_tasks()
        worker.register_birth()
        worker.heartbeat()
        worker.register_death()
    assert redis_with_users.refusals() == []


@pytest.mark.rule("X-11")
@pytest.mark.rule("A-42")
@pytest.mark.parametrize("command", FORBIDDEN)
@pytest.mark.parametrize("user", USERS)
def test_nobody_may(redis_with_users: RedisWithUsers, user: str, command: str) -> None:
    with queue_client(redis_with_users.reach(user)) as client, pytest.raises(RedisError, match=REFUSED):
        client.execute_command(*command.split())


@pytest.mark.rule("X-11")
@pytest.mark.rule("X-12")
@pytest.mark.rule("A-42")
@pytest.mark.parametrize(("user", "command"), [(user, one) for user, table in ANOTHERS.items() for one in table])
def test_nobody_reaches_what_is_anothers(redis_with_users: RedisWithUsers, user: str, command: str) -> None:
    with queue_client(redis_with_users.reach(user)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())


@pytest.mark.rule("X-11")
@pytest.mark.rule("A-42")
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("user", USERS)
def test_a_script_may_no_more_than_who_sends_it(redis_with_users: RedisWithUsers, user: str, script: str) -> None:
    with queue_client(redis_with_users.reach(user)) as client, pytest.raises(RedisError, match=REFUSED):
        client.eval(script, 0)


@pytest.mark.rule("A-42")
@pytest.mark.parametrize(("user", "password"), [(None, None), ("default", "x"), ("web", "wrong"), ("console", "x")])
def test_strangers_get_nothing(redis_with_users: RedisWithUsers, user: str | None, password: str | None) -> None:
    with redis_with_users.server.asked(user, password) as client, pytest.raises(AuthenticationError):
        client.get("s:x")


def test_a_look_that_could_be_refused_is_refused_only_to_them(redis_with_users: RedisWithUsers) -> None:
    """The table above could fail: the operator's own user may run these commands."""
    with redis_with_users.asked() as admin:
        assert admin.dbsize() >= 0
        assert admin.eval("return redis.call('GET', 'other')", 0) is None
