"""The scheduler lets Redis rewrite its append-only file, so that deleted data is in no file of the server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry

from runtime import metrics_files
from runtime.redis_clients import queue_client
from runtime.settings import RedisAddress
from tests.security.redis_users import RedisWithUsers
from tests.support.wait import until
from workers.jobs.outages import RedisRewriteJob
from workers.metrics import WorkerMetrics

pytestmark = pytest.mark.slow

A_CLOCK_BEGINS = """
import sys
from prometheus_client import CollectorRegistry
from redis import Redis
from runtime import metrics_files
with metrics_files.claim_files("clock"):
    from workers.metrics import WorkerMetrics
    from workers.jobs.outages import RedisRewriteJob
    registry = CollectorRegistry()
    RedisRewriteJob(Redis(), WorkerMetrics(registry))
sys.stdout.write(metrics_files.render(registry).decode())
"""
NAME, VALUE = b"s:a-name-of-a-telephone-number", b"what was sealed in a conversation"


@pytest.fixture
def redis_with_users(tmp_path: Path) -> Iterator[RedisWithUsers]:
    made = RedisWithUsers(tmp_path)
    yield made
    made.server.remove()


class RewriteRun:
    """The scheduler's rewrite request, with its own Redis user, and the metric that it sets."""

    def __init__(self, reach: RedisAddress) -> None:
        self.registry = CollectorRegistry()
        with queue_client(reach) as client:
            RedisRewriteJob(client, WorkerMetrics(self.registry)).run()

    @property
    def at(self) -> float:
        return self.registry.get_sample_value("tokaut_redis_rewritten_timestamp_seconds") or 0


def on_the_disk(admin: redis.Redis) -> bytes:
    folder = Path(str(admin.config_get("dir")["dir"]))
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.rule("A-42")
def test_what_was_deleted_leaves_the_file(redis_with_users: RedisWithUsers) -> None:
    with redis_with_users.asked() as admin:
        admin.set(NAME, VALUE)
        admin.delete(NAME)
        until(lambda: NAME in on_the_disk(admin), "nothing was written")
        assert VALUE in on_the_disk(admin), "deleting alone takes nothing from the disk"
        assert RewriteRun(redis_with_users.reach("clock")).at > 0
        until(lambda: NAME not in on_the_disk(admin), "the file was not rewritten")
        assert VALUE not in on_the_disk(admin)


def test_where_it_may_not_ask_or_nothing_is_rewritten_the_figure_stands_still(redis_with_users: RedisWithUsers) -> None:
    assert RewriteRun(redis_with_users.reach("web")).at == 0
    with redis_with_users.asked() as admin:
        admin.config_set("appendonly", "no")
        assert RewriteRun(redis_with_users.reach("clock")).at == 0
    redis_with_users.server.kill()
    assert RewriteRun(redis_with_users.reach("clock")).at == 0


def test_the_figure_is_there_before_anything_was_asked(tmp_path: Path) -> None:
    """Else no alert could notice that a rewrite never happened: a missing metric is not old."""
    folder = {metrics_files.FOLDER_VARIABLE: str(tmp_path)}
    page = subprocess.check_output([sys.executable, "-c", A_CLOCK_BEGINS], env={**os.environ, **folder}, text=True)
    assert "\ntokaut_redis_rewritten_timestamp_seconds 0.0\n" in page
