"""Web inside the test's own process, so that tests can cause errors in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.app import App


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()
