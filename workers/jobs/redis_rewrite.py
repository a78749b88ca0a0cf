"""Ask Redis to rewrite its append-only file, twice an hour.

Until then the file holds each version of each conversation, and the names of those that have expired or were deleted.
What they hold cannot be opened any more once `web` has deleted their keys (gateway/sessions/keys.py); their names are
keyed hashes of telephone numbers, and go only with the file.
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
    name, every, after, trusts_the_time = "rewrite", 1800, 60, False

    def __init__(self, redis: Redis, metrics: WorkerMetrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._metrics.rewritten.set(0)  # shown from the start, or no alert could say that it was never done
        self._own = BackgroundPool(1)

    def start(self) -> None:
        self._own.do(self.ask)

    def finish(self) -> None:
        self._own.finish()

    def ask(self) -> None:
        """Ask once, and note the time where the last rewriting went well. Redis does it in a process of its own."""
        try:
            found = self._redis.info("persistence")
            is_kept = bool(found.get("aof_enabled"))
            if is_kept:
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
            if not is_kept:
                log.warning("redis_rewrite_failed", reason="append_only_off")
            elif found.get("aof_last_bgrewrite_status") == "ok":
                self._metrics.rewritten.set_to_current_time()
            else:
                log.warning("redis_rewrite_failed", reason="rewrite_failed")
