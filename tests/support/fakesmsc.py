"""Kannel's own fakesmsc: an SMS centre that sends what it was given, and prints what it gets."""

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
    """One SMS as it would go to a phone."""

    sender: str
    to: str
    coding: str  # text, ucs-2, data
    text: str
    udh: bytes = b""


class FakeSmsc:
    """Connected from the start; it sends as many as there are payloads, each drawn by chance: mostly give it one."""

    def __init__(self, port: int, folder: Path, payloads: list[str]) -> None:
        self._out = folder / f"fakesmsc-{os.urandom(4).hex()}.out"
        command = [PROGRAM, "-H", "127.0.0.1", "-r", str(port), "-i", "0.1", "-m", str(len(payloads)), *payloads]
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def __enter__(self) -> FakeSmsc:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()  # it stays connected for ever
        self._process.wait(10)
        self._out.unlink()  # it holds words; what Kannel itself keeps is looked at apart

    def parts(self) -> list[Part]:
        """What came, oldest first. A line feed within a text begins a new line of the program's protocol."""
        parts: list[Part] = []
        for line in GOT.findall(self._out.read_text()):
            read = _part(line)
            if read:
                parts.append(read)
            elif parts:
                last = parts[-1]
                parts[-1] = Part(last.sender, last.to, last.coding, f"{last.text}\n{line}", last.udh)
        return parts

    def texts(self) -> list[str]:
        return [part.text for part in self.parts()]

    def until_received(self, count: int, seconds: float = 20) -> list[Part]:
        until(lambda: len(self.parts()) >= count, f"{count} parts never came: {self._out.read_text()}", seconds)
        return self.parts()


def _part(line: str) -> Part | None:
    """`sender receiver text words`, `… ucs-2 %00T`, `… data %41`, `… udh %05%00 data words`."""
    found = re.fullmatch(r"(\S+) (\S+) (?:udh (\S+) )?(text|data|ucs-2) ?(.*)", line)
    if found is None:
        return None
    sender, to, udh, coding, said = found.groups()
    raw = unquote_to_bytes(said.replace("+", " ")) if coding != "text" else said.encode()
    text = raw.decode("utf-16-be" if coding == "ucs-2" else "utf-8")
    return Part(sender, to, coding, text, unquote_to_bytes(udh) if udh else b"")
