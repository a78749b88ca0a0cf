"""An installation for faults: an unreliable hotline, mutants, frozen processes, moved time, and counts of open work."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from pathlib import Path

import psycopg

from reports.escalation import LEASE_TIME
from runtime.time_units import SECOND
from tests.faults.open_work import OpenWork
from tests.support.frozen import frozen
from tests.support.installation import Installation
from tests.support.moved_clocks import MovedClocks
from tests.support.postgres import Postgres
from tests.support.proxy import Proxy
from tests.support.wait import until

TOKAUT_PROCESSES = ("urgent", "standard", "clock", "web")
SCHEDULED_PROCESSES = ("urgent", "standard", "clock")  # processes that act at scheduled times


class FaultyInstallation(Installation, OpenWork):
    """A running installation with faults.

    `mutant`: a module of tests/faults/mutants. `seed`: of the unreliable hotline; without it the hotline is reliable.
    `postgres`: the database, which this object removes at the end; web and console reach it through `proxy`. Without it
    SQLite is used. `moves_clocks`: the wall clock of each of our processes can be moved while it runs.
    """

    def __init__(
        self,
        *,
        mutant: str = "",
        seed: int | None = None,
        web_processes: int = 2,
        settings: Mapping[str, str] | None = None,
        postgres: Postgres | None = None,
        moves_clocks: bool = False,
    ) -> None:
        self.postgres = postgres
        self.proxy = Proxy(postgres.port).start() if postgres else None
        address = {"DATABASE_URL": postgres.new_database()} if postgres else {}
        super().__init__({**(settings or {}), **address}, web_processes=web_processes)
        self.clocks = MovedClocks(self.folder) if moves_clocks else None
        self.mutant = mutant
        self.seed = seed

    def command(self, name: str) -> list[str]:
        command = super().command(name)
        python, *rest = command
        if name == "hotline" and self.seed is not None:
            return [python, "-m", "tests.faults.faulty_hotline", str(self.seed), *rest[2:]]
        if name in TOKAUT_PROCESSES and self.mutant:
            return [python, "-m", "tests.faults.mutants", self.mutant, *rest[1:]]
        return command

    # Processes

    def pid(self, name: str) -> int:
        """Return a process's id."""
        return self.processes[name].pid

    def web_workers(self) -> list[int]:
        """Return the ids of gunicorn's worker processes; none while their master is down."""
        return self._children("web")

    def _children(self, name: str) -> list[int]:
        children = Path(f"/proc/{self.pid(name)}/task/{self.pid(name)}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def until_all_web_processes_accept(self, processes: int) -> None:
        """Wait until each process accepts connections: otherwise the first one would get all connections of a crowd."""
        port = int(self.web.rpartition(":")[2])

        def answering() -> int:
            return sum(_accepts(pid, port) for pid in self.web_workers())

        until(lambda: answering() == processes, "not all processes of web answer", 60)

    def kill_web_workers(self) -> None:
        """Kill all worker processes of web; their master starts new ones."""
        for pid in self.web_workers():
            end(pid)

    def kill_console(self) -> None:
        """Kill the master first: otherwise it starts another process, which outlives it."""
        for pid in (self.pid("console"), *self._children("console")):
            end(pid)

    def pids(self, target: str) -> list[int]:
        """Return the ids of a process by its name, of "web workers", or of "postgres" with all its processes."""
        if target == "web workers":  # not the process that checks the settings first: web would not start
            port = int(self.web.rpartition(":")[2])
            return [pid for pid in self.web_workers() if _accepts(pid, port)]
        if target == "postgres":
            return self._postmaster_and_all() if self.postgres else []
        return [self.pid(target)]

    def _postmaster_and_all(self) -> list[int]:
        """Return the ids of PostgreSQL's processes: each has a process group of its own."""
        assert self.postgres
        try:
            pid = int((self.postgres.data / "postmaster.pid").read_text().split()[0])
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except FileNotFoundError:
            return []
        return [pid, *map(int, children)]

    def secrets(self) -> dict[str, str]:
        """Return the secrets of all channels. The simulator, which serves this machine only, has none."""
        ours = self.plan.secrets
        return {one.name: getattr(ours, one.name) for one in fields(ours) if one.name != "hotlines"} | {"simulator": ""}

    def revive(self, target: str) -> None:
        """Wait until a killed process has ended, and start it again."""
        if target == "postgres" and self.postgres:
            self.postgres.kill()
            self.postgres.start()
        else:
            self.processes[target].wait(timeout=30)
            self.start(target)

    def down(self) -> None:
        super().down()
        if self.postgres and self.proxy:
            self.proxy.stop()
            self.postgres.remove()

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """Kill a process, and start it again at the end of the block."""
        self.kill(name)
        try:
            yield
        finally:
            self.start(name)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Freeze a process during the block, and not while it holds SQLite's write lock: then all would wait for it."""
        while True:
            with frozen(self.pid(name)):
                if self.postgres or self._is_writable():
                    yield
                    return

    def _is_writable(self) -> bool:
        """Return whether SQLite's write lock is free, now or when a running process releases it."""
        with suppress(sqlite3.OperationalError), self.locked(timeout=5):
            return True
        return False

    def move_time(self, seconds: int, names: Sequence[str] = SCHEDULED_PROCESSES) -> None:
        """Restart these processes with a clock that is `seconds` further ahead. It never goes back."""
        self.offset += seconds
        self.moved_at = min(self.moved_at, time.time())
        for name in names:
            self.kill(name)
            self.start(name)

    def start(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        its_own = {"TOKAUT_CLOCK_OFFSET": str(self.offset)} if name in SCHEDULED_PROCESSES and self.offset else {}
        if name in ("web", "console") and self.postgres and self.proxy:
            direct = self.environment["DATABASE_URL"]
            its_own["DATABASE_URL"] = direct.replace(f":{self.postgres.port}/", f":{self.proxy.port}/")
        if self.clocks and name in TOKAUT_PROCESSES:
            its_own |= self.clocks.settings(name)
        super().start(name, {**its_own, **(settings or {})})

    # The database and the spool

    @property
    def database(self) -> Path:
        """Return SQLite's file."""
        return self.plan.folder.inside / "tokaut.db"

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        if self.postgres:
            address = self.environment["DATABASE_URL"].replace("+psycopg", "")
            with psycopg.connect(address, autocommit=True) as line:
                return list(line.execute(query.encode()).fetchall())
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def spooled(self) -> int:
        """Return the number of spool entries."""
        return len(list((self.plan.folder.inside / "spool").glob("*.box")))

    @contextmanager
    def locked(self, timeout: float = 20) -> Iterator[None]:
        """Hold the database's write lock in this process during the block.

        `timeout`: seconds until another process must have released it; then sqlite3.OperationalError is raised.
        """
        with closing(sqlite3.connect(self.database, isolation_level=None, timeout=timeout)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                holder.execute("ROLLBACK")

    def overdue_rows(self) -> list[str]:
        """Return a line for each row that is scheduled further ahead of the true time than its own period."""
        now = time.time_ns() // 1000
        found = []
        for what, table, period in (
            ("lease", "lease", "CASE name WHEN 'clock' THEN 13 ELSE 30 END"),
            ("pending", "pending", "CASE kind WHEN 'words' THEN 1800 WHEN 'rescue' THEN 600 ELSE 120 END"),
            ("delivery", "delivery WHERE state = 'due'", "CASE priority WHEN 'P1' THEN 66 ELSE 8640 END"),
        ):
            at = {"lease": "until", "pending": "due_at", "delivery": "next_at"}[what]
            for ahead, longest in self.ask(f"SELECT ({at} - {now}) / 1000000, {period} FROM {table}"):
                if int(str(ahead)) > int(str(longest)) + 2:
                    found.append(f"a {what} lies {ahead} s ahead, and its period is {longest} s")
        return found

    def until_finished(self, seconds: float = LEASE_TIME / SECOND + 40) -> None:
        """Wait until no work is left: leases of killed workers expire, and their deliveries are retried."""
        with suppress(AssertionError):
            until(lambda: not any(self.unfinished().values()), "not finished", seconds)
        assert not any(self.unfinished().values()), f"not finished: {self.unfinished()}"


def end(pid: int) -> None:
    """Kill a process by its id, if it exists."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _accepts(pid: int, port: int) -> bool:
    """Return whether the event loop of this process waits for connections to this port."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {f"ino:{int(one[9]):x} " for one in sockets if one[1].endswith(f":{port:04X}") and one[3] == "0A"}
    with suppress(OSError):
        for one in Path(f"/proc/{pid}/fdinfo").iterdir():
            watched = one.read_text()
            if any(inode in watched for inode in listening):
                return True
    return False


def is_alive(pid: int) -> bool:
    """Return whether a process exists."""
    return Path(f"/proc/{pid}").exists()
