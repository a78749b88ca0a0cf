"""Settings of a demo's processes: new secrets for each demo, and none of the operator's real settings."""

from __future__ import annotations

import errno
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runtime.settings.parsers import new_secret, new_webhook_secret
from tokaut.local_stack import valkey
from tokaut.local_stack.folder import DemoFolder
from tokaut.local_stack.ports import is_free, is_permission_error, listen_error

OUR_PREFIXES = ("TOKAUT_", "HOTLINE_", "AFRICASTALKING_", "USSD_", "TWILIO_", "KANNEL_")
OUR_NAMES = {"DATABASE_URL", "REDIS_URL", "REDIS_SENTINELS", "REDIS_MASTER", "PUBLIC_URL", "SMTP_URL"}
# Passed on, as are CHANNELS and COUNTRIES: they say what the demo shows, not where it stores it.
KEPT_NAMES = {"TOKAUT_COUNTRY_DIR", "TOKAUT_CLOCK_OFFSET"}
PORTS_TRIED = 100
FREE_WITHIN = 3.0  # seconds; a demo that was just killed may still hold its port


class PortInUse(Exception):
    """A port cannot be used. The message is one line: which port, and what to do."""


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
        """Return the base URL of the console."""
        return f"http://127.0.0.1:{self.console_port}"


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
    """Everything that the processes of one demo are started with."""

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
    outside: Mapping[str, str], inside: Path, where: StackAddresses, made: StackSecrets
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
        "TOKAUT_PHONE_PEPPER_FILE": str(inside / "pepper"),
        "AFRICASTALKING_TOKEN": made.africastalking,
        "KANNEL_TOKEN": made.kannel,
        "USSD_TOKEN": made.ussd,
        "TWILIO_AUTH_TOKEN": made.twilio,
        "TWILIO_ACCOUNT_SID": made.twilio_account,
        "PROMETHEUS_MULTIPROC_DIR": str(inside / "metrics"),
    }
    for hotline, secret in made.hotlines.items():
        name = f"HOTLINE_{hotline.upper().replace('-', '_')}"
        ours[f"{name}_URL"] = f"{where.hotline}/{hotline}"
        ours[f"{name}_SECRET"] = secret
        ours[f"{name}_PRIVATE"] = where.hotline.removeprefix("http://")
    return passed_on | ours


def write_secrets(path: Path, made: StackSecrets) -> None:
    """Write the webhook secret of each hotline to a new JSON file, for the demo's hotline server."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dict(made.hotlines), file)


def _is_ours(name: str) -> bool:
    return name.startswith(OUR_PREFIXES) or name.removesuffix("_FILE") in OUR_NAMES
