"""The processes of an installation on one machine, from its own settings: for `tokaut start`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from console.api import CallbackSettings
from reports.countries.country import Countries
from runtime.operator_error import OperatorError
from runtime.settings import CommonSettings, Mode, hotline_prefix
from runtime.settings.environment import raw_value, settings_of_class
from tokaut.local_stack import valkey
from tokaut.local_stack.processes import ProcessGroup
from tokaut.local_stack.settings import write_secrets
from tokaut.local_stack.startup import five_processes, wait_for_servers, wait_until, with_time
from tokaut.settings_file import CONSOLE_PORT, PRACTICE_PORT, WEB_PORT

RECEIVED: Final = "practice-received.jsonl"
SECRETS_FILE: Final = "practice-hotlines.json"


class AlreadyRunning(OperatorError):
    """The processes of this folder run already. The message is one line."""


def start_services(
    processes: ProcessGroup,
    common: CommonSettings,
    countries: Countries,
    environ: Mapping[str, str],
    tell: Callable[[str], None],
) -> None:
    """Start all processes. Returns when a call can come in.

    An embedded Valkey is started if REDIS_URL names the one under TOKAUT_DATA, or nothing; and a practice hotline, for
    the hotlines whose address is on its port of this machine.

    Raises:
        AlreadyRunning: an embedded Valkey of this folder runs.
        ProcessDied: a process ended or does not answer.
    """
    report_ready = with_time(tell)
    environment = dict(environ)
    if _uses_embedded_valkey(common):
        if valkey.is_up(common.data):
            raise AlreadyRunning(f"Valkey of {common.data} runs already. Stop the other `tokaut start` first.")
        environment |= {"REDIS_URL": valkey.redis_url(common.data)}
        processes.start("valkey", valkey.server_command(common.data), environment, outlasts=True)
        wait_until(partial(valkey.is_up, common.data), processes, "valkey")
        report_ready("Valkey answers")
    servers = {}
    if practice := practice_secrets(common.mode, countries, environ):
        port = practice_port(environ)
        secrets = common.data / SECRETS_FILE
        secrets.unlink(missing_ok=True)
        write_secrets(secrets, practice)
        command = [sys.executable, "-m", "tokaut.local_stack.hotline_server", str(port), str(secrets)]
        processes.start("practice-hotline", [*command, str(common.data / RECEIVED)], environment, outlasts=True)
        servers["practice-hotline"] = f"http://127.0.0.1:{port}"
    for name, command in service_commands(environ).items():
        processes.start(name, command, environment)
    servers |= {name: f"{address}/healthz" for name, address in server_addresses(environ).items()}
    wait_for_servers(processes, servers, report_ready)


def service_commands(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the command lines of the five processes, with these settings of where they listen."""
    return five_processes(**{name: ["--bind", bind] for name, bind in _binds(environ).items()})


def server_addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the base URLs of web and console, without those that listen at a Unix socket."""
    return {name: f"http://{bind}" for name, bind in _binds(environ).items() if not bind.startswith("unix:")}


def practice_port(environ: Mapping[str, str]) -> int:
    """Return the port of the practice hotline."""
    return int(environ.get("PRACTICE_HOTLINE_PORT") or PRACTICE_PORT)


def practice_secrets(mode: Mode, countries: Countries, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secret of each hotline that has the practice hotline's address. In live mode there is none."""
    if mode is Mode.LIVE:
        return {}
    secrets_by_hotline = {}
    for hotline in countries.hotlines:
        prefix = hotline_prefix(hotline.id)
        if environ.get(f"{prefix}URL") == f"http://127.0.0.1:{practice_port(environ)}/{hotline.id}":
            secret = settings_of_class(CallbackSettings, prefix)["secret"]
            secrets_by_hotline[hotline.id] = (raw_value(secret, environ) or "").partition(",")[0]
    return secrets_by_hotline


def _uses_embedded_valkey(common: CommonSettings) -> bool:
    if common.mode is Mode.LIVE or common.redis_sentinels:
        return False
    return common.redis is None or common.redis.reveal() == valkey.redis_url(common.data)


def _binds(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where web and the console listen, as the Procfile has it."""
    return {
        "web": environ.get("BIND") or f"127.0.0.1:{environ.get('PORT') or WEB_PORT}",
        "console": environ.get("CONSOLE_BIND") or f"127.0.0.1:{environ.get('CONSOLE_PORT') or CONSOLE_PORT}",
    }
