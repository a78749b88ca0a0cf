"""The job queue between the processes: ids only, in JSON, for a short list of functions. The database decides.

The queue only saves time: due work is recorded in the database. Anybody who can write to Redis can name a function for
RQ to import and run, so a job that is not on the list is refused. (In a test with only the JSON serializer, a job
called os.system.)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

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
QUEUE_NAMES: Final[tuple[QueueName, ...]] = get_args(QueueName)
WAKING_JOBS = 2  # waiting jobs: one to wake the worker, and one to continue a long backlog
JOB_TIMEOUT_SECONDS = 40  # a job leases rows for 15 s, and its last delivery may take 20 s


class JobNotAllowed(Exception):
    """A job in the queue is not one of ours."""


class AllowedJob(Job):
    """A job that runs only a function on the list, with one UUID, and never a callback."""

    @property
    def func(self) -> Callable[..., Any]:
        """Return the function to run. Raises JobNotAllowed."""
        if self.func_name not in ALLOWED_JOBS or self.instance is not None:
            raise JobNotAllowed
        arguments = self.args
        if self.kwargs or len(arguments) != 1 or not _is_id(arguments[0]):
            raise JobNotAllowed
        function: Callable[..., Any] = super().func
        return function

    @property
    def success_callback(self) -> None:
        """Return None: no callback is run."""
        return None

    @property
    def failure_callback(self) -> None:
        """Return None: no callback is run."""
        return None

    @property
    def stopped_callback(self) -> None:
        """Return None: no callback is run."""
        return None


class JobQueue:
    """Put ids on the queues. An id that cannot be put waits in the database for the scheduler."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queues = {speed: open_queue(speed, redis) for speed in QUEUE_NAMES}

    def close(self) -> None:
        """Close the connections to Redis."""
        self._redis.close()

    def put(self, job: str, item: str, speed: QueueName) -> bool:
        """Queue an id. Return False if Redis did not accept it; the scheduler then finds it in the database.

        A delivery is not queued if enough jobs wait: after each job the worker delivers all due rows.
        """
        try:
            if job == DELIVER_JOB and self._queues[speed].count >= WAKING_JOBS:
                return True
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
    """Return the queue of this name."""
    return Queue(speed, connection=redis, serializer=JSONSerializer, job_class=AllowedJob)


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False
