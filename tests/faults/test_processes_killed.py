"""Processes are killed after the report was stored and before anybody was told."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.conversations import (
    TO_SEND,
    code_and_pin,
    is_sent,
    new_phone_number,
    of,
    press_send,
    received_once,
    say,
    ussd_phone_before_dialling,
    walk,
)
from tests.faults.faulty_installation import FaultyInstallation, end, is_alive
from tests.support.handsets import AfricasTalking
from tests.support.wait import until

pytestmark = pytest.mark.slow
TRIES = 40  # the time between COMMIT and answer is some milliseconds


@pytest.fixture
def installation(shared: FaultyInstallation) -> FaultyInstallation:
    """Wait until web answers and uses Redis again."""
    shared.until_web_answers()
    until(lambda: shared.ussd_phone("ussd", new_phone_number()).dial().expects_reply, "Redis is not used again")
    return shared


def when_written(installation: FaultyInstallation, do: Callable[[], None]) -> threading.Thread:
    """Call `do` as soon as one more report is in the database."""
    before = installation.count("report")

    def watch() -> None:
        stop = time.monotonic() + 10
        while installation.count("report") == before and time.monotonic() < stop:
            pass
        do()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.rule("F2")
def test_web_killed_between_the_commit_and_the_answer(installation: FaultyInstallation) -> None:
    """F2: the repeat is answered with Sent and the code of the stored report."""
    for _ in range(TRIES):
        phone = ussd_phone_before_dialling(installation)
        walk(phone, TO_SEND)
        thread = when_written(installation, installation.kill_web_workers)
        seen = press_send(phone)
        thread.join()
        installation.until_web_answers()
        if seen is None:
            break
    else:
        pytest.fail(f"web was never killed in time, in {TRIES} tries")
    sent = phone.again()
    assert is_sent(sent)
    assert phone.again() == sent
    received_once(installation, phone.phone)
    assert "has" in say_my_report(ussd_phone_before_dialling(installation), *code_and_pin(sent))


def say_my_report(phone: AfricasTalking, code: str, pin: str) -> str:
    return walk(phone, ("3", code, pin)).text


@pytest.mark.rule("F2")
@pytest.mark.rule("F11")
def test_web_killed_at_that_moment_and_redis_emptied(installation: FaultyInstallation) -> None:
    """F2 and F11: the path alone still finds the report again."""
    for _ in range(TRIES):
        phone = ussd_phone_before_dialling(installation)
        walk(phone, TO_SEND)
        thread = when_written(installation, installation.kill_web_workers)
        seen = press_send(phone)
        thread.join()
        with installation.away("valkey"):
            (installation.plan.folder.inside / "appendonlydir").rename(installation.folder / f"emptied-{phone.phone}")
        installation.until_web_answers()
        if seen is None:
            break
    else:
        pytest.fail(f"web was never killed in time, in {TRIES} tries")
    until(lambda: is_sent(phone.again()), "the repeat is not answered with Sent")
    received_once(installation, phone.phone)


@pytest.mark.rule("F9")
def test_redis_killed_between_the_commit_and_the_keeping(installation: FaultyInstallation) -> None:
    """A report that continues a dropped call: replayed without its draft, it would become a second report."""
    for _ in range(TRIES // 2):
        number = new_phone_number()
        walk(ussd_phone_before_dialling(installation, number), TO_SEND)
        phone = ussd_phone_before_dialling(installation, number)
        walk(phone, TO_SEND)
        thread = when_written(installation, lambda: end(installation.pid("valkey")))
        seen = press_send(phone)
        thread.join()
        installation.processes["valkey"].wait(timeout=20)
        installation.start("valkey")
        assert seen is not None
        assert is_sent(seen)
        received_once(installation, number)
        until(
            lambda: installation.ussd_phone("ussd", new_phone_number()).dial().expects_reply, "Redis is not used again"
        )


@pytest.mark.rule("F3")
def test_the_master_killed_and_started_again_while_a_call_goes_on(installation: FaultyInstallation) -> None:
    """F3"""
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND[:3])
    workers = installation.web_workers()
    installation.kill("web")
    installation.start("web")
    until(lambda: not any(is_alive(pid) for pid in workers), "they go on without a master")
    installation.until_web_answers()
    assert is_sent(walk(phone, (*TO_SEND[3:], "1"), dial=False))
    received_once(installation, phone.phone)


@pytest.mark.rule("F30")
def test_web_finishes_what_is_in_hand_when_it_is_told_to_stop(installation: FaultyInstallation) -> None:
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND)
    thread = when_written(installation, lambda: installation.processes["web"].send_signal(signal.SIGTERM))
    assert is_sent(phone.type("1"))
    thread.join()
    installation.processes["web"].wait(timeout=30)
    installation.start("web")
    installation.until_web_answers()
    received_once(installation, phone.phone)


@pytest.mark.rule("F4")
@pytest.mark.rule("F7")
@pytest.mark.parametrize("name", ["urgent", "standard", "clock"])
def test_a_report_comes_while_one_of_those_who_bring_it_is_down(installation: FaultyInstallation, name: str) -> None:
    """F4, F7: the clock delivers without the queue, and the queue delivers without the clock."""
    phone = ussd_phone_before_dialling(installation)
    with installation.away(name):
        assert is_sent(walk(phone, (*TO_SEND, "1")))
        received_once(installation, phone.phone)


@pytest.mark.rule("F7")
def test_a_clock_that_was_frozen_finds_another_at_its_work(installation: FaultyInstallation) -> None:
    """F7: of two clocks one leads; words added in danger arrive once."""
    with installation.frozen("clock"):
        frozen = installation.processes.pop("clock")
        installation.start("clock")
        phone = ussd_phone_before_dialling(installation)
        assert is_sent(walk(phone, (*TO_SEND, "1")))
        say(phone, "1")
        say(phone, "they wait at the gate")
        say(phone, "00")
        installation.until_received(lambda _: len(of(installation, phone.phone)) == 2, "the words never came", 60)
        second = installation.processes["clock"]
        installation.processes["clock"] = frozen
    installation.until_finished()
    assert [body["type"] for body in of(installation, phone.phone)] == ["report.created", "report.updated"]
    second.kill()
    second.wait(timeout=20)
