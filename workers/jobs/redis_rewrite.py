"""Ask Redis to rewrite its append-only file, twice an hour.

Until then the file contains each version of each session, and the names of sessions that expired or were deleted. Their
contents cannot be decrypted once `web` has deleted their keys (gateway/sessions/keys.py). Their names are keyed hashes
of telephone numbers, and disappear only with the rewrite.
"""

from __future__ import annotations

import structlog
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from workers.metrics import WorkerMetrics
from workers.thread_pool import BackgroundPool

ALREADY_RUNNING = "already in progress"

log = structlog.get_logger()


class RedisRewriteJob:
    """Asks Redis for a rewrite, and records when the last one succeeded."""

    name, every, after, trusts_the_time = "rewrite", 1800, 60, False

    def __init__(self, redis: Redis, metrics: WorkerMetrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._metrics.rewritten.set(0)  # set from the start, so that an alert can detect that no rewrite ever succeeded
        self._pool = BackgroundPool(1)

    def start(self) -> None:
        """Ask in the background."""
        self._pool.do(self.ask)

    def finish(self) -> None:
        """Wait until Redis has answered."""
        self._pool.finish()

    def ask(self) -> None:
        """Ask once, and record the time if the last rewrite succeeded. Redis rewrites in a process of its own."""
        try:
            info = self._redis.info("persistence")
            is_append_only = bool(info.get("aof_enabled"))
            if is_append_only:
                self._redis.bgrewriteaof()
        except NoPermissionError:
            log.warning("redis_rewrite_failed", reason="refused")
        except ResponseError as error:
            if ALREADY_RUNNING in str(error):
                self._metrics.rewritten.set_to_current_time()
            else:
                log.warning("redis_rewrite_failed", reason="rewrite_failed")
        except (RedisError, OSError):
            log.warning("redis_rewrite_failed", reason="redis_unavailable")
        else:
            if not is_append_only:
                log.warning("redis_rewrite_failed", reason="append_only_off")
            elif info.get("aof_last_bgrewrite_status") == "ok":
                self._metrics.rewritten.set_to_current_time()
            else:
                log.warning("redis_rewrite_failed", reason="rewrite_failed")
