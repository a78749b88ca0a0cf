"""What `tokaut bench` measures: one web process, a bare Flask view beside it, and what they need.

Another checkout's web can run beside them, with the same settings, database and Valkey: then both are measured in turn.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import requests
from redis import Redis

from reports.countries.country import Country, load_countries
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.spool import ENTRY_SUFFIX
from runtime.redis_clients import session_client
from runtime.settings import CommonSettings, RedisAddress, load_settings
from tokaut.bench import baseline_app, certificate
from tokaut.bench.load_client import LoadOrder, LoadResult
from tokaut.bench.machine import processes_with, python_command
from tokaut.bench.scenarios import SERVICE_CODE, BenchStep
from tokaut.local_stack import valkey
from tokaut.local_stack.folder import DemoFolder
from tokaut.local_stack.ports import free_port
from tokaut.local_stack.processes import ProcessDied, ProcessGroup
from tokaut.local_stack.received import ReceivedDeliveries
from tokaut.local_stack.settings import StackAddresses, StackPlan, make_plan
from tokaut.local_stack.startup import prepare_stack, process_commands
from tokaut.local_stack.ussd_phone import UssdPhone

STARTS_WITHIN = 60.0  # seconds
WORKERS = ("urgent", "standard", "clock")
COUNTRIES = ("vu", "fj", "ke")
DOWN_COUNTRY = "FJ"
THREADS = ("--worker-class", "gthread", "--threads", "8", "--no-control-socket", "--log-level", "warning")
BASELINE, OTHER_CHECKOUT = "floor", "before"  # the bare Flask view on gunicorn's threads; web of another checkout


class BenchEnvironment:
    """Raises Died where something does not start. `settings` are laid over the demo's.

    `beside`: another checkout, made ready by `make setup`. The child helpline of DOWN is down for good: nothing listens
    at its address.
    """

    def __init__(
        self, folder: DemoFolder, settings: Mapping[str, str] | None = None, beside: Path | None = None
    ) -> None:
        self._beside = beside
        countries = load_countries(COUNTRIES, "demo")
        self.countries, hotlines = countries.all, [one.id for one in countries.hotlines]
        self._ports = {name: free_port() for name in (BASELINE, *([OTHER_CHECKOUT] if beside else []))}
        made = make_plan({}, folder, StackAddresses(free_port(), free_port(), free_port()), hotlines)
        self._certificate = certificate.make_certificate(folder.inside)
        self._hotline = made.where.hotline
        told = {**made.settings, **_down(self.countries), **(settings or {})}
        if self._certificate:
            self._hotline = made.where.hotline.replace("http://", "https://")
            told |= _over_tls(told, made.where.hotline, self._hotline, self._certificate.authority)
        self._plan: StackPlan = replace(made, settings=told)
        self.processes = ProcessGroup(folder.run, folder.inside / "log")
        self.redis: Redis = session_client(RedisAddress(self._plan.settings["REDIS_URL"]))
        self.received = ReceivedDeliveries(folder.received)
        self.startup_seconds = 0.0  # seconds from web's start to its first answer

    def start_web(self) -> None:
        """Valkey, web, and what is compared with it: nothing else is there to disturb them."""
        self._start("valkey")
        prepare_stack(self._plan)
        self._until(lambda: valkey.is_up(self._plan.folder.inside), "valkey")
        began = time.monotonic()
        self._start("web")
        self._until(lambda: _answers(self._plan.where.web), "web")
        self.startup_seconds = round(time.monotonic() - began, 2)
        for name, port in self._ports.items():
            command = [*self._server(name), "--workers", "1", "--bind", f"127.0.0.1:{port}"]
            self.processes.start(name, command, self._plan.settings)
            self._until(partial(_answers, f"http://127.0.0.1:{port}"), name)

    def _server(self, name: str) -> list[str]:
        """Return the command that starts the floor, or web of the other checkout as its Procfile names it."""
        if name == BASELINE:
            return [
                *python_command("gunicorn", *THREADS),
                f"{baseline_app.__name__}:{baseline_app.create_app.__name__}()",
            ]
        there = self._beside or Path()
        app = re.findall(r"^web:.*'(.+)'$", (there / "Procfile").read_text(), re.MULTILINE)[0]
        server = [str(there / ".venv" / "bin" / "python"), "-m", "gunicorn", "-c", "gateway/gunicorn.conf.py", app]
        return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(there), *server]  # gunicorn imports from its folder first

    def start_workers(self) -> None:
        self._start("hotline", *([str(self._certificate.server)] if self._certificate else []))
        for name in WORKERS:
            self._start(name)
        trusted = str(self._certificate.authority) if self._certificate else True
        self._until(lambda: _answers(self._hotline, trusted), "the hotline")

    def start_second_workers(self) -> None:
        for name in ("urgent", "standard"):
            self.processes.start(f"{name} 2", python_command("workers.main", name, "2"), self._plan.settings)

    @contextmanager
    def paused_workers(self) -> Iterator[None]:
        """What is reported meanwhile waits for them; nobody waits for a lock that one of them took before."""
        workers = self.processes.of(name for kind in WORKERS for name in (kind, f"{kind} 2"))
        try:
            _signal(workers, signal.SIGSTOP)
            while not self._is_writable():
                _signal(workers, signal.SIGCONT)
                time.sleep(0.05)
                _signal(workers, signal.SIGSTOP)
            yield
        finally:
            _signal(workers, signal.SIGCONT)

    def wait_for_commits(self) -> None:
        """What found a long queue before the database is in web's spool at first, and follows within seconds."""
        spool = load_settings(CommonSettings, self._plan.settings).data / "spool"
        self._until(lambda: not any(spool.glob(f"*{ENTRY_SUFFIX}")), "web, with reports in its spool,")

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
        """Whether the hotline has a certificate; without openssl it has none."""
        return self._certificate is not None

    @property
    def database_url(self) -> str:
        return load_settings(CommonSettings, self._plan.settings).database_url

    @property
    def ports(self) -> dict[str, int]:
        return {"web": self._plan.where.web_port, **self._ports}

    def running(self, name: str) -> list[int]:
        """The server's master and its one worker."""
        return processes_with(f"127.0.0.1:{self.ports[name]}")

    def caller(self, phone: str, dials: str = SERVICE_CODE) -> UssdPhone:
        return UssdPhone(self._plan.where.web, self._plan.secrets.africastalking, phone=phone, dials=dials)

    def text(self, phone: str, words: str, number: int) -> None:
        """One SMS, as Africa's Talking passes it on. Raises requests.HTTPError."""
        form = {"from": phone, "to": "163", "text": words, "id": f"ATXid_{phone}_{number}"}
        requests.post(f"{self._plan.where.web}{self._door('sms')}", data=form, timeout=10).raise_for_status()

    def load(
        self, name: str, steps: Sequence[BenchStep], *, callers: int, seconds: float, warm: float, rate: float = 0
    ) -> LoadResult:
        """Callers at web, or the same ones at the floor, whose answer is always the same."""
        shows = [(step.reply, "CON " if name == BASELINE else step.shows) for step in steps]
        order = LoadOrder(self.ports[name], self._door("ussd"), shows, callers, seconds, warm, rate)
        done = subprocess.run(
            python_command("tokaut.bench.load_client"),
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ProcessDied(f"the load client has ended:\n{done.stderr[-2000:]}")
        return LoadResult(**json.loads(done.stdout))

    def _door(self, name: str) -> str:
        return f"/hooks/africastalking/{self._plan.secrets.africastalking}/{name}"

    def _start(self, name: str, *more: str) -> None:
        self.processes.start(name, [*process_commands(self._plan, web_processes=1)[name], *more], self._plan.settings)

    def _until(self, is_up: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + STARTS_WITHIN
        while not is_up():
            self.processes.look()
            if time.monotonic() > end:
                raise ProcessDied(f"{name} does not answer after {STARTS_WITHIN:.0f} s; see {self.processes.logs}")
            time.sleep(0.03)


def _answers(address: str, trusted: str | bool = True) -> bool:
    closed = {"Connection": "close"}
    with suppress(requests.RequestException):
        return bool(requests.get(address, timeout=STARTS_WITHIN, headers=closed, verify=trusted).status_code)
    return False


def _over_tls(settings: Mapping[str, str], plain: str, secure: str, authority: Path) -> dict[str, str]:
    """For each hotline that is up."""
    up = [name for name, value in settings.items() if name.endswith("_URL") and value.startswith(f"{plain}/")]
    addresses = {name: settings[name].replace(plain, secure) for name in up}
    return addresses | {f"{name.removesuffix('_URL')}_CA_FILE": str(authority) for name in up}


def _down(countries: Sequence[Country]) -> dict[str, str]:
    helpline = next(country.helpline() for country in countries if country.iso == DOWN_COUNTRY)
    name = f"HOTLINE_{helpline.id.upper().replace('-', '_')}" if helpline else ""
    nobody = f"127.0.0.1:{free_port()}"
    return {f"{name}_URL": f"http://{nobody}/", f"{name}_PRIVATE": nobody}


def _signal(processes: Sequence[int], number: int) -> None:
    for process in processes:
        os.kill(process, number)
