"""Processes are killed while each kind of hotline receives reports: none is lost, each has one key."""

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

from tests.support.handsets import AfricasTalking, Seen
from tests.support.wait import until
from tests.workers.kinds_town import DESK, DRILLS, KINDS, Kind, KindsTown

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("kinds")]
OF_EACH = 200 if os.environ.get("LONG") == "1" else 20
KILLED = ("urgent", "clock", "web", "valkey", "urgent", "standard", "clock", "web")
CODE = re.compile(r"Code (\d{4}) (\d{4})\s+PIN (\d{4})")
PHONES = itertools.count(1)
CALLS = 10  # until one is Sent


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindsTown]:
    made = KindsTown(tmp_path_factory.mktemp("kinds"))
    try:
        yield made.up()
    finally:
        made.down()


def new_phone_number(town: KindsTown) -> AfricasTalking:
    phone = town.town.ussd_phone("africastalking", f"+67855{next(PHONES):05d}")
    assert isinstance(phone, AfricasTalking)
    return phone


def heard(phone: AfricasTalking) -> Seen:
    """As a provider does: the same again until there is an answer."""
    answers: list[Seen] = []

    def has_one() -> bool:
        with suppress(requests.RequestException, AssertionError):
            answers.append(phone.again())
        return bool(answers)

    until(has_one, f"no answer to {phone.path}", 60)
    return answers[-1]


def sent(town: KindsTown, kind: Kind) -> tuple[str, str]:
    """Code and PIN. Where a call ends, for Redis is away or was and does not know all of it, somebody else calls."""
    for _ in range(CALLS):
        phone = new_phone_number(town)
        phone.session = f"ATUid_{phone.phone}"
        seen = heard(phone)
        for reply in ("Report", "Now", "Go on", kind.label, "Shefa", "Me", "No", "Send"):
            if seen.expects_reply:
                phone.path.append(reply)
                seen = heard(phone)
        if seen.expects_reply:
            break
    found = CODE.search(seen.text)
    assert found, seen.text
    return found[1] + found[2], found[3]


def kill_in_turn(town: KindsTown, calls: Collection[Future[Any]]) -> None:
    """Over and over, as long as people call. In the test's own thread: a process ends with the thread that began it."""
    for count, name in enumerate(itertools.cycle(KILLED)):
        if not wait(calls, 1).not_done and count >= len(KILLED):
            return
        town.town.kill(name, signal.SIGKILL)
        town.town.start(name)
        town.town.until_web_answers()


def has_it(town: KindsTown, kind: Kind, code: str, pin: str) -> bool:
    phone = new_phone_number(town)
    phone.session, phone.path = f"ATUid_{phone.phone}", ["My report", code, pin]
    return heard(phone).text.startswith(f"{kind.screen} has it.")


def call(town: KindsTown, kind: Kind) -> list[tuple[str, str]]:
    return [sent(town, kind) for _ in range(OF_EACH)]


@pytest.fixture(scope="module")
def codes(town: KindsTown) -> dict[str, list[tuple[str, str]]]:
    """Of each kind what its callers were shown, once all has come to its end."""
    with ThreadPoolExecutor(len(KINDS)) as pool:
        callers = {name: pool.submit(call, town, kind) for name, kind in KINDS.items()}
        kill_in_turn(town, callers.values())
    # What was told in a call that ended before Send, in danger, files itself.
    until(lambda: town.rows("SELECT count(*) FROM pending") == [(0,)], "not all was filed", 180)
    until(lambda: not any(map(town.due, KINDS.values())), "not all was received", 180)
    return {name: caller.result() for name, caller in callers.items()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_none_is_lost_and_none_has_two_keys(
    town: KindsTown,
    codes: dict[str, list[tuple[str, str]]],
    kind: Kind,
    record_property: Callable[[str, object], None],
) -> None:
    shown = codes[kind.delivery]
    assert len(set(shown)) == OF_EACH
    for code, pin in shown:
        until(partial(has_it, town, kind, code, pin), f"{kind.hotline} has not what was Sent", 60)
    reports = town.reports(kind)
    assert len(reports) >= OF_EACH
    assert {one[-6:] for one in town.got(kind.delivery)} == {one[-6:] for one in reports}
    assert len(keys(town, kind)) == len(reports)
    record_property("printed", f"{len(reports)} reports, {len(town.got(kind.delivery)) - len(reports)} repeats")


def keys(town: KindsTown, kind: Kind) -> set[tuple[str, ...]]:
    """By what this kind's own system would know a repeat."""
    if kind.delivery == "webhook":
        return {(taken.headers["webhook-id"], taken.data["data"]["report_id"]) for taken in town.webhook.taken}
    if kind.delivery in ("email", "console"):
        to = DESK if kind.delivery == "email" else DRILLS
        return {(str(mail["Message-ID"]),) for whom, mail in town.mail.mails if whom == to}
    if kind.delivery == "primero":
        return {(case,) for case in town.primero.state.cases}
    return {(text[6:12],) for _, text in town.texts()}
