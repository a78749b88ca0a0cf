"""The primary behind Sentinels is killed or hangs: answers come in time, nothing is lost, web continues."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from redis.exceptions import RedisError

from gateway.app import QUEUE_SECONDS
from runtime.redis_clients import find_master, queue_client, session_client
from runtime.settings import CommonSettings, load_settings
from tests.faults.conversations import MAX_ANSWER_SECONDS
from tests.support.handsets import Screen
from tests.support.installation import Installation
from tests.support.redis_servers import Server
from tests.support.sentinels import PASSWORD, SentinelCluster
from tests.support.stopwatch import Stopwatch
from tests.support.wait import until

pytestmark = pytest.mark.slow

TO_SEND = ("Report", "Now", "Go on", "More", "Bullying, threats", "Shefa", "Me", "No", "Send")


@pytest.fixture
def sentinel_cluster(tmp_path: Path) -> Iterator[SentinelCluster]:
    made = SentinelCluster(tmp_path / "redis").start()
    yield made
    made.remove()


@pytest.fixture
def installation(sentinel_cluster: SentinelCluster) -> Iterator[Installation]:
    installation = Installation()
    installation.prepare_for_own_redis()
    for name in ("hotline", "urgent", "standard", "clock", "web"):
        installation.start(name, sentinel_cluster.settings_for(name))
    installation.until_web_answers()
    yield installation
    installation.down()


def answered(installation: Installation, number: int) -> Screen:
    """Make a call over Africa's Talking up to Send, each screen in time, and return the last screen."""
    phone = installation.ussd_phone("africastalking", f"+67855503{number:02}")
    screen = phone.dial()
    for reply in TO_SEND:
        watch = Stopwatch()
        screen = phone.type(choice(screen, reply))
        assert watch.seconds <= MAX_ANSWER_SECONDS
    return screen


def choice(screen: Screen, wanted: str) -> str:
    return next(line.split(" ")[0] for line in screen.text.splitlines() if line.split(" ", 1)[-1] == wanted)


def test_calls_go_on_over_the_death_of_the_primary_and_nothing_is_lost(
    sentinel_cluster: SentinelCluster, installation: Installation
) -> None:
    assert answered(installation, 1).text.startswith("Sent to")
    begun = installation.ussd_phone(
        "ussd", "+6785550201"
    )  # only its last reply is known: without Redis the call could not continue
    screen = begun.dial()
    for reply in TO_SEND[:4]:
        screen = begun.type(choice(screen, reply))
    until(sentinel_cluster.is_copied, "the replica does not follow")
    sentinel_cluster.primary.kill()
    watch = Stopwatch()
    sent = 1
    while not sentinel_cluster.promoted():
        sent += 1
        assert answered(installation, sent).text.startswith("Sent to")
        assert watch.seconds < 30
    watch = Stopwatch()
    until(
        lambda: requests.get(f"{installation.web}/readyz", timeout=5).json()["redis"],
        "web does not find the new one",
        60,
    )
    took = watch.seconds
    for reply in TO_SEND[4:]:
        screen = begun.type(choice(screen, reply))
    assert screen.text.startswith("Sent to")
    assert answered(installation, sent + 1).text.startswith("Sent to")
    installation.until_received(lambda got: len(reports(got)) == sent + 2, "not all came", 30)
    assert len(reports(installation.received())) == len(
        {one["headers"]["webhook-id"] for one in installation.received()}
    )
    with sentinel_cluster.admin(sentinel_cluster.replica) as admin:
        users = {one["user"] for one in admin.client_list()}
        refused = [one for one in admin.acl_log() if one["object"] != "info"]
    assert {"web", "worker"} <= users
    assert refused == []
    assert took < 15, f"{took:.1f} s"


def reports(got: list[dict[str, Any]]) -> set[str]:
    return {one["body"]["data"]["report_id"] for one in got}


def test_an_old_primary_that_comes_back_takes_no_writes(sentinel_cluster: SentinelCluster) -> None:
    common = load_settings(CommonSettings, sentinel_cluster.settings_for("web"))
    with session_client(common.session_redis) as client:
        client.set("s:before", "1")
        with sentinel_cluster.admin(sentinel_cluster.replica) as admin:
            until(lambda: admin.get("s:before") == "1", "the replica does not follow")
        sentinel_cluster.primary.kill()
        until(sentinel_cluster.promoted, "the replica was not promoted", 30)
        sentinel_cluster.primary.start()
        until(lambda: answers(lambda: client.set("s:after", "1")), "nothing is written after", 20)
    with sentinel_cluster.admin(sentinel_cluster.replica) as admin:
        assert admin.mget("s:before", "s:after") == ["1", "1"]


def test_no_connection_to_a_sentinel_stays_open(sentinel_cluster: SentinelCluster) -> None:
    common = load_settings(CommonSettings, sentinel_cluster.settings_for("web"))
    with session_client(common.session_redis) as client:
        client.get("s:x")
        find_master(common.session_redis, 1)
        assert sum(map(library_connections, sentinel_cluster.sentinels)) == 0


def library_connections(sentinel: Server) -> int:
    """Return how many connections a Sentinel has from redis-py, without the one that asks."""
    with Redis(port=sentinel.port, password=PASSWORD, decode_responses=True) as asking:
        own = asking.client_id()
        return sum(one["lib-name"].startswith("redis-py") and int(one["id"]) != own for one in asking.client_list())


@pytest.mark.parametrize("known", [True, False], ids=["a line that was open", "a line to open"])
@pytest.mark.parametrize("who", ["the primary", "the Sentinels too"])
def test_whoever_hangs_costs_a_caller_little(sentinel_cluster: SentinelCluster, who: str, known: bool) -> None:
    """It costs one second once, then web does not use Redis for five seconds; after "Sent" it costs almost nothing."""
    hang = [sentinel_cluster.primary, *(sentinel_cluster.sentinels if who == "the Sentinels too" else ())]
    for _ in range(3):  # a busy machine makes it only slower
        took = cost(sentinel_cluster, hang, known)
        if took[0] < 2 and took[1] < 0.6:
            return
    pytest.fail(f"{took} s, three times")


def cost(sentinel_cluster: SentinelCluster, hang: Sequence[Server], known: bool) -> tuple[float, float]:
    common = load_settings(CommonSettings, sentinel_cluster.settings_for("web"))
    with session_client(common.session_redis) as sessions, queue_client(common.queue_redis, QUEUE_SECONDS) as queue:
        if known:
            until(lambda: answers(lambda: sessions.get("s:x")), "the primary does not answer")
            until(lambda: answers(lambda: queue.get("rq:x")), "the primary does not answer")
        for server in hang:
            server.freeze()
        took = seconds(lambda: sessions.get("s:x")), seconds(lambda: queue.get("rq:x"))
        for server in hang:
            server.signal(signal.SIGCONT)
    return took


def seconds(ask: Callable[[], object]) -> float:
    watch = Stopwatch()
    assert not answers(ask)
    return watch.seconds


def answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except RedisError:
        return False
    return True
