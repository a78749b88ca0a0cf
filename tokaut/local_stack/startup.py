"""Start all processes of a demo, and wait until each answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import requests

import console
import gateway
from reports.audit import create_signing_key
from reports.crypto.key_files import SENDER_KEY, create_key_pair, mark_keys
from reports.crypto.phone_pepper import rotate_pepper
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from runtime.settings import CommonSettings, InstallationSettings
from runtime.settings import load_settings as load_setting
from tokaut.local_stack import valkey
from tokaut.local_stack.processes import ProcessDied, ProcessGroup
from tokaut.local_stack.settings import StackPlan, write_secrets

STARTS_WITHIN = 60.0  # seconds; enough for a busy machine
WEB_CONFIG = str(Path(gateway.__file__).parent / "gunicorn.conf.py")
CONSOLE_CONFIG = str(Path(console.__file__).parent / "gunicorn.conf.py")
SECRETS_FILE = "hotlines.json"
WEB_PROCESSES = 2  # with eight threads each; more processes would only slow down the start


def process_commands(plan: StackPlan, *, web_processes: int = WEB_PROCESSES) -> dict[str, list[str]]:
    """Return the command line of each process, in the order in which they are started."""
    inside, where = plan.folder.inside, plan.where
    hotline_arguments = [str(where.hotline_port), str(inside / SECRETS_FILE), str(plan.folder.received)]
    return {
        "valkey": valkey.server_command(inside),
        "hotline": [sys.executable, "-m", "tokaut.local_stack.hotline_server", *hotline_arguments],
        **five_processes(
            web=["--workers", str(web_processes), "--bind", where.web.removeprefix("http://")],
            console=["--workers", "1", "--bind", where.console_listener],
        ),
    }


def five_processes(*, web: Sequence[str], console: Sequence[str]) -> dict[str, list[str]]:
    """Return the command lines of the processes of the Procfile. `web`, `console`: options for gunicorn."""
    python = [sys.executable, "-m"]
    return {
        **{name: [*python, "workers.main", name] for name in ("urgent", "standard", "clock")},
        "console": [*python, "gunicorn", "-c", CONSOLE_CONFIG, *console, "console.app:create_app()"],
        "web": [*python, "gunicorn", "-c", WEB_CONFIG, *web, "gateway.asgi:create_app()"],
    }


def prepare_stack(plan: StackPlan) -> None:
    """Create the database, the keys and the pepper, as an operator does once before the first start."""
    common = load_setting(CommonSettings, plan.settings)
    database = Database(common.database_url)
    upgrade(database, common.mode)
    database.close()
    create_files(common, plan)


def create_files(common: CommonSettings, plan: StackPlan) -> None:
    """Create the keys, the pepper, the folder of the metrics and the file of the hotlines' secrets."""
    create_keys(common, plan.secrets.hotlines, Path(plan.settings["TOKAUT_PHONE_PEPPER_FILE"]))
    Path(plan.settings["PROMETHEUS_MULTIPROC_DIR"]).mkdir(mode=0o700)
    write_secrets(plan.folder.inside / SECRETS_FILE, plan.secrets.hotlines)
    plan.folder.received.touch(mode=0o600)


def create_keys(settings: InstallationSettings, hotlines: Iterable[str], pepper: Path) -> None:
    """Create a key pair for each hotline and for the senders of SMS, the audit's key, and the phone pepper."""
    for hotline in (*hotlines, SENDER_KEY):
        create_key_pair(settings.keys, hotline)
    mark_keys(settings.keys, settings.mode)
    create_signing_key(settings.keys)
    rotate_pepper(pepper)


def start_stack(processes: ProcessGroup, plan: StackPlan, tell: Callable[[str], None] = lambda progress: None) -> None:
    """Start all processes. Returns when a call can come in.

    `tell` is called with one line for each part. Raises ProcessDied if a process ends or does not answer.
    """
    report_ready = with_time(tell)
    valkey_first, *other_commands = process_commands(plan).items()
    processes.start(*valkey_first, plan.settings, outlasts=True)
    prepare_stack(plan)  # while Valkey starts
    report_ready("database and keys are made")
    wait_until(partial(valkey.is_up, plan.folder.inside), processes, "valkey")
    report_ready("Valkey answers")
    for name, command in other_commands:
        processes.start(name, command, plan.settings, outlasts=name == "hotline")
    servers = {
        "hotline": plan.where.hotline,
        "web": f"{plan.where.web}/healthz",
        "console": f"http://{plan.where.console_listener}/healthz",
    }
    wait_for_servers(processes, servers, report_ready)


def with_time(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that tells of a part, with the seconds since now."""
    began = time.monotonic()
    return lambda part: tell(f"  {time.monotonic() - began:4.1f} s  {part}")


def wait_for_servers(processes: ProcessGroup, servers: Mapping[str, str], report_ready: Callable[[str], None]) -> None:
    """Wait until each server answers at its address. Raises ProcessDied."""
    for name, address in servers.items():
        wait_until(partial(answers, address), processes, name)
        report_ready(f"{name} answers")


def wait_until(is_up: Callable[[], bool], processes: ProcessGroup, name: str) -> None:
    """Wait until the process is up. Raises ProcessDied if any process ends, or if it takes more than 60 seconds."""
    end = time.monotonic() + STARTS_WITHIN
    while not is_up():
        processes.check()
        if time.monotonic() > end:
            raise ProcessDied(
                f"{name} does not answer after {STARTS_WITHIN:.0f} s; its log says why: {processes.logs}/{name}.log"
            )
        time.sleep(0.03)


def answers(address: str, trusted: str | bool = True) -> bool:
    """Return whether a server answers. `trusted`: the file of its certificate authority; True: the system's."""
    with requests.Session() as http:
        http.trust_env = False
        http.headers["Connection"] = "close"  # an open connection would delay the stop of web
        try:
            http.get(address, timeout=2, verify=trusted)
        except requests.RequestException:
            return False
    return True
