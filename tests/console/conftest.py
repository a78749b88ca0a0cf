from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store.database import Database
from tests.support.console import Console
from tests.support.desks import Desk, given, in_process
from tokaut import demo_start
from tokaut.demo_folder import DemoFolder
from tokaut.demo_settings import Addresses, Plan, plan

HOTLINES = HOTLINE, OTHER, THIRD = ("vu-pikinini", "vu-womens-centre", "vu-police")


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    """A demo's settings, its database and its keys; nothing runs."""
    found = plan({}, DemoFolder(tmp_path), Addresses(1, 2, 3), HOTLINES)
    found.folder.inside.mkdir(mode=0o700)
    demo_start.prepare(found)
    return found


@pytest.fixture
def console(made: Plan) -> Iterator[Console]:
    one = Console({**made.settings, "COUNTRIES": "vu"})
    yield one
    one.close()


@pytest.fixture
def database(console: Console) -> Database:
    return console.parts.database


@pytest.fixture
def desk(made: Plan, console: Console) -> Desk:
    return in_process(HOTLINE, made.secrets.hotlines[HOTLINE], console.http)


@pytest.fixture
def report(made: Plan, database: Database) -> str:
    return given(database, made.folder.inside / "keys", [(HOTLINE, "primary"), (OTHER, "also"), (THIRD, "fallback")])
