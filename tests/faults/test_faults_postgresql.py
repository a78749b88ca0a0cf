"""PostgreSQL is killed, slow or unreachable at a chosen moment; web reaches it through a proxy."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.faults.conversations import (
    TO_SEND,
    code_and_pin,
    is_sent,
    new_phone_number,
    press_send,
    received_once,
    say,
    ussd_phone_before_dialling,
    walk,
)
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.handsets import AfricasTalking
from tests.support.proxy import Proxy
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("postgresql")]
FILED = b"INSERT INTO report "
COMMIT = b"COMMIT"


@pytest.fixture
def installation(shared_on_postgresql: FaultyInstallation) -> FaultyInstallation:
    """Repair the proxy, finish all work, and restart web: its new connections have no prepared statements yet."""
    shared = shared_on_postgresql
    proxy(shared).resume()
    proxy(shared).reset()
    shared.until_web_answers()
    shared.until_finished(90)
    shared.kill("web", signal.SIGTERM)
    shared.start("web")
    shared.until_web_answers()

    def is_used() -> bool:
        before = shared.count("report")
        walk(shared.ussd_phone("ussd", new_phone_number()), (*TO_SEND, "1"))
        return shared.count("report") > before

    until(is_used, "the database is not used", 60)
    shared.until_finished()
    return shared


def at_send(installation: FaultyInstallation) -> AfricasTalking:
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND)
    return phone


def proxy(installation: FaultyInstallation) -> Proxy:
    assert installation.proxy
    return installation.proxy


@pytest.mark.rule("F1")
def test_web_killed_before_the_commit(installation: FaultyInstallation) -> None:
    phone = at_send(installation)
    before = installation.count("report")
    proxy(installation).when_sent(FILED, installation.kill_web_workers)
    assert press_send(phone) is None
    installation.until_web_answers()
    assert installation.count("report") == before
    assert is_sent(phone.again())
    received_once(installation, phone.phone)


@pytest.mark.rule("F2")
def test_web_killed_between_the_commit_and_the_answer(installation: FaultyInstallation) -> None:
    """The repeat shows the code of the stored report."""
    phone = at_send(installation)
    before = installation.count("report")

    def when_committed() -> None:
        proxy(installation).when_sent(
            COMMIT, lambda: proxy(installation).when_replied(COMMIT, installation.kill_web_workers)
        )

    proxy(installation).when_sent(FILED, when_committed)
    assert press_send(phone) is None
    installation.until_web_answers()
    assert installation.count("report") == before + 1
    sent = phone.again()
    assert is_sent(sent)
    assert phone.again() == sent
    received_once(installation, phone.phone)
    code, pin = code_and_pin(sent)
    assert "has" in walk(installation.ussd_phone("africastalking", new_phone_number()), ("3", code, pin)).text


@pytest.mark.rule("F13")
@pytest.mark.parametrize("when", ["before Send", "at the report", "at COMMIT"])
def test_the_postmaster_and_all_killed_at_once(installation: FaultyInstallation, when: str) -> None:
    phone = at_send(installation)
    killed = threading.Event()

    def kill() -> None:
        assert installation.postgres
        installation.postgres.kill()
        killed.set()

    if when == "before Send":
        kill()
    else:
        proxy(installation).when_sent(FILED if when == "at the report" else COMMIT, kill)
    sent = say(phone, "1")
    assert killed.wait(30), "it was never killed"
    assert installation.postgres
    installation.postgres.start()
    assert is_sent(sent)
    assert phone.again() == sent
    received_once(installation, phone.phone)
    assert installation.spooled() == 0


@pytest.mark.rule("F14")
@pytest.mark.parametrize("seconds", [0.2, 3, 60])
def test_a_slow_database(installation: FaultyInstallation, seconds: float) -> None:
    """A slow database makes no reporter wait: reports go to the spool."""
    phone, whole = at_send(installation), installation.ussd_phone("africastalking", new_phone_number())
    proxy(installation).latency(seconds)
    try:
        assert is_sent(say(phone, "1"))
        assert is_sent(walk(whole, (*TO_SEND, "1")))
    finally:
        proxy(installation).resume()
        proxy(installation).reset()
    received_once(installation, phone.phone)
    received_once(installation, whole.phone)


@pytest.mark.rule("F15")
@pytest.mark.parametrize("how", ["cut", "never"])
def test_the_answer_to_a_commit_is_lost(installation: FaultyInstallation, how: str) -> None:
    """The report is stored but web does not know: the spool's entry finds it and is dropped."""
    phone = at_send(installation)
    before = installation.count("report")
    lose = proxy(installation).reset_after if how == "cut" else proxy(installation).drop_replies_after
    proxy(installation).when_sent(FILED, lambda: lose(COMMIT))
    sent = say(phone, "1")
    assert is_sent(sent)
    assert how == "cut" or installation.spooled() == 1
    assert installation.count("report") == before + 1
    proxy(installation).resume()
    proxy(installation).reset()
    until(lambda: installation.spooled() == 0, "the spool is not emptied")
    assert installation.count("report") == before + 1
    assert phone.again() == sent
    received_once(installation, phone.phone)


@pytest.mark.rule("F16")
@pytest.mark.parametrize("cancelled", [False, True])
def test_no_second_copy(installation: FaultyInstallation, cancelled: bool) -> None:
    """COMMIT waits for a missing standby; if that wait is cancelled, it is committed locally, with a warning."""
    phone = at_send(installation)
    ask(installation, "ALTER SYSTEM SET synchronous_standby_names = 'gone'")
    ask(installation, "SELECT pg_reload_conf()")
    until(lambda: ask(installation, "SHOW synchronous_standby_names") == [("gone",)], "the server does not read it")
    waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    stop = threading.Event()
    thread = threading.Thread(target=_again, args=(lambda: ask(installation, waiting), stop))
    if cancelled:
        thread.start()
    try:
        assert is_sent(say(phone, "1"))
        assert installation.spooled() == 1
    finally:
        stop.set()
        ask(installation, "ALTER SYSTEM RESET synchronous_standby_names")
        ask(installation, "SELECT pg_reload_conf()")
    received_once(installation, phone.phone)


def _again(do: Callable[[], object], stop: threading.Event) -> None:
    while not stop.wait(0.02):
        do()


def ask(installation: FaultyInstallation, query: str) -> list[tuple[object, ...]]:
    assert installation.postgres
    address = f"host=127.0.0.1 port={installation.postgres.port} user=postgres dbname=postgres"
    with psycopg.connect(address, autocommit=True) as line:
        found = line.execute(query.encode())
        return list(found.fetchall()) if found.description else []
