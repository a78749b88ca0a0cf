"""Explain why two answers to one request differed, where that is permitted. Codes and PINs never differ.

Equal answers cannot be promised if only Redis has the session and Redis was killed at about that time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any

from tests.faults.handset_channels import Kannel, NeutralUssd, SimulatorSms, SimulatorUssd, Twilio

Line = Mapping[str, Any]

SLOW = 1.0  # seconds for both answers: on so slow a machine, web stops waiting for a Redis that is available
TOO_LATE = 4.0  # web answers after 4.5 s at the latest, even if it could still replay the call without Redis
FAILING = 2.0  # a call to Redis that fails takes less
LEFT_ALONE = 7.0  # after Redis is back: web does not use it for five seconds, then reconnects
NUMBERED = (NeutralUssd.__name__, SimulatorUssd.__name__)  # each request has one reply and its number
AWAY = "Not working now"
BUSY, HOME = "We are busy now", "1 Report"
REFUSED = "one was a new call that a late process did not admit"
NOT_WORKING = "one was told that the service does not work now, while Redis was away"
LATE = "one was told that the service does not work now, since a late process got no answer in time"
PUT_ASIDE = "one SMS was kept while Redis did not answer, and is answered later"
SMS_KINDS = (SimulatorSms.__name__, Twilio.__name__, Kannel.__name__)  # answered in the response
MOVED = "the clock of web was moved between the two, which ends conversations"
ENDED = "Sent both times; the first ended the call, since Redis could not keep it"


def cause(line: Line, kills: Sequence[Line]) -> str:
    """Return why two answers to one request differ; "" if there is no permitted cause."""
    if any(start <= line["at"] and line["began"] <= end for start, end in _moved(kills)):
        return MOVED
    answers = line.get("one", ""), line.get("other", "")
    if any(BUSY in refused and HOME in admitted for refused, admitted in permutations(answers)):
        return REFUSED
    if line.get("kind") in SMS_KINDS and _is_empty(answers[0]) != _is_empty(answers[1]) and _is_slow(line):
        return PUT_ASIDE
    if (AWAY in answers[0]) != (AWAY in answers[1]) and _is_slow(
        line, SLOW if line.get("kind") in NUMBERED else TOO_LATE
    ):
        return LATE
    is_away = any(start <= line["at"] and line["began"] <= end for start, end in _away(kills))
    return _cause_without_redis(line) if is_away else ""


def _cause_without_redis(line: Line) -> str:
    one, other = line["one"], line["other"]
    if AWAY in one or AWAY in other:
        return NOT_WORKING
    if _is_empty(one) != _is_empty(other):
        return PUT_ASIDE
    if line["kind"] in NUMBERED and _with_end(one) == _with_end(other) and '"Sent to ' in one:
        return ENDED
    return ""


def opened_circuits(web_log: Path) -> list[Line]:
    """Return a line for each time that web did not use Redis for a while, by its log."""
    raw = web_log.read_text(errors="replace") if web_log.exists() else ""
    logged = [json.loads(line) for line in raw.splitlines() if '"circuit_breaker_opened"' in line]
    return [
        {"event": "opened", "process": "web", "at": datetime.fromisoformat(line["at"]).timestamp()}
        for line in logged
        if line["reason"] == "redis_unavailable"
    ]


def _is_slow(line: Line, seconds: float = SLOW) -> bool:
    return bool(line["at"] - line["began"] >= seconds)


def _away(kills: Sequence[Line]) -> Iterator[tuple[float, float]]:
    """Yield each interval from a kill of Valkey until web uses it again, or in which web did not use it."""
    start = None
    for line in kills:
        if line["event"] == "opened":
            yield line["at"] - FAILING, line["at"] + LEFT_ALONE
        if line["process"] == "valkey":
            if line["event"] == "killed":
                start = line["at"]
            elif start is not None:
                yield start - 0.1, line["at"] + LEFT_ALONE
                start = None


def _moved(kills: Sequence[Line]) -> Iterator[tuple[float, float]]:
    """Yield each interval from a jump of web's clock until every process has noticed that the clock is right again."""
    start = None
    for line in kills:
        if line["event"] == "jumped" and "web" in line["process"].split():
            if line["seconds"]:
                start = line["at"]
            elif start is not None:
                yield start - 0.1, line["at"] + LEFT_ALONE
                start = None


def _is_empty(text: str) -> bool:
    return not text or '"text":""' in text or "<Response />" in text


def _with_end(text: str) -> str:
    return text.replace('"continue":true', '"continue":false')
