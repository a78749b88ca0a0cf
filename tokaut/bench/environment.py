"""The processes that `tokaut bench` measures: web, a bare Flask view for comparison, a TLS hotline.

The web of another checkout can run beside them, with the same settings, database and Valkey. Both are then measured in
turn.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
from redis import Redis

from reports.countries.country import Country, load_countries
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.spool import ENTRY_SUFFIX
from runtime.queue import QUEUE_NAMES
from runtime.redis_clients import session_client
from runtime.settings import CommonSettings, Mode, RedisAddress, load_settings
from tokaut.bench import baseline_app, far_hotline
from tokaut.bench.load_client import SERVICE_CODE, BenchStep, LoadOrder, LoadResult
from tokaut.bench.machine import cpu_seconds, processes_with, python_command
from tokaut.local_stack import valkey
from tokaut.local_stack.hotline_server import ReceivedDeliveries
from tokaut.local_stack.preparation import prepare_stack
from tokaut.local_stack.processes import ProcessDied, ProcessGroup
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan
from tokaut.local_stack.startup import answers, process_commands, wait_until
from tokaut.local_stack.ussd_phone import UssdPhone
from tokaut.local_stack.valkey import free_port

OPENSSL_CONFIG = """
[req]
distinguished_name = nobody
prompt = no
[nobody]
CN = made for one run
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
KEY_OPTIONS = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
WORKERS = (*QUEUE_NAMES, "clock")
COUNTRIES = ("vu", "fj", "ke")
DOWN_COUNTRY = "FJ"
THREADS = ("--worker-class", "gthread", "--threads", "8", "--no-control-socket", "--log-level", "warning")
BASELINE, OTHER_CHECKOUT = "floor", "before"  # the bare Flask view on gunicorn's threads; web of another checkout


# A TLS certificate for the hotline of `tokaut bench`, signed by an authority of this run. Needs openssl.


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a TLS certificate for 127.0.0.1.

    authority: the certificate to trust. server: certificate and key in one file.
    """

    authority: Path
    server: Path


def make_certificate(folder: Path) -> Certificate | None:
    """Create the certificates in `folder`. Returns None without openssl 3 or newer."""
    program = shutil.which("openssl")
    if program is None:
        return None
    certificate = Certificate(folder / "authority.pem", folder / "server.pem")
    settings = folder / "openssl.cnf"
    settings.write_text(OPENSSL_CONFIG)
    signed_by_authority = ("-CA", str(certificate.authority), "-CAkey", str(certificate.authority))
    for path, extensions, signer in (
        (certificate.authority, "authority", ()),
        (certificate.server, "server", signed_by_authority),
    ):
        command = [program, "req", "-x509", "-days", "2", "-config", str(settings), "-extensions", extensions]
        command += [*KEY_OPTIONS, "-keyout", f"{path}.key", *signer, "-out", str(path)]
        result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode:
            return None
        path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
        path.chmod(0o600)
    return certificate


class BenchEnvironment:
    """The processes of one run. `settings` override those of the demo. Methods raise ProcessDied if a process fails.

    `beside`: another checkout, prepared by `make setup`. The child helpline of DOWN_COUNTRY is always down: nothing
    listens at its address.
    """

    def __init__(
        self, folder: DemoFolder, settings: Mapping[str, str] | None = None, beside: Path | None = None
    ) -> None:
        self._beside = beside
        countries = load_countries(COUNTRIES, Mode.DEMO)
        self.countries, hotlines = countries.all, [hotline.id for hotline in countries.hotlines]
        self._ports = {name: free_port() for name in (BASELINE, *([OTHER_CHECKOUT] if beside else []))}
        plan = make_plan({}, folder, StackAddresses(free_port(), free_port(), free_port()), hotlines)
        self._certificate = make_certificate(folder.inside)
        self._hotline = plan.where.hotline
        plan_settings = {**plan.settings, **_unreachable_helpline(self.countries), **(settings or {})}
        if self._certificate:
            self._hotline = plan.where.hotline.replace("http://", "https://")
            plan_settings |= _over_tls(plan_settings, plan.where.hotline, self._hotline, self._certificate.authority)
        self._plan: StackPlan = replace(plan, settings=plan_settings)
        self.processes = ProcessGroup(folder.run, folder.inside / "log")
        self.redis: Redis = session_client(RedisAddress(self._plan.settings["REDIS_URL"]))
        self.received = ReceivedDeliveries(folder.received)
        self.startup_seconds = 0.0  # time from web's start to its first answer

    def start_web(self) -> None:
        """Start Valkey, web, and the servers that web is compared with, before any other process."""
        self._start("valkey")
        prepare_stack(self._plan)
        wait_until(partial(valkey.is_up, self._plan.folder.inside), self.processes, "valkey")
        started = time.monotonic()
        self._start("web")
        wait_until(partial(answers, self._plan.where.web), self.processes, "web")
        self.startup_seconds = round(time.monotonic() - started, 2)
        for name, port in self._ports.items():
            command = [*self._server_command(name), "--workers", "1", "--bind", f"127.0.0.1:{port}"]
            self.processes.start(name, command, self._plan.settings)
            wait_until(partial(answers, f"http://127.0.0.1:{port}"), self.processes, name)

    def _server_command(self, name: str) -> list[str]:
        """Return the command that starts the baseline, or web of the other checkout by its Procfile."""
        if name == BASELINE:
            return [
                *python_command("gunicorn", *THREADS),
                f"{baseline_app.__name__}:{baseline_app.create_app.__name__}()",
            ]
        checkout = self._beside or Path()
        app = re.findall(r"^web:.*'(.+)'$", (checkout / "Procfile").read_text(), re.MULTILINE)[0]
        server = [str(checkout / ".venv" / "bin" / "python"), "-m", "gunicorn", "-c", "gateway/gunicorn.conf.py", app]
        # gunicorn imports from its working folder first
        return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(checkout), *server]

    def start_workers(self, *, far: bool = False) -> None:
        """Start the hotline, both workers and the clock. `far`: the hotline answers 0.4 s late."""
        if far:
            [executable, option, _, *arguments] = process_commands(self._plan)["hotline"]
            command = [executable, option, far_hotline.__name__, *arguments, *self._hotline_options()]
            self.processes.start("hotline", command, self._plan.settings)
        else:
            self._start("hotline", *self._hotline_options())
        for name in WORKERS:
            self._start(name)
        trusted = str(self._certificate.authority) if self._certificate else True
        wait_until(partial(answers, self._hotline, trusted), self.processes, "hotline")

    def _hotline_options(self) -> list[str]:
        return [str(self._certificate.server)] if self._certificate else []

    def handshakes(self, seconds: float) -> int:
        """Open connections to the hotline for `seconds`, each with a full handshake, and return their number."""
        where = urlsplit(self._hotline)
        tls = ssl.create_default_context(cafile=self._certificate.authority) if self._certificate else None
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            with socket.create_connection((where.hostname or "", where.port or 0)) as line:
                if tls:
                    tls.wrap_socket(line, server_hostname=where.hostname).close()
            count += 1
        return count

    def cpu(self, name: str) -> float | None:
        """Return the CPU seconds of web or of another process so far."""
        return cpu_seconds(self.running(name) if name in self.ports else self.processes.of([name]))

    @property
    def folder(self) -> Path:
        """Return the folder of this run."""
        return self._plan.folder.inside

    def start_second_workers(self) -> None:
        """Start a second worker of each kind."""
        for name in QUEUE_NAMES:
            self.processes.start(f"{name} 2", python_command("workers.main", name, "2"), self._plan.settings)

    @contextmanager
    def paused_workers(self) -> Iterator[None]:
        """Pause the workers, so that new reports wait for them.

        None of them holds a database lock while it is paused.
        """
        workers = self.processes.of(name for kind in WORKERS for name in (kind, f"{kind} 2"))
        try:
            _send_signal(workers, signal.SIGSTOP)
            while not self._is_writable():
                _send_signal(workers, signal.SIGCONT)
                time.sleep(0.05)
                _send_signal(workers, signal.SIGSTOP)
            yield
        finally:
            _send_signal(workers, signal.SIGCONT)

    def wait_for_commits(self) -> None:
        """Wait until web's spool is empty. Reports go there first while the queue for the database is long."""
        spool = load_settings(CommonSettings, self._plan.settings).data / "spool"
        wait_until(lambda: not any(spool.glob(f"*{ENTRY_SUFFIX}")), self.processes, "web")

    def _is_writable(self) -> bool:
        with (
            closing(Database(self.database_url, threads=1)) as database,
            suppress(DatabaseUnavailable),
            database.write(),
        ):
            return True
        return False

    @property
    def uses_tls(self) -> bool:
        """Return whether the hotline has a certificate. It has none without openssl."""
        return self._certificate is not None

    @property
    def database_url(self) -> str:
        """Return the URL of the database."""
        return load_settings(CommonSettings, self._plan.settings).database_url

    @property
    def ports(self) -> dict[str, int]:
        """Return the ports of web and of the servers that it is compared with, by name."""
        return {"web": self._plan.where.web_port, **self._ports}

    def running(self, name: str) -> list[int]:
        """Return the ids of the server's master process and of its one worker."""
        return processes_with(f"127.0.0.1:{self.ports[name]}")

    def caller(self, phone: str, dials: str = SERVICE_CODE) -> UssdPhone:
        """Create a phone that calls web."""
        return UssdPhone(self._plan.where.web, self._plan.secrets.africastalking, phone=phone, dials=dials)

    def text(self, phone: str, words: str, number: int) -> None:
        """Send one SMS to web, as Africa's Talking would forward it. Raises requests.HTTPError."""
        form = {"from": phone, "to": "163", "text": words, "id": f"ATXid_{phone}_{number}"}
        requests.post(f"{self._plan.where.web}{self._hook_path('sms')}", data=form, timeout=10).raise_for_status()

    def load(
        self, name: str, steps: Sequence[BenchStep], *, callers: int, seconds: float, warm: float, rate: float = 0
    ) -> LoadResult:
        """Run the load client against one server. Raises ProcessDied if the client fails.

        The baseline gets the same requests as web, but always answers the same.
        """
        expected = [(step.reply, "CON " if name == BASELINE else step.expected_text) for step in steps]
        order = LoadOrder(self.ports[name], self._hook_path("ussd"), expected, callers, seconds, warm, rate)
        result = subprocess.run(
            python_command("tokaut.bench.load_client"),
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise ProcessDied(f"the load client has ended:\n{result.stderr[-2000:]}")
        return LoadResult(**json.loads(result.stdout))

    def _hook_path(self, name: str) -> str:
        return f"/hooks/africastalking/{self._plan.secrets.africastalking}/{name}"

    def _start(self, name: str, *more: str) -> None:
        self.processes.start(name, [*process_commands(self._plan, web_processes=1)[name], *more], self._plan.settings)


def _over_tls(settings: Mapping[str, str], plain: str, secure: str, authority: Path) -> dict[str, str]:
    """Return settings that make each running hotline reachable by TLS only."""
    url_names = [name for name, value in settings.items() if name.endswith("_URL") and value.startswith(f"{plain}/")]
    addresses = {name: settings[name].replace(plain, secure) for name in url_names}
    return addresses | {f"{name.removesuffix('_URL')}_CA_FILE": str(authority) for name in url_names}


def _unreachable_helpline(countries: Sequence[Country]) -> dict[str, str]:
    """Return settings that send the reports of one helpline to an address where nothing listens."""
    helpline = next(country.helpline() for country in countries if country.iso == DOWN_COUNTRY)
    name = f"HOTLINE_{helpline.id.upper().replace('-', '_')}" if helpline else ""
    unused_address = f"127.0.0.1:{free_port()}"
    return {f"{name}_URL": f"http://{unused_address}/", f"{name}_PRIVATE": unused_address}


def _send_signal(processes: Sequence[int], number: int) -> None:
    for process in processes:
        os.kill(process, number)
