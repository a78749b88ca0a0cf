"""`tokaut watch`: waiting work, the time left until it is late, and the next step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from rich.console import Console
from sqlalchemy import update

from reports.call_volume import CallVolume
from reports.countries.country import load_countries
from reports.escalation import ESCALATION_TIMES
from reports.store import outbox
from reports.store.engine import leases
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.escalation import steps
from reports.store.operations.call_hours import QuietChannel, replace_quiet
from reports.store.operations.overview import UnacknowledgedReport, WatchedDelivery
from reports.store.operations.synthetic_calls import save_results
from reports.store.outbox import DeliveryFailure
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.sms import messages
from reports.store.sms.messages import OutgoingSms
from runtime.settings import Mode
from runtime.settings.parsers import new_webhook_secret
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tests.support.prepared import migrate
from tests.workers.sample_store import ONE, TWO, WORDS, SampleStore
from tokaut.__main__ import main
from tokaut.commands import watch
from tokaut.commands.watch import (
    ALL_IN_TIME,
    NO_CLOCK,
    NO_ON_CALL,
    NOTHING_WAITS,
    WatchSurroundings,
    duration_text,
    report_action,
    watch_row,
)

NOW = 1_800_000_000 * SECOND
ROUTE = ((ONE, "primary"), (TWO, "fallback"))


def waits(
    *sendings: WatchedDelivery, priority: str = "P1", age: int = 3 * MINUTE, step: str = "desk", complete: bool = True
) -> UnacknowledgedReport:
    since = NOW - age
    by = since + ESCALATION_TIMES[priority].acknowledged
    given = sendings or (WatchedDelivery(ONE, "delivered", "none", "delivered"),)
    report_id = "01a21511-203d-76f0-8a35-c1ee502b02e4"
    return UnacknowledgedReport(
        report_id, priority, complete, since, by, step, since + ESCALATION_TIMES[priority].desk, given
    )


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (waits(), "P1 3 min | vu-pikinini has it | 12 min left | {again} in 2 min | good"),
        (
            waits(age=12 * MINUTE),
            "P1 12 min | vu-pikinini has it | 3 min left | {again} now | soon",
        ),
        (
            waits(age=20 * MINUTE),
            "P1 20 min | vu-pikinini has it | 5 min over | {again} now | late",
        ),
        (
            waits(age=HOUR, priority="P3"),
            "P3 60 min | vu-pikinini has it | 23 h left | {again} in 11 h | good",
        ),
        (
            waits(
                WatchedDelivery(ONE, "refused", "none", "refused"),
                WatchedDelivery(TWO, "delivered", "rejected", "delivered"),
            ),
            "P1 3 min | vu-pikinini refused, vu-womens-centre declined | 12 min left | nobody is alerted "
            "in 2 min | good",
        ),
        (waits(step="operator"), "P1 3 min | vu-pikinini has it | 12 min left | on-call is alerted in 2 min | good"),
    ],
)
def test_a_line(one: UnacknowledgedReport, said: str) -> None:
    found = watch_row(one, NOW)
    how = "late" if found.is_late else "soon" if found.is_due_soon else "good"
    said = said.replace("{again}", "vu-pikinini is alerted")
    assert (
        f"{found.priority} {found.waiting} | {found.hotlines} | {found.time_left} | {found.next_step} | {how}" == said
    )


def test_an_incomplete_one_says_so() -> None:
    assert watch_row(waits(complete=False), NOW).report.endswith("02e4 INCOMPLETE")


@pytest.mark.parametrize(
    ("waiting", "led", "said"),
    [
        ([], NOW, NOTHING_WAITS),
        ([], None, NO_CLOCK),
        ([waits()], NOW - 61 * SECOND, NO_CLOCK),
        ([waits()], NOW - 59 * SECOND, ALL_IN_TIME),
        ([waits(age=20 * MINUTE)], NOW, "02e4: call vu-pikinini. Nobody has acknowledged it for 20 min."),
        (
            [waits(WatchedDelivery(ONE, "due", "none", "locked_out"))],
            NOW,
            "02e4: call vu-pikinini, it has not got it. The hotline does not let us in.",
        ),
        ([waits(WatchedDelivery(ONE, "due", "none", ""), age=59 * SECOND)], NOW, ALL_IN_TIME),
        (
            [waits(WatchedDelivery(ONE, "due", "none", "timeout"), age=29 * SECOND)],
            NOW,
            "02e4: no hotline has it; the last try at vu-pikinini failed (timeout). It is tried again. Call "
            "vu-pikinini if that goes on for 31 s.",
        ),
        (
            [waits(WatchedDelivery(ONE, "due", "none", "not_reached"), age=12 * MINUTE, priority="P2")],
            NOW,
            "Call vu-pikinini if that goes on for 8 min.",
        ),
        (
            [
                waits(WatchedDelivery(ONE, "due", "none", "timeout"), age=29 * SECOND),
                waits(WatchedDelivery(TWO, "due", "none", "timeout"), age=21 * MINUTE, priority="P2"),
            ],
            NOW,
            "call vu-womens-centre, it has not got it.",
        ),
        (
            [waits(WatchedDelivery(ONE, "due", "none", "locked_out"), age=SECOND)],
            NOW,
            "02e4: call vu-pikinini, it has not got it. The hotline does not let us in.",
        ),
        (
            [waits(WatchedDelivery(ONE, "due", "none", "no_hotline"), age=SECOND)],
            NOW,
            "02e4: call vu-pikinini, it has not got it. No country file names this hotline",
        ),
        (
            [waits(WatchedDelivery(ONE, "due", "none", "timeout"))],
            NOW,
            "it has not got it. The hotline does not answer in time.",
        ),
        ([waits(WatchedDelivery(ONE, "parked", "none", "parked"))], NOW, "02e4: no hotline can take it."),
        ([waits(WatchedDelivery(ONE, "delivered", "rejected", ""))], NOW, "02e4: no hotline can take it."),
        ([waits(), waits(age=16 * MINUTE)], NOW, "Nobody has acknowledged it for 16 min."),
    ],
)
def test_the_one_thing_to_do(waiting: list[UnacknowledgedReport], led: int | None, said: str) -> None:
    assert said in report_action(waiting, NOW, led)


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (0, "0 s"),
        (59 * SECOND, "59 s"),
        (60 * SECOND, "1 min"),
        (119 * MINUTE, "119 min"),
        (2 * HOUR, "2 h"),
        (3 * DAY, "3 d"),
    ],
)
def test_how_long(time: int, said: str) -> None:
    assert duration_text(time) == said


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    made = SampleStore.create(database, tmp_path / "keys")
    yield made
    made.database.close()


def begin(store: SampleStore) -> None:
    leases.acquire(store.database, "clock", "here/clock-1/a", 15)
    for report_id, priority, _ in steps.list_unstarted(store.database):
        steps.start_steps(store.database, [(report_id, priority, ESCALATION_TIMES[priority])])


def once(tmp_path: Path, *, later: int = 0) -> str:
    env = {"TOKAUT_DATA": str(tmp_path), "TOKAUT_CLOCK_OFFSET": str(later)}
    result = CliRunner().invoke(main, ["watch", "--once"], env=env)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.rule("S-27")
def test_once_the_most_urgent_first_and_not_a_word(store: SampleStore, tmp_path: Path) -> None:
    for priority in ("P4", "P1", "P2", "P1"):
        store.submit(ROUTE, priority=priority)
    begin(store)
    said = once(tmp_path)
    assert re.findall(r"^ ?(P\d)", said, re.MULTILINE) == ["P1", "P1", "P2", "P4"]
    assert said.count("vu-pikinini due") == 4
    for report in store.reports():
        assert report.report_id in said
    assert WORDS not in said
    assert "\x1b" not in said, "plain text"


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("command", [["watch", "--once"], ["deliveries", "list"]], ids=" ".join)
def test_a_database_of_another_mode_is_refused(store: SampleStore, tmp_path: Path, command: list[str]) -> None:
    store.submit(ROUTE)
    env = {"TOKAUT_DATA": str(tmp_path), "TOKAUT_MODE": "training"}
    result = CliRunner().invoke(main, command, env=env)
    said = " ".join(result.output.split())
    assert result.exit_code == 1, result.output
    assert "This database was made for demo mode, and TOKAUT_MODE is training." in said


def test_what_a_person_has_waits_no_more(store: SampleStore, tmp_path: Path) -> None:
    store.submit(ROUTE)
    begin(store)
    with store.database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered", handling="accepted"))
    assert once(tmp_path).strip() == NOTHING_WAITS


def test_no_clock_is_said_first(store: SampleStore, tmp_path: Path) -> None:
    store.submit(ROUTE)
    assert once(tmp_path).startswith(NO_CLOCK)


def test_a_hotline_that_lets_nobody_in(store: SampleStore, tmp_path: Path) -> None:
    [first] = store.submit(ROUTE)
    begin(store)
    leased = outbox.lease(store.database, first, "w/urgent/1")
    assert leased is not None
    outbox.mark_failed(store.database, leased, DeliveryFailure("locked_out", 401, 5 * SECOND), "w/urgent/1", "worker")
    with store.database.write() as connection:
        connection.execute(update(t.lease).values(until=t.lease.c.until + 90 * SECOND))
    assert "call vu-pikinini, it has not got it. The hotline does not let us in." in once(tmp_path, later=90)


def test_synthetic_calls_and_since_when_one_fails(store: SampleStore, tmp_path: Path) -> None:
    begin(store)
    good, bad = ("africastalking", "*111*163#"), ("ussd", "*1#")
    save_results(store.database, {good: "", bad: ""})
    assert once(tmp_path).startswith(NOTHING_WAITS)
    store.database.offset = -3 * HOUR
    save_results(store.database, {good: "", bad: "tls"})
    store.database.offset = 0
    save_results(store.database, {good: "", bad: "timeout"})
    said = once(tmp_path)
    assert said.startswith("Synthetic calls to ussd *1# have not come to Send for 180 min (timeout). Dial the code.")
    assert "Synthetic calls to africastalking *111*163#: came to Send 0 s ago" in said
    assert "Synthetic calls to ussd *1#: has failed for 3 h (timeout), came to Send 0 s ago" in said
    store.submit(ROUTE)
    assert once(tmp_path).startswith("Synthetic calls to ussd *1#"), "a report that waits in time needs nobody"
    store.database.offset = -3 * HOUR
    save_results(store.database, {good: ""})
    assert "africastalking *111*163#: came to Send 3 h ago; no call since" in once(tmp_path)


def test_an_unusually_quiet_channel(store: SampleStore, tmp_path: Path) -> None:
    begin(store)
    quiet = QuietChannel("VU", "africastalking", 14 * HOUR, CallVolume(6, 1, 45))
    replace_quiet(store.database, [quiet])
    said = once(tmp_path)
    sentence = "Unusually quiet: VU africastalking had 1 call in the 6 h until 14:00 UTC; usual are 45. Dial the code."
    assert said.startswith(sentence) and said.count(sentence) == 2


def test_texts_that_do_not_arrive(store: SampleStore, tmp_path: Path) -> None:
    begin(store)
    now = store.database.now()
    for _ in range(5):
        sms = OutgoingSms(new_id(now), "twilio", Mode.DEMO, "k", b"w", b"s", now, now + 600 * SECOND)
        messages.enqueue_outgoing(store.database, sms)
        messages.record_delivery_report(store.database, "", "failed", sms.id)
    sentence = "SMS by twilio do not arrive: of the last hour 5 failed by the provider's delivery reports, and 0"
    said = unwrapped(tmp_path)
    assert said.startswith(sentence) and said.count(sentence) == 2


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_cuts_no_id(store: SampleStore, width: int) -> None:
    """Of each id and hotline it showed the first letters."""
    store.submit(ROUTE)
    console = Console(width=width, record=True)
    console.print(watch._drawn(watch.take_snapshot(store.database, at_most=3)))
    assert "…" not in console.export_text()


def test_many_wait_and_as_many_are_shown_as_fit(store: SampleStore) -> None:
    for _ in range(4):
        store.submit(ROUTE)
    begin(store)
    sight = watch.take_snapshot(store.database, at_most=3)
    assert (len(sight.rows), sight.hidden) == (3, 1)
    save_results(store.database, {("ussd", "*1#"): ""})
    assert len(watch.take_snapshot(store.database, at_most=3).rows) == 2
    console = Console(width=160, record=True)
    console.print(watch._drawn(sight))
    assert "and 1 more" in console.export_text()


def test_a_database_that_goes_away_is_looked_for_again(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = watch._looks(store.database, Console(width=120, height=40), WatchSurroundings)
    with monkeypatch.context() as gone:
        gone.setattr(watch.overview, "list_unacknowledged", _away)
        console = Console(record=True, width=120)
        console.print(next(looks))
        assert "The database does not answer (refused)." in console.export_text()
    console.print(next(looks))
    assert NO_CLOCK in " ".join(console.export_text().split())


def _away(*_: object) -> None:
    raise DatabaseUnavailable("refused")


def test_ctrl_c_ends_it(store: SampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", stop)
    result = CliRunner().invoke(main, ["watch"], env={"TOKAUT_DATA": str(tmp_path)})
    assert result.exit_code == 0, result.output


def test_a_country_file_that_cannot_be_read_is_named_and_hides_no_hotline_of_another(
    store: SampleStore, tmp_path: Path
) -> None:
    (tmp_path / "ke.toml").write_bytes(b"# r\xe9gion\n")
    environ = {
        "TOKAUT_DATA": str(tmp_path),
        "TOKAUT_COUNTRY_DIR": str(tmp_path),
        "COUNTRIES": "ke,vu",
        "HOTLINE_VU_POLICE_URL": "https://police.example/",
    }
    result = CliRunner().invoke(main, ["watch", "--once"], env=environ)
    said = " ".join(result.output.split())
    assert (result.exit_code, "ke.toml cannot be read: it is not UTF-8" in said) == (0, True), result.output
    assert "vu-pikinini gets no reports" in said


def unwrapped(tmp_path: Path, **environ: str) -> str:
    result = CliRunner().invoke(main, ["watch", "--once"], env={"TOKAUT_DATA": str(tmp_path), **environ})
    return " ".join(result.output.split())


def test_a_full_disk_is_said_before_what_comes_from_it(
    store: SampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit(ROUTE)
    assert once(tmp_path).startswith(NO_CLOCK)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    said = unwrapped(tmp_path)
    assert said.startswith("Only 0 MB are free at ") and "docs/operating/disk-full.md" in said
    (tmp_path / "tokaut.db").write_bytes(b"damaged")
    said = unwrapped(tmp_path)
    assert said.startswith("Only 0 MB are free at ") and "The database does not answer" in said
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=999_000_000))
    assert unwrapped(tmp_path).startswith("The database does not answer"), "little space is for `tokaut check`"


def test_it_does_not_say_that_nothing_is_to_be_done_where_nobody_would_be_alerted(
    store: SampleStore, tmp_path: Path
) -> None:
    store.submit(ROUTE)
    begin(store)
    said = unwrapped(tmp_path)
    assert said.startswith(ALL_IN_TIME) and NO_ON_CALL not in said, "these are not the worker's settings"
    hotlines = ("VU_PIKININI", "VU_WOMENS_CENTRE", "VU_POLICE")
    worker = {f"HOTLINE_{name}_URL": "https://drill.hotline.example" for name in hotlines} | {"COUNTRIES": "vu"}
    worker |= {f"HOTLINE_{name}_SECRET": new_webhook_secret(demo=True) for name in hotlines}
    assert unwrapped(tmp_path, **worker).startswith(f"{ALL_IN_TIME} {NO_ON_CALL}")
    assert NO_ON_CALL not in unwrapped(tmp_path, **worker, TOKAUT_ON_CALL="desk@operator.example")
    del worker["HOTLINE_VU_POLICE_URL"]
    said = unwrapped(tmp_path, **worker)
    assert said.startswith("vu-police gets no reports") and said.count("vu-police gets no reports") == 1


def test_the_number_of_the_duty_officer_is_shown_with_the_hotline_to_call() -> None:
    country = next(iter(load_countries(["vu"], Mode.DEMO)))
    card = replace(country.hotlines[ONE].card, duty_officer=("duty@hotline.example", "+6785550101"))
    named = replace(country, hotlines={ONE: replace(country.hotlines[ONE], card=card), TWO: country.hotlines[TWO]})
    phones = watch.staff_phones([named], NOW)
    assert phones == {ONE: "+6785550101"}
    waiting = [waits(WatchedDelivery(ONE, "due", "none", "timeout"))]
    assert report_action(waiting, NOW, NOW, phones).startswith(
        "2b02e4: call vu-pikinini (+6785550101), it has not got it."
    )
