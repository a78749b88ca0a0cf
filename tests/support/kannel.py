"""The real Kannel of Debian, with the configuration of docs/kannel, on free ports of this machine.

with Kannel("kannel.conf", web=town.web, token=town.token("kannel")) as kannel:
    with kannel.phone("67855501", "163", "hi") as phone:
        phone.until_received(1)
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
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
# The place of smsc.conf: fakesmsc is the operator's SMS centre.
FAKE_SMSC = """
group = smsc
smsc = fake
smsc-id = OPERATOR
our-host = 127.0.0.1
port = {{smsc_port}}
connect-allow-ip = "127.0.0.1"
"""


def missing() -> str | None:
    """Why these tests cannot run here; None where they can."""
    needed = [*PROGRAMS.values(), FAKE]
    if all(Path(path).is_file() for path in needed):
        return None
    return "no Kannel here: apt-get install --no-install-recommends kannel kannel-extras (Debian, Ubuntu)"


class Kannel:
    """`name`: the file of docs/kannel. `changes`: old → new. `values`: of placeholders beside those of every file."""

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
        self._ports = {port: str(free_port()) for port in ("13000", "13001", "13013", "13100", "13101")}
        self.smsc_port = free_port()
        told = {
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
        self._conf = self._write("kannel.conf", text, told)
        self._write("smsc.conf", FAKE_SMSC, told)
        self._status, self._boxes = ("13100", "13101") if name == "ussd.conf" else ("13000", "13001")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def sendsms(self) -> str:
        return f"http://127.0.0.1:{self._ports['13013']}/cgi-bin/sendsms"

    def __enter__(self) -> Kannel:
        self.start("bearerbox")
        self.start("smsbox")
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for name in ("smsbox", "bearerbox"):
            self.stop(name)
        shutil.rmtree(self.folder)

    def start(self, name: str) -> None:
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [PROGRAMS[name], "-v", "2", str(self._conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        ready = self._boxes_are_awaited if name == "bearerbox" else self._smsbox_is_known
        until(ready, f"{name} does not start: {self.log(name)}", 20)

    def kill(self, name: str) -> None:
        """As a crash would: nothing is written, nobody is told."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stop(self, name: str) -> None:
        """One SIGTERM is not always enough where messages wait."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        for how, seconds in ((signal.SIGTERM, 3), (signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return

    def phone(self, sender: str, code: str, *said: str) -> FakeSmsc:
        """A phone that texts and stays to receive. Each of `said` is fakesmsc's type and payload: `text hi`."""
        return FakeSmsc(self.smsc_port, self.folder, [f"{sender} {code} {one}" for one in said])

    def status(self) -> str:
        answer = requests.get(
            f"http://127.0.0.1:{self._ports[self._status]}/status.txt",
            params={"password": "status-of-a-test"},
            timeout=5,
        )
        return answer.text

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def sent(self) -> list[int]:
        """The length of each SMS that left for the operator, oldest first."""
        return self._logged("Sent SMS")

    def received(self) -> list[int]:
        return self._logged("Receive SMS")

    def _logged(self, what: str) -> list[int]:
        log = self.folder / "access.log"
        found = re.findall(rf" {what} .*\[len:(\d+)\]", log.read_text()) if log.exists() else []
        return [int(length) for length in found]

    def written(self) -> Mapping[str, bytes]:
        """Every file that Kannel keeps, by its path."""
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self._files()}

    def _files(self) -> list[Path]:
        mine = {"kannel.conf", "smsc.conf"}
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name not in mine]

    def _write(self, name: str, text: str, told: Mapping[str, object]) -> Path:
        for place in ("/var/spool/kannel", "/var/log/kannel", "/etc/kannel"):
            text = text.replace(place, str(self.folder))
        text = re.sub(
            rf"\b({'|'.join(self._ports)})\b", lambda found: self._ports[found[1]], text
        )  # at once: a free port may be one of them
        text = re.sub(r"\{\{(\w+)\}\}", lambda found: str(told[found[1]]), text)
        path = self.folder / name
        path.write_text(text)
        return path

    def _boxes_are_awaited(self) -> bool:
        """Connecting to the very port would be a box that leaves at once; the status page comes after it."""
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", int(self._ports[self._status]))) == 0 and self._answers("Status:")

    def _smsbox_is_known(self) -> bool:
        return self._answers("smsbox:")

    def _answers(self, word: str) -> bool:
        try:
            return word in self.status()
        except requests.RequestException:
            return False
