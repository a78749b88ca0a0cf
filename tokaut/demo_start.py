"""Brings up every process of a demo on this machine, in the order in which they need one another."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests

import console
import gateway
from reports.audit.signing_keys import create_signing_key
from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.crypto.mode_marks import mark_keys
from reports.crypto.phone_pepper import rotate_pepper
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from runtime.settings import CommonSettings
from runtime.settings import load_settings as load_setting
from tokaut import valkey
from tokaut.demo_settings import Plan, write_secrets
from tokaut.processes import Died, Processes

STARTS_WITHIN = 60.0  # seconds; a machine that is busy with other things
GUNICORN = str(Path(gateway.__file__).parent / "gunicorn.conf.py")
OF_CONSOLE = str(Path(console.__file__).parent / "gunicorn.conf.py")
SECRETS = "hotlines.json"
WEB_PROCESSES = 2  # of eight threads each: more would only make the start slower


def commands(plan: Plan, *, web_processes: int = WEB_PROCESSES) -> dict[str, list[str]]:
    """The command line of each process, in the order in which they are started."""
    inside, where = plan.folder.inside, plan.where
    python = [sys.executable, "-m"]
    hotline = [str(where.hotline_port), str(inside / SECRETS), str(plan.folder.received)]
    web = ["--workers", str(web_processes), "--bind", where.web.removeprefix("http://")]
    desk = ["--workers", "1", "--bind", where.console.removeprefix("http://")]
    workers = {name: [*python, "workers.main", name] for name in ("urgent", "standard", "clock")}
    return {
        "valkey": valkey.command(inside),
        "hotline": [*python, "tokaut.demo_hotline", *hotline],
        **workers,
        "console": [*python, "gunicorn", "-c", OF_CONSOLE, *desk, "console.app:create_app()"],
        "web": [*python, "gunicorn", "-c", GUNICORN, *web, "gateway.asgi:create_app()"],
    }


def prepare(plan: Plan) -> None:
    """What an operator does once before the first start: the database, the keys, the pepper."""
    common = load_setting(CommonSettings, plan.settings)
    database = Database(common.database_url)
    upgrade(database, common.mode)
    database.close()
    for hotline in (*plan.secrets.hotlines, SENDER_KEY):
        create_key_pair(common.keys, hotline)
    mark_keys(common.keys, common.mode)
    create_signing_key(common.keys)
    rotate_pepper(Path(plan.settings["TOKAUT_PHONE_PEPPER_FILE"]))
    Path(plan.settings["PROMETHEUS_MULTIPROC_DIR"]).mkdir(mode=0o700)
    write_secrets(plan.folder.inside / SECRETS, plan.secrets)
    plan.folder.received.touch(mode=0o600)


def start(processes: Processes, plan: Plan, tell: Callable[[str], None] = lambda progress: None) -> None:
    """Return when a call can come in. `tell` gets one line for each part. Raises Died when one does not start."""
    began = time.monotonic()

    def ready(part: str) -> None:
        tell(f"  {time.monotonic() - began:4.1f} s  {part}")

    valkey_first, *others = commands(plan).items()
    processes.start(*valkey_first, plan.settings)
    prepare(plan)  # while it starts
    ready("database and keys are made")
    _until(partial(valkey.answers, plan.folder.inside), processes, "valkey")
    ready("Valkey answers")
    for name, command in others:
        processes.start(name, command, plan.settings)
    with requests.Session() as http:
        http.trust_env = False
        http.headers["Connection"] = "close"  # a kept one would make web's stop wait for it
        for name, address in (
            ("hotline", plan.where.hotline),
            ("web", f"{plan.where.web}/healthz"),
            ("console", f"{plan.where.console}/healthz"),
        ):
            _until(partial(_is_up, http, address), processes, name)
            ready(f"{name} answers")


def _until(is_up: Callable[[], bool], processes: Processes, name: str) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while not is_up():
        processes.look()
        if time.monotonic() > end:
            raise Died(
                f"{name} does not answer after {STARTS_WITHIN:.0f} s; its log says why: {processes.logs}/{name}.log"
            )
        time.sleep(0.03)


def _is_up(http: requests.Session, address: str) -> bool:
    try:
        http.get(address, timeout=2)
    except requests.RequestException:
        return False
    return True
