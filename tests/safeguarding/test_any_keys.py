"""Any sequence of keys, words, drops and repeats, by two reporters, in 25 countries and nine languages (stateful)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from flows.pagination import is_free_text
from gateway.conversation.context import TurnRequest
from gateway.conversation.reducer import Reducer
from gateway.messaging.model import Reply
from gateway.sessions.record import Record
from tests.safeguarding.any_keys import COUNTRIES, EVERYWHERE, AnyKeys
from tests.support.app import App

pytestmark = pytest.mark.slow

SHORT = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
EXAMPLES = 600 if os.environ.get("LONG") == "1" else 40
LONG = settings(SHORT, max_examples=EXAMPLES, stateful_step_count=60, derandomize=False)


@pytest.fixture(scope="module")
def everywhere(module_redis: str) -> Iterator[App]:
    with redis.Redis.from_url(module_redis) as client:
        client.flushall()
    app = App(module_redis, EVERYWHERE)
    yield app
    app.close()


@pytest.mark.rule("S-06")
@pytest.mark.rule("S-08")
@pytest.mark.rule("S-01")
@pytest.mark.parametrize("profile", [SHORT, pytest.param(LONG, marks=pytest.mark.faults)], ids=["short", "long"])
def test_whatever_is_typed_there_is_a_screen_that_fits_and_a_way_out(everywhere: App, profile: settings) -> None:
    machine = type("AnyKeys", (AnyKeys,), {"app": everywhere})
    run_state_machine_as_test(machine, settings=profile)


def test_a_screen_that_repeats_what_was_typed_would_be_found_out(everywhere: App) -> None:
    shown = Reducer._show

    def echo(walk: Reducer, caller: TurnRequest, record: Record, **more: Any) -> Reply:
        turn = shown(walk, caller, record, **more)
        return replace(turn, text=turn.text + caller.inbound.text[-20:]) if is_free_text(caller.inbound.text) else turn

    machine = type("AnyKeys", (AnyKeys,), {"app": everywhere})
    with patch.object(Reducer, "_show", echo), pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=settings(SHORT, phases=[Phase.generate]))


def test_it_is_every_country() -> None:
    assert len(COUNTRIES) == 25
