"""One worker process: `python -m workers.main urgent|standard|clock [number]`.

`number` tells several processes of a kind on one host apart: a worker that starts releases the leases that its slot
held before.

RQ's SimpleWorker serves one queue here: with two, killing it loses jobs from every list. The intervals below bring the
job of a killed worker back within two minutes; the scheduler, which reads the database, processes it sooner.
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
from typing import Any, Literal

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import UnixSignalDeathPenalty

from reports.store import outbox
from reports.store.engine.database import DatabaseUnavailable
from runtime import logs
from runtime.hardening import harden
from runtime.operator_error import OperatorError
from runtime.queue import DELIVER_JOB, QUEUE_NAMES, SEND_SMS_JOB, AllowedJob, JobNotAllowed, QueueName
from runtime.redis_clients import queue_client
from workers.app import WorkerServices, create_outage_monitor, create_scheduler, create_services
from workers.jobs import deliver
from workers.metrics import WorkerMetrics
from workers.sms import dispatcher

ProcessKind = QueueName | Literal["clock"]
PROCESS_KINDS: tuple[ProcessKind, ...] = (*QUEUE_NAMES, "clock")
USAGE = "Usage: python -m workers.main urgent|standard|clock [number]"

Handlers = Mapping[str, Callable[[str], None]]

log = structlog.get_logger()


class JobTimedOut(BaseException):
    """The time limit of a job has passed.

    It is a BaseException, so that no `except Exception` handles it as a fault of the current delivery, which would
    postpone the delivery for an hour. Instead the lease expires.
    """


class JobTimeout(UnixSignalDeathPenalty):
    """Raises JobTimedOut in a job that takes too long."""

    def handle_death_penalty(self, *_: object) -> None:
        """Raise JobTimedOut."""
        raise JobTimedOut


class QueueWorker(SimpleWorker):
    """An RQ worker that reconnects soon after Redis is available again, and can ask the running job to stop.

    `deliver_due` is called after each job that does not do so itself, also one that was refused: any job in the queue
    wakes the worker, so web need not queue a job for each delivery.
    """

    max_connection_wait_time = 2.0
    death_penalty_class = JobTimeout

    def __init__(
        self,
        *arguments: Any,
        stopping: threading.Event,
        beat: Callable[[], None],
        deliver_due: Callable[[], None],
        **settings: Any,
    ) -> None:
        super().__init__(*arguments, **settings)
        self._stopping = stopping
        self._beat = beat
        self._deliver_due = deliver_due

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run a job, then the other due deliveries."""
        is_done = super().perform_job(job, queue, execution)
        if not (is_done and job.func_name == DELIVER_JOB):
            self._deliver_due()
        return is_done

    def heartbeat(self, *arguments: Any, **settings: Any) -> None:
        """Record in Redis and for the health check that the main loop runs. RQ calls this between jobs."""
        self._beat()
        super().heartbeat(*arguments, **settings)

    def _set_ip_address(self, connection: Redis) -> None:
        """Leave the address unknown: redis-py cannot parse CLIENT INFO if the socket's path has a blank or `=`."""
        self.ip_address = "unknown"
        with suppress(ResponseError):  # the account may not name its connection
            connection.client_setname(self.name)

    def handle_warm_shutdown_request(self) -> None:
        """Ask the running job to stop."""
        self._stopping.set()


def create_job_class(handlers: Handlers, metrics: WorkerMetrics) -> type[AllowedJob]:
    """Return a job class that runs only these handlers; other jobs are refused and counted."""

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


def job_handlers(services: WorkerServices, queue: QueueName) -> Handlers:
    """Return the handlers of a queue's jobs by their names."""
    return {
        DELIVER_JOB: partial(deliver.deliver, services.delivery_runner, queue),
        SEND_SMS_JOB: partial(dispatcher.send, services.worker_sms),
    }


def run_queue_worker(services: WorkerServices, queue: QueueName, stopping: threading.Event) -> None:
    """Process the queue until `stopping` is set, and reconnect whenever Redis is available again."""
    job_class = create_job_class(job_handlers(services, queue), services.metrics)
    try:
        while not stopping.is_set():
            services.heartbeat.beat()
            _work_once(services, queue, job_class, stopping)
            stopping.wait(1)
    except StopRequested:  # the signal came between two RQ workers
        stopping.set()


def _work_once(
    services: WorkerServices, queue: QueueName, job_class: type[AllowedJob], stopping: threading.Event
) -> None:
    try:
        connection = queue_client(services.common.queue_redis)
        own_queue = Queue(queue, connection=connection, serializer=JSONSerializer, job_class=job_class)
        worker = QueueWorker(
            [own_queue],
            name=f"{services.holder.replace('/', '.')}.{secrets.token_hex(4)}",  # Redis may still list the previous one
            connection=connection,
            job_class=job_class,
            serializer=JSONSerializer,
            maintenance_interval=15,
            worker_ttl=20,
            job_monitoring_interval=5,
            log_job_description=False,
            stopping=stopping,
            beat=services.heartbeat.beat,
            deliver_due=partial(deliver.deliver_due, services.delivery_runner, queue),
        )
        worker.work(logging_level="WARNING")
    except (RedisError, OSError):
        log.warning("queue_unavailable")


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Start the process. Raises SystemExit with one line for each setting that is wrong."""
    kind = next((allowed for allowed in PROCESS_KINDS if [allowed] == arguments[:1]), None)
    number = arguments[1] if len(arguments) > 1 else "1"
    if kind is None or len(arguments) > 2 or not number.isalnum():
        sys.exit(USAGE)
    harden()
    logs.configure(kind if kind == "clock" else "worker")
    logs.install_hooks()
    logs.reroute(("rq.worker", "rq.job"))
    stopping = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())
    try:
        services = create_services(f"{kind}-{number}", environ, stopping.is_set)
        run(kind, services, environ, stopping)
    except OperatorError as error:
        sys.exit(str(error))


def run(kind: ProcessKind, services: WorkerServices, environ: Mapping[str, str], stopping: threading.Event) -> None:
    """Run a worker or the scheduler until `stopping` is set."""
    if kind == "clock":
        scheduler = create_scheduler(services, environ)
        log.info("started")
        create_outage_monitor(services).start(stopping)
        _release_slot(services, stopping)
        scheduler.run(stopping, services.heartbeat.beat)
    else:
        log.info("started")
        _release_slot(services, stopping)
        run_queue_worker(services, kind, stopping)
        services.delivery_runner.finish()
    services.database.close()
    log.info("stopped")


def _release_slot(services: WorkerServices, stopping: threading.Event) -> None:
    while not stopping.is_set():
        services.heartbeat.beat()
        try:
            outbox.release_slot(services.database, services.slot)
            return
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            stopping.wait(1)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
