"""Web records deletions by reporters, and repeats them when it starts on an older database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import delete, insert, update
from structlog.testing import capture_logs

from gateway.background.erasures import ErasureReplay
from reports.store.engine.database import RowRefused
from reports.store.schema import tables as t
from reports.store.sms import opt_outs
from runtime.time_units import DAY, HOUR
from tests.safeguarding.call_paths import PHONE, TO_SEND, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import code_and_pin, database_unavailable
from tests.safeguarding.stored_late import in_the_spool, not_sent
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-28")]

WORDS = "It happens on the way home every day"


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    made = App(redis_url)
    made.parts.housekeeping.once()
    yield made
    made.close()


def start_again(app: App) -> ErasureReplay:
    """Repeat the recorded deletions, as web does at its start."""
    before = app.parts.housekeeping._erasure_replay
    erasing = ErasureReplay(app.database, app.parts.journal, before._reporter_mailbox, before._host)
    erasing.reapply()
    return erasing


def forget_opt_outs(app: App, *, seen_at: int | None = None) -> None:
    """Delete opt-outs as a restored backup does; the backup last saw this host at `seen_at`, or never."""
    with app.database.write() as connection:
        connection.execute(delete(t.optout))
        if seen_at is None:
            connection.execute(delete(t.host))
        else:
            connection.execute(update(t.host).values(seen_at=seen_at))


def test_nothing_of_a_person_stands_in_it(app: App) -> None:
    send_texts(app.sms(PHONE), WORDS, "00", "STOP", "START")
    text = "".join(path.read_text() for path in app.parts.journal.folder.iterdir())
    assert [json.loads(line)["kind"] for line in text.splitlines()] == ["draft", "stop", "start"]
    assert WORDS not in text
    assert PHONE.removeprefix("+") not in text


def test_a_draft_that_comes_back_is_deleted_again_and_a_later_one_stays(app: App) -> None:
    send_texts(app.sms(PHONE), WORDS)
    backup = [row._asdict() for row in app.rows(t.pending)]
    send_texts(app.sms(PHONE), "00")
    assert app.count(t.pending) == 0
    send_texts(app.sms(number(72)), WORDS)
    with app.database.write() as connection:
        connection.execute(insert(t.pending), backup)
    [draft] = {row["report_id"] for row in backup}
    assert {row.report_id for row in app.rows(t.pending)} > {draft}
    start_again(app)
    assert app.count(t.pending) == len(backup)
    assert draft not in {row.report_id for row in app.rows(t.pending)}


def test_a_send_that_was_shown_as_not_sent_stays_deleted_after_a_restore(app: App) -> None:
    """Another host that was away still has it in its spool."""
    spool = app.parts.spool
    with in_the_spool(app):
        not_sent(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    entries = {spool.folder / name: (spool.folder / name).read_bytes() for name in spool.names()}
    assert dial_path(app.ussd(PHONE), *TO_SEND, "9")[-1] == "Deleted: what you told us now."
    app.parts.housekeeping.once()
    with app.database.write() as connection:
        connection.execute(delete(t.tombstone))
        connection.execute(delete(t.host))
    for path, entry in entries.items():
        path.write_bytes(entry)
    start_again(app)
    app.parts.housekeeping.once()
    assert (len(entries), spool.names(), app.count(t.report), app.count(t.pending)) == (1, [], 0, 0)


@pytest.mark.parametrize("heard", ["never", "before", "in the future"])
def test_the_last_of_stop_and_start_counts(app: App, heard: str) -> None:
    send_texts(app.sms(PHONE), "START", "STOP")
    send_texts(app.sms(number(72)), "STOP", "START")
    before = app.rows(t.optout)
    now = app.database.now()
    seen_at = {"never": None, "before": now - DAY, "in the future": now + DAY}[heard]
    forget_opt_outs(app, seen_at=seen_at)
    start_again(app)
    assert len(before) == 1
    assert {row.caller_key for row in app.rows(t.optout)} == {row.caller_key for row in before}


def test_a_start_of_web_leaves_an_opt_out_that_came_after_start(app: App) -> None:
    """Such as one that a provider reported after a failed text, or that another host stored."""
    send_texts(app.sms(PHONE), "STOP")
    [opt_out] = app.rows(t.optout)
    send_texts(app.sms(PHONE), "START")
    opt_outs.add(app.database, opt_out.caller_key)
    start_again(app)
    assert app.count(t.optout) == 1


def test_a_start_from_a_time_that_has_not_come_undoes_no_stop(app: App) -> None:
    """The clock was a year ahead when START came, and right again when STOP did."""
    send_texts(app.sms(PHONE), "STOP")
    with patch.object(app.parts.journal, "_now", return_value=app.database.now() + 366 * DAY):
        send_texts(app.sms(PHONE), "START")
    send_texts(app.sms(PHONE), "STOP")
    start_again(app)
    assert app.count(t.optout) == 1
    forget_opt_outs(app)
    start_again(app)
    assert app.count(t.optout) == 1


def test_a_start_without_a_restore_leaves_all_as_it_is(app: App) -> None:
    send_texts(app.sms(PHONE), WORDS, "00", "STOP", "START", WORDS)
    before = {table.name: app.rows(table) for table in (t.pending, t.optout, t.message, t.contact)}
    start_again(app)
    assert {table.name: app.rows(table) for table in (t.pending, t.optout, t.message, t.contact)} == before
    assert before["pending"]


def test_a_report_is_deleted_again_after_its_hotlines_have_left_the_country(app: App) -> None:
    code, pin = code_and_pin(dial_path(app.ussd(PHONE, "africastalking"), *TO_SENT)[-1])
    assert "Being deleted" in dial_path(app.ussd(PHONE, "africastalking"), "My report", code, pin, "4", "Delete")[-1]
    with app.database.write() as connection:
        connection.execute(delete(t.message))
        connection.execute(update(t.report).values(delete_asked_at=None))
        connection.execute(update(t.mailbox).values(public_key=b"key", sealed_key=b"key"))
    before = app.parts.housekeeping._erasure_replay
    with patch.object(before._reporter_mailbox.builder, "_keys", {}):
        start_again(app)
    assert [row.delete_asked_at is not None for row in app.rows(t.report)] == [True]
    assert [row.sealed_key for row in app.rows(t.mailbox)] == [b""]


def test_a_disk_that_refuses_the_journal_refuses_no_deletion(app: App) -> None:
    said = send_texts(app.sms(number(72)), WORDS, "00")
    phone = app.sms(PHONE)
    send_texts(phone, WORDS)
    with patch.object(app.parts.journal, "_append", side_effect=OSError(5, "I/O error")):
        assert send_texts(phone, "00") == said[1:]
        send_texts(phone, "STOP")
    assert app.count(t.pending) == 0
    assert app.count(t.optout) == 1
    assert b"tokaut_erasures_not_recorded_total 2.0" in app.parts.metrics.page()


def test_a_line_that_cannot_be_applied_holds_up_no_other(app: App) -> None:
    app.parts.journal.record("draft")
    send_texts(app.sms(PHONE), "STOP")
    forget_opt_outs(app)
    [path] = app.parts.journal.folder.iterdir()
    with path.open("a") as file:
        file.write("damaged\n")
    with capture_logs() as logs:
        assert start_again(app).is_done
    assert app.count(t.optout) == 1
    said = [(line["event"], line["count"]) for line in logs if line["event"].startswith("erasures")]
    assert said == [("erasures_failed", 2), ("erasures_applied", 1)], "nobody would look for what is back"


def test_a_journal_that_cannot_be_read_is_never_called_applied(app: App) -> None:
    unreadable = app.parts.journal.folder / "20260101-other.jsonl"
    unreadable.parent.mkdir(exist_ok=True)
    unreadable.mkdir()  # as root a test cannot lose the right to read a file
    with capture_logs() as logs:
        replay = start_again(app)
        replay.reapply()
    assert not replay.is_done
    assert [line["event"] for line in logs] == ["erasures_not_applied"], "and not again within the minute"


def test_a_file_that_cannot_be_read_may_hold_a_later_stop(app: App) -> None:
    send_texts(app.sms(PHONE), "START", "STOP")
    [path] = app.parts.journal.folder.iterdir()
    start, stop = path.read_text().splitlines(keepends=True)
    path.write_text(start)
    unreadable = app.parts.journal.folder / "20260101-other.jsonl"
    unreadable.mkdir()
    replay = start_again(app)
    assert app.count(t.optout) == 1
    unreadable.rmdir()
    unreadable.write_text(stop)
    replay._retry_at = 0.0
    replay.reapply()
    assert (app.count(t.optout), replay.is_done) == (1, True)


def test_a_start_that_had_to_wait_for_a_file_is_applied_afterwards(app: App) -> None:
    send_texts(app.sms(PHONE), "STOP")
    backup = [row._asdict() for row in app.rows(t.optout)]
    send_texts(app.sms(PHONE), "START")
    with app.database.write() as connection:
        connection.execute(insert(t.optout), backup)
    unreadable = app.parts.journal.folder / "20260101-other.jsonl"
    unreadable.mkdir()
    replay = start_again(app)
    assert app.count(t.optout) == 1
    unreadable.rmdir()
    replay._retry_at = 0.0
    replay.reapply()
    assert (app.count(t.optout), replay.is_done) == (0, True)


def test_a_journal_with_a_fault_is_read_once_a_minute(app: App) -> None:
    """A large one takes seconds, in a process that answers calls."""
    app.parts.journal.folder.mkdir(exist_ok=True)
    (app.parts.journal.folder / "20260101-other.jsonl").mkdir()
    with patch.object(app.parts.journal, "since", wraps=app.parts.journal.since) as since:
        replay = start_again(app)
        replay.reapply()
        assert since.call_count == 1
        with patch("gateway.background.erasures.time.monotonic", return_value=time.monotonic() + 61):
            replay.reapply()
    assert since.call_count == 2


def test_a_line_that_the_database_refuses_is_logged_and_holds_up_no_other(app: App) -> None:
    app.parts.journal.record("draft", report_id="a report", keys=(b"key",), revision=1)
    send_texts(app.sms(PHONE), "STOP")
    forget_opt_outs(app)
    cancel = "gateway.background.erasures.pending_submissions.cancel_pending"
    with patch(cancel, side_effect=RowRefused("DataError")), capture_logs() as logs:
        assert start_again(app).is_done
    assert app.count(t.optout) == 1
    assert [line["job"] for line in logs if line["event"] == "job_failed"] == ["erasures"]


def test_nothing_is_lost_by_a_file_that_cannot_be_read_at_first(app: App) -> None:
    """The host's status may be saved only after the whole journal: otherwise the rest of it would count as old."""
    send_texts(app.sms(PHONE), "STOP")
    send_texts(app.sms(number(72)), "STOP", "START")
    folder = app.parts.journal.folder
    [path] = folder.iterdir()
    two_days_ago = [{**line, "at": line["at"] - 2 * DAY} for line in map(json.loads, path.read_text().splitlines())]
    path.write_text("".join(json.dumps(line) + "\n" for line in two_days_ago))
    unreadable = folder / "20260101-other.jsonl"
    unreadable.mkdir()
    forget_opt_outs(app, seen_at=app.database.now() - 3 * DAY)
    housekeeping = app.parts.housekeeping
    before = housekeeping._erasure_replay
    housekeeping._erasure_replay = ErasureReplay(
        app.database, app.parts.journal, before._reporter_mailbox, before._host
    )
    housekeeping._saved_status = housekeeping._seen_at = None
    housekeeping.once()
    assert app.count(t.optout) == 1, "the files that can be read are applied"
    assert app.rows(t.host)[0].seen_at < app.database.now() - 2 * DAY
    send_texts(app.sms(PHONE), "START")
    housekeeping._erasure_replay._retry_at = 0.0
    housekeeping.once()
    assert app.count(t.optout) == 0, "no line is applied twice over what the reporter has done since"
    unreadable.rmdir()
    lines = [{"kind": "stop", "at": app.database.now() - 2 * DAY, "keys": [b"another number".hex()]}]
    unreadable.write_text("".join(json.dumps(line) + "\n" for line in lines))
    housekeeping._erasure_replay._retry_at = 0.0
    housekeeping.once()
    assert (app.count(t.optout), housekeeping._erasure_replay.is_done) == (1, True)
    assert app.rows(t.host)[0].seen_at > app.database.now() - DAY


def test_until_it_is_applied_the_database_does_not_hear_of_this_host(app: App) -> None:
    send_texts(app.sms(PHONE), "STOP")
    forget_opt_outs(app)
    housekeeping = app.parts.housekeeping
    housekeeping._erasure_replay.is_done = False
    housekeeping._saved_status = housekeeping._seen_at = None
    with patch.object(app.parts.journal, "since", side_effect=RuntimeError):
        housekeeping.once()
    assert app.count(t.host) == 0
    with database_unavailable(app):
        housekeeping.once()
    assert not housekeeping._erasure_replay.is_done
    housekeeping.once()
    assert (app.count(t.host), app.count(t.optout)) == (1, 1)


def test_a_backup_that_is_restored_under_a_running_web_is_noticed(app: App) -> None:
    """Another host still ran when PostgreSQL was restored, or a standby was promoted that lacked the last commits."""
    housekeeping = app.parts.housekeeping
    send_texts(app.sms(PHONE), "STOP")
    with patch.object(housekeeping, "_next_status_at", 0.0):
        housekeeping.once()
    for seen_at in (app.database.now() - 2 * DAY, None):
        forget_opt_outs(app, seen_at=seen_at)
        housekeeping.once()
        assert app.count(t.optout) == 0, "its status is not due yet"
        housekeeping._next_status_at = 0.0
        housekeeping.once()
        assert not housekeeping._erasure_replay.is_done
        housekeeping.once()
        assert (app.count(t.optout), housekeeping._erasure_replay.is_done) == (1, True)
        assert app.rows(t.host)[0].seen_at > app.database.now() - DAY


def restore(app: App, backup: dict[str, list[dict[str, Any]]]) -> None:
    """Do to these tables, and to the status of the host, what a restored backup does."""
    with app.database.write() as connection:
        for table in (t.optout, t.tombstone, t.pending, t.message, t.contact, t.host):
            connection.execute(delete(table))
            if backup[table.name]:
                connection.execute(insert(table), backup[table.name])


def back_up(app: App) -> dict[str, list[dict[str, Any]]]:
    app.parts.housekeeping._next_status_at = 0.0
    app.parts.housekeeping.once()
    backed_up = (t.optout, t.tombstone, t.pending, t.message, t.contact, t.host)
    return {table.name: [row._asdict() for row in app.rows(table)] for table in backed_up}


def clock_ahead_by(app: App, micros: int) -> Any:
    return patch.object(app.parts.journal, "_now", return_value=app.database.now() + micros)


@pytest.mark.parametrize("behind", [2 * HOUR, 400 * DAY])
def test_what_was_deleted_while_the_clock_was_behind_stays_deleted_after_a_restore(app: App, behind: int) -> None:
    send_texts(app.sms(number(72)), WORDS)
    backup = back_up(app)
    with clock_ahead_by(app, -behind):
        send_texts(app.sms(number(72)), "00")
        send_texts(app.sms(PHONE), "STOP")
    back_up(app)  # the status is saved again, as every ten seconds
    restore(app, backup)
    assert app.count(t.pending) > 0
    start_again(app)
    assert (app.count(t.pending), app.count(t.optout)) == (0, 1)


@pytest.mark.parametrize("set_back", [2 * HOUR, 400 * DAY])
def test_a_stop_counts_that_came_after_the_clock_was_set_back(app: App, set_back: int) -> None:
    send_texts(app.sms(PHONE), "START")
    backup = back_up(app)
    with clock_ahead_by(app, -set_back):
        send_texts(app.sms(PHONE), "STOP")
    back_up(app)
    restore(app, backup)
    start_again(app)
    assert app.count(t.optout) == 1


@pytest.mark.parametrize("after", [1, DAY])
def test_a_start_on_another_host_counts_if_their_clocks_cannot_be_the_cause(app: App, after: int) -> None:
    with clock_ahead_by(app, -2 * DAY):
        send_texts(app.sms(PHONE), "STOP")
    with clock_ahead_by(app, -2 * DAY + after), patch.object(app.parts.journal, "_host", "other"):
        send_texts(app.sms(PHONE), "START")
    forget_opt_outs(app)
    start_again(app)
    assert app.count(t.optout) == (1 if after == 1 else 0)


def test_a_withdrawal_by_a_clock_that_is_behind_outlives_a_restore(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "call me", "2", "call me", "No", "call me", "2")
    backup = back_up(app)
    with clock_ahead_by(app, -2 * HOUR):
        send_texts(phone, "call me", "No")
    assert [row.allowed for row in app.rows(t.contact)] == [0]
    back_up(app)
    restore(app, backup)
    assert [row.allowed for row in app.rows(t.contact)] == [1]
    start_again(app)
    assert [row.allowed for row in app.rows(t.contact)] == [0]


def test_a_database_that_has_the_last_status_is_not_called_an_older_one(app: App) -> None:
    """What another host stored since, or an opt-out that ended there, is left as it is."""
    with clock_ahead_by(app, -2 * DAY):
        send_texts(app.sms(PHONE), "STOP")
    back_up(app)
    with app.database.write() as connection:
        connection.execute(delete(t.optout))
    start_again(app)
    assert app.count(t.optout) == 0
