"""What a screen may know of a report whose code and PIN were given."""

from __future__ import annotations

from typing import Any

import pytest

from flows.model import Answer, State, World
from flows.show import fill
from gateway.mailroom import Mailroom
from gateway.message import Turn
from gateway.record import Record
from gateway.turns import Last
from gateway.world import Ground, Surroundings
from reports.country import Countries
from reports.sealing import Vault
from reports.store import mailboxes
from reports.store.mailboxes import Opened
from tests.safeguarding.walks import COUNTRIES

REPORT = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
STATE = "Read by {desk}. In danger? Call {emergency}."
PAIR = (Answer("my.code", "code", "4821 9303", True, 1), Answer("my.pin", "pin", "7350", True, 1))
WALKED = State("my.state", (("home.home", -1), ("my.code", 0), ("my.pin", 1)), PAIR)
AROUND = Surroundings({"en": Ground.of(COUNTRIES["VU"])}, "ussd", False, frozenset())


class AtOnce:
    """A filer that asks the database, and nothing else."""

    def write(self, ask: Any) -> Any:
        return ask()


@pytest.mark.parametrize(("desk", "named"), [("one", "Hotline One"), ("gone", "A hotline"), (None, "A hotline")])
def test_a_hotline_that_is_listed_no_more_takes_no_number_away(
    desk: str | None, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Opened(REPORT, "accepted", desk, b"", ())
    monkeypatch.setattr(mailboxes, "opened", lambda *_: found)
    nothing: Any = type("Nothing", (), {"mode": "demo"})
    at_once: Any = AtOnce()
    room = Mailroom(at_once, nothing, Vault([b"k" * 32]), nothing, Countries(()), {"one": "Hotline One"})
    record = Record(WALKED, Last("t"), Turn("", goes_on=True), 1, opened=REPORT)
    around = room.around(AROUND, record)
    assert around.told["report_state"] == "accepted"
    world = World({}, {"emergency": "police 111", **around.said}, {}, str)
    assert fill(STATE, world) == f"Read by {named}. In danger? Call police 111."
    assert "desk" not in room.around(AROUND, Record(WALKED, Last("t"), Turn("", goes_on=True), 1)).said
