"""One process of the workers: `python -m workers.main urgent|standard|clock [number]`.

`number` tells apart several of a kind on one host: a worker that starts gives up what its own slot held before.
RQ's SimpleWorker takes one queue only: with two, a kill loses jobs from every list there is. The times below bring a
job whose worker was killed back within two minutes; the clock, which reads the database, brings it back sooner.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.timeouts import UnixSignalDeathPenalty

from reports.countries.country import CountryError
from reports.store import outbox
from reports.store.database_check import WrongDatabase
from reports.store.engine.database import DatabaseUnavailable, InvalidDatabaseURL
from runtime import logs
from runtime.hardening import harden
from runtime.queue import DELIVER_JOB, SEND_SMS_JOB, AllowedJob, JobNotAllowed
from runtime.redis_clients import queue_client
from runtime.settings import SettingError
from workers.app import WorkerServices, create_outage_monitor, create_scheduler, create_services
from workers.jobs import deliver
from workers.metrics import WorkerMetrics
from workers.sms import dispatcher

PROCESS_KINDS = ("urgent", "standard", "clock")
USAGE = "Usage: python -m workers.main urgent|standard|clock [number]"

Handlers = Mapping[str, Callable[[str], None]]

log = structlog.get_logger()


class JobTimedOut(BaseException):
    """No Exception: taken for a fault in what is in hand, it would put that off for an hour. The lease runs out."""


class JobTimeout(UnixSignalDeathPenalty):
    def handle_death_penalty(self, *_: object) -> None:
        raise JobTimedOut


class QueueWorker(SimpleWorker):
    """Comes back soon after Redis does, and tells the job in hand when it is asked to stop."""

    max_connection_wait_time = 2.0
    death_penalty_class = JobTimeout

    def __init__(self, *arguments: Any, stopping: threading.Event, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._stopping = stopping

    def _set_ip_address(self, connection: Redis) -> None:
        """Leave the address unknown: redis-py cannot parse CLIENT INFO of a socket whose path has a blank or `=`."""
        self.ip_address = "unknown"
        with suppress(ResponseError):  # an account that may not name itself
            connection.client_setname(self.name)

    def handle_warm_shutdown_request(self) -> None:
        self._stopping.set()


def create_job_class(handlers: Handlers, metrics: WorkerMetrics) -> type[AllowedJob]:
    """A class of jobs that runs these handlers and nothing else; what is not on the list is counted."""

    class OurJob(AllowedJob):
        @property
        def func(self) -> Callable[..., Any]:
            try:
                _ = super().func
                return handlers[self.func_name or ""]
            except (JobNotAllowed, KeyError):
                metrics.refused.inc()
                log.warning("job_refused")
                raise JobNotAllowed from None

    return OurJob


def job_handlers(parts: WorkerServices, queue: str) -> Handlers:
    return {
        DELIVER_JOB: partial(deliver.deliver, parts.forwarder, queue),
        SEND_SMS_JOB: partial(dispatcher.send, parts.texter),
    }


def run_queue_worker(parts: WorkerServices, queue: str, stopping: threading.Event) -> None:
    """Until told to stop. Redis may come and go."""
    job_class = create_job_class(job_handlers(parts, queue), parts.metrics)
    try:
        while not stopping.is_set():
            _work_once(parts, queue, job_class, stopping)
            stopping.wait(1)
    except StopRequested:  # the signal came between two of RQ's workers
        stopping.set()


def _work_once(parts: WorkerServices, queue: str, job_class: type[AllowedJob], stopping: threading.Event) -> None:
    try:
        connection = queue_client(parts.common.queue_redis)
        own = Queue(queue, connection=connection, serializer=JSONSerializer, job_class=job_class)
        worker = QueueWorker(
            [own],
            name=f"{parts.holder.replace('/', '.')}.{secrets.token_hex(4)}",  # Redis may still know the last one
            connection=connection,
            job_class=job_class,
            serializer=JSONSerializer,
            maintenance_interval=15,
            worker_ttl=20,
            job_monitoring_interval=5,
            log_job_description=False,
            stopping=stopping,
        )
        worker.work(logging_level="WARNING")
    except (RedisError, OSError):
        log.warning("queue_unavailable")


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Raises SystemExit with one line for each setting that is wrong."""
    if not arguments or arguments[0] not in PROCESS_KINDS or len(arguments) > 2:
        sys.exit(USAGE)
    kind, number = arguments[0], arguments[1] if len(arguments) > 1 else "1"
    if not number.isalnum():
        sys.exit(USAGE)
    harden()
    logs.configure(kind if kind == "clock" else "worker")
    logs.install_hooks()
    logs.reroute(("rq.worker", "rq.job"))
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    try:
        parts = create_services(f"{kind}-{number}", environ, stopping.is_set)
        run(kind, parts, environ, stopping)
    except (SettingError, InvalidDatabaseURL, CountryError, WrongDatabase) as error:
        sys.exit(str(error))


def run(kind: str, parts: WorkerServices, environ: Mapping[str, str], stopping: threading.Event) -> None:
    clock = create_scheduler(parts, environ) if kind == "clock" else None
    log.info("started")
    if kind == "clock":
        create_outage_monitor(parts, environ).start(stopping)
    _give_up_slot(parts, stopping)
    if clock is not None:
        clock.run(stopping)
    else:
        run_queue_worker(parts, kind, stopping)
    parts.database.close()
    log.info("stopped")


def _give_up_slot(parts: WorkerServices, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            outbox.release_slot(parts.database, parts.slot)
            return
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            stopping.wait(1)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
