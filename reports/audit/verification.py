"""Signed checkpoints, and what can be shown with them of the audit's chain, here or from a file alone. Pure.

Whoever can write the database can make the chain anew, but not what was signed: up to the newest checkpoint no line was
changed, dropped, added or moved. Whoever drops the newest checkpoints too is found out by anyone who has kept one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.audit.chain import GENESIS_HASH, AuditEntry, ChainLink, entry_digest, next_hash
from reports.retention.rules import AUDIT, NOT_LIVE
from runtime.time_units import DAY

CHECKPOINT_SLACK = 2 * DAY  # between a line's time and the checkpoint that covers it


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The end of the chain at one moment. `number`: 1, 2, 3 …"""

    number: int
    at: int
    seq: int
    hash: bytes
    key_id: str
    signature: bytes = b""

    def text(self, mode: str) -> bytes:
        """What is signed."""
        said = {"at": self.at, "hash": self.hash.hex(), "key_id": self.key_id, "mode": mode, "number": self.number}
        return json.dumps(
            said | {"seq": self.seq, "tokaut": "checkpoint/1"}, sort_keys=True, separators=(",", ":")
        ).encode()


class ChainRow(NamedTuple):
    """One line of the chain: its digest, and the hash that stands beside it."""

    seq: int
    digest: bytes
    hash: bytes
    name: str  # of the line, for a sentence about it


SignatureCheck = Callable[[str, bytes, bytes], bool]  # key id, signature, data


def chain_rows(rows: Iterable[tuple[AuditEntry, ChainLink]]) -> Iterator[ChainRow]:
    for entry, link in rows:
        yield ChainRow(link.seq, entry_digest(entry, link.seq), link.hash, entry.audit_id)


@dataclass(frozen=True, slots=True)
class ChainVerification:
    """How far it is whole: `lines` walked, `signed` of them up to a checkpoint; `fault`: a sentence, or empty."""

    lines: int
    signed: int
    newest: int  # when the newest checkpoint was made; 0: there is none
    fault: str


def audit_lifetime(mode: str) -> int:
    """For how long a line of the audit is kept, in microseconds."""
    return (AUDIT if mode == "live" else NOT_LIVE).days * DAY


def verify_chain(
    chain: Iterable[ChainRow], checkpoints: Sequence[Checkpoint], mode: str, holds: SignatureCheck, now: int
) -> ChainVerification:
    """`checkpoints` in the order of their numbers."""
    newest = checkpoints[-1].at if checkpoints else 0
    walk = _ChainCheck(checkpoints, mode, now)
    fault = next(_unsigned(checkpoints, mode, holds), "") or walk.through(chain)
    signed = max((one.seq for one in checkpoints), default=0) if not fault else 0
    return ChainVerification(walk.lines, signed, newest, fault)


def _unsigned(checkpoints: Sequence[Checkpoint], mode: str, holds: SignatureCheck) -> Iterator[str]:
    for before, one in zip((None, *checkpoints), checkpoints, strict=False):
        if before and one.number != before.number + 1:
            yield f"Checkpoint {before.number + 1} is missing."
        if before and one.seq < before.seq:
            yield f"Checkpoint {one.number} ends at line {one.seq}, before the one that was signed earlier."
        if before and one.seq == before.seq and one.hash != before.hash:
            yield f"Checkpoints {before.number} and {one.number} have signed line {one.seq}, and not the same one."
        if not holds(one.key_id, one.signature, one.text(mode)):
            yield f"Checkpoint {one.number} is not signed by a key of ours ({one.key_id})."


class _ChainCheck:
    def __init__(self, checkpoints: Sequence[Checkpoint], mode: str, now: int) -> None:
        self._signed = {one.seq: one for one in checkpoints}
        self._last_signed = max(self._signed, default=0)
        self._kept = audit_lifetime(mode)
        self._now = now
        self.lines = 0

    def through(self, chain: Iterable[ChainRow]) -> str:
        """The first fault, as a sentence; empty where there is none."""
        last: tuple[int, bytes] | None = None
        for step in chain:
            if last is None:
                last = (0, GENESIS_HASH) if step.seq == 1 else self._anchor(step.seq)
            if last is None:
                return f"Line {step.seq} of the audit is the first: those before it are gone, and not by a purge."
            expected = next_hash(last[1], step.digest)
            if step.seq != last[0] + 1 or step.hash != expected:
                what = "place" if step.seq != last[0] + 1 else "hash"
                return f"Line {step.seq} of the audit ({step.name}) does not fit: its {what} is wrong."
            signed = self._signed.get(step.seq)
            if signed and signed.hash != step.hash:
                return f"Line {step.seq} of the audit is not the one that checkpoint {signed.number} has signed."
            last = step.seq, step.hash
            self.lines += 1
        reached = last[0] if last else 0
        if reached < self._last_signed:
            number = self._signed[self._last_signed].number
            return f"Lines {reached + 1} to {self._last_signed} of the audit are gone: checkpoint {number} signed them."
        return ""

    def _anchor(self, first: int) -> tuple[int, bytes] | None:
        """Where a purge has taken what was before: a checkpoint that is old enough for it."""
        signed = self._signed.get(first - 1)
        if signed is None or signed.at > self._now - self._kept + CHECKPOINT_SLACK:
            return None
        return signed.seq, signed.hash
