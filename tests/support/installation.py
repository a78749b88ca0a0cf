"""A whole installation on this machine: all processes are real, with a hotline server and the providers' APIs.

`kill(name)` and `start(name)` end and restart a process, as a fault would.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import requests

from reports.countries.country import load_countries
from tests.support.africastalking_api import AfricasTalkingApi
from tests.support.fork_server import start_python
from tests.support.handsets import AfricasTalking, AfricasTalkingTexts, JsonUssd, SimulatedTexts
from tests.support.handsets_kannel import KannelTexts, KannelUssd
from tests.support.handsets_twilio import TwilioTexts
from tests.support.hotline_clients import HotlineClient
from tests.support.ports import free_port
from tests.support.prepared import prepare
from tests.support.twilio import Account, TwilioApi
from tests.support.voice_calls import AfricasTalkingCall, Call, TwilioCall
from tests.support.wait import until
from tokaut.local_stack import startup, valkey
from tokaut.local_stack.fork_server import ForkedProcess
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan

PARTS = ("valkey", "hotline", "urgent", "standard", "clock", "web")
BESIDE = ("console",)  # started only by tests that need them


class Installation:
    """The processes, set up as in the demo; `settings` override its settings. `web_processes`: with 8 threads each."""

    def __init__(self, settings: Mapping[str, str] | None = None, *, web_processes: int = 1) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tt-"))
        self.provider = AfricasTalkingApi().start()
        self.web_processes = web_processes
        self._is_down = False
        countries = load_countries(("vu", "fj", "ke"), "demo")
        hotlines = [hotline_entry.id for hotline_entry in countries.hotlines]
        demo_plan = make_plan(
            {}, DemoFolder(self.folder), StackAddresses(free_port(), free_port(), free_port()), hotlines
        )
        self.account = Account(demo_plan.secrets.twilio_account, demo_plan.secrets.twilio)
        self.twilio = TwilioApi(self.account).start()
        provider_settings = {
            "TWILIO_URL": self.twilio.url,
            "AFRICASTALKING_URL": self.provider.url,
            "AFRICASTALKING_RECORDINGS_URL": self.twilio.url,  # it serves both providers' recordings
            "AFRICASTALKING_USERNAME": "sandbox",
            "AFRICASTALKING_API_KEY": "an-api-key-of-the-tests",
        }
        self.plan: StackPlan = replace(
            demo_plan, settings={**demo_plan.settings, **provider_settings, **(settings or {})}
        )
        self.processes: dict[str, subprocess.Popen[bytes] | ForkedProcess] = {}
        self.numbers_of_processes: list[int] = []  # process ids of all processes ever started
        self._received: list[dict[str, Any]] = []
        self._reading = threading.Lock()
        self._read = 0  # bytes already read of the file of accepted deliveries

    @property
    def web(self) -> str:
        """Return the address of web."""
        return self.plan.where.web

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the settings of all processes."""
        return self.plan.settings

    def up(self) -> Installation:
        """Start all processes; if that fails, clean up for later tests."""
        try:
            self.start("valkey")
            prepare(self.plan)
            for name in PARTS[1:]:
                self.start(name)
            self.until_web_answers()
        except BaseException:
            self.down()
            raise
        return self

    def down(self) -> None:
        """End all processes and servers, and remove the folder; further calls do nothing."""
        if self._is_down:
            return
        self._is_down = True
        with ExitStack() as cleanup:  # runs each callback, even if others fail
            cleanup.callback(shutil.rmtree, self.folder)
            cleanup.callback(self.twilio.stop)
            cleanup.callback(self.provider.stop)
            for name in (*PARTS, *BESIDE):
                if name in self.processes:
                    how = signal.SIGTERM if name in ("web", "console") else signal.SIGKILL
                    cleanup.callback(self.kill, name, how)

    def command(self, name: str) -> list[str]:
        """Return the command of a process."""
        return startup.process_commands(self.plan, web_processes=self.web_processes)[name]

    def start(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        """Start a process. `settings`: for this process only."""
        with self.log(name).open("ab") as log:
            self.processes[name] = start_python(
                self.command(name),
                env={**self.environment, **(settings or {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.numbers_of_processes.append(self.processes[name].pid)
        if name == "valkey":
            until(lambda: valkey.is_up(self.plan.folder.inside), "Valkey does not start")

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a process; fail the test if it does not end within 30 seconds."""
        process = self.processes.pop(name)
        process.send_signal(how)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=30)
            raise AssertionError(f"{name} does not end by {how.name}; it wrote: {self._written(name)}") from None

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.folder / f"{name}.log"

    def prepare_for_own_redis(self) -> None:
        """Prepare the files that all processes share. Each process gets the address of its Redis when it is started."""
        self.plan = replace(self.plan, settings={k: v for k, v in self.plan.settings.items() if k != "REDIS_URL"})
        self.plan.folder.inside.mkdir(mode=0o700)
        prepare(self.plan)

    def until_web_answers(self) -> None:
        """Wait until web answers."""
        self._until_answers("web", self.web)

    def until_hotline_answers(self) -> None:
        """Wait until the hotlines answer."""
        self._until_answers("hotline", self.plan.where.hotline)

    def start_console(self, settings: Mapping[str, str] | None = None) -> None:
        """Start the console and wait until it answers."""
        self.start("console", settings)
        self._until_answers("console", self.plan.where.console)

    def kill_console(self) -> None:
        """Kill the console and wait until its port is closed: workers outlive their killed master by up to a second."""
        self.kill("console")
        until(lambda: not _answers(self.plan.where.console), "somebody still answers for the console")

    def _until_answers(self, name: str, address: str) -> None:
        self._until(lambda: _answers(address), f"{name} does not start", seconds=60)

    def hotline_client(self, hotline: str) -> HotlineClient:
        """Return a hotline's own system, which sends callbacks to the console."""
        return HotlineClient(hotline, self.plan.secrets.hotlines[hotline], requests, self.plan.where.console)

    def received(self) -> list[dict[str, Any]]:
        """Return hotline, headers and body of each delivery that the hotlines accepted."""
        with self._reading, self.plan.folder.received.open("rb") as file:  # it only grows
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
            self._received += map(json.loads, whole.splitlines())
            self._read += len(whole + end)
            return list(self._received)

    def until_received(self, true: Callable[[list[dict[str, Any]]], bool], otherwise: str, seconds: float = 60) -> None:
        """Wait until `true` holds for the received deliveries."""
        self._until(lambda: true(self.received()), otherwise, seconds)

    def _until(self, true: Callable[[], bool], otherwise: str, seconds: float) -> None:
        try:
            until(true, otherwise, seconds)
        except AssertionError as error:
            raise AssertionError(f"{otherwise}\n{self.condition()}") from error

    def condition(self) -> str:
        """Return for the message of a failed test whether each process runs, and the last lines of its log."""
        lines = [f"/readyz: {_ready(self.web)}"]
        for name, process in self.processes.items():
            ended = process.poll()
            lines.append(f"{name}: {'runs' if ended is None else f'ended with {ended}'}")
            lines += [f"    {line}" for line in self._written(name)]
        return "\n".join(lines)

    def _written(self, name: str) -> list[str]:
        written = self.log(name).read_text(errors="replace") if self.log(name).exists() else ""
        return [line[:300] for line in written.splitlines()[-12:]]

    def token(self, channel: str) -> str:
        """Return the secret in the addresses of a channel."""
        secrets = self.plan.secrets
        africastalking = dict.fromkeys(("africastalking", "africastalking_voice"), secrets.africastalking)
        return {**africastalking, "kannel": secrets.kannel, "ussd": secrets.ussd}[channel]

    def ussd_phone(
        self, channel: str, phone: str = "+6785550101", code: str = "*111*163#"
    ) -> AfricasTalking | KannelUssd | JsonUssd | Call:
        """Return a phone that dials over a channel; on a voice channel, a fixed telephone number instead of `code`."""
        if channel == "twilio_voice":
            return TwilioCall(self.web, phone, account=self.account)
        if channel == "africastalking_voice":
            return AfricasTalkingCall(self.web, phone, token=self.token("africastalking"))
        if channel == "africastalking":
            return AfricasTalking(self.web, self.token(channel), phone, code)
        if channel == "kannel":
            return KannelUssd(f"{self.web}/hooks/kannel/{self.token(channel)}/ussd", phone, code)
        if channel == "simulator":
            return JsonUssd(f"{self.web}/hooks/simulator", phone, code)
        if channel == "ussd":
            return JsonUssd(f"{self.web}/hooks/ussd/{self.token(channel)}", phone, code)
        raise NotImplementedError(f"no phone of tests dials by {channel}: add one to Installation.ussd_phone")

    def sms_phone(
        self, channel: str, phone: str, code: str = "163"
    ) -> AfricasTalkingTexts | KannelTexts | TwilioTexts | SimulatedTexts:
        """Return a phone that texts over a channel."""
        if channel == "africastalking":
            return AfricasTalkingTexts(self.web, self.token(channel), phone, code, self.provider)
        if channel == "kannel":
            return KannelTexts(f"{self.web}/hooks/kannel/{self.token(channel)}/sms", phone, code)
        if channel == "twilio":
            return TwilioTexts(self.web, self.account, phone, code, self.twilio)
        if channel == "simulator":
            return SimulatedTexts(f"{self.web}/hooks/simulator", phone, code)
        raise NotImplementedError(f"no phone of tests texts by {channel}: add one to Installation.sms_phone")


def _ready(address: str) -> str:
    try:
        return requests.get(f"{address}/readyz", timeout=10).text
    except requests.RequestException as error:
        return type(error).__name__


def _answers(address: str) -> bool:
    """Return whether a server answers. Polled a hundred times a second, so it uses the cheapest client."""
    try:
        with closing(HTTPConnection(address.removeprefix("http://"), timeout=2)) as connection:
            connection.request("GET", "/healthz", headers={"Connection": "close"})
            return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
