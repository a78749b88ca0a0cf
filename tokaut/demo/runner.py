"""Run `tokaut demo`: every process on this machine, and one report from a phone to a hotline, screen by screen."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from reports.countries.country import load_countries
from runtime.hardening import harden, run_in_child
from runtime.operator_error import OperatorError
from runtime.settings import CommonSettings, Mode
from runtime.settings import load_all_settings as load_settings
from tokaut.demo.display import TextDisplay
from tokaut.demo.playback import PHONE_NUMBER, SERVICE_CODE, DeliveryWatch, call_back, play
from tokaut.local_stack.hotline_server import ReceivedDeliveries
from tokaut.local_stack.parent_death import kill_with_parent
from tokaut.local_stack.processes import STOP_SIGNALS, ProcessGroup
from tokaut.local_stack.settings import DemoFolder, StackPlan, addresses, make_plan
from tokaut.local_stack.startup import start_stack
from tokaut.local_stack.ussd_phone import UssdPhone
from tokaut.terminal import CommandError, echo

SCREEN_SECONDS = 1.6  # time for a person to read a screen
LOGIN_FILE = "login.json"
DEMO_CHANNEL = "africastalking"  # the channel of UssdPhone

STOPPING = "\nStopping."
STARTING = "Starting Valkey, the database, web, two workers, the clock, the console and a hotline, here."
STOPPED = "\nThe report reached the hotline. All that was started here is stopped."
RUNNING_TEXT = """
The report is at the hotline. Everything stays up; Ctrl-C stops it all.

In a browser on this machine:

  phone      {phone}     two phones to try, and beside them what the hotline gets
  console    {console}     staff of Pikinini Helpline read and answer here
  login      {login}     prints name, password and the code of this half minute

For scripts:

  web        {web}     also /healthz, /readyz, /metrics
  hotline    {hotline}     deliveries that it has accepted
  received   {received}     the same as lines of JSON
  secrets    {told}     of this demo
  logs       {inside}/log

Or call by hand; go on with "event":"resume" and your answer in "text":

  curl -s {web}/hooks/simulator \\
    -d '{{"session":"1","phone":"+6785550102","service_code":"*111*163#","event":"new"}}'

See the outbox:  TOKAUT_DATA={quoted} {program} deliveries list
"""
ALREADY = "Two phones to try are at {phone} already; here, a scripted reporter dials."


def run_demo(*, once: bool, port: int) -> None:
    """Run one demo to its end.

    Raises CommandError if it fails, and KeyboardInterrupt after Ctrl-C, once all processes have stopped.
    """
    harden()
    mode = os.environ.get("TOKAUT_MODE", "").strip()
    if mode in {Mode.TRAINING, Mode.LIVE}:
        raise CommandError(
            f"TOKAUT_MODE is {mode}; a demo is always in demo mode and makes its own settings. Unset it."
        )
    common = load_settings([CommonSettings], os.environ)[CommonSettings]
    if DEMO_CHANNEL not in common.channels:
        raise CommandError(
            f"CHANNELS leaves out {DEMO_CHANNEL}, over which the demo's reporter dials. Add it, or unset CHANNELS."
        )
    _run(common, once=once, port=port)
    echo(STOPPED)


def _run(common: CommonSettings, *, once: bool, port: int) -> None:
    countries = load_countries(common.countries, Mode.DEMO, common.country_dir)
    names = {hotline.id: hotline.name for hotline in countries.hotlines}
    with DemoFolder(common.data) as folder:
        plan = make_plan(os.environ, folder, addresses(port), [hotline.id for hotline in countries.hotlines])
        processes = ProcessGroup(folder.run, folder.inside / "log", forks=True)
        is_idle = True  # no call yet, or everything has arrived
        try:
            echo(STARTING)
            start_stack(processes, plan, partial(run_in_child, partial(_prepare, plan, os.getpid())), echo)
            is_idle = False
            login = json.loads((folder.inside / LOGIN_FILE).read_text())
            folder.write(_demo_json(plan, _phone_url(plan, common), login))
            if not once and (phone := _phone_url(plan, common)):
                echo(ALREADY.format(phone=phone))
            watch = DeliveryWatch(processes, ReceivedDeliveries(folder.received, names, echo))
            with closing(
                UssdPhone(plan.where.web, plan.secrets.africastalking, phone=PHONE_NUMBER, dials=SERVICE_CODE)
            ) as reporter_phone:
                created = play(reporter_phone, watch, SCREEN_SECONDS / (6 if once else 1))
            call_back(plan, created)
            is_idle = once
            if not once:
                _keep_running(watch, plan, _phone_url(plan, common))
        except KeyboardInterrupt:
            echo(STOPPING)
            raise
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave some processes running
            processes.stop(at_once=is_idle)


def _prepare(plan: StackPlan, parent: int) -> None:
    """Create the database, the keys and the staff account, in a child process: the modules for it take 40 MB."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C ends our parent, and the kernel then ends us
    kill_with_parent(parent)
    preparation, staff_account = map(import_module, ("tokaut.local_stack.preparation", "tokaut.demo.staff_account"))
    try:
        preparation.prepare_stack(plan)
        login = staff_account.create_account(plan.settings)
    except OperatorError as error:
        sys.exit(str(error))
    (plan.folder.inside / LOGIN_FILE).write_text(json.dumps(login))


def _phone_url(plan: StackPlan, common: CommonSettings) -> str | None:
    """Return the address of the phone on a web page; None without the simulator channel, which it uses."""
    return f"{plan.where.web}/phone" if "simulator" in common.channels else None


def _keep_running(watch: DeliveryWatch, plan: StackPlan, phone: str | None) -> None:
    demo_file = plan.folder.demo_file
    where = plan.where
    shell_words = _shell_words(plan.folder.inside)
    urls = {"phone": phone or "not here", "web": where.web, "console": where.console, "hotline": where.hotline}
    echo(
        RUNNING_TEXT.format(
            **urls,
            received=plan.folder.received,
            told=demo_file,
            inside=plan.folder.inside,
            login=f"{_data_prefix(plan.folder.demo_file)}{shell_words['program']} demo --login",
            **shell_words,
        )
    )
    try:
        watch.supervise(TextDisplay(echo, dials=SERVICE_CODE))
    except KeyboardInterrupt:
        echo(STOPPING)


def _data_prefix(demo_file: Path) -> str:
    """Return the prefix with which a command in this folder finds this demo."""
    return "" if demo_file.parent == Path("var") else f"TOKAUT_DATA={shlex.quote(str(demo_file.parent))} "


def _shell_words(inside: Path) -> dict[str, str]:
    """Return the data folder and this program, quoted for a command line that is typed in this folder."""
    here = Path(sys.executable).with_name("tokaut")
    if (on_path := shutil.which("tokaut")) and Path(on_path).resolve() == here.resolve():
        program = "tokaut"
    elif here.is_file():
        program = shlex.quote(os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here))
    else:
        program = f"{shlex.quote(sys.executable)} -m tokaut"
    return {"quoted": shlex.quote(str(inside)), "program": program}


def _demo_json(plan: StackPlan, phone: str | None, login: dict[str, str] | None) -> dict[str, Any]:
    """Return the content of demo.json. A value is null if its part is missing."""
    return {
        "web": plan.where.web,
        "phone": phone,
        "console": plan.where.console,
        "console_login": login,
        "hotline": plan.where.hotline,
        "received": str(plan.folder.received.absolute()),
        "tokens": {name: getattr(plan.secrets, name) for name in ("africastalking", "kannel", "ussd")},
        "twilio_auth_token": plan.secrets.twilio,
        "twilio_account_sid": plan.secrets.twilio_account,
    }
