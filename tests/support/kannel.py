"""Debian's real Kannel, with the configuration of docs/kannel, on free ports of this machine.

with Kannel("kannel.conf", web=installation.web, token=installation.token("kannel")) as kannel:
    with kannel.phone("67855501", "163", "text hi") as phone:
        phone.until_received(1)
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import requests

from tests.support.fakesmsc import FakeSmsc
from tests.support.ports import free_port
from tests.support.wait import until

SHIPPED = Path(__file__).parents[2] / "docs" / "kannel"
PROGRAMS = {"bearerbox": "/usr/sbin/bearerbox", "smsbox": "/usr/sbin/smsbox"}
FAKE = "/usr/lib/kannel/test/fakesmsc"
# Replaces smsc.conf: fakesmsc is the operator's SMS centre.
FAKE_SMSC = """
group = smsc
smsc = fake
smsc-id = OPERATOR
our-host = 127.0.0.1
port = {{smsc_port}}
connect-allow-ip = "127.0.0.1"
"""


def missing() -> str | None:
    """Return why these tests cannot run here; None if they can."""
    needed = [*PROGRAMS.values(), FAKE]
    if all(Path(path).is_file() for path in needed):
        return None
    return "no Kannel here: apt-get install --no-install-recommends kannel kannel-extras (Debian, Ubuntu)"


class Kannel:
    """A Kannel. `name`: a file of docs/kannel. `changes`: replacements in it. `values`: further placeholders."""

    def __init__(
        self,
        name: str = "kannel.conf",
        *,
        web: str,
        token: str,
        changes: Mapping[str, str] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tk-"))
        for folder in ("store", "dlr"):
            (self.folder / folder).mkdir()
        self._ports = {port: str(free_port()) for port in ("13000", "13001", "13013", "13100", "13101", "13113")}
        self.smsc_port = free_port()
        placeholders = {
            "web": web,
            "token": token,
            "admin_password": "admin-of-a-test",
            "status_password": "status-of-a-test",
            "sendsms_password": "sendsms-of-a-test",
            "smsc_port": self.smsc_port,
            **(values or {}),
        }
        text = (SHIPPED / name).read_text()
        for old, new in (changes or {}).items():
            assert old in text, f"{old} does not stand in {name}"
            text = text.replace(old, new)
        self._conf = self._write("kannel.conf", text, placeholders)
        self._write("smsc.conf", FAKE_SMSC, placeholders)
        is_ussd = name == "ussd.conf"
        self._status, self._boxes, self._sendsms = (
            ("13100", "13101", "13113") if is_ussd else ("13000", "13001", "13013")
        )
        self._access_log = "ussd-access.log" if is_ussd else "access.log"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def sendsms(self) -> str:
        """Return the address that sends an SMS, or with ussd.conf a text by USSD."""
        return f"http://127.0.0.1:{self._ports[self._sendsms]}/cgi-bin/sendsms"

    def __enter__(self) -> Kannel:
        try:
            self.start("bearerbox")
            self.start("smsbox")
        except BaseException:
            self.__exit__()  # else the programs and the folder with their logs outlive the test
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for name in ("smsbox", "bearerbox"):
            self.stop(name)
        shutil.rmtree(self.folder)

    def start(self, name: str) -> None:
        """Start a program and wait until it answers."""
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [PROGRAMS[name], "-v", "2", str(self._conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        ready = self._accepts_all if name == "bearerbox" else self._has_smsbox
        try:
            until(ready, f"{name} does not start")
        except AssertionError as error:
            status = self._processes[name].poll()
            error.add_note(f"Its exit status: {status}. Its log:\n{self.log(name).read_text()[-2000:]}")
            raise

    def kill(self, name: str) -> None:
        """Kill a program as a crash would."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self, name: str) -> None:
        """Stop a program. While messages are queued, one SIGTERM is not always enough."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        for how, seconds in ((signal.SIGTERM, 3), (signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return

    def phone(self, sender: str, code: str, *said: str) -> FakeSmsc:
        """Return a phone that first sends texts, then receives. `said`: type and payload of each, as `text hi`."""
        return FakeSmsc(self.smsc_port, self.folder, [f"{sender} {code} {one}" for one in said])

    def status(self) -> str:
        """Return the status page."""
        answer = requests.get(
            f"http://127.0.0.1:{self._ports[self._status]}/status.txt",
            params={"password": "status-of-a-test"},
            timeout=5,
        )
        return answer.text

    def log(self, name: str) -> Path:
        """Return the log file of a program."""
        return self.folder / f"{name}.out"

    def sent(self) -> list[int]:
        """Return the length of each SMS that the operator accepted, oldest first; with ussd.conf, of each USSD text."""
        return self._logged("Sent SMS")

    def received(self) -> list[int]:
        """Return the length of each SMS received from the operator, oldest first."""
        return self._logged("Receive SMS")

    def _logged(self, what: str) -> list[int]:
        log = self.folder / self._access_log
        found = re.findall(rf" {what} .*\[len:(\d+)\]", log.read_text()) if log.exists() else []
        return [int(length) for length in found]

    def written(self) -> Mapping[str, bytes]:
        """Return every file that Kannel wrote, by its path."""
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self._files()}

    def _files(self) -> list[Path]:
        configuration = {"kannel.conf", "smsc.conf"}
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name not in configuration]

    def _write(self, name: str, text: str, placeholders: Mapping[str, object]) -> Path:
        for default_folder in ("/var/spool/kannel", "/var/log/kannel", "/etc/kannel"):
            text = text.replace(default_folder, str(self.folder))
        # Replace all ports in one pass, because a free port may equal one of the default ports.
        text = re.sub(rf"\b({'|'.join(self._ports)})\b", lambda found: self._ports[found[1]], text)
        text = re.sub(r"\{\{(\w+)\}\}", lambda found: str(placeholders[found[1]]), text)
        path = self.folder / name
        path.write_text(text)
        return path

    def _accepts_all(self) -> bool:
        """Return whether the status page lists the operators: it does so last, after the port for smsbox is open.

        A connection to either port would count as an smsbox or as an operator.
        """
        return self._answers("SMSC connections:")

    def _has_smsbox(self) -> bool:
        return self._answers("smsbox:")

    def _answers(self, word: str) -> bool:
        try:
            return word in self.status()
        except requests.RequestException:
            return False
