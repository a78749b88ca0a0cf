"""A whole town with the phone's page, and a Chromium that leaves this machine for nothing.

Both end with their file: while a browser is driven, nothing else in this process may run a loop of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.gateway.phone.hand import Hand
from tests.support.town import Town


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    browser = pytest.importorskip("tests.support.browser", reason="no browser driver")
    if browser.PROGRAM is None:
        pytest.skip(browser.WITHOUT)
    one = browser.Browser()
    yield one
    assert one.close() == []  # all that it connected to in these tests was this machine


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
        hand.leave(town.web)
