"""Kannel's own fakesmsc: an SMS centre that sends given messages and prints the messages it receives."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote_to_bytes

from tests.support.wait import until

PROGRAM = "/usr/lib/kannel/test/fakesmsc"
GOT = re.compile(r"Got message \d+: <(.*)>$", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """An SMS as it would go to a phone."""

    sender: str
    to: str
    coding: str  # text, ucs-2, data
    text: str
    udh: bytes = b""


class FakeSmsc:
    """An SMS centre that connects at once. It sends as many messages as there are payloads.

    Each message is a payload chosen at random, so most tests pass only one.
    """

    def __init__(self, port: int, folder: Path, payloads: list[str]) -> None:
        self._out = folder / f"fakesmsc-{os.urandom(4).hex()}.out"
        command = [PROGRAM, "-H", "127.0.0.1", "-r", str(port), "-i", "0.1", "-m", str(len(payloads)), *payloads]
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def __enter__(self) -> FakeSmsc:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()  # it never disconnects by itself
        self._process.wait(10)
        self._out.unlink()  # it contains texts; tests check separately which files Kannel writes

    def parts(self) -> list[Part]:
        """Return the SMS received, oldest first. A line feed in a text starts a new line in the program's output."""
        parts: list[Part] = []
        for line in GOT.findall(self._out.read_text()):
            part_read = _part(line)
            if part_read:
                parts.append(part_read)
            elif parts:
                last = parts[-1]
                parts[-1] = Part(last.sender, last.to, last.coding, f"{last.text}\n{line}", last.udh)
        return parts

    def texts(self) -> list[str]:
        """Return the texts received, oldest first."""
        return [part.text for part in self.parts()]

    def until_received(self, count: int, seconds: float = 60) -> list[Part]:
        """Wait until `count` SMS have arrived, and return all."""
        until(lambda: len(self.parts()) >= count, f"{count} parts never came: {self._out.read_text()}", seconds)
        return self.parts()


def _part(line: str) -> Part | None:
    """Parse `sender receiver text words`, `… ucs-2 %00T`, `… data %41` or `… udh %05%00 data words`."""
    match = re.fullmatch(r"(\S+) (\S+) (?:udh (\S+) )?(text|data|ucs-2) ?(.*)", line)
    if match is None:
        return None
    sender, to, udh, coding, payload = match.groups()
    raw = unquote_to_bytes(payload.replace("+", " ")) if coding != "text" else payload.encode()
    text = raw.decode("utf-16-be" if coding == "ucs-2" else "utf-8")
    return Part(sender, to, coding, text, unquote_to_bytes(udh) if udh else b"")
