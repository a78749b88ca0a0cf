from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from console.auth import credentials
from reports.store.engine.database import Database
from tests.console.running_console import HOTLINE, HOTLINES, OTHER, THIRD, RunningConsole
from tests.support.console import Console
from tests.support.hotline_clients import HotlineClient, in_process_hotline, store_report
from tests.support.prepared import prepare
from tests.support.staff import Person, joined
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan


@pytest.fixture
def made(tmp_path: Path) -> StackPlan:
    """Prepare a demo's settings, database and keys, without starting a process."""
    found = make_plan({}, DemoFolder(tmp_path), StackAddresses(1, 2, 3), HOTLINES)
    found.folder.inside.mkdir(mode=0o700)
    prepare(found)
    return found


@pytest.fixture
def console(made: StackPlan) -> Iterator[Console]:
    one = Console({**made.settings, "COUNTRIES": "vu"})
    yield one
    one.close()


@pytest.fixture
def database(console: Console) -> Database:
    return console.parts.database


def someone(console: Console, name: str, role: str = "lead", hotline: str = HOTLINE) -> Person:
    """Make a new account and log it in."""
    one = joined(console.flask, console.parts.database, name, role, hotline)
    one.log_in()
    return one


@pytest.fixture
def mere(console: Console) -> Person:
    return someone(console, "mere", "staff")


@pytest.fixture
def people(console: Console) -> tuple[Person, Person]:
    """Two accounts of the role staff: mere and nia."""
    return someone(console, "mere", "staff"), someone(console, "nia", "staff")


@pytest.fixture
def ana(console: Console) -> Person:
    """A lead."""
    return someone(console, "ana")


@pytest.fixture
def ben(console: Console) -> Person:
    """A second lead."""
    return someone(console, "ben")


@pytest.fixture
def hotline_client(made: StackPlan, console: Console) -> HotlineClient:
    return in_process_hotline(HOTLINE, made.secrets.hotlines[HOTLINE], console.http)


@pytest.fixture
def report(made: StackPlan, database: Database) -> str:
    return store_report(
        database, made.folder.inside / "keys", [(HOTLINE, "primary"), (OTHER, "also"), (THIRD, "fallback")]
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    process = RunningConsole(tmp_path_factory.mktemp("console"))
    yield process
    process.down()


@pytest.fixture(autouse=True)
def hurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make password hashes cheap, except in tests of the hashing itself."""
    if request.node.get_closest_marker("rule") and "argon2id" in request.node.name:
        return
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(credentials, "_HASHER", cheap)
    monkeypatch.setattr(credentials, "_NOBODYS", cheap.hash("nobody"))
