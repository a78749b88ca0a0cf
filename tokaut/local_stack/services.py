"""The processes of an installation on one machine, from its own settings: for `tokaut start`."""

from __future__ import annotations

import errno
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from http.client import HTTPException
from typing import Final

from reports.countries.country import Countries
from reports.countries.hotline import Hotline
from runtime.operator_error import OperatorError
from runtime.settings import CallbackSettings, CommonSettings, Mode, hotline_prefix
from runtime.settings.environment import raw_value, settings_of_class
from tokaut.healthcheck import fetch
from tokaut.local_stack import valkey
from tokaut.local_stack.processes import ProcessGroup
from tokaut.local_stack.settings import PortInUse, write_secrets
from tokaut.local_stack.startup import five_processes, wait_for_servers, wait_until, with_time
from tokaut.settings_file import CONSOLE_PORT, PRACTICE_PORT, WEB_PORT, process_faults

RECEIVED: Final = "practice-received.jsonl"
SECRETS_FILE: Final = "practice-hotlines.json"
HIGHEST_PORT: Final = 65535
PARTS_WITHIN: Final = 5.0  # seconds
CLOCK_LEADS_WITHIN: Final = 20.0  # seconds; the lease of a clock that was killed lasts 15
LOOK_AGAIN: Final = 0.2  # seconds
NO_DATABASE: Final = "The database cannot be used: reports wait in the spool, and no hotline gets any."
NO_REDIS: Final = "Redis cannot be used: callers get only the home screen or the emergency numbers."
NO_LEADER: Final = "No process clock is the scheduler: no retries, no alerts."


class AlreadyRunning(OperatorError):
    """The processes of this folder run already. The message is one line."""


def start_services(
    processes: ProcessGroup,
    common: CommonSettings,
    countries: Countries,
    environ: Mapping[str, str],
    show: Callable[[str], None],
) -> None:
    """Start all processes. Returns when a call can come in.

    `show` is called with one line for each part that is ready. An embedded Valkey is started if REDIS_URL names the one
    under TOKAUT_DATA, or nothing; and a practice hotline, for the hotlines whose address is on its port of this
    machine.

    Raises:
        AlreadyRunning: an embedded Valkey of this folder runs.
        PortInUse: a setting names a port at which nothing can listen. Then nothing was started.
        ProcessDied: a process ended or does not answer.
    """
    report_ready = with_time(show)
    environment = dict(environ)
    if _uses_embedded_valkey(common) and valkey.is_up(common.data):
        raise AlreadyRunning(f"Valkey of {common.data} runs already. Stop the other `tokaut start` first.")
    refuse_used_ports(common.mode, countries, environ)
    if _uses_embedded_valkey(common):
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
    """Return the command lines of the five processes, with these settings of where they listen and how many serve."""
    workers = {name: environ.get(f"{name.upper()}_CONCURRENCY") or "1" for name in ("web", "console")}
    return five_processes(
        **{name: ["--workers", workers[name], "--bind", bind] for name, bind in _binds(environ).items()}
    )


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


def practice_notes(mode: Mode, hotlines: Iterable[Hotline], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each hotline that has a practice hotline's address at another port, where nobody listens."""
    if mode is Mode.LIVE or any(process_faults(environ)):
        return
    port = practice_port(environ)
    for hotline in hotlines:
        name = f"{hotline_prefix(hotline.id)}URL"
        address = re.fullmatch(rf"http://127\.0\.0\.1:(\d{{1,5}})/{re.escape(hotline.id)}", environ.get(name, ""))
        if address and int(address[1]) != port and _is_unused(int(address[1])):
            yield (
                f"Nothing listens at {address[0]}, so {hotline.id} gets no drill. `tokaut start` runs the practice "
                f"hotline at PRACTICE_HOTLINE_PORT, which is {port}. Name one port there, in {name} and in "
                f"{hotline_prefix(hotline.id)}PRIVATE."
            )


def _is_unused(port: int) -> bool:
    return port > HIGHEST_PORT or valkey.is_free(port)


def refuse_used_ports(mode: Mode, countries: Countries, environ: Mapping[str, str]) -> None:
    """Raise PortInUse, with a line for each setting that names a port at which nothing can listen.

    Without this, gunicorn tries for some seconds and ends with lines that name no setting; and another program that
    listens there would count as ours.
    """
    if faults := list(process_faults(environ)):
        raise PortInUse("\n".join(faults))
    binds = _binds(environ)
    listeners = {
        "BIND" if environ.get("BIND") else "PORT": binds["web"],
        "CONSOLE_BIND" if environ.get("CONSOLE_BIND") else "CONSOLE_PORT": binds["console"],
    }
    if practice_secrets(mode, countries, environ):
        listeners["PRACTICE_HOTLINE_PORT"] = f"127.0.0.1:{practice_port(environ)}"
    names: dict[str, str] = {}  # address → the setting that names it
    for name, address in listeners.items():
        if fault := _listen_fault(address):
            faults.append(f"{name}: {fault}")
        elif address in names:
            faults.append(f"{name} and {names[address]} name the same port, {address}. Set another port.")
        names[address] = name
    if faults:
        raise PortInUse("\n".join([*faults, "Nothing was started."]))


def _listen_fault(address: str) -> str:
    """Return why no server can listen at host:port; "" if one can, or if gunicorn is to judge another form."""
    parts = re.fullmatch(r"\[?([^\[\]]*?)\]?:(\d{1,5})", address)
    if parts is None or address.startswith("unix:") or int(parts[2]) > HIGHEST_PORT:
        return ""
    error = valkey.listen_error(int(parts[2]), parts[1])
    if error is None:
        return ""
    if valkey.is_permission_error(error):
        return f"this account may not listen at {address}; ports below 1024 are for root. Set another port."
    if error.errno == errno.EADDRINUSE:
        return f"another program listens at {address}. Stop it, or set another port."
    return f"nothing can listen at {address} ({error.strerror}). Correct it."


def wait_until_ready(processes: ProcessGroup, environ: Mapping[str, str]) -> list[str]:
    """Wait until web's /readyz finds the database, Redis and a scheduler; return a sentence for each that is missing.

    Raises ProcessDied.
    """
    began = time.monotonic()
    while missing := _missing_parts(_binds(environ)["web"]):
        processes.check()
        within = CLOCK_LEADS_WITHIN if missing == [NO_LEADER] else PARTS_WITHIN
        if time.monotonic() - began > within:
            return missing
        time.sleep(LOOK_AGAIN)
    return []


def _missing_parts(address: str) -> list[str]:
    try:
        state = json.loads(fetch(address, "/readyz")[1])
    except (HTTPException, OSError, ValueError) as error:
        return [f"web does not say at {address}/readyz how it is ({type(error).__name__})."]
    missing = [] if state["database"] else [NO_DATABASE]
    missing += [] if state["redis"] else [NO_REDIS]
    if state["database"] and not state["clock_leads"]:
        return [*missing, NO_LEADER]
    return [*missing, *state["wrong"]]


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
