"""PostgreSQL on two hosts: a primary and a synchronous standby, and the promotion of docs/operating/postgresql.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from tests.hosts.network import PREFIX, Host
from tests.support.postgres import CHECKOUT, Postgres
from tests.support.redis_servers import ServerTls
from tests.support.wait import until

PORT = 5432
TRUSTED = f"host all all {PREFIX}.0/24 trust\nhost replication all {PREFIX}.0/24 trust\n"


class HostPostgres(Postgres):
    """PostgreSQL on one host. `is_standby`: its data is a copy of another server's. `tls`: it takes nothing else."""

    def __init__(self, binaries: Path, host: Host, *, is_standby: bool = False, tls: ServerTls | None = None) -> None:
        self.host = host
        self._is_standby = is_standby
        self._tls = tls
        options = ["-c", f"listen_addresses={host.address}", "-c", "wal_sender_timeout=5s"]
        options += ["-c", "wal_receiver_timeout=5s", "-c", "wal_receiver_status_interval=1s", "-c", "hot_standby=on"]
        super().__init__(binaries, address=host.address, enter=host.enter, options=options)
        self.port = PORT
        if tls:
            self._options = [*options, *self._tls_options(tls)]

    def _tls_options(self, tls: ServerTls) -> list[str]:
        """Copy the certificate to a file of the server's own account, as PostgreSQL requires, and name it."""
        own = self.folder / "server.pem"
        own.write_bytes(tls.certificate.read_bytes())
        own.chmod(0o600)
        if self._account:
            os.chown(own, self._account.pw_uid, self._account.pw_gid)
        return ["-c", "ssl=on", "-c", f"ssl_cert_file={own}", "-c", f"ssl_key_file={own}"]

    def _initdb(self) -> None:
        if not self._is_standby:
            super()._initdb()
            rules = TRUSTED.replace("host all", "hostssl all").replace("host repl", "hostssl repl")
            (self.data / "pg_hba.conf").write_text(rules if self._tls else TRUSTED)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Execute one statement as the administrator, and return its rows."""
        with psycopg.connect(self.administration, autocommit=True) as connection:
            result = connection.execute(statement.encode())
            return list(result.fetchall()) if result.description else []

    def copy(self, primary: HostPostgres) -> None:
        """Replace the data by a copy of the primary's and become its standby."""
        shutil.rmtree(self.data, ignore_errors=True)
        server = f"host={primary.address} port={PORT} user=postgres application_name={self.host.name}"
        if self._tls:
            own = self.folder / "absent.crt"  # otherwise it is in the home of root, which `nobody` may not read
            server += f" sslmode=verify-full sslrootcert={self._tls.authority} sslcert={own}"
        self._run("pg_basebackup", "-D", str(self.data), "-d", server, "-R", "-X", "stream", "-c", "fast", "--no-sync")

    def promote(self) -> None:
        """Make this standby the primary."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "-w")

    def _run(self, program: str, *words: str) -> None:
        command = self.bound([*self.tool(program), *words])
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def set_standbys(self, names: Sequence[str]) -> None:
        """Make COMMIT wait for one of these standbys, or for none if `names` is empty."""
        value = f"ANY 1 ({', '.join(names)})" if names else ""
        self.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def has_standby(self) -> bool:
        """Return whether COMMIT waits for a standby and a standby is connected."""
        return bool(self.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"))


class DatabasePair:
    """Two servers. `primary` takes writes, `standby` is the other: None if there is no second host."""

    promoted_by = "by hand"

    def __init__(
        self, binaries: Path, first: Host, second: Host | None, tls: Callable[[Host], ServerTls | None]
    ) -> None:
        self.primary = HostPostgres(binaries, first, tls=tls(first))
        self.standby = HostPostgres(binaries, second, is_standby=True, tls=tls(second)) if second else None
        self._tls = tls(first)
        self._all = [self.primary, *([self.standby] if self.standby else [])]
        self.database = ""

    def start(self) -> dict[str, str]:
        """Start both with an empty database. Returns role → address of the primary."""
        self.primary.start()
        addresses = self._new_database()
        if self.standby:
            self.rebuild()
        return addresses

    def _new_database(self) -> dict[str, str]:
        addresses = self.primary.new_tokaut()
        self.database = next(iter(addresses.values())).rpartition("/")[2]
        return addresses

    def address(self, role: str) -> str:
        """Return the address of the server that takes writes, in the form of docs/operating/postgresql.md."""
        hosts = "&".join(f"host={server.address}:{PORT}" for server in self._all)
        verified = f"&sslmode=verify-full&sslrootcert={self._tls.authority}" if self._tls else ""
        return f"postgresql://{role}@/{self.database}?{hosts}&target_session_attrs=read-write{verified}"

    def start_standby(self) -> None:
        """Start the standby again after its host was killed."""
        assert self.standby
        self.standby.host.join()
        self.standby.start()
        until(self.primary.has_standby, "the standby does not follow", 60)

    def fail_over(self) -> None:
        """Fence the primary's host, promote the standby, and let it run without a standby."""
        assert self.standby
        self.primary.host.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        self.primary.set_standbys([])

    def rebuild(self) -> None:
        """Make the other server a synchronous standby of the primary, from a new copy."""
        assert self.standby
        self.standby.host.join()
        self.standby.copy(self.primary)
        self.standby.start()
        self.primary.set_standbys([self.standby.host.name])
        until(self.primary.has_standby, "the standby does not follow", 60)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query, run by the administrator."""
        where = self.primary.administration.replace("dbname=postgres", f"dbname={self.database}")
        with psycopg.connect(where, autocommit=True) as connection:
            return list(connection.execute(query.encode()).fetchall())

    def change(self, statement: str) -> None:
        """Execute a statement in the database as the administrator."""
        where = self.primary.administration.replace("dbname=postgres", f"dbname={self.database}")
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def remove(self) -> None:
        """Delete the folders of both. Their processes have ended."""
        for server in self._all:
            shutil.rmtree(server.folder, ignore_errors=True)
