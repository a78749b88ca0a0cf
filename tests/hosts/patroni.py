"""PostgreSQL on two hosts under Patroni, with etcd on three: Patroni promotes the standby itself.

PATRONI and ETCD give the paths of both programs; otherwise they are looked up on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import requests

from tests.hosts.databases import PORT, TRUSTED, DatabasePair, HostPostgres
from tests.hosts.network import Host
from tests.support.wait import until

REST_PORT, ETCD_PORT, PEER_PORT = 8008, 2379, 2380
TTL = 20  # seconds after which Patroni replaces a primary that does not renew its lease


def programs() -> tuple[str, str] | None:
    """Return the paths of Patroni and etcd; None if one of them is missing."""
    found = [os.environ.get(name.upper()) or shutil.which(name) for name in ("patroni", "etcd")]
    return (found[0], found[1]) if found[0] and found[1] else None


class Etcd:
    """A member on each of three hosts."""

    def __init__(self, program: str, hosts: Sequence[Host]) -> None:
        self._program = program
        self.folder = Path(tempfile.mkdtemp(prefix="te-"))
        self._hosts = {host.name: host for host in hosts}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses = ",".join(f"{host.address}:{ETCD_PORT}" for host in hosts)

    def start(self, name: str) -> None:
        """Start the member of a host, with its earlier data."""
        if name in self._processes:
            self._processes[name].wait(timeout=30)
        host = self._hosts[name]
        peers = ",".join(f"{one.name}=http://{one.address}:{PEER_PORT}" for one in self._hosts.values())
        client, peer = f"http://{host.address}:{ETCD_PORT}", f"http://{host.address}:{PEER_PORT}"
        words = [self._program, "--name", name, "--data-dir", str(self.folder / name), "--initial-cluster", peers]
        words += ["--listen-client-urls", client, "--advertise-client-urls", client]
        words += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        words += ["--heartbeat-interval", "300", "--election-timeout", "3000", "--log-level", "warn"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = host.start(words, {"PATH": "/usr/bin:/bin"}, log, self.folder)

    def remove(self) -> None:
        """Delete the data. The processes have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


class PatroniPostgres(HostPostgres):
    """PostgreSQL that Patroni starts and makes a primary or a standby."""

    def __init__(self, binaries: Path, host: Host, program: str, etcd: str) -> None:
        super().__init__(binaries, host, is_standby=True)
        self._program = program
        self._config = self.folder / "patroni.json"  # YAML may be written as JSON
        self._config.write_text(json.dumps(self._settings(etcd)))
        self._config.chmod(0o644)

    def _settings(self, etcd: str) -> dict[str, object]:
        at, rest = f"{self.address}:{PORT}", f"{self.address}:{REST_PORT}"
        timeouts = {"wal_sender_timeout": "5s", "wal_receiver_timeout": "5s", "wal_receiver_status_interval": "1s"}
        dynamic = {
            "ttl": TTL,
            "loop_wait": 5,
            "retry_timeout": 5,
            "synchronous_mode": True,
            "postgresql": {"use_pg_rewind": True, "parameters": {"wal_log_hints": "on", **timeouts}},
        }
        account = {"username": "postgres"}
        return {
            "scope": "tokaut",
            "name": self.host.name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"hosts": etcd},
            "bootstrap": {"dcs": dynamic, "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}]},
            "postgresql": {
                "listen": at,
                "connect_address": at,
                "data_dir": str(self.data),
                "bin_dir": str(self._binaries),
                "basebackup": {"checkpoint": "fast"},
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {"superuser": account, "replication": account, "rewind": account},
                "pg_hba": [*TRUSTED.splitlines(), "local all all trust"],
                "parameters": {"unix_socket_directories": str(self.folder), "dynamic_shared_memory_type": "mmap"},
            },
        }

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            command = self.bound([self._program, str(self._config)])
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def is_primary(self) -> bool:
        """Return whether this server takes writes."""
        return self._answers() and self.sql("SELECT pg_is_in_recovery()") == [(False,)]


class PatroniPair(DatabasePair):
    """Two servers under Patroni. After a loss nobody needs to act."""

    primary: PatroniPostgres
    standby: PatroniPostgres

    def __init__(
        self, binaries: Path, hosts: tuple[Host, Host], found: tuple[str, str], of_etcd: Sequence[Host]
    ) -> None:
        patroni, etcd = found
        self.etcd = Etcd(etcd, of_etcd)
        self._of_etcd = of_etcd
        self.primary, self.standby = (PatroniPostgres(binaries, host, patroni, self.etcd.addresses) for host in hosts)
        self._all = [self.primary, self.standby]
        self.database = ""
        self._tls = None
        self.promoted_by = (
            "by " + subprocess.run([patroni, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        )

    def start(self) -> dict[str, str]:
        for host in self._of_etcd:
            self.etcd.start(host.name)
        self.primary.start()
        until(self.primary.is_primary, "Patroni makes no primary", 60)
        addresses = self._new_database()
        self.start_standby()
        return addresses

    def start_standby(self) -> None:
        self.standby.host.join()
        self.standby.host.thaw()
        self.standby.start()
        until(self._may_be_promoted, "the standby does not follow", 120)

    def _may_be_promoted(self) -> bool:
        """Return whether etcd names the standby as synchronous: Patroni promotes no other one."""
        cluster = requests.get(f"http://{self.primary.address}:{REST_PORT}/cluster", timeout=5).json()
        roles = {member["name"]: member["role"] for member in cluster["members"]}
        return roles.get(self.standby.host.name) == "sync_standby"

    def fail_over(self) -> None:
        until(self.standby.is_primary, "Patroni does not promote the standby", 120)
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self) -> None:
        self.start_standby()

    def remove(self) -> None:
        super().remove()
        self.etcd.remove()
