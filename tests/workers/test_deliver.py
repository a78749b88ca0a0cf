"""From the outbox to a hotline's response and back: every class of response, and every failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from rq.timeouts import JobTimeoutException
from sqlalchemy import delete, update
from standardwebhooks.webhooks import Webhook as Verifier
from structlog.testing import capture_logs

from reports.store import circuit_breakers, outbox
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.schema import tables as t
from runtime.time_units import HOUR, MINUTE, SECOND
from tests.workers.fake_http_server import Answer, FakeHttpServer
from tests.workers.sample_store import ONE, THREE, TWO, WORDS, SampleStore
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable
from workers.delivery.under_way import DeliveriesUnderWay
from workers.hotlines.webhook import WebhookConnector
from workers.jobs import deliver
from workers.jobs.deliver import DeliveryRunner
from workers.jobs.deliver import deliver as job
from workers.keyring import KeyRing
from workers.main import JobTimedOut, QueueWorker
from workers.metrics import WorkerMetrics
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient, HttpTimeouts
from workers.retry_policy import COMMIT_RETRIES

pytestmark = pytest.mark.slow

SECRET = "whsec_" + "b2xkc2VjcmV0LW9mLWF0LWxlYXN0LTI0LWJ5dGVz"
NEWER = "whsec_" + "bmV3c2VjcmV0LW9mLWF0LWxlYXN0LTI0LWJ5dGVz"
LIMITS = HttpTimeouts(resolve=2, connect=2, read=2, total=4, drain=0.2)  # a busy machine answers late; a hung one never


@pytest.fixture
def hotline() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as it:
        yield it


def webhook(hotline: FakeHttpServer, *secrets: str) -> WebhookConnector:
    target = parse_target(hotline.url, [hotline.host_port], live=False)
    return WebhookConnector(target, secrets or (SECRET,), HttpClient(limits=LIMITS))


def delivery_runner(
    store: SampleStore, hotline: FakeHttpServer, holder: str = "here/urgent/1", **more: object
) -> DeliveryRunner:
    return DeliveryRunner(
        database=store.database,
        keys=KeyRing(store.keys),
        hotlines={ONE: webhook(hotline), TWO: webhook(hotline)} | more,  # type: ignore[arg-type]  # tests put fakes in
        mode="demo",
        holder=holder,
        actor="worker",
        metrics=WorkerMetrics(CollectorRegistry()),
        chance=lambda: 0.0,
    )


def test_a_report_arrives_signed_and_the_receipt_is_kept(store: SampleStore, hotline: FakeHttpServer) -> None:
    [delivery] = store.submit()
    assert delivery_runner(store, hotline).deliver(delivery)
    [taken] = hotline.requests
    Verifier(SECRET).verify(taken.body, dict(taken.headers))
    assert taken.headers["content-type"] == "application/json"
    assert taken.headers["webhook-id"] == taken.headers["idempotency-key"] == delivery
    assert taken.data["type"] == "report.created"
    assert taken.data["data"]["narrative"] == WORDS
    row = store.delivery(delivery)
    assert (row.state, row.attempt, row.last_status, row.last_class) == ("delivered", 1, 200, "delivered")
    assert row.delivered_at is not None
    assert row.lease_by is None
    [report] = store.reports()
    assert (report.state, report.desk) == ("delivered", ONE)
    assert store.acts(delivery) == ["delivered"]


def test_while_a_secret_is_rotated_both_signatures_are_there(store: SampleStore, hotline: FakeHttpServer) -> None:
    [delivery] = store.submit()
    delivery_runner(store, hotline, **{ONE: webhook(hotline, NEWER, SECRET)}).deliver(delivery)
    [taken] = hotline.requests
    for secret in (SECRET, NEWER):
        Verifier(secret).verify(taken.body, dict(taken.headers))


def test_the_key_is_the_same_over_all_attempts_and_the_words_too(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(503), Answer(how="close"), Answer())
    [delivery] = store.submit()
    for seconds in (0, 10, 40):
        delivery_runner(store.later(seconds=seconds), hotline).deliver(delivery)
    assert [taken.headers["webhook-id"] for taken in hotline.requests] == [delivery] * 3
    assert len({taken.body for taken in hotline.requests}) == 1
    assert store.delivery(delivery).state == "delivered"


def test_it_is_not_sent_before_its_time_and_not_after_it_arrived(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(503), Answer())
    [delivery] = store.submit()
    assert delivery_runner(store, hotline).deliver(delivery)
    assert not delivery_runner(store, hotline).deliver(delivery)
    assert not delivery_runner(store.later(seconds=2), hotline).deliver(delivery)
    assert delivery_runner(store.later(seconds=6), hotline).deliver(delivery)
    assert not delivery_runner(store.later(hours=6), hotline).deliver(delivery)
    assert len(hotline.requests) == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(302, {"Location": "/elsewhere"}), "moved"),
        (Answer(401), "locked_out"),
        (Answer(404), "not_found"),
        (Answer(409), "conflict"),
        (Answer(500), "busy"),
        (Answer(how="close"), "reset"),
        (Answer(how="half_head"), "reset"),
        (Answer(how="head_in_drips"), "timeout"),
    ],
)
def test_unavailable_is_tried_again(store: SampleStore, hotline: FakeHttpServer, answer: Answer, why: str) -> None:
    hotline.answer(answer)
    [delivery] = store.submit(priority="P3")
    delivery_runner(store, hotline).deliver(delivery)
    row = store.delivery(delivery)
    assert (row.state, row.last_class) == ("due", why)
    assert 0 < row.next_at - store.database.now() <= 30 * SECOND
    assert store.acts(delivery) == []


@pytest.mark.rule("F23")
@pytest.mark.parametrize("how", ["plainly", "endless", "half_body", "body_in_drips"])
def test_any_2xx_is_a_receipt(store: SampleStore, hotline: FakeHttpServer, how: str) -> None:
    hotline.answer(Answer(202, how=how))
    [delivery] = store.submit()
    delivery_runner(store, hotline).deliver(delivery)
    assert store.delivery(delivery).state == "delivered"


def test_a_conflict_that_names_our_key_is_a_receipt(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(409, echo_id=True))
    [delivery] = store.submit()
    delivery_runner(store, hotline).deliver(delivery)
    assert store.delivery(delivery).state == "delivered"


@pytest.mark.parametrize(("priority", "asked", "waits"), [("P1", "3600", 60), ("P3", "600", 600), ("P3", "x", 30)])
def test_retry_after_is_heeded_within_reason(
    store: SampleStore, hotline: FakeHttpServer, priority: str, asked: str, waits: int
) -> None:
    hotline.answer(Answer(503, {"Retry-After": asked}))
    [delivery] = store.submit(priority=priority)
    before = store.database.now()
    delivery_runner(store, hotline).deliver(delivery)
    waited = store.delivery(delivery).next_at - before
    assert waits * SECOND <= waited < (waits + 20) * SECOND


def test_refused_three_times_is_refused(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(422))
    [delivery] = store.submit(priority="P2")
    seen = []
    for seconds in (0, 25, 50):
        delivery_runner(store.later(seconds=seconds), hotline).deliver(delivery)
        row = store.delivery(delivery)
        seen.append((row.state, row.last_class))
    assert seen == [("due", "refused 1"), ("due", "refused 2"), ("refused", "refused")]
    assert store.reports()[0].state == "needs_person"
    assert store.acts(delivery) == ["refused"]


def test_refusals_count_only_in_a_row(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(422), Answer(503), Answer(422))
    [delivery] = store.submit(priority="P2")
    for minutes in (0, 10, 20):
        delivery_runner(store.later(minutes=minutes), hotline).deliver(delivery)
    assert store.delivery(delivery).last_class == "refused 1"


def test_too_large_is_refused_at_once(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(413))
    [delivery] = store.submit()
    delivery_runner(store, hotline).deliver(delivery)
    assert (store.delivery(delivery).state, store.delivery(delivery).last_class) == ("refused", "too_large")


def test_gone_buries_the_hotline_and_nobody_calls_there(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(410))
    [first], [second] = store.submit(), store.submit()
    delivery_runner(store, hotline).deliver(first)
    assert store.delivery(first).last_class == "gone"
    assert not delivery_runner(store.later(hours=1), hotline).deliver(second)
    assert len(hotline.requests) == 1


class RaisingHotline:
    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        raise RuntimeError(request.body)


def poison_no_key(store: SampleStore) -> str:
    [delivery] = store.submit()
    for path in (store.keys / "private" / ONE).glob("*.key"):
        path.rename(path.with_suffix(".away"))
    return delivery


def poison_no_body(store: SampleStore) -> str:
    [delivery] = store.submit()
    with store.database.write() as connection:
        connection.execute(delete(t.report_body))
    return delivery


def poison_other_report(store: SampleStore) -> str:
    [delivery] = store.submit()
    with store.database.write() as connection:
        connection.execute(update(t.report_body).values(sealed=b"not what was sealed"))
    return delivery


def poison_mode(store: SampleStore) -> str:
    return store.submit(mode="live")[0]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (poison_no_key, "no_key"),
        (poison_no_body, "no_body"),
        (poison_other_report, "not_sealed_to_us"),
        pytest.param(poison_mode, "wrong_mode", marks=pytest.mark.rule("S-40")),
    ],
)
def test_poison_in_danger_waits_a_minute_and_stops_nobody_else(
    store: SampleStore, hotline: FakeHttpServer, make: object, why: str
) -> None:
    poison = make(store)  # type: ignore[operator]  # one of the four above
    [other] = store.submit([(TWO, "primary")])
    job(delivery_runner(store, hotline), "urgent", poison)
    row = store.delivery(poison)
    assert (row.state, row.last_class) == ("due", why)
    assert row.priority == "P1"
    assert MINUTE - 20 * SECOND < row.next_at - store.database.now() <= MINUTE
    assert store.delivery(other).state == "delivered"
    with store.database.read() as connection:
        assert connection.execute(t.hotline_state.select()).all() == [], "not held against the hotline"


@pytest.mark.parametrize("priority", ["P2", "P3", "P4"])
def test_poison_that_is_not_urgent_waits_an_hour(store: SampleStore, hotline: FakeHttpServer, priority: str) -> None:
    [poison] = store.submit(mode="live", priority=priority)
    delivery_runner(store, hotline).deliver(poison)
    row = store.delivery(poison)
    assert (row.priority, row.state, row.last_class) == (priority, "due", "wrong_mode")
    assert HOUR - 60 * SECOND < row.next_at - store.database.now() <= HOUR


@pytest.mark.rule("F29")
def test_a_key_that_is_back_lets_the_report_go(store: SampleStore, hotline: FakeHttpServer) -> None:
    poison = poison_no_key(store)
    forward = delivery_runner(store, hotline)
    forward.deliver(poison)
    for path in (store.keys / "private" / ONE).glob("*.away"):
        path.rename(path.with_suffix(".key"))
    later = store.later(hours=2)
    DeliveryRunner(
        **{name: getattr(forward, name) for name in DeliveryRunner.__slots__} | {"database": later.database}
    ).deliver(poison)
    assert store.delivery(poison).state == "delivered"


def test_a_fault_of_ours_and_an_unknown_hotline_are_poison(store: SampleStore, hotline: FakeHttpServer) -> None:
    [ours], [unknown] = store.submit(), store.submit([(THREE, "primary")])
    forward = delivery_runner(store, hotline, **{ONE: RaisingHotline()})
    job(forward, "urgent", ours)
    assert store.delivery(ours).last_class == "our_fault"
    assert store.delivery(unknown).last_class == "no_hotline"


@pytest.mark.rule("X-08")
def test_one_job_drains_its_own_queue_only(store: SampleStore, hotline: FakeHttpServer) -> None:
    urgent = [store.submit(priority=priority)[0] for priority in ("P2", "P1", "P2")]
    [slow] = store.submit(priority="P3")
    job(delivery_runner(store, hotline), "urgent", urgent[0])
    assert [store.delivery(one).state for one in urgent] == ["delivered"] * 3
    assert [taken.headers["webhook-id"] for taken in hotline.requests] == [urgent[0], urgent[1], urgent[2]]
    assert store.delivery(slow).state == "due"
    job(delivery_runner(store, hotline), "standard", slow)
    assert store.delivery(slow).state == "delivered"


def test_a_backlog_of_reports_lets_an_sms_go_between(store: SampleStore, hotline: FakeHttpServer) -> None:
    urgent = [store.submit(priority="P2")[0] for _ in range(3)]
    went: list[int] = []
    between = replace(delivery_runner(store, hotline), between=lambda: went.append(len(hotline.requests)))
    job(between, "urgent", urgent[0])
    assert went == [1, 2, 3]


class SlowHotline:
    """A slow hotline or provider."""

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        self()
        return Delivered(200)

    def __call__(self) -> None:
        time.sleep(0.3)


@pytest.mark.parametrize("slow", ["hotline", "sms"])
def test_a_job_takes_no_row_that_it_could_not_end_in_its_time(
    store: SampleStore, hotline: FakeHttpServer, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    """If the job were cut off during a call, the report would wait an hour."""
    monkeypatch.setattr(deliver, "DRAIN_SECONDS", 0.2)
    first, second = store.submit()[0], store.submit()[0]
    forwards = delivery_runner(store, hotline, **({ONE: SlowHotline()} if slow == "hotline" else {}))
    job(replace(forwards, between=SlowHotline()) if slow == "sms" else forwards, "urgent", first)
    assert [store.delivery(one).state for one in (first, second)] == ["delivered", "due"]


class HangingHotline:
    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        time.sleep(20)
        return Delivered(200)


def test_a_call_that_the_queue_cuts_off_is_no_fault_of_the_report(store: SampleStore, hotline: FakeHttpServer) -> None:
    [first] = store.submit()
    with pytest.raises(JobTimedOut), QueueWorker.death_penalty_class(1, JobTimeoutException):
        job(delivery_runner(store, hotline, **{ONE: HangingHotline()}), "urgent", first)
    row = store.delivery(first)
    assert (row.state, row.last_class, row.lease_by) == ("due", None, "here/urgent/1")


def test_a_worker_that_stops_takes_no_new_row(store: SampleStore, hotline: FakeHttpServer) -> None:
    first, second = store.submit(), store.submit()
    forward = delivery_runner(store, hotline)
    stopping = DeliveryRunner(
        **{name: getattr(forward, name) for name in DeliveryRunner.__slots__} | {"stopping": lambda: True}
    )
    job(stopping, "urgent", first[0])
    assert store.delivery(first[0]).state == "delivered"
    assert store.delivery(second[0]).state == "due"


class PoolCheckingHotline:
    """A hotline that reads the database during a delivery."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.idle = -1

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        self.idle = self.database.engine.pool.checkedout()  # type: ignore[attr-defined]  # QueuePool has it
        return Delivered(204)


def test_no_connection_is_held_during_a_call(store: SampleStore, hotline: FakeHttpServer) -> None:
    checking = PoolCheckingHotline(store.database)
    [delivery] = store.submit()
    delivery_runner(store, hotline, **{ONE: checking}).deliver(delivery)
    assert checking.idle == 0
    assert store.delivery(delivery).last_status == 204


class OverlongDelivery:
    """A delivery that takes longer than its lease; meanwhile `then` runs another worker on the row."""

    def __init__(self, then: object, outcome: DeliveryOutcome) -> None:
        self.then, self.outcome = then, outcome

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        self.then(request.delivery_id)  # type: ignore[operator]  # a function
        return self.outcome


@pytest.mark.rule("F6")
def test_a_frozen_worker_cannot_undo_a_success(store: SampleStore, hotline: FakeHttpServer) -> None:
    [delivery] = store.submit()
    other = delivery_runner(store.later(seconds=90), hotline, holder="there/urgent/1")
    frozen = delivery_runner(store, hotline, **{ONE: OverlongDelivery(other.deliver, Unavailable("timeout"))})
    frozen.deliver(delivery)
    row = store.delivery(delivery)
    assert (row.state, row.last_class, row.attempt) == ("delivered", "delivered", 2)


@pytest.mark.rule("F6")
def test_a_frozen_worker_cannot_move_anothers_attempt(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(500))
    [delivery] = store.submit()
    other = delivery_runner(store.later(seconds=90), hotline, holder="there/urgent/1")
    frozen = delivery_runner(store, hotline, **{ONE: OverlongDelivery(other.deliver, Unavailable("timeout"))})
    frozen.deliver(delivery)
    assert store.delivery(delivery).last_class == "busy"


@pytest.mark.rule("F6")
def test_a_frozen_worker_may_still_tell_of_its_success(store: SampleStore, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(500))
    [delivery] = store.submit()
    other = delivery_runner(store.later(seconds=90), hotline, holder="there/urgent/1")
    frozen = delivery_runner(store, hotline, **{ONE: OverlongDelivery(other.deliver, Delivered(201))})
    frozen.deliver(delivery)
    row = store.delivery(delivery)
    assert (row.state, row.last_status) == ("delivered", 201)


@pytest.mark.parametrize(("times", "sent"), [(1, 1), (COMMIT_RETRIES, 1), (COMMIT_RETRIES + 1, 2)])
def test_it_does_not_go_twice_because_the_database_was_away_for_a_moment(
    store: SampleStore, hotline: FakeHttpServer, monkeypatch: pytest.MonkeyPatch, times: int, sent: int
) -> None:
    [delivery] = store.submit()
    keep, waited = outbox.mark_delivered, list[float]()

    def away_at_first(*args: Any) -> bool:
        if len(waited) < times:
            raise DatabaseUnavailable("OperationalError")
        return keep(*args)

    monkeypatch.setattr(outbox, "mark_delivered", away_at_first)
    replace(delivery_runner(store, hotline), pause=waited.append).deliver(delivery)
    waited += [0] * times  # the database is back
    delivery_runner(store.later(seconds=61), hotline).deliver(delivery)
    assert len(hotline.requests) == sent
    assert store.delivery(delivery).state == "delivered"


@pytest.mark.parametrize("in_threads", [True, False])
def test_a_request_that_cannot_be_built_is_our_fault_and_stops_no_other(
    store: SampleStore, hotline: FakeHttpServer, monkeypatch: pytest.MonkeyPatch, in_threads: bool
) -> None:
    [broken], [good] = store.submit(), store.submit()
    real = deliver.envelope

    def envelope(kind: str, at: int, report: bytes) -> bytes:
        if not failed:
            failed.append(kind)
            raise ValueError("a body that is no JSON")
        return real(kind, at, report)

    failed: list[str] = []
    monkeypatch.setattr(deliver, "envelope", envelope)
    runner = replace(delivery_runner(store, hotline), under_way=DeliveriesUnderWay() if in_threads else None)
    with capture_logs() as logs:
        runner.drain(("P1", "P2", "P3", "P4"))
        runner.finish()
    assert store.delivery(broken).last_class == "our_fault" and store.delivery(broken).lease_by is None
    assert store.delivery(good).state == "delivered"
    assert [log["delivery_id"] for log in logs if log["event"] == "job_failed"] == [broken]


@pytest.mark.parametrize("in_threads", [True, False])
def test_a_request_for_which_the_database_is_away_leaves_the_lease_and_a_line_in_the_log(
    store: SampleStore, hotline: FakeHttpServer, monkeypatch: pytest.MonkeyPatch, in_threads: bool
) -> None:
    [delivery] = store.submit()

    def away(*_: object) -> bytes:
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(deliver, "envelope", away)
    runner = replace(delivery_runner(store, hotline), under_way=DeliveriesUnderWay() if in_threads else None)
    with capture_logs() as logs:
        assert runner.deliver(delivery)
        runner.finish()
    assert store.delivery(delivery).lease_by is not None
    assert [log["event"] for log in logs] == ["database_unavailable"]


@pytest.mark.rule("A-12")
def test_two_workers_lease_one_row_once(store: SampleStore) -> None:
    [delivery] = store.submit()
    assert outbox.lease(store.database, delivery, "a/urgent/1") is not None
    assert outbox.lease(store.database, delivery, "b/urgent/1") is None
    assert outbox.lease(store.later(seconds=50).database, delivery, "b/urgent/1") is None
    taken = outbox.lease(store.later(seconds=61).database, delivery, "b/urgent/1")
    assert taken is not None
    assert taken.attempt == 2


def test_a_worker_that_starts_gives_up_its_slots_leases(store: SampleStore) -> None:
    mine, others = store.submit(), store.submit()
    outbox.lease(store.database, mine[0], "here/urgent_1/boot-a")
    outbox.lease(store.database, others[0], "here/urgent-1/boot-a")
    assert outbox.release_slot(store.database, "here/urgent_1") == 1
    assert outbox.lease(store.database, mine[0], "here/urgent_1/boot-b") is not None
    assert outbox.lease(store.database, others[0], "here/urgent_1/boot-b") is None


def fail(store: SampleStore, priority: str = "P3") -> None:
    """Submit a report, and let its delivery fail."""
    [delivery] = store.submit(priority=priority)
    leased = outbox.lease(store.database, delivery, "w/standard/1")
    assert leased is not None
    failure = outbox.DeliveryFailure("timeout", None, 30 * SECOND, counts=True)
    assert outbox.mark_failed(store.database, leased, failure, "w/standard/1", "worker")


def test_the_breaker_opens_probes_and_closes(store: SampleStore, hotline: FakeHttpServer) -> None:
    for _ in range(5):
        fail(store)
    [waits], [urgent] = store.submit(priority="P3"), store.submit(priority="P1")
    assert outbox.lease(store.database, waits, "w/standard/1") is None, "open: P2 to P4 wait"
    after = store.later(seconds=31)
    [probe] = after.submit(priority="P4")
    assert outbox.lease(after.database, probe, "w/standard/1") is not None, "half open: one goes"
    assert outbox.lease(after.database, waits, "w/standard/2") is None, "and the others wait for it"
    assert delivery_runner(after, hotline).deliver(urgent), "P1 never waits"
    assert outbox.lease(after.later(seconds=61).database, waits, "w/standard/2") is not None, "closed by the 2xx"


def test_each_failed_probe_doubles_the_rest(store: SampleStore) -> None:
    for _ in range(4):
        fail(store)
    moment = store
    for seconds in (30, 60, 120, 240, 480, 600, 600):
        earliest = moment.database.now() + seconds * SECOND
        fail(moment)
        latest = moment.database.now() + seconds * SECOND
        with moment.database.read() as connection:
            open_until = connection.execute(t.hotline_state.select()).one().open_until
        assert earliest <= open_until <= latest, seconds
        moment = moment.later(seconds=seconds + 1)


@pytest.mark.rule("F22")
def test_a_hotline_that_is_back_gets_its_backlog_within_a_minute(store: SampleStore, hotline: FakeHttpServer) -> None:
    for _ in range(12):
        [delivery] = store.submit(priority="P3")
        with store.database.write() as connection:
            far = store.database.now() + 3000 * SECOND
            connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(next_at=far))
    for _ in range(5):
        fail(store)
    [urgent] = store.submit(priority="P1")
    delivery_runner(store, hotline).deliver(urgent)
    waits = sorted(row.next_at - store.database.now() for row in store.deliveries() if row.state == "due")
    assert waits[0] <= 0
    assert waits[-1] < circuit_breakers.BACKLOG_SPREAD
    assert len(set(waits)) == len(waits) == 17
