"""Settings and folder of a demo: new secrets each time, none of the operator's own, one demo at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pkgutil
import secrets
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway import channels
from runtime.operator_error import OperatorError
from runtime.settings.parsers import new_secret, new_webhook_secret
from tokaut.local_stack import valkey
from tokaut.local_stack.processes import kill_run
from tokaut.local_stack.valkey import is_free, is_permission_error, listen_error
from workers import senders

MARK_FILE = ".made-by-the-demo"
PROVIDERS = {module.name for package in (channels, senders) for module in pkgutil.iter_modules(package.__path__)}
OUR_PREFIXES = ("TOKAUT_", "HOTLINE_", *(f"{name.upper()}_" for name in sorted(PROVIDERS)))
OUR_NAMES = {"DATABASE_URL", "REDIS_URL", "REDIS_SENTINELS", "REDIS_MASTER", "PUBLIC_URL", "SMTP_URL"}
# Settings passed on like CHANNELS and COUNTRIES: they select what the demo shows, not where it stores data.
KEPT_NAMES = {"TOKAUT_COUNTRY_DIR", "TOKAUT_CLOCK_OFFSET"}
PORTS_TRIED = 100
FREE_WITHIN = 3.0  # seconds; a demo that was just killed may still hold its port


# The folder of a demo: locked by one demo at a time, emptied at its start, described in demo.json while it runs.


class FolderInUse(OperatorError):
    """The folder cannot be used. The message is one line with the reason and the remedy."""


class DemoFolder:
    """A context manager that locks and empties the folder of a demo.

    `data`: TOKAUT_DATA. `inside`: the folder for the demo's processes, empty at the start. `received`: the file of
    accepted deliveries. `demo_file`: demo.json. `run`: the id of this run.
    """

    def __init__(self, data: Path) -> None:
        self.inside = data / "demo"
        self.received = data / "received.jsonl"
        self.run = uuid.uuid4().hex
        self._data = data
        self.demo_file = data / "demo.json"
        self._lock = -1

    def __enter__(self) -> DemoFolder:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._acquire()
        self._clear()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.demo_file.unlink(missing_ok=True)
        os.close(self._lock)

    def write(self, contents: Mapping[str, Any]) -> None:
        """Write the addresses and secrets of this demo to demo.json, for scripts and tests.

        Only this account can read the file.
        """
        temporary = self.demo_file.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(contents, file, indent=1)
        temporary.replace(self.demo_file)

    def _acquire(self) -> None:
        """Take the lock, and kill processes that an earlier run left. Raises FolderInUse.

        The system releases the lock when this process ends. The lock file holds the id of the run that last had it.
        """
        self._lock = os.open(self._data / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FolderInUse(
                f"A demo runs already ({self._running_address()}). Stop it, or set TOKAUT_DATA and PORT."
            ) from None
        if earlier := os.read(self._lock, 64).decode().strip():
            kill_run(earlier)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, self.run.encode(), 0)

    def _running_address(self) -> str:
        try:
            return str(json.loads(self.demo_file.read_text())["web"])
        except (OSError, ValueError, KeyError):
            return "just starting"

    def _clear(self) -> None:
        """Delete the data of the last demo: this demo's keys cannot open it. Raises FolderInUse if no demo made it."""
        mark = self.inside / MARK_FILE
        if self.inside.exists():
            if not mark.exists():
                raise FolderInUse(f"{self.inside} was not made by a demo. Set TOKAUT_DATA to another folder.")
            shutil.rmtree(self.inside)
        self.demo_file.unlink(missing_ok=True)
        self.received.unlink(missing_ok=True)
        self.inside.mkdir(mode=0o700)
        mark.touch()


class PortInUse(OperatorError):
    """A port cannot be used. The message is one line that names the port and the remedy."""


@dataclass(frozen=True, slots=True)
class StackAddresses:
    """The ports of the demo's servers."""

    web_port: int
    hotline_port: int
    console_port: int

    @property
    def web(self) -> str:
        """Return the base URL of web."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def hotline(self) -> str:
        """Return the base URL of the demo hotline."""
        return f"http://127.0.0.1:{self.hotline_port}"

    @property
    def console(self) -> str:
        """Return the base URL of the console. Browsers make no passkey for an IP address."""
        return f"http://localhost:{self.console_port}"

    @property
    def console_listener(self) -> str:
        """Return the address at which the console listens."""
        return f"127.0.0.1:{self.console_port}"


def addresses(port: int) -> StackAddresses:
    """Return the wanted port for web, and the next two free ports for hotline and console.

    Waits up to 3 seconds for the port of web. Raises PortInUse.
    """
    end = time.monotonic() + FREE_WITHIN
    while error := listen_error(port):
        if is_permission_error(error):
            raise PortInUse(
                f"This account may not listen on port {port}: ports below 1024 are for root. "
                "Name another one: PORT=8000 make demo"
            )
        if error.errno != errno.EADDRINUSE:
            raise PortInUse(f"Port {port} cannot be used ({error.strerror}). Name another one: PORT=8000 make demo")
        if time.monotonic() > end:
            other = port + 100 if port + 100 <= 65_000 else 8000
            raise PortInUse(f"Port {port} is in use. Name another one: PORT={other} make demo")
        time.sleep(0.05)
    following = range(port + 1, min(port + PORTS_TRIED, 65536))
    free = list(islice(filter(is_free, following), 2))
    if len(free) < 2:
        raise PortInUse(f"No two ports from {port + 1} to {port + PORTS_TRIED} are free. Name another: PORT=20000")
    return StackAddresses(port, *free)


@dataclass(frozen=True, slots=True)
class StackSecrets:
    """The secrets of one demo."""

    africastalking: str
    kannel: str
    ussd: str
    twilio: str  # auth token, with which the demo's provider signs
    twilio_account: str
    hotlines: Mapping[str, str]

    @classmethod
    def new(cls, hotlines: Iterable[str]) -> StackSecrets:
        """Create new secrets for the channels and for each hotline."""
        hotline_secrets = {hotline: new_webhook_secret(demo=True) for hotline in hotlines}
        africastalking, kannel, ussd, twilio = (new_secret(demo=True) for _ in range(4))
        return cls(africastalking, kannel, ussd, twilio, f"AC{secrets.token_hex(16)}", hotline_secrets)


@dataclass(frozen=True, slots=True)
class StackPlan:
    """The settings, secrets and addresses of one demo."""

    folder: DemoFolder
    where: StackAddresses
    secrets: StackSecrets
    settings: Mapping[str, str]


def make_plan(
    outside: Mapping[str, str], folder: DemoFolder, where: StackAddresses, hotlines: Iterable[str]
) -> StackPlan:
    """Create the secrets and settings of a demo. `outside`: the environment in which the demo was started."""
    stack_secrets = StackSecrets.new(hotlines)
    return StackPlan(folder, where, stack_secrets, process_environment(outside, folder.inside, where, stack_secrets))


def process_environment(
    outside: Mapping[str, str], inside: Path, where: StackAddresses, stack_secrets: StackSecrets
) -> dict[str, str]:
    """Return the environment of each process of the demo."""
    passed_on = {name: value for name, value in outside.items() if name in KEPT_NAMES or not _is_ours(name)}
    ours = {
        "TOKAUT_MODE": "demo",
        "TOKAUT_DRAFT_LANGUAGES": "bi,fj,fr,sw",  # languages of the demo's three countries
        "TOKAUT_DATA": str(inside),
        "REDIS_URL": valkey.redis_url(inside),
        "PUBLIC_URL": where.web,
        "TOKAUT_SESSION_KEY": new_secret(demo=True),
        "TOKAUT_STORE_KEY": new_secret(demo=True),
        "TOKAUT_CONSOLE_KEY": new_secret(demo=True),
        "CONSOLE_URL": where.console,
        "TOKAUT_DEMO_HOTLINE": where.hotline,
        "TOKAUT_PHONE_PEPPER_FILE": str(inside / "pepper"),
        "AFRICASTALKING_TOKEN": stack_secrets.africastalking,
        "KANNEL_TOKEN": stack_secrets.kannel,
        "USSD_TOKEN": stack_secrets.ussd,
        "TWILIO_AUTH_TOKEN": stack_secrets.twilio,
        "TWILIO_ACCOUNT_SID": stack_secrets.twilio_account,
        "PROMETHEUS_MULTIPROC_DIR": str(inside / "metrics"),
    }
    for hotline, secret in stack_secrets.hotlines.items():
        name = f"HOTLINE_{hotline.upper().replace('-', '_')}"
        ours[f"{name}_URL"] = f"{where.hotline}/{hotline}"
        ours[f"{name}_SECRET"] = secret
        ours[f"{name}_PRIVATE"] = where.hotline.removeprefix("http://")
    return passed_on | ours


def write_secrets(path: Path, secrets_by_hotline: Mapping[str, str]) -> None:
    """Write the webhook secret of each hotline to a new JSON file, for the demo's hotline server."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dict(secrets_by_hotline), file)


def _is_ours(name: str) -> bool:
    return name.startswith(OUR_PREFIXES) or name.removesuffix("_FILE") in OUR_NAMES
