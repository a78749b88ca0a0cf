from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import Console
from tokaut import demo_start
from tokaut.demo_folder import DemoFolder
from tokaut.demo_settings import Addresses, Plan, plan

HOTLINES = ("vu-pikinini", "vu-womens-centre", "vu-police")


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    """A demo's settings, its database and its keys; nothing runs."""
    found = plan({}, DemoFolder(tmp_path), Addresses(1, 2), HOTLINES)
    found.folder.inside.mkdir(mode=0o700)
    demo_start.prepare(found)
    return found


@pytest.fixture
def console(made: Plan) -> Iterator[Console]:
    one = Console({**made.settings, "COUNTRIES": "vu"})
    yield one
    one.close()
