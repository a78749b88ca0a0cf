"""An answer notice goes to a reporter who consented: once, within their safe hours, and never without a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select, update

from flows.catalogues import ENGLISH_CATALOGUE
from gateway.sms import OptOuts
from reports.answer_notices import NOT_SENT
from reports.countries.country import load_countries
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY, create_key_pair, load_private_keys, load_public_keys, read_private_key
from reports.store import pending_submissions
from reports.store.cases import case_actions
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.operations import key_rotation
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.sms import answer_notices, messages
from reports.store.spool import Spool
from tests.workers.filings import ONE, SECOND, TWO, Desk
from tests.workers.test_escalation import at
from tests.workers.test_reporter_messages import GIVEN, NUMBER, say, sent_report, tick
from tests.workers.test_sms_dispatcher import Says
from workers.failures import SmsFailure
from workers.jobs.answer_notices import AnswerNotices
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsDispatcher, SmsOutcome

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-03")]

ALWAYS = GIVEN | {"safe_hours": {"from": "00:00", "to": "23:59", "tz": "UTC"}}


class Silent(SmsDispatcher):
    def send(self, sms_id: str) -> bool:
        return bool(sms_id)


@pytest.fixture
def notices_job(desk: Desk) -> Iterator[AnswerNotices]:
    at(desk, 12, zone=0)  # within the safe hours, and not near their end
    create_key_pair(desk.keys, SENDER_KEY)
    web(desk).share_keys()
    yield made(desk)


def web(desk: Desk, *keys: bytes) -> OptOuts:
    """Return web's opt-outs, encrypted with these keys, newest first."""
    vault = RecordCipher(keys or [b"k" * 32])
    spool = Spool(desk.keys.parent / "spool", vault)
    journal: Any = type("Journal", (), {"record": lambda *_, **__: None})()  # no backup here
    return OptOuts(
        desk.database, vault, spool, load_public_keys(desk.keys, [SENDER_KEY])[SENDER_KEY], "demo", journal=journal
    )


def made(desk: Desk) -> AnswerNotices:
    """Return the job without a provider: texts that would be sent stay in `outgoing`."""
    metrics, keys = WorkerMetrics(CollectorRegistry()), KeyRing(desk.keys)
    senders: Any = {"africastalking": None}  # never called
    sms_dispatcher = Silent(
        database=desk.database, keys=keys, senders=senders, mode="demo", holder="h", metrics=metrics
    )
    return AnswerNotices(
        desk.database, keys, desk.keys, load_countries(("vu",), "demo"), {"en": ENGLISH_CATALOGUE}, sms_dispatcher
    )


def answer(desk: Desk, report_id: str) -> str:
    answer_id = new_id(desk.database.now())
    row = {"answer_id": answer_id, "report_id": report_id, "hotline": ONE, "created_at": 1, "sealed": b"x"}
    with desk.database.write() as connection:
        connection.execute(insert(t.answer).values(row))
    return answer_id


def texts(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as connection:
        rows = connection.execute(select(t.outgoing)).all()
    return [
        json.loads(
            open_body(
                read_private_key(desk.keys, SENDER_KEY, row.key_id),
                SealContext("demo", row.id, 1, SENDER_KEY),
                SealedBody(row.key_id, row.wrap, b"", row.sealed),
            )
        )
        for row in rows
    ]


def delivered(desk: Desk) -> None:
    with desk.database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered"))


def test_who_said_yes_is_told_to_dial_and_nothing_else(desk: Desk, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    answer(desk, report_id)
    notices_job.go_on()
    notices_job.go_on()
    [text] = texts(desk)
    unless = [web(desk).key(NUMBER).hex()]
    said = {"to": NUMBER, "from": "163", "text": "Hello. Please dial *111*163# when you have time."}
    yes = {"report_id": report_id, "revision": 1, "since": desk.reports()[0].created_at}
    assert text == said | {"unless": unless, "yes": yes}
    assert desk.acts(report_id)[-1] == "nudged"


def test_who_said_nothing_is_not(desk: Desk, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(desk)
    answer(desk, report_id)
    notices_job.go_on()
    made(desk.later(days=3)).go_on()
    assert texts(desk) == []


def test_one_text_for_all_that_was_written_in_a_day_and_three_for_a_report(
    desk: Desk, notices_job: AnswerNotices
) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    for day in range(6):
        later = desk.later(days=day, minutes=day)
        answer(desk, report_id)
        answer(desk, report_id)
        one = made(later)
        one.go_on()
        one.go_on()
    assert len(texts(desk)) == 3


def test_two_answers_that_are_due_at_once_are_told_of_once(desk: Desk, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    for _ in range(2):
        answer(desk, report_id)
    notices_job.go_on()
    for days in (1, 2):
        made(desk.later(days=days, minutes=1)).go_on()
    assert len(texts(desk)) == 1


def test_a_yes_by_my_report_counts_and_a_no_does_at_once(desk: Desk, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(desk)
    delivered(desk)
    say(desk, report_id, "contact_given", contact=ALWAYS)
    tick(desk)
    answer(desk, report_id)
    notices_job.go_on()
    assert len(texts(desk)) == 1
    answer(desk, report_id)
    notices_job.go_on()  # decided: a day later
    say(desk, report_id, "contact_withdrawn")
    tick(desk)
    made(desk.later(days=2)).go_on()
    assert len(texts(desk)) == 1


def test_what_an_office_has_that_was_left_out_since_counts_no_more(desk: Desk, notices_job: AnswerNotices) -> None:
    """The replayed report says No to contact and leaves out ONE, whose copy still says Yes."""
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    [report] = desk.reports()
    second = desk.sealed(((TWO, "primary"),), before=report, revision=2, priority="P2")
    pending_submissions.schedule_pending(desk.database, second, "update", desk.database.now())
    for key in pending_submissions.list_due(desk.database):
        pending_submissions.submit_due(desk.database, key)
    assert [row.hotline for row in desk.deliveries()] == [ONE, TWO]
    answer(desk, report_id)
    notices_job.go_on()
    notices_job.go_on()
    assert texts(desk) == []


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("when", ["before the answer", "while the text waits"])
def test_after_stop_nothing_goes_until_start(desk: Desk, notices_job: AnswerNotices, when: str) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    if when == "before the answer":
        web(desk).add(NUMBER)
    one = answer(desk, report_id)
    if when == "while the text waits":
        answer_notices.schedule(desk.database, one, report_id, desk.database.now())
        web(desk).add(NUMBER)
    notices_job.go_on()
    made(desk.later(days=1)).go_on()
    assert texts(desk) == []
    web(desk).take_back(NUMBER)
    made(desk.later(days=2)).go_on()
    assert texts(desk) == [], "what came meanwhile is told to nobody"
    answer(desk, report_id)
    made(desk.later(days=2)).go_on()
    assert len(texts(desk)) == 1


@pytest.mark.rule("S-09")
def test_stop_and_start_outlive_the_key_that_they_were_kept_by(desk: Desk, notices_job: AnswerNotices) -> None:
    old, new = b"k" * 32, b"n" * 32
    report_id, _ = sent_report(desk, ALWAYS)
    web(desk, old).add(NUMBER)
    rotated = web(desk, new, old)
    rotated.share_keys()
    answer(desk, report_id)
    notices_job.go_on()
    assert texts(desk) == []
    rotated.take_back(NUMBER)
    answer(desk, report_id)
    notices_job.go_on()
    assert [one["unless"][0] for one in texts(desk)] == [rotated.key(NUMBER).hex()], "the newest first"
    rotated.add(NUMBER)
    answer(desk, report_id)
    made(desk.later(days=2)).go_on()
    assert len(texts(desk)) == 1


@pytest.mark.rule("S-09")
def test_a_new_key_of_the_sender_opens_what_web_has_told_it(desk: Desk, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    [before] = (desk.keys / "private" / SENDER_KEY).iterdir()
    new = create_key_pair(desk.keys, SENDER_KEY)
    keys = load_private_keys(desk.keys, [SENDER_KEY])
    assert key_rotation.rewrap_rows(desk.database, keys, SENDER_KEY, new) == key_rotation.RotationResult(1, 0)
    assert key_rotation.count_by_key(desk.database, before.stem) == 0
    before.unlink()
    answer(desk, report_id)
    notices_job.go_on()
    assert len(texts(desk)) == 1


@pytest.mark.rule("S-09")
def test_where_nobody_can_tell_who_said_stop_nothing_goes(desk: Desk) -> None:
    create_key_pair(desk.keys, SENDER_KEY)
    report_id, _ = sent_report(desk, ALWAYS)
    answer(desk, report_id)
    made(desk).go_on()
    assert texts(desk) == [], "web has not said by which key"
    web(desk).share_keys()
    for key in (desk.keys / "private" / SENDER_KEY).iterdir():
        key.unlink()
    answer(desk, report_id)
    made(desk).go_on()
    with desk.database.read() as connection:
        assert connection.execute(select(t.outgoing)).all() == []


def last(desk: Desk) -> tuple[str, str]:
    with desk.database.read() as connection:
        row = connection.execute(select(t.outgoing).order_by(t.outgoing.c.created_at.desc()).limit(1)).one()
        return row.state, row.last_class


def withdrawn(desk: Desk, report_id: str, how: str) -> None:
    if how == "My report":
        say(desk, report_id, "contact_withdrawn")
    elif how == "Add more":
        [report] = desk.reports()
        revision = desk.sealed(((ONE, "primary"),), before=report, revision=2, priority="P2")
        pending_submissions.schedule_pending(desk.database, revision, "update", desk.database.now())
        for key in pending_submissions.list_due(desk.database):
            pending_submissions.submit_due(desk.database, key)
    else:
        case_actions.perform(desk.database, case_actions.CaseAction(ONE, report_id, "closed", f"staff:{ONE}/mere"))


@pytest.mark.parametrize("how", ["My report", "Add more", "closed"])
def test_a_no_counts_while_the_text_waits_for_its_provider(desk: Desk, notices_job: AnswerNotices, how: str) -> None:
    """The text was queued after a yes, but the provider was busy or the sender was killed; a worker retries it."""
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    provider = Says(RetryLater("busy"))
    metrics, keys = WorkerMetrics(CollectorRegistry()), KeyRing(desk.keys)
    sends = SmsDispatcher(desk.database, keys, {"africastalking": provider}, "demo", "h", metrics, lambda: 0.0)
    one = answer(desk, report_id)
    replace(notices_job, sms_dispatcher=sends).go_on()
    replace(notices_job, sms_dispatcher=sends).go_on()
    assert (len(provider.texts), last(desk)) == (1, ("due", "busy"))
    withdrawn(desk, report_id, how)
    desk.database.offset += 30 * SECOND
    provider.outcome = Accepted("id-1")
    assert sends.send(one)
    assert (len(provider.texts), last(desk)) == (1, ("failed", "withdrawn"))
    assert not sends.send(one)


def test_a_yes_after_that_no_is_a_yes(desk: Desk, notices_job: AnswerNotices) -> None:
    """Only a text that the provider refused is the last one for a report."""
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    answer(desk, report_id)
    notices_job.go_on()
    with desk.database.write() as connection:
        connection.execute(update(t.outgoing).values(state="failed", last_class="withdrawn"))
    say(desk, report_id, "contact_given", contact=ALWAYS)
    tick(desk)
    answer(desk, report_id)
    later = made(desk.later(days=1, minutes=1))
    later.go_on()
    later.go_on()
    assert len(texts(desk)) == 2


@pytest.mark.parametrize("how", ["closed", "refused"])
def test_nothing_after_closing_nor_where_a_provider_would_not(desk: Desk, notices_job: AnswerNotices, how: str) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    if how == "closed":
        with desk.database.write() as connection:
            connection.execute(update(t.report).values(state="closed"))
        answer(desk, report_id)
        notices_job.go_on()
        assert texts(desk) == []
        return
    answer(desk, report_id)
    notices_job.go_on()
    with desk.database.write() as connection:
        connection.execute(update(t.outgoing).values(state="failed"))
    answer(desk, report_id)
    made(desk.later(days=2)).go_on()
    assert len(texts(desk)) == 1


class Provider(Says):
    """A provider that takes no text until `outcome` says so, and the scheduler's job that sends by it."""

    def job(self, desk: Desk) -> AnswerNotices:
        keys, metrics = KeyRing(desk.keys), WorkerMetrics(CollectorRegistry())
        sends = SmsDispatcher(desk.database, keys, {"africastalking": self}, "demo", "h", metrics, lambda: 0.0)
        return replace(made(desk), sms_dispatcher=sends)

    def go_on(self, desk: Desk, *, minutes: float = 0) -> None:
        """Run the scheduler's jobs twice, at once and after these minutes."""
        for passed in (0, minutes):
            desk.database.offset += int(passed * 60 * SECOND)
            messages.expire_old(desk.database)
            for _ in range(2):
                self.job(desk).go_on()


def notice_row(desk: Desk, report_id: str) -> tuple[bool, bool]:
    """Return whether the console shows the notice as sent, and whether as due."""
    [row] = answer_notices.list_notices(desk.database, ONE, report_id).rows
    return row.sent_at is not None, row.due_at is not None and row.sent_at is None


@pytest.mark.usefixtures("notices_job")
def test_a_text_that_no_provider_took_is_not_shown_as_sent_and_is_tried_again(desk: Desk) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    provider = Provider(RetryLater("not_reached"))
    answer(desk, report_id)
    provider.go_on(desk, minutes=11)
    assert notice_row(desk, report_id) == (False, True)
    assert [act for act in desk.acts(report_id) if act.startswith("nudged")] == ["nudged", NOT_SENT]
    provider.outcome, tried = Accepted("id-1"), len(provider.texts)
    provider.go_on(desk, minutes=170)
    assert len(provider.texts) == tried
    provider.go_on(desk, minutes=20)
    provider.go_on(desk, minutes=2 * 24 * 60)
    assert len(provider.texts) == tried + 1
    assert notice_row(desk, report_id) == (True, False)


@pytest.mark.usefixtures("notices_job")
@pytest.mark.parametrize("why_not", ["hours", "My report", "STOP", "closed"])
def test_what_forbids_a_text_forbids_it_also_when_its_provider_is_back(desk: Desk, why_not: str) -> None:
    """An outage of two days ends at three in the morning."""
    safe_hours = {"from": "08:00", "to": "20:00", "tz": "UTC"}
    report_id, _ = sent_report(desk, ALWAYS | {"safe_hours": safe_hours})
    delivered(desk)
    provider = Provider(RetryLater("not_reached"))
    answer(desk, report_id)
    provider.go_on(desk, minutes=11)
    for _ in range(13):
        provider.go_on(desk, minutes=180)
    if why_not == "STOP":
        web(desk).add(NUMBER)
    elif why_not != "hours":
        withdrawn(desk, report_id, why_not)
        tick(desk)
    at(desk, 3, zone=0)
    provider.outcome, tried = Accepted("id-1"), len(provider.texts)
    provider.go_on(desk, minutes=60)
    assert len(provider.texts) == tried
    provider.go_on(desk, minutes=6 * 60)
    assert len(provider.texts) == tried + (why_not == "hours")


@pytest.mark.usefixtures("notices_job")
@pytest.mark.parametrize(
    ("outcome", "is_sent"),
    [
        (DoNotRetry("bad_number"), False),
        (DoNotRetry("opt_out"), False),
        (DoNotRetry("timeout"), True),
        (DoNotRetry("tls"), True),
        (DoNotRetry("not_understood"), True),
    ],
)
def test_a_text_that_was_refused_is_not_shown_as_sent(desk: Desk, outcome: SmsOutcome, is_sent: bool) -> None:
    """One that may have been sent is."""
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    provider = Provider(outcome)
    answer(desk, report_id)
    for _ in range(3):
        provider.go_on(desk, minutes=200)
    assert len(provider.texts) == 1
    assert notice_row(desk, report_id) == (is_sent, False)


@pytest.mark.usefixtures("notices_job")
def test_a_provider_that_failed_twice_has_refused_nothing(desk: Desk) -> None:
    """A gateway in front of a provider that is down answers 502: it is not tried for all of the ten minutes."""
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    provider = Provider(RetryLater("busy", once=True))
    answer(desk, report_id)
    provider.go_on(desk, minutes=1)
    sends = provider.job(desk).sms_dispatcher
    sends.send(sends.next_due())
    provider.go_on(desk)
    assert len(provider.texts) == 2
    assert notice_row(desk, report_id) == (False, True)
    provider.outcome = Accepted("id-1")
    provider.go_on(desk, minutes=181)
    assert len(provider.texts) == 3
    assert notice_row(desk, report_id) == (True, False)


@pytest.mark.usefixtures("notices_job")
@pytest.mark.parametrize("why", ["timeout", "tls"])
def test_a_text_that_may_have_been_sent_is_no_refusal(desk: Desk, why: SmsFailure) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    delivered(desk)
    provider = Provider(DoNotRetry(why))
    answer(desk, report_id)
    provider.go_on(desk)
    answer(desk, report_id)
    provider.go_on(desk, minutes=24 * 60 + 1)
    assert len(provider.texts) == 2


def test_where_the_body_does_not_open_nothing_goes(desk: Desk, notices_job: AnswerNotices, tmp_path: Path) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    for key in (desk.keys / "private" / ONE).iterdir():
        key.unlink()
    answer(desk, report_id)
    notices_job.go_on()
    assert texts(desk) == []


def test_two_clocks_send_it_once(desk: Desk, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(desk, ALWAYS)
    one = answer(desk, report_id)
    answer_notices.schedule(desk.database, one, report_id, 1)
    answer_notices.schedule(desk.database, one, report_id, 1)
    for clock in (notices_job, made(desk)):
        clock.go_on()
    assert len(texts(desk)) == 1
    assert correspondence.load_mailbox(desk.database, report_id) is not None


@pytest.mark.parametrize("is_scheduled", [False, True], ids=["undecided", "due"])
def test_an_answer_that_raises_keeps_no_other_from_being_told_of(
    desk: Desk, notices_job: AnswerNotices, monkeypatch: pytest.MonkeyPatch, is_scheduled: bool
) -> None:
    monkeypatch.setattr("workers.jobs.answer_notices.NOTICES_AT_ONCE", 1)
    broken, good = (sent_report(desk, ALWAYS)[0] for _ in range(2))
    for due_at, report_id in enumerate((broken, good), 1):
        answer_id = answer(desk, report_id)
        if is_scheduled:
            answer_notices.schedule(desk.database, answer_id, report_id, due_at)
    real = answer_notices.load_facts

    def fails(database: Database, report_id: str) -> answer_notices.NoticeFacts | None:
        if report_id == broken:
            raise ValueError("a row that this program cannot read")
        return real(database, report_id)

    monkeypatch.setattr(answer_notices, "load_facts", fails)
    for _ in range(3):
        notices_job.go_on()
    assert [text["yes"]["report_id"] for text in texts(desk)] == [good]
