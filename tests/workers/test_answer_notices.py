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
from reports.countries.country import Countries, load_countries
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY, create_key_pair, load_private_keys, load_public_keys, read_private_key
from reports.store import pending_submissions
from reports.store.cases import case_actions
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.operations import key_rotation
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.sms import answer_notices, messages, provider_faults
from reports.store.spool import Spool
from tests.workers.sample_store import ONE, SECOND, TWO, SampleStore
from tests.workers.test_escalation import at
from tests.workers.test_reporter_messages import GIVEN, NUMBER, say, sent_report, tick
from tests.workers.test_sms_dispatcher import FakeSmsSender
from workers.failures import SmsFailure
from workers.jobs.answer_notices import AnswerNotices
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsDispatcher, SmsOutcome

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-03")]

ALWAYS = GIVEN | {"safe_hours": {"from": "00:00", "to": "23:59", "tz": "UTC"}}


class DiscardingDispatcher(SmsDispatcher):
    def send(self, sms_id: str) -> bool:
        return bool(sms_id)


@pytest.fixture
def notices_job(store: SampleStore) -> Iterator[AnswerNotices]:
    at(store, 12, zone=0)  # within the safe hours, and not near their end
    create_key_pair(store.keys, SENDER_KEY)
    web(store).share_keys()
    yield made(store)


def web(store: SampleStore, *keys: bytes) -> OptOuts:
    """Return web's opt-outs, encrypted with these keys, newest first."""
    cipher = RecordCipher(keys or [b"k" * 32])
    spool = Spool(store.keys.parent / "spool", cipher)
    journal: Any = type("Journal", (), {"record": lambda *_, **__: None})()  # no backup here
    return OptOuts(
        store.database, cipher, spool, load_public_keys(store.keys, [SENDER_KEY])[SENDER_KEY], "demo", journal=journal
    )


def made(store: SampleStore) -> AnswerNotices:
    """Return the job without a provider: texts that would be sent stay in `outgoing`."""
    metrics, keys = WorkerMetrics(CollectorRegistry()), KeyRing(store.keys)
    senders: Any = {"africastalking": None}  # never called
    sms_dispatcher = DiscardingDispatcher(
        database=store.database, keys=keys, senders=senders, mode="demo", holder="h", metrics=metrics
    )
    return AnswerNotices(
        store.database, keys, store.keys, load_countries(("vu",), "demo"), {"en": ENGLISH_CATALOGUE}, sms_dispatcher
    )


def answer(store: SampleStore, report_id: str) -> str:
    answer_id = new_id(store.database.now())
    row = {"answer_id": answer_id, "report_id": report_id, "hotline": ONE, "created_at": 1, "sealed": b"x"}
    with store.database.write() as connection:
        connection.execute(insert(t.answer).values(row))
    return answer_id


def texts(store: SampleStore) -> list[dict[str, Any]]:
    with store.database.read() as connection:
        rows = connection.execute(select(t.outgoing)).all()
    return [
        json.loads(
            open_body(
                read_private_key(store.keys, SENDER_KEY, row.key_id),
                SealContext("demo", row.id, 1, SENDER_KEY),
                SealedBody(row.key_id, row.wrap, b"", row.sealed),
            )
        )
        for row in rows
    ]


def delivered(store: SampleStore) -> None:
    with store.database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered"))


def test_who_said_yes_is_told_to_dial_and_nothing_else(store: SampleStore, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    answer(store, report_id)
    notices_job.process_due()
    notices_job.process_due()
    [text] = texts(store)
    unless = [web(store).key(NUMBER).hex()]
    said = {"to": NUMBER, "from": "163", "text": "Hello. Please dial *111*163# when you have time."}
    yes = {"report_id": report_id, "revision": 1, "since": store.reports()[0].created_at}
    assert text == said | {"unless": unless, "yes": yes}
    assert store.acts(report_id)[-1] == "nudged"


def test_a_phone_of_any_network_is_told_a_code_that_it_can_dial(store: SampleStore, notices_job: AnswerNotices) -> None:
    """A phone of the second network was told the code of the first."""
    [country] = notices_job.countries
    codes = (*country.codes, replace(country.codes[0], network="another", code="*163#"))
    answer(store, sent_report(store, ALWAYS)[0])
    replace(notices_job, countries=Countries((replace(country, codes=codes),))).process_due()
    [text] = texts(store)
    assert text["text"] == "Hello. Please dial *111*163# / *163# when you have time."


def test_who_said_nothing_is_not(store: SampleStore, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(store)
    answer(store, report_id)
    notices_job.process_due()
    made(store.later(days=3)).process_due()
    assert texts(store) == []


def test_one_text_for_all_that_was_written_in_a_day_and_three_for_a_report(
    store: SampleStore, notices_job: AnswerNotices
) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    for day in range(6):
        later = store.later(days=day, minutes=day)
        answer(store, report_id)
        answer(store, report_id)
        one = made(later)
        one.process_due()
        one.process_due()
    assert len(texts(store)) == 3


def test_two_answers_that_are_due_at_once_are_told_of_once(store: SampleStore, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    for _ in range(2):
        answer(store, report_id)
    notices_job.process_due()
    for days in (1, 2):
        made(store.later(days=days, minutes=1)).process_due()
    assert len(texts(store)) == 1


def test_a_yes_by_my_report_counts_and_a_no_does_at_once(store: SampleStore, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(store)
    delivered(store)
    say(store, report_id, "contact_given", contact=ALWAYS)
    tick(store)
    answer(store, report_id)
    notices_job.process_due()
    assert len(texts(store)) == 1
    answer(store, report_id)
    notices_job.process_due()  # decided: a day later
    say(store, report_id, "contact_withdrawn")
    tick(store)
    made(store.later(days=2)).process_due()
    assert len(texts(store)) == 1


def test_what_an_office_has_that_was_left_out_since_counts_no_more(
    store: SampleStore, notices_job: AnswerNotices
) -> None:
    """The replayed report says No to contact and leaves out ONE, whose copy still says Yes."""
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    [report] = store.reports()
    second = store.sealed(((TWO, "primary"),), before=report, revision=2, priority="P2")
    pending_submissions.schedule_pending(store.database, second, "update", store.database.now())
    for key in pending_submissions.list_due(store.database):
        pending_submissions.submit_due(store.database, key)
    assert [row.hotline for row in store.deliveries()] == [ONE, TWO]
    answer(store, report_id)
    notices_job.process_due()
    notices_job.process_due()
    assert texts(store) == []


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("when", ["before the answer", "while the text waits"])
def test_after_stop_nothing_goes_until_start(store: SampleStore, notices_job: AnswerNotices, when: str) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    if when == "before the answer":
        web(store).add(NUMBER)
    one = answer(store, report_id)
    if when == "while the text waits":
        answer_notices.schedule(store.database, one, report_id, store.database.now())
        web(store).add(NUMBER)
    notices_job.process_due()
    made(store.later(days=1)).process_due()
    assert texts(store) == []
    web(store).take_back(NUMBER)
    made(store.later(days=2)).process_due()
    assert texts(store) == [], "what came meanwhile is told to nobody"
    answer(store, report_id)
    made(store.later(days=2)).process_due()
    assert len(texts(store)) == 1


@pytest.mark.rule("S-09")
def test_stop_and_start_outlive_the_key_that_they_were_kept_by(store: SampleStore, notices_job: AnswerNotices) -> None:
    old, new = b"k" * 32, b"n" * 32
    report_id, _ = sent_report(store, ALWAYS)
    web(store, old).add(NUMBER)
    rotated = web(store, new, old)
    rotated.share_keys()
    answer(store, report_id)
    notices_job.process_due()
    assert texts(store) == []
    rotated.take_back(NUMBER)
    answer(store, report_id)
    notices_job.process_due()
    assert [one["unless"][0] for one in texts(store)] == [rotated.key(NUMBER).hex()], "the newest first"
    rotated.add(NUMBER)
    answer(store, report_id)
    made(store.later(days=2)).process_due()
    assert len(texts(store)) == 1


@pytest.mark.rule("S-09")
def test_a_new_key_of_the_sender_opens_what_web_has_told_it(store: SampleStore, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    [before] = (store.keys / "private" / SENDER_KEY).iterdir()
    new = create_key_pair(store.keys, SENDER_KEY)
    keys = load_private_keys(store.keys, [SENDER_KEY])
    assert key_rotation.rewrap_rows(store.database, keys, SENDER_KEY, new) == key_rotation.RotationResult(1, 0)
    assert key_rotation.count_by_key(store.database, before.stem) == 0
    before.unlink()
    answer(store, report_id)
    notices_job.process_due()
    assert len(texts(store)) == 1


@pytest.mark.rule("S-09")
def test_where_nobody_can_tell_who_said_stop_nothing_goes(store: SampleStore) -> None:
    create_key_pair(store.keys, SENDER_KEY)
    report_id, _ = sent_report(store, ALWAYS)
    answer(store, report_id)
    made(store).process_due()
    assert texts(store) == [], "web has not said by which key"
    web(store).share_keys()
    for key in (store.keys / "private" / SENDER_KEY).iterdir():
        key.unlink()
    answer(store, report_id)
    made(store).process_due()
    with store.database.read() as connection:
        assert connection.execute(select(t.outgoing)).all() == []


def last(store: SampleStore) -> tuple[str, str]:
    with store.database.read() as connection:
        row = connection.execute(select(t.outgoing).order_by(t.outgoing.c.created_at.desc()).limit(1)).one()
        return row.state, row.last_class


def withdrawn(store: SampleStore, report_id: str, how: str) -> None:
    if how == "My report":
        say(store, report_id, "contact_withdrawn")
    elif how == "Add more":
        [report] = store.reports()
        revision = store.sealed(((ONE, "primary"),), before=report, revision=2, priority="P2")
        pending_submissions.schedule_pending(store.database, revision, "update", store.database.now())
        for key in pending_submissions.list_due(store.database):
            pending_submissions.submit_due(store.database, key)
    else:
        case_actions.perform(store.database, case_actions.CaseAction(ONE, report_id, "closed", f"staff:{ONE}/mere"))


@pytest.mark.parametrize("how", ["My report", "Add more", "closed"])
def test_a_no_counts_while_the_text_waits_for_its_provider(
    store: SampleStore, notices_job: AnswerNotices, how: str
) -> None:
    """The text was queued after a yes, but the provider was busy or the sender was killed; a worker retries it."""
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    provider = FakeSmsSender(RetryLater("busy"))
    metrics, keys = WorkerMetrics(CollectorRegistry()), KeyRing(store.keys)
    sends = SmsDispatcher(store.database, keys, {"africastalking": provider}, "demo", "h", metrics, lambda: 0.0)
    one = answer(store, report_id)
    replace(notices_job, sms_dispatcher=sends).process_due()
    replace(notices_job, sms_dispatcher=sends).process_due()
    assert (len(provider.texts), last(store)) == (1, ("due", "busy"))
    withdrawn(store, report_id, how)
    store.database.offset += 30 * SECOND
    provider.outcome = Accepted("id-1")
    assert sends.send(one)
    assert (len(provider.texts), last(store)) == (1, ("failed", "withdrawn"))
    assert not sends.send(one)


def test_a_yes_after_that_no_is_a_yes(store: SampleStore, notices_job: AnswerNotices) -> None:
    """Only a text that the provider refused is the last one for a report."""
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    answer(store, report_id)
    notices_job.process_due()
    with store.database.write() as connection:
        connection.execute(update(t.outgoing).values(state="failed", last_class="withdrawn"))
    say(store, report_id, "contact_given", contact=ALWAYS)
    tick(store)
    answer(store, report_id)
    later = made(store.later(days=1, minutes=1))
    later.process_due()
    later.process_due()
    assert len(texts(store)) == 2


@pytest.mark.parametrize("how", ["closed", "refused"])
def test_nothing_after_closing_nor_where_a_provider_would_not(
    store: SampleStore, notices_job: AnswerNotices, how: str
) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    if how == "closed":
        with store.database.write() as connection:
            connection.execute(update(t.report).values(state="closed"))
        answer(store, report_id)
        notices_job.process_due()
        assert texts(store) == []
        return
    answer(store, report_id)
    notices_job.process_due()
    with store.database.write() as connection:
        connection.execute(update(t.outgoing).values(state="failed"))
    answer(store, report_id)
    made(store.later(days=2)).process_due()
    assert len(texts(store)) == 1


class Provider(FakeSmsSender):
    """A provider that takes no text until `outcome` says so, and the scheduler's job that sends by it."""

    def job(self, store: SampleStore) -> AnswerNotices:
        keys, metrics = KeyRing(store.keys), WorkerMetrics(CollectorRegistry())
        sends = SmsDispatcher(store.database, keys, {"africastalking": self}, "demo", "h", metrics, lambda: 0.0)
        return replace(made(store), sms_dispatcher=sends)

    def process_due(self, store: SampleStore, *, minutes: float = 0) -> None:
        """Run the scheduler's jobs twice, at once and after these minutes."""
        for passed in (0, minutes):
            store.database.offset += int(passed * 60 * SECOND)
            messages.expire_old(store.database)
            for _ in range(2):
                self.job(store).process_due()


def notice_row(store: SampleStore, report_id: str) -> tuple[bool, bool]:
    """Return whether the console shows the notice as sent, and whether as due."""
    [row] = answer_notices.list_notices(store.database, ONE, report_id).rows
    return row.sent_at is not None, row.due_at is not None and row.sent_at is None


@pytest.mark.usefixtures("notices_job")
def test_a_text_that_no_provider_took_is_not_shown_as_sent_and_is_tried_again(store: SampleStore) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    provider = Provider(RetryLater("not_reached"))
    answer(store, report_id)
    provider.process_due(store, minutes=11)
    assert notice_row(store, report_id) == (False, True)
    assert [act for act in store.acts(report_id) if act.startswith("nudged")] == ["nudged", NOT_SENT]
    provider.outcome, tried = Accepted("id-1"), len(provider.texts)
    provider.process_due(store, minutes=170)
    assert len(provider.texts) == tried
    provider.process_due(store, minutes=20)
    provider.process_due(store, minutes=2 * 24 * 60)
    assert len(provider.texts) == tried + 1
    assert notice_row(store, report_id) == (True, False)


@pytest.mark.usefixtures("notices_job")
@pytest.mark.parametrize("why_not", ["hours", "My report", "STOP", "closed"])
def test_what_forbids_a_text_forbids_it_also_when_its_provider_is_back(store: SampleStore, why_not: str) -> None:
    """An outage of two days ends at three in the morning."""
    safe_hours = {"from": "08:00", "to": "20:00", "tz": "UTC"}
    report_id, _ = sent_report(store, ALWAYS | {"safe_hours": safe_hours})
    delivered(store)
    provider = Provider(RetryLater("not_reached"))
    answer(store, report_id)
    provider.process_due(store, minutes=11)
    for _ in range(13):
        provider.process_due(store, minutes=180)
    if why_not == "STOP":
        web(store).add(NUMBER)
    elif why_not != "hours":
        withdrawn(store, report_id, why_not)
        tick(store)
    at(store, 3, zone=0)
    provider.outcome, tried = Accepted("id-1"), len(provider.texts)
    provider.process_due(store, minutes=60)
    assert len(provider.texts) == tried
    provider.process_due(store, minutes=6 * 60)
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
def test_a_text_that_was_refused_is_not_shown_as_sent(store: SampleStore, outcome: SmsOutcome, is_sent: bool) -> None:
    """One that may have been sent is."""
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    provider = Provider(outcome)
    answer(store, report_id)
    for _ in range(3):
        provider.process_due(store, minutes=200)
    assert len(provider.texts) == 1
    assert notice_row(store, report_id) == (is_sent, False)


@pytest.mark.usefixtures("notices_job")
@pytest.mark.parametrize("why", ["sender_id", "account"])
def test_a_fault_of_the_operators_account_ends_no_texts(store: SampleStore, why: SmsFailure) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    provider = Provider(DoNotRetry(why))
    answer(store, report_id)
    for _ in range(2):
        provider.process_due(store, minutes=181)
        assert notice_row(store, report_id) == (False, True)
        since = store.database.now() - 182 * 60 * SECOND
        assert provider_faults.list_failures(store.database, (why,), since), "on-call is told"
    provider.outcome, tried = Accepted("id-1"), len(provider.texts)
    provider.process_due(store, minutes=181)
    assert (len(provider.texts), notice_row(store, report_id)) == (tried + 1, (True, False))
    provider.process_due(store, minutes=2 * 24 * 60)
    assert len(provider.texts) == tried + 1


@pytest.mark.usefixtures("notices_job")
def test_a_provider_that_failed_twice_has_refused_nothing(store: SampleStore) -> None:
    """A gateway in front of a provider that is down answers 502: it is not tried for all of the ten minutes."""
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    provider = Provider(RetryLater("busy", once=True))
    answer(store, report_id)
    provider.process_due(store, minutes=1)
    sends = provider.job(store).sms_dispatcher
    sends.send(sends.next_due())
    provider.process_due(store)
    assert len(provider.texts) == 2
    assert notice_row(store, report_id) == (False, True)
    provider.outcome = Accepted("id-1")
    provider.process_due(store, minutes=181)
    assert len(provider.texts) == 3
    assert notice_row(store, report_id) == (True, False)


@pytest.mark.usefixtures("notices_job")
@pytest.mark.parametrize("why", ["timeout", "tls"])
def test_a_text_that_may_have_been_sent_is_no_refusal(store: SampleStore, why: SmsFailure) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    delivered(store)
    provider = Provider(DoNotRetry(why))
    answer(store, report_id)
    provider.process_due(store)
    answer(store, report_id)
    provider.process_due(store, minutes=24 * 60 + 1)
    assert len(provider.texts) == 2


def test_where_the_body_does_not_open_nothing_goes(
    store: SampleStore, notices_job: AnswerNotices, tmp_path: Path
) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    for key in (store.keys / "private" / ONE).iterdir():
        key.unlink()
    answer(store, report_id)
    notices_job.process_due()
    assert texts(store) == []


def test_two_clocks_send_it_once(store: SampleStore, notices_job: AnswerNotices) -> None:
    report_id, _ = sent_report(store, ALWAYS)
    one = answer(store, report_id)
    answer_notices.schedule(store.database, one, report_id, 1)
    answer_notices.schedule(store.database, one, report_id, 1)
    for clock in (notices_job, made(store)):
        clock.process_due()
    assert len(texts(store)) == 1
    assert correspondence.load_mailbox(store.database, report_id) is not None


@pytest.mark.parametrize("is_scheduled", [False, True], ids=["undecided", "due"])
def test_an_answer_that_raises_keeps_no_other_from_being_told_of(
    store: SampleStore, notices_job: AnswerNotices, monkeypatch: pytest.MonkeyPatch, is_scheduled: bool
) -> None:
    monkeypatch.setattr("workers.jobs.answer_notices.NOTICES_AT_ONCE", 1)
    broken, good = (sent_report(store, ALWAYS)[0] for _ in range(2))
    for due_at, report_id in enumerate((broken, good), 1):
        answer_id = answer(store, report_id)
        if is_scheduled:
            answer_notices.schedule(store.database, answer_id, report_id, due_at)
    real = answer_notices.load_facts

    def fails(database: Database, report_id: str) -> answer_notices.NoticeFacts | None:
        if report_id == broken:
            raise ValueError("a row that this program cannot read")
        return real(database, report_id)

    monkeypatch.setattr(answer_notices, "load_facts", fails)
    for _ in range(3):
        notices_job.process_due()
    assert [text["yes"]["report_id"] for text in texts(store)] == [good]
