"""Reads a transcript: the steps of a person, and the screens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

VERBS = ("dial", "type", "text", "again", "hang up", "wait", "line gone", "hotline", "staff", "closes", "phone", "code")
VERBS += ("speaks", "cut off")
DEFAULT_CODE = {"ussd": "*111*163#", "sms": "163", "voice": "+6785550100"}


@dataclass
class Step:
    line: int
    verb: str
    said: str = ""
    seen: list[str] = field(default_factory=list)

    @property
    def screen(self) -> str:
        return "\n".join(line for line in self.seen if line != "[ends]")

    @property
    def ends(self) -> bool:
        return self.seen[-1:] == ["[ends]"]


def read(path: Path) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("    "):
            steps[-1].seen.append(line[4:])
        elif line.strip() and not line.startswith("#"):
            steps.append(_step(line, number, path))
    return steps


def _step(line: str, number: int, path: Path) -> Step:
    verb = next((verb for verb in VERBS if line == verb or line.startswith(verb + " ")), None)
    if verb is None:
        raise ValueError(f"{path}:{number}: not one of {', '.join(VERBS)}")
    said = line[len(verb) + 1 :]
    return Step(number, verb, json.loads(said) if said.startswith('"') else said)


def expected(said: str) -> object:
    """Return the expected value of a field: parsed as JSON, or the word itself."""
    try:
        return json.loads(said)
    except ValueError:
        return said


def inside(data: object, path: str) -> object:
    """Return the value at a path, as `contact.how` or `answers.0.value`; "absent" if there is none."""
    for name in path.split("."):
        if isinstance(data, list):
            data = data[int(name)] if int(name) < len(data) else "absent"
        elif isinstance(data, dict):
            data = data.get(name, "absent")
    return data
