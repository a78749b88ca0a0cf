"""Kannel in front of an installation; `application` is between them if a test must see or change requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.kannel.application import Application
from tests.kannel.network import Network
from tests.support.installation import Installation
from tests.support.kannel import Kannel, missing
from tests.support.ports import free_port

# docs/kannel/kannel.conf with a shorter delay between two tries.
SOON = {"http-queue-delay = 10": "http-queue-delay = 1"}
# The GET way: all fields are in the query.
BY_GET = {
    'post-url = "{{web}}/hooks/kannel/{{token}}/sms?id=%I&ts=%T"\nsend-sender = true': (
        'get-url = "{{web}}/hooks/kannel/{{token}}/sms?id=%I&smsc=%i&from=%p&to=%P&ts=%T&coding=%c&charset=%C&text=%b"'
    )
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    why = missing()
    for item in items:
        if why and "/tests/kannel/" in str(item.path):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def smpp_runtime() -> None:
    """Start the SMPP library's threads, which stay for the whole process, so that no test counts as leaking them."""
    with Network(free_port()):
        pass


@pytest.fixture
def application() -> Iterator[Application]:
    with Application() as it:
        yield it


@dataclass
class Served:
    """An installation and the Kannel in front of it."""

    installation: Installation
    kannel: Kannel


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    installation = Installation()
    kannel = Kannel(web=installation.web, token=installation.token("kannel"), changes=SOON)
    sending = {
        "KANNEL_SENDSMS_URL": kannel.sendsms,
        "KANNEL_SENDSMS_USER": "tokaut",
        "KANNEL_SENDSMS_PASSWORD": "sendsms-of-a-test",
        "KANNEL_DLR_URL": f"{installation.web}/hooks/kannel/{installation.token('kannel')}/dlr",
    }
    installation.plan = replace(installation.plan, settings={**installation.plan.settings, **sending})
    with kannel:
        yield Served(installation.up(), kannel)
    installation.down()
