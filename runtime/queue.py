"""The queue between the processes: ids only, JSON, a short list of what may be run. It hurries; the database decides.

Whoever can write to Redis can name a function for RQ to import and run, so a job that is not on the list is refused
(seen: with the JSON serializer alone, a job called os.system).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final, Literal

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

DELIVER_JOB = "workers.jobs.deliver.deliver"
SEND_SMS_JOB = "workers.sms.dispatcher.send"
ALLOWED_JOBS = frozenset({DELIVER_JOB, SEND_SMS_JOB})

QueueName = Literal["urgent", "standard"]
QUEUE_NAMES: Final[tuple[QueueName, ...]] = ("urgent", "standard")
JOB_TIMEOUT_SECONDS = 40  # a delivery may take 20 s; a job drains for less than that again


class JobNotAllowed(Exception):
    """A job that is not ours."""


class AllowedJob(Job):
    """Runs only what is on the list, with one UUID, and never a callback."""

    @property
    def func(self) -> Callable[..., Any]:
        if self.func_name not in ALLOWED_JOBS or self.instance is not None:
            raise JobNotAllowed
        arguments = self.args
        if self.kwargs or len(arguments) != 1 or not _is_id(arguments[0]):
            raise JobNotAllowed
        function: Callable[..., Any] = super().func
        return function

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None


class JobQueue:
    """Puts ids on the queues, as well as it can: an id that is not taken waits for the clock."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queues = {speed: open_queue(speed, redis) for speed in QUEUE_NAMES}

    def close(self) -> None:
        """Close the connections to Redis."""
        self._redis.close()

    def put(self, job: str, item: str, speed: QueueName) -> bool:
        """False where the queue did not take it; nothing is lost then, only later."""
        try:
            self._queues[speed].enqueue_call(
                job,
                args=(item,),
                timeout=JOB_TIMEOUT_SECONDS,
                result_ttl=0,
                failure_ttl=60,
                ttl=600,
                job_id=f"{job.rsplit('.', 1)[1]}-{item}",
                retry=Retry(max=1),
                description=item,
                unique=True,
            )
        except DuplicateJobError:
            return True
        except (RedisError, OSError):
            return False
        return True


def open_queue(speed: str, redis: Redis) -> Queue:
    return Queue(speed, connection=redis, serializer=JSONSerializer, job_class=AllowedJob)


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False
