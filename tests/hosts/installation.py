"""An installation on several hosts: nginx, web, workers, console, PostgreSQL and Valkey have their own hosts."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from gateway.sessions.keys import NAME as SESSION_KEYS
from reports.countries.country import load_countries
from reports.store.engine.database import Database
from reports.store.privileges.rights import CLOCK, CONSOLE, OWNER, WEB, WORKER
from runtime.settings import CommonSettings, load_settings
from tests.deploy.proxy import SHIPPED, nginx
from tests.faults.open_work import OpenWork
from tests.hosts import patroni
from tests.hosts.databases import DatabasePair
from tests.hosts.network import OUTSIDE, Host, Network
from tests.hosts.patroni import PatroniPair
from tests.support.logged_in import logged_in
from tests.support.postgres import binaries, binaries_with_tls
from tests.support.redis_servers import Server, ServerTls, program_with_tls
from tests.support.sentinels import SentinelCluster
from tests.support.tls import Authority
from tests.support.wait import until
from tests.workers.test_tls import certificate
from tokaut.local_stack import preparation, startup
from tokaut.local_stack.parent_death import die_with_parent
from tokaut.local_stack.settings import DemoFolder, StackAddresses, make_plan

CHECKOUT = Path(__file__).parents[2]
NAME, HOTLINE, PROVIDER = "tokaut.example", "drill-hotline", "sms-provider"
HOTLINE_PORT, TEXTS_PORT, WEB_PORT, CONSOLE_PORT = 8300, 8400, 8000, 8100
HOSTS = {"proxy": 10, "web1": 11, "web2": 12, "worker1": 21, "worker2": 22, "console": 31}
STORES = {"db1": 41, "db2": 42, "redis1": 51, "redis2": 52, "redis3": 53}
SMALL = ("proxy", "web1", "web2", "worker1", "db1", "redis1")
SCHEDULED = ("urgent", "standard", "clock")
ROLES = {"web": WEB, "urgent": WORKER, "standard": WORKER, "clock": CLOCK, "console": CONSOLE}
OF_A_DEMO = ("REDIS_URL", "TOKAUT_DEMO_HOTLINE")  # settings of a demo on one machine
BY_SED = SHIPPED.with_name("nginx-hosts.sed")


class HostAddresses(StackAddresses):
    """The addresses that reporters, hotlines and staff see."""

    @property
    def web(self) -> str:
        return f"https://{NAME}"

    @property
    def hotline(self) -> str:
        return f"http://{HOTLINE}:{HOTLINE_PORT}"

    @property
    def console(self) -> str:
        return f"http://console:{CONSOLE_PORT}"


@dataclass(frozen=True)
class Process:
    """A running process of a host."""

    name: str
    popen: subprocess.Popen[bytes]


class InstallationOnHosts(OpenWork):
    """All hosts. `small`: without a second worker host, standby, Sentinels and console.

    `tls`: PostgreSQL, Redis and the Sentinels take only TLS; then PostgreSQL is promoted by hand. `seed`: of the
    unreliable hotline. `release`: the checkout from which all hosts start; `upgrade` installs the
    release under test.
    """

    def __init__(self, *, seed: int, small: bool = False, tls: bool = False, release: Path = CHECKOUT) -> None:
        found = binaries_with_tls() if tls else binaries()
        assert found, "there is no PostgreSQL: `make setup` brings one, and with TLS=yes apt-get install postgresql"
        self.folder = Path(tempfile.mkdtemp(prefix="th-"))
        self.folder.chmod(0o711)
        self.seed, self.small = seed, small
        names = {name: last for name, last in (HOSTS | STORES).items() if not small or name in SMALL}
        self.network = Network(self.folder, names, (HOTLINE, PROVIDER), {NAME: "proxy"})
        self.hosts = self.network.hosts
        self.webs = [name for name in self.hosts if name.startswith("web")]
        self.workers = [name for name in self.hosts if name.startswith("worker")]
        self.releases = dict.fromkeys(self.hosts, release)
        self._authority = self._new_authority() if tls else None
        self.databases = self._databases(found)
        self.redis = self._redis()
        countries = load_countries(("vu", "fj", "ke"), "demo")
        folder = DemoFolder(self.folder)
        hotlines = [one.id for one in countries.hotlines]
        self.plan = make_plan({}, folder, HostAddresses(443, HOTLINE_PORT, CONSOLE_PORT), hotlines)
        self.processes: dict[str, list[Process]] = {name: [] for name in (*self.hosts, "outside")}
        self.certificate = self.folder / "fullchain.pem"
        self._addresses: Mapping[str, str] = {}
        self._operator = ""  # the session of the operator in the console

    def _new_authority(self) -> Authority:
        folder = self.folder / "tls"
        folder.mkdir(mode=0o755)
        return Authority(folder, "authority")

    def _tls(self, host: Host) -> ServerTls | None:
        """Return a certificate of a host for the names by which others reach it; None without TLS."""
        if self._authority is None:
            return None
        return ServerTls(self._authority.certificate(host.address, host.name), self._authority.file)

    def _databases(self, binaries: Path) -> DatabasePair:
        if (found := patroni.programs()) and not self.small and self._authority is None:
            of_etcd = [self.hosts[name] for name in ("redis1", "redis2", "redis3")]
            return PatroniPair(binaries, (self.hosts["db1"], self.hosts["db2"]), found, of_etcd)
        return DatabasePair(binaries, self.hosts["db1"], self.hosts.get("db2"), self._tls)

    def _redis(self) -> SentinelCluster | Server:
        program = program_with_tls() if self._authority else None
        assert program or not self._authority, "no Redis with TLS is installed: apt-get install redis-server"
        if self.small:
            host = self.hosts["redis1"]
            return Server(
                "protected-mode no", program=program, address=host.address, enter=host.enter, tls=self._tls(host)
            )
        places = {"primary": "redis1", "replica": "redis2"} | {f"sentinel-{n}": f"redis{n}" for n in (1, 2, 3)}

        def make(role: str, *lines: str, sentinel: bool = False) -> Server:
            host = self.hosts[places[role]]
            at: dict[str, Any] = {"address": host.address, "enter": host.enter, "tls": self._tls(host)}
            return Server(*lines, sentinel=sentinel, program=program, **at)

        return SentinelCluster(self.folder / "redis", make, self._authority and self._authority.file)

    def stores(self) -> str:
        """Return the name and version of the running Redis and PostgreSQL."""
        redis = self.redis
        with redis.admin(redis.primary) if isinstance(redis, SentinelCluster) else redis.asked() as client:
            info = client.info("server")
        name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
        return f"{name}, PostgreSQL {self.databases.primary.sql('SHOW server_version')[0][0]}"

    # Start

    def up(self) -> InstallationOnHosts:
        """Set up host by host as the pages tell an operator to; return when web answers calls."""
        self.redis.start()
        self._addresses = self.databases.start()
        self._prepare()
        self._start_outside()
        for name in self.workers:
            self.start(name)
        self.start("web1")
        self._until_ready("web1")
        shutil.copy(self.data("web1") / SESSION_KEYS, self.data("web2"))
        self.start("web2")
        self._until_ready("web2")
        if "console" in self.hosts:
            self.start("console")
        self._start_proxy()
        until(self.answers, "nothing answers through nginx", 60)
        return self

    def _prepare(self) -> None:
        inside = self.plan.folder.inside
        inside.mkdir(mode=0o700)
        self.migrate(self.releases["db1"])
        common = load_settings(CommonSettings, self.plan.settings)
        preparation.create_keys(common, self.plan.secrets.hotlines, self.pepper)
        preparation.write_secrets(inside / startup.SECRETS_FILE, self.plan.secrets.hotlines)
        self.plan.folder.received.touch(mode=0o600)
        for name in (*self.webs, *self.workers, "console"):
            self.data(name).mkdir(parents=True, mode=0o700, exist_ok=True)
            (self.data(name) / "metrics").mkdir(mode=0o700, exist_ok=True)
        for name in (*self.webs, *self.workers):
            shutil.copy(self.pepper, self.data(name) / "pepper")

    def migrate(self, release: Path = CHECKOUT) -> None:
        """Migrate the database to a release."""
        self.tokaut("migrate", settings={"DATABASE_URL": self._addresses[OWNER]}, release=release)

    @property
    def pepper(self) -> Path:
        """Return the operator's pepper file."""
        return Path(self.plan.settings["TOKAUT_PHONE_PEPPER_FILE"])

    def _start_outside(self) -> None:
        inside = self.plan.folder.inside
        words = [str(inside / startup.SECRETS_FILE), str(self.plan.folder.received)]
        command = [sys.executable, "-m", "tests.faults.faulty_hotline", str(self.seed), f"{OUTSIDE}:{HOTLINE_PORT}"]
        with self.log("hotline").open("ab") as log:
            popen = subprocess.Popen(
                die_with_parent([*command, *words]),
                env=self._python(CHECKOUT),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
            )
        self.processes["outside"].append(Process("hotline", popen))

    def _start_proxy(self) -> None:
        folder = self.folder / "proxy"
        folder.mkdir(mode=0o711)
        public, private = certificate(NAME, datetime.now(UTC) + timedelta(days=2))
        self.certificate.write_bytes(public)
        (folder / "fullchain.pem").write_bytes(public)
        (folder / "privkey.pem").write_bytes(private)
        (folder / "nginx.conf").write_text(self._nginx(folder))
        command = [nginx(), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        with self.log("nginx").open("ab") as log:
            popen = self.hosts["proxy"].start([*command, "-g", "daemon off;"], {}, log, CHECKOUT)
        self.processes["proxy"].append(Process("nginx", popen))

    def _nginx(self, folder: Path) -> str:
        """Return the shipped nginx file, changed by the shipped script, with the names and paths of this network."""
        done = subprocess.run(["sed", "-f", str(BY_SED), str(SHIPPED)], capture_output=True, text=True, check=True)
        text = done.stdout
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        for old, new in {
            "10.0.0.11:8000": f"{self.hosts['web1'].address}:{WEB_PORT}",
            "10.0.0.12:8000": f"{self.hosts['web2'].address}:{WEB_PORT}",
            "/etc/tokaut/tls/": f"{folder}/",
            "/var/log/nginx/": f"{folder}/",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "http {\n": "http {\n" + "".join(f"{kind}_temp_path {folder}/temp-{kind};\n" for kind in kinds),
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        return "\n".join(line for line in text.splitlines() if "listen [::]" not in line) + "\n"

    # Processes of a host

    def data(self, host: str) -> Path:
        """Return the folder that survives a host, its TOKAUT_DATA."""
        return self.folder / host / "data"

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.folder / f"{name}.log"

    def start(self, host: str) -> None:
        """Start all Tokaut processes of a host, from its release."""
        release = self.releases[host]
        for name, command in self._commands(host).items():
            with self.log(f"{host}-{name}").open("ab") as log:
                popen = self.hosts[host].start(command, self._settings(host, name), log, release)
            self.processes[host].append(Process(name, popen))

    def _commands(self, host: str) -> dict[str, list[str]]:
        server = [sys.executable, "-m", "gunicorn", "--bind"]
        at = self.hosts[host].address
        if host in self.webs:
            web = ["-c", "gateway/gunicorn.conf.py", "--workers", "1", "gateway.asgi:create_app()"]
            return {"web": [*server, f"{at}:{WEB_PORT}", *web]}
        if host == "console":
            console = ["-c", "console/gunicorn.conf.py", "--workers", "1", "console.app:create_app()"]
            return {"console": [*server, f"{at}:{CONSOLE_PORT}", *console]}
        return {name: [sys.executable, "-m", "workers.main", name] for name in SCHEDULED}

    def _settings(self, host: str, name: str) -> dict[str, str]:
        data = self.data(host)
        moved = {"TOKAUT_CLOCK_OFFSET": str(self.offset)} if name in SCHEDULED and self.offset else {}
        return {
            **self._common(name, self.releases[host]),
            "TOKAUT_DATA": str(data),
            "PROMETHEUS_MULTIPROC_DIR": str(data / "metrics"),
            "TOKAUT_PHONE_PEPPER_FILE": str(data / "pepper"),
            **moved,
        }

    def _common(self, name: str, release: Path) -> dict[str, str]:
        """Return the settings that a process has on every host."""
        redis: Mapping[str, str] = (
            self.redis.settings_for(name)
            if isinstance(self.redis, SentinelCluster)
            else self._redis_settings(self.redis)
        )
        plan = {key: value for key, value in self.plan.settings.items() if key not in OF_A_DEMO}
        return {
            **plan,
            **redis,
            **self._python(release),
            "AFRICASTALKING_URL": f"http://{PROVIDER}:{TEXTS_PORT}",
            "AFRICASTALKING_USERNAME": "sandbox",
            "AFRICASTALKING_API_KEY": "an-api-key-of-the-tests",
            "TOKAUT_KEYS": str(self.plan.folder.inside / "keys"),
            "DATABASE_URL": self.databases.address(ROLES[name]),
        }

    def _redis_settings(self, server: Server) -> dict[str, str]:
        at = f"{server.address}:{server.port}"
        if self._authority is None:
            return {"REDIS_URL": f"redis://{at}"}
        return {"REDIS_URL": f"rediss://{at}", "REDIS_CA_FILE": str(self._authority.file)}

    def _python(self, release: Path) -> dict[str, str]:
        return {"PYTHONPATH": str(release), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def stop(self, host: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End the processes of a host in order, one after the other."""
        for process in self.processes[host]:
            process.popen.send_signal(how)
        for process in self.processes[host]:
            process.popen.wait(timeout=60)
        self.processes[host].clear()

    def kill(self, host: str) -> None:
        """End a host as a power cut does."""
        self.hosts[host].kill()
        self.collect(host)

    def collect(self, host: str) -> None:
        """Wait until the processes of a killed host have ended."""
        for process in self.processes[host]:
            process.popen.wait(timeout=30)
        self.processes[host].clear()

    def bring_back(self, host: str) -> None:
        """Start a killed host again, with its disk unchanged."""
        self.hosts[host].join()
        self.start(host)

    def until_back(self, host: str) -> None:
        """Wait until a host works again."""
        if host in self.webs:
            self._until_ready(host)

    def _until_ready(self, host: str) -> None:
        def is_ready() -> bool:
            assert all(process.popen.poll() is None for process in self.processes[host]), f"web of {host} has ended"
            return self.ready(host).get("database") is True

        until(is_ready, f"{host} is not ready", 90)

    def ready(self, host: str) -> Mapping[str, object]:
        """Return the answer of a web host's /readyz; empty if it does not answer."""
        with suppress(requests.RequestException, ValueError):
            found: Mapping[str, object] = requests.get(
                f"http://{self.hosts[host].address}:{WEB_PORT}/readyz", timeout=5
            ).json()
            return found
        return {}

    def answers(self) -> bool:
        """Return whether web answers through nginx."""
        with suppress(requests.RequestException):
            return requests.get(f"https://{NAME}/healthz", timeout=5, verify=str(self.certificate)).ok
        return False

    def upgrade(self, host: str) -> None:
        """Stop the processes of a host in order and start them from the release under test."""
        self.stop(host)
        self.releases[host] = CHECKOUT
        self.start(host)
        self.until_back(host)

    # Commands of an operator

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the settings of a command, run from the first worker host's disk."""
        return self._settings(self.workers[0], "clock")

    def tokaut(
        self, *words: str, settings: Mapping[str, str] | None = None, release: Path = CHECKOUT, check: bool = True
    ) -> str:
        """Run an operator's command with the settings of the clock, and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "tokaut", *words],
            env={**self.environment, **self._python(release), **(settings or {})},
            cwd=release,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def log_operator_in(self) -> None:
        """Make an operator's account of the console, with a session."""
        with closing(Database(self.databases.address(CONSOLE), threads=1)) as database:
            self._operator = logged_in(database, "operator", "operator", "_operator")

    def operator_page(self) -> str:
        """Return the console's page about the installation, as the operator sees it."""
        page = f"http://{self.hosts['console'].address}:{CONSOLE_PORT}/operator/now"
        return requests.get(page, headers={"Cookie": f"__Host-tokaut={self._operator}"}, timeout=20).text

    def leader(self) -> str:
        """Return the host whose clock leads; "" if none does."""
        rows = self.ask(
            "SELECT holder FROM lease WHERE name = 'clock' AND until > extract(epoch FROM clock_timestamp()) * 1000000"
        )
        ids = {(self.data(name) / "host_id").read_text().strip(): name for name in self.workers}
        return ids.get(str(rows[0][0]).partition("/")[0], "") if rows else ""

    def host_id(self, host: str) -> str:
        """Return the id that a host has given itself."""
        return (self.data(host) / "host_id").read_text().strip()

    def secrets(self) -> dict[str, str]:
        """Return the secrets of all channels except the simulator, which serves its own machine only."""
        ours = self.plan.secrets
        return {one.name: getattr(ours, one.name) for one in fields(ours) if one.name != "hotlines"}

    # Unfinished work

    def ask(self, query: str) -> list[tuple[object, ...]]:
        return self.databases.ask(query)

    def entries(self, host: str) -> list[str]:
        """Return the names of the entries in a host's spool."""
        return sorted(path.name for path in (self.data(host) / "spool").glob("*.box"))

    def spooled(self) -> int:
        return sum(len(self.entries(host)) for host in self.webs)

    def move_time(self, seconds: int) -> None:
        self.offset += seconds
        self.moved_at = min(self.moved_at, time.time())
        for host in self.workers:
            self.stop(host, signal.SIGKILL)
            self.start(host)

    # End

    def down(self) -> None:
        """End all processes and remove all folders."""
        for host in self.hosts.values():
            host.end_processes()
        for process in self.processes["outside"]:
            process.popen.kill()
            process.popen.wait(timeout=30)
        self.redis.remove()
        self.databases.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
