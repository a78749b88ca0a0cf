"""Processes are killed while each kind of hotline receives reports: no report is lost, each has one key."""

from __future__ import annotations

import itertools
import os
import re
import signal
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import requests

from tests.support.handsets import AfricasTalking, Screen
from tests.support.wait import until
from tests.workers.installation_of_kinds import DESK, DRILLS, KINDS, InstallationOfKinds, Kind

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("kinds")]
OF_EACH = 200 if os.environ.get("LONG") == "1" else 20
KILLED = ("urgent", "clock", "web", "valkey", "urgent", "standard", "clock", "web")
CODE = re.compile(r"Code (\d{4}) (\d{4})\s+PIN (\d{4})")
PHONES = itertools.count(1)
CALLS = 10  # at most, until one is sent


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstallationOfKinds]:
    made = InstallationOfKinds(tmp_path_factory.mktemp("kinds"))
    try:
        yield made.up()
    finally:
        made.down()


def new_phone_number(installation: InstallationOfKinds) -> AfricasTalking:
    phone = installation.installation.ussd_phone("africastalking", f"+67855{next(PHONES):05d}")
    assert isinstance(phone, AfricasTalking)
    return phone


def heard(phone: AfricasTalking) -> Screen:
    """Send the same request, as a provider does, until there is an answer."""
    answers: list[Screen] = []

    def has_one() -> bool:
        with suppress(requests.RequestException, AssertionError):
            answers.append(phone.again())
        return bool(answers)

    until(has_one, f"no answer to {phone.path}", 60)
    return answers[-1]


def sent(installation: InstallationOfKinds, kind: Kind) -> tuple[str, str]:
    """Return code and PIN. If a call ends because Redis is or was unavailable, another phone calls."""
    for _ in range(CALLS):
        phone = new_phone_number(installation)
        phone.session = f"ATUid_{phone.phone}"
        screen = heard(phone)
        for reply in ("Report", "Now", "Go on", kind.label, "Shefa", "Me", "No", "Send"):
            if screen.expects_reply:
                phone.path.append(reply)
                screen = heard(phone)
        if screen.expects_reply:
            break
    found = CODE.search(screen.text)
    assert found, screen.text
    return found[1] + found[2], found[3]


def kill_in_turn(installation: InstallationOfKinds, calls: Collection[Future[Any]]) -> None:
    """Kill and restart processes in turn until all calls have ended.

    In the test's own thread: a process ends with the thread that started it.
    """
    for count, name in enumerate(itertools.cycle(KILLED)):
        if not wait(calls, 1).not_done and count >= len(KILLED):
            return
        installation.installation.kill(name, signal.SIGKILL)
        installation.installation.start(name)
        installation.installation.until_web_answers()


def has_it(installation: InstallationOfKinds, kind: Kind, code: str, pin: str) -> bool:
    phone = new_phone_number(installation)
    phone.session, phone.path = f"ATUid_{phone.phone}", ["My report", code, pin]
    return heard(phone).text.startswith(f"{kind.screen} has it.")


def call(installation: InstallationOfKinds, kind: Kind) -> list[tuple[str, str]]:
    return [sent(installation, kind) for _ in range(OF_EACH)]


@pytest.fixture(scope="module")
def codes(installation: InstallationOfKinds) -> dict[str, list[tuple[str, str]]]:
    """Return kind → codes and PINs that its reporters were shown, once no work is left."""
    with ThreadPoolExecutor(len(KINDS)) as pool:
        callers = {name: pool.submit(call, installation, kind) for name, kind in KINDS.items()}
        kill_in_turn(installation, callers.values())
    # Drafts of calls that ended in danger before Send are submitted as incomplete.
    until(lambda: installation.rows("SELECT count(*) FROM pending") == [(0,)], "not all was filed", 180)
    until(lambda: not any(map(installation.due, KINDS.values())), "not all was received", 180)
    return {name: caller.result() for name, caller in callers.items()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_none_is_lost_and_none_has_two_keys(
    installation: InstallationOfKinds,
    codes: dict[str, list[tuple[str, str]]],
    kind: Kind,
    record_property: Callable[[str, object], None],
) -> None:
    shown = codes[kind.delivery]
    assert len(set(shown)) == OF_EACH
    for code, pin in shown:
        until(partial(has_it, installation, kind, code, pin), f"{kind.hotline} has not what was Sent", 60)
    reports = installation.reports(kind)
    assert len(reports) >= OF_EACH
    assert {one[-6:] for one in installation.got(kind.delivery)} == {one[-6:] for one in reports}
    assert len(keys(installation, kind)) == len(reports)
    record_property("printed", f"{len(reports)} reports, {len(installation.got(kind.delivery)) - len(reports)} repeats")


def keys(installation: InstallationOfKinds, kind: Kind) -> set[tuple[str, ...]]:
    """Return the keys by which a hotline of this kind recognises a repeat."""
    if kind.delivery == "webhook":
        return {
            (taken.headers["webhook-id"], taken.data["data"]["report_id"]) for taken in installation.webhook.requests
        }
    if kind.delivery in ("email", "console"):
        to = DESK if kind.delivery == "email" else DRILLS
        return {(str(mail["Message-ID"]),) for whom, mail in installation.mail.mails if whom == to}
    if kind.delivery == "primero":
        return {(case,) for case in installation.primero.state.cases}
    return {(text[6:12],) for _, text in installation.texts()}
