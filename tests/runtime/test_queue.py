"""The queue runs only two functions, each with one id, whatever is written to Redis."""

from __future__ import annotations

import json
import uuid

import pytest
import redis
from rq.job import Job

from runtime.queue import DELIVER_JOB, SEND_SMS_JOB, AllowedJob, JobNotAllowed, JobQueue, open_queue
from runtime.redis_clients import queue_client
from runtime.settings import RedisAddress

pytestmark = pytest.mark.slow
ID = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"


@pytest.mark.rule("X-11")
@pytest.mark.rule("A-08")
@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        ("os.system", ("true",), {}),
        ("subprocess.run", (ID,), {}),
        ("workers.jobs.deliver.deliver.__globals__", (ID,), {}),
        (DELIVER_JOB, (ID, ID), {}),
        (DELIVER_JOB, (), {}),
        (DELIVER_JOB, ("not an id",), {}),
        (DELIVER_JOB, (ID.upper(),), {}),
        (DELIVER_JOB, (ID,), {"more": 1}),
    ],
)
def test_other_jobs_are_refused(redis_url: str, function: str, args: tuple, kwargs: dict) -> None:
    with queue_client(RedisAddress(redis_url)) as client:
        queue = open_queue("urgent", client)
        job = queue.enqueue_call(function, args=args, kwargs=kwargs, job_id="planted")
        with pytest.raises(JobNotAllowed):
            _ = AllowedJob.fetch(job.id, connection=client, serializer=queue.serializer).func


def test_callbacks_are_never_run(redis_url: str) -> None:
    with queue_client(RedisAddress(redis_url)) as client:
        queue = open_queue("urgent", client)
        job = queue.enqueue_call(DELIVER_JOB, args=(ID,), job_id="planted")
        client.hset(
            f"rq:job:{job.id}", mapping={"success_callback_name": "os.system", "failure_callback_name": "os.system"}
        )
        found = AllowedJob.fetch(job.id, connection=client, serializer=queue.serializer)
        assert (found.success_callback, found.failure_callback, found.stopped_callback) == (None, None, None)


@pytest.mark.rule("S-27")
def test_redis_holds_ids_only(redis_url: str) -> None:
    with queue_client(RedisAddress(redis_url)) as client:
        assert JobQueue(client).put(DELIVER_JOB, ID, "urgent")
        job = Job.fetch(f"deliver-{ID}", connection=client, serializer=open_queue("urgent", client).serializer)
        assert (job.func_name, list(job.args), job.kwargs, job.description) == (DELIVER_JOB, [ID], {}, ID)
        assert json.loads(json.dumps(job.to_dict(include_result=False), default=str))


def test_an_id_stands_on_the_queue_once(redis_url: str) -> None:
    with queue_client(RedisAddress(redis_url)) as client:
        hurry = JobQueue(client)
        assert hurry.put(DELIVER_JOB, ID, "urgent")
        assert hurry.put(DELIVER_JOB, ID, "urgent")
        assert open_queue("urgent", client).count == 1


def test_a_backlog_needs_two_jobs_and_an_sms_its_own(redis_url: str) -> None:
    with queue_client(RedisAddress(redis_url)) as client:
        hurry, queue = JobQueue(client), open_queue("urgent", client)
        ids = [str(uuid.uuid4()) for _ in range(6)]
        assert all(hurry.put(DELIVER_JOB, each, "urgent") for each in ids)
        assert queue.count == 2
        assert hurry.put(SEND_SMS_JOB, ids[0], "urgent")
        assert queue.count == 3
        queue.empty()
        assert hurry.put(DELIVER_JOB, ids[0], "urgent")
        assert queue.count == 1


def test_a_queue_that_is_away_is_no_error() -> None:
    client = redis.Redis.from_url("unix:///nowhere/at/all.sock")
    assert not JobQueue(client).put(DELIVER_JOB, ID, "urgent")
