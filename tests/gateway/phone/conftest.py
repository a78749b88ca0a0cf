"""A whole town with the phone's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.gateway.phone.hand import Hand
from tests.support.town import Town


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    town = Town().up()
    yield town
    town.down()


@pytest.fixture
def visit(town: Town, chromium: object) -> Iterator[Callable[..., Hand]]:
    """Opens the page, as large as wished. Afterwards: it said nothing, was refused nothing, and has kept nothing."""
    opened: list[Hand] = []

    def open_it(*, quiet: bool = True, **how: int) -> Hand:
        hand = Hand(chromium.open(f"{town.web}/phone", **how), quiet=quiet)  # type: ignore[attr-defined]
        opened.append(hand)
        return hand

    yield open_it
    for hand in opened:
        hand.leave(town.web, town.plan.where.hotline)
