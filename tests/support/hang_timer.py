"""A pytest plugin that ends the process when a test hangs, and prints all stacks."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Iterator

import pytest

TEST_TIMEOUT = 1200.0  # seconds of one test
SET_EVERY = 60.0


class HangTimer:
    """A timer set once a minute. pytest's own plugin sets one for each test, and each setting starts a thread."""

    def __init__(self) -> None:
        self._stderr = os.dup(2)  # pytest does not capture output while it is configured
        self._set_at = float("-inf")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[bool | None]:
        """Set the timer again if a minute has passed since the last time."""
        if (now := time.monotonic()) - self._set_at > SET_EVERY:
            faulthandler.dump_traceback_later(TEST_TIMEOUT + SET_EVERY, file=self._stderr, exit=True)
            self._set_at = now
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Cancel the timer."""
        faulthandler.cancel_dump_traceback_later()
