"""Start all processes of a demo, and wait until each answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import requests

import console
import gateway
from tokaut.local_stack import valkey
from tokaut.local_stack.processes import ProcessDied, ProcessGroup
from tokaut.local_stack.settings import StackPlan

STARTS_WITHIN = 60.0  # seconds; enough for a busy machine
WEB_CONFIG = str(Path(gateway.__file__).parent / "gunicorn.conf.py")
CONSOLE_CONFIG = str(Path(console.__file__).parent / "gunicorn.conf.py")
SECRETS_FILE = "hotlines.json"
WEB_PROCESSES = 1  # one serves thousands of screens a second; another would take 26 MB


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


def start_stack(
    processes: ProcessGroup, plan: StackPlan, prepare: Callable[[], None], show: Callable[[str], None]
) -> None:
    """Start all processes. Returns when a call can come in.

    `prepare` creates what the processes need. `show` is called with one line for each part that is ready. Raises
    ProcessDied if a process ends or does not answer.
    """
    report_ready = with_time(show)
    valkey_first, *other_commands = process_commands(plan).items()
    processes.start(*valkey_first, plan.settings, outlasts=True)
    prepare()  # while Valkey starts
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


def with_time(show: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that shows which part is ready, with the seconds since this call."""
    began = time.monotonic()
    return lambda part: show(f"  {time.monotonic() - began:4.1f} s  {part}")


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
