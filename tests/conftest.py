"""Fixtures for all tests: real servers on request, and a guard against connections to other machines."""

from __future__ import annotations

import gc
import sys
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from tests.support import blocked, cached_files, compiled, leaks, network_guard, ports, routes, sql_shadow_check
from tests.support.daily_selection import DailySelection
from tests.support.hang_timer import HangTimer
from tests.support.postgres import Postgres, binaries
from tests.support.valkey import Valkey

# jsonschema imports it only for the formats iri and iri-reference, which no schema here uses. The import compiles 38
# grammars, which takes a second in each process of a run.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

TESTS = Path(__file__).parent
LONGEST_FIRST = TESTS / "longest_first.txt"  # test files that took more than 50 s in a whole run
STARTS_A_SERVER = {"redis_url", "module_redis", "own_valkey", "postgres", "postgres_url"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--daily", action="store_true", help="run today's part of the large products and the slow tests")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(HangTimer())
    config.pluginmanager.register(DailySelection(daily=config.getoption("--daily")))
    config.addinivalue_line("markers", "product(parts): runs one part of its cases a day by --daily")
    config.addinivalue_line("markers", "slow: starts servers or processes; left out by `make test-fast`")
    network_guard.install()
    sql_shadow_check.install()
    blocked.install()
    compiled.install()
    cached_files.install()
    routes.install()
    unhurried = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}  # a machine may be busy
    hypothesis.settings.register_profile("unhurried", **unhurried)
    hypothesis.settings.load_profile("unhurried")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long texts by their argument: secrets differ between the processes, which must collect the same tests."""
    return argname if isinstance(val, str) and len(val) > 40 else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Disable the garbage collector during collection: nearly all objects created then stay alive."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        started = STARTS_A_SERVER.intersection(getattr(item, "fixturenames", ()))
        if started and item.get_closest_marker("slow") is None:
            raise pytest.UsageError(f"{item.nodeid} uses {', '.join(sorted(started))}: mark it @pytest.mark.slow")
    turns = _turns(Counter(item.path for item in items))
    items.sort(key=lambda item: turns[item.path])


def pytest_collection_finish() -> None:
    """Exclude collected tests from garbage collection, which would scan eleven thousand of them again and again."""
    gc.collect()
    gc.freeze()


def _turns(sizes: Counter[Path]) -> dict[Path, int]:
    """Return the order of the test files: alternately a file of few tests and one of many.

    Files of few tests test whole systems and mostly wait; the others need the processor. The slowest known files come
    first, so that none of them is left running alone at the end.
    """
    longest = {TESTS / name: place for place, name in enumerate(LONGEST_FIRST.read_text().split())}
    few_first = deque(sorted(sizes, key=lambda path: (longest.get(path, len(longest)), sizes[path], path)))
    turns: dict[Path, int] = {}
    while few_first:
        turns[few_first.popleft()] = len(turns)
        if few_first:
            turns[few_first.pop()] = len(turns)
    return turns


SESSION_FIXTURES = {"_valkey", "postgres"}  # servers that they start are in leaks.ALLOWED


@pytest.fixture(scope="module", autouse=True)
def nothing_left_by_the_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a module whose fixtures leave a thread, a process, a socket or a database open. Drop its databases."""
    before = leaks.Resources.now()
    yield
    for server in leaks.ALLOWED.servers:
        if isinstance(server, Postgres):
            server.drop_databases()
    if found := leaks.leaked_resources(before, leaks.ALLOWED):
        pytest.fail(f"This module left behind:\n{found}", pytrace=False)
    applications: Any = sys.modules.get("tests.support.app")
    if applications and (changed := applications.changed_timeouts()):
        pytest.fail(f"This module left the timeouts of the application changed: {changed}", pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left_by_the_test(request: pytest.FixtureRequest, nothing_left_by_the_module: None) -> Iterator[None]:
    """Fail a test that leaves a thread, a process, a socket or a database open.

    If the test uses module fixtures, they may own what it opens; `nothing_left_by_the_module` checks that later.
    """
    before = leaks.Resources.now()
    yield
    if _shares_fixtures(request):
        return
    if found := leaks.leaked_resources(before, leaks.ALLOWED):
        pytest.fail(f"This test left behind:\n{found}", pytrace=False)


def _shares_fixtures(request: pytest.FixtureRequest) -> bool:
    info: Any = getattr(request.node, "_fixtureinfo", None)
    own = {"nothing_left_by_the_module", *SESSION_FIXTURES}
    return any(
        one.scope in ("module", "class", "package")
        for name, found in (info.name2fixturedefs if info else {}).items()
        if name not in own
        for one in found[-1:]
    )


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens."""
    return ports.free_port()


@pytest.fixture(scope="session")
def _valkey() -> Iterator[Valkey]:
    """One real Valkey for all tests of this worker.

    Fixtures empty it before each use: Tokaut does not start if a queue of another mode is left there.
    """
    server = Valkey().start()
    leaks.ALLOWED.servers.append(server)
    yield server
    server.remove()


@pytest.fixture
def redis_url(_valkey: Valkey) -> str:
    """The address of the shared Valkey, empty at the start of the test. To kill a server, use `own_valkey`."""
    with redis.Redis.from_url(_valkey.url) as client:
        client.flushall()
    return _valkey.url


@pytest.fixture(scope="module")
def module_redis(_valkey: Valkey) -> str:
    """The same as `redis_url`, for a whole module."""
    with redis.Redis.from_url(_valkey.url) as client:
        client.flushall()
    return _valkey.url


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A real Valkey for one test, which may kill and freeze it."""
    server = Valkey().start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One real PostgreSQL for all tests of this worker; tests are skipped if no binaries are installed."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL binaries: `make setup` brings them, or set TEST_PG_BIN to a folder with initdb")
    server = Postgres(found).start()
    leaks.ALLOWED.servers.append(server)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A Chromium that must not connect to other machines.

    It ends with the module: while its driver runs, no other test of this process can run an event loop. A module that
    needs features missing in the headless shell sets `DESKTOP = True`.
    """
    browser = pytest.importorskip("tests.support.browser", reason="no browser driver")
    program = browser.DESKTOP if getattr(request.module, "DESKTOP", False) else browser.PROGRAM
    if program is None:
        pytest.skip(browser.WITHOUT)
    one = browser.Browser(program)
    yield one
    assert one.close() == []  # it connected to this machine only


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The SQLAlchemy address of a new empty database."""
    return postgres.new_database()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print values that tests recorded as "printed", such as how many cases they checked."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "printed":
                terminalreporter.write_line(f"{report.nodeid}: {value}")
